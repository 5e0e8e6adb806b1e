"""How sizes, counts and reasons are told to people."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_REASONS = {
    "access_denied": "Access denied",
    "archived": "Archived",
    "changed": "Changed meanwhile",
    "corrupt": "Damaged",
    "crashed": "Decoder crashed",
    "empty": "Empty file",
    "gone": "Deleted meanwhile",
    "not_an_image": "Not an image",
    "no_target": "No place for it",
    "not_made_yet": "Not made yet",
    "out_of_memory": "Out of memory",
    "timeout": "Took too long",
    "too_large": "Too large",
    "too_small": "Too small for this",
    "truncated": "Incomplete file",
    "unreachable": "Not reachable",
    "unsupported": "Format not supported",
    "unverified": "Not what it should be",
}


def human_bytes(size_bytes: float) -> str:
    """`0 B`, `812 B`, `2.1 MB`, `118 MB`: powers of a thousand, as S3's bills have them."""
    size = float(size_bytes)
    unit = 0
    # What would be written 1000 is 1 of the next unit.
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    digits = 1 if unit and size < 9.95 else 0
    return f"{size:,.{digits}f} {_UNITS[unit]}"


def counted(count: int, noun: str) -> str:
    """`0 objects`, `1 object`, `12,345 objects`.

    Args:
        count: How many.
        noun: One of them; its plural ends in s.
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def reason_text(reason: str) -> str:
    """What a person calls the reason; a word that is not known yet as it is."""
    return _REASONS.get(reason, reason.replace("_", " ").capitalize())
