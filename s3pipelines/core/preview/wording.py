"""How sizes are told to people."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


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
