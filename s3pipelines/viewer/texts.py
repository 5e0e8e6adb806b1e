"""How times are written on a page."""

from datetime import datetime


def date_text(time: datetime) -> str:
    """`2026-05-01`."""
    return f"{time:%Y-%m-%d}"


def time_text(time: datetime) -> str:
    """`2026-05-01 12:30:00 UTC`; `time` is in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
