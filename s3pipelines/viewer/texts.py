"""How numbers and times are written on a page."""

from datetime import datetime


def count_text(count: int) -> str:
    """`1,000,000`."""
    return f"{count:,}"


def date_text(time: datetime) -> str:
    """`2026-05-01`."""
    return f"{time:%Y-%m-%d}"


def time_text(time: datetime) -> str:
    """`2026-05-01 12:30:00 UTC`; `time` is in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
