"""Where the viewer shows what: links that stay the same, and hold no secret."""


def gallery_url(viewer_url: str, source_id: str) -> str:
    """The address of the gallery of a source."""
    return f"{viewer_url.rstrip('/')}/sources/{source_id}"
