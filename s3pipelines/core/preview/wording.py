"""How sizes are told to people."""


def human_bytes(size: float) -> str:
    """A size as people say it, for example `1.4 GB` (powers of 1,000, as S3 bills)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} PB"
