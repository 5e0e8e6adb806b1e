"""Where a viewer shows what the catalog holds: links that stay the same and hold no secret."""

from urllib.parse import quote, urlsplit

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.preview.items import Show


def gallery_url(viewer_url: str, source_id: str, show: Show = "all") -> str:
    """The page of a source, `{viewer_url}/sources/{id}`.

    Args:
        viewer_url: Address of the viewer, `http://127.0.0.1:PORT`.
        source_id: A source.
        show: What of it; see `PageRequest.show`.

    Raises:
        InvalidInput: The address is none, or holds a user, password, query or fragment: a link is
            kept in metadata that many people read.
    """
    parts = urlsplit(viewer_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # Not repeated in the message: it may hold a password.
        raise InvalidInput(
            "The address of the viewer is not valid.", hint="Write http://127.0.0.1:PORT."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInput(
            "The address of the viewer holds more than a host and a path.",
            hint="Leave out user, password, query and fragment.",
        )
    page = f"{viewer_url.rstrip('/')}/sources/{quote(source_id, safe='')}"
    return page if show == "all" else f"{page}?show={show}"
