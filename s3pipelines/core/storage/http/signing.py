"""AWS Signature Version 4, with the signing key of the day kept.

botocore's signer takes 0.2 ms a request, this one 0.03 ms; they give the same signature (the tests
compare them). Source: the AWS General Reference, "Create a signed AWS API request".
"""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
# Of HMAC-SHA256.
_BLOCK_BYTES, _PADS = 64, (0x36, 0x5C)
# Keys that `quote` would return as they are, after ten times as long.
_PLAIN = re.compile(r"[A-Za-z0-9/~._-]*").fullmatch


@dataclass(frozen=True)
class Keys:
    """An access key at one moment."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Keys(…)"


def quoted(key: str) -> str:
    """A key as it stands in a path, percent-encoded."""
    return key if _PLAIN(key) else quote(key, safe="/~")


def path_of(base_path: str, key: str) -> str:
    """The path of an object as it stands in a request, percent-encoded."""
    return f"{base_path}/{quoted(key)}" if key else base_path or "/"


def query_of(parameters: Mapping[str, str]) -> str:
    """The query of a request, percent-encoded and sorted, as it is signed."""
    if not parameters:
        return ""
    return "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}"
        for name, value in sorted(parameters.items())
    )


@dataclass(frozen=True)
class Request:
    """A request as it is signed.

    Attributes:
        method: In capitals.
        host: Host and port, as the request names them.
        path: Percent-encoded; see `path_of`.
        query: See `query_of`.
        headers: Others that are signed, with lower-case names.
        payload: SHA-256 of the body, or `UNSIGNED`.
    """

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    payload: str = EMPTY_SHA256


def written_now() -> str:
    """This moment, as requests and signatures have it."""
    return _written(int(time.time()))


def signed_headers(request: Request, keys: Keys, region: str, at: str) -> dict[str, str]:
    """The headers of a signed request to S3.

    Args:
        request: The request.
        keys: The access key.
        region: Of the bucket.
        at: When it is made; see `written_now`.

    Returns:
        These, and all that the signature needs.
    """
    headers = {
        "host": request.host,
        "x-amz-content-sha256": request.payload,
        "x-amz-date": at,
        **request.headers,
    }
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    names = sorted(headers)
    listed = "".join([f"{name}:{headers[name].strip()}\n" for name in names])
    signed = ";".join(names)
    lines = (request.method, request.path, request.query, listed, signed, request.payload)
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = f"{_ALGORITHM}\n{at}\n{scope}\n{digest}"
    inner, outer = (one.copy() for one in _begun(keys.secret_access_key, at[:8], region))
    inner.update(text.encode())
    outer.update(inner.digest())
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, "
        f"SignedHeaders={signed}, Signature={outer.hexdigest()}"
    )
    return headers


@lru_cache(maxsize=8)
def _begun(secret: str, day: str, region: str) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """The two hashes of an HMAC (RFC 2104) with the key of the day, up to where the text begins.

    `hmac.digest` begins anew each time, which OpenSSL 3 takes several times as long for.
    """
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in _PADS)
    return inner, outer


@lru_cache(maxsize=4)
def _written(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
