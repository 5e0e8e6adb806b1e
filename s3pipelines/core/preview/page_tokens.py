"""Page tokens: a key as text that any URL can hold.

A token is opaque to whoever passes it on, and names a place between keys rather than a row: it
stays good when the object of that key is deleted.
"""

import base64
import binascii

from s3pipelines.core.errors import InvalidInput

# S3's keys have at most 1024 bytes.
_LONGEST_TOKEN = 1400


def token_of_key(key: str) -> str:
    """The token of a key: URL-safe base64 of its UTF-8 bytes, without padding."""
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def key_of_token(token: str) -> str:
    """The key of a token.

    Raises:
        InvalidInput: It is none that `token_of_key` gives.
    """
    try:
        if len(token) > _LONGEST_TOKEN:
            raise ValueError("too long")
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _malformed(token) from error
    if token_of_key(key) != token:  # Several texts decode to the same bytes.
        raise _malformed(token)
    return key


def _malformed(token: str) -> InvalidInput:
    return InvalidInput(
        f"{token[:40]!r} is not a page of this source.",
        hint="Start from the first page, and follow its links.",
    )
