"""How numbers, times and reasons are written on a page."""

from datetime import datetime

_REASONS = {
    "access_denied": "Access denied",
    "archived": "Archived",
    "changed": "Changed meanwhile",
    "corrupt": "Damaged",
    "crashed": "Decoder crashed",
    "empty": "Empty file",
    "gone": "Deleted meanwhile",
    "not_an_image": "Not an image",
    "not_made_yet": "Not made yet",
    "out_of_memory": "Out of memory",
    "timeout": "Took too long",
    "too_large": "Too large",
    "truncated": "Incomplete file",
    "unreachable": "Not reachable",
    "unsupported": "Format not supported",
}


def count_text(count: int) -> str:
    """`1,000,000`."""
    return f"{count:,}"


def date_text(time: datetime) -> str:
    """`2026-05-01`."""
    return f"{time:%Y-%m-%d}"


def time_text(time: datetime) -> str:
    """`2026-05-01 12:30:00 UTC`; `time` is in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def reason_text(reason: str) -> str:
    """What a person calls the reason; a word that is not known yet as it is."""
    return _REASONS.get(reason, reason.replace("_", " ").capitalize())
