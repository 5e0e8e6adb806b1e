"""Buckets in memory, and what S3 answers for them."""

import base64
import hashlib
import re
import time
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from tests.chaos.wire import Request, answer, http_date

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(slots=True, frozen=True)
class Stored:
    """An object: zeros, unless somebody put a body."""

    size: int
    etag: str
    last_modified: int
    body: bytes | None = None


class Bucket:
    """Objects by key, with the order of their UTF-8 kept up to date."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self._ordered: list[bytes] = []

    def put(self, key: str, size: int, etag: str, body: bytes | None = None) -> Stored:
        if key not in self.objects:
            insort(self._ordered, key.encode())
        # S3's clock for objects has whole seconds: many changes of a key may share one.
        stored = self.objects[key] = Stored(size, etag, int(time.time()), body)
        return stored

    def delete(self, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            del self._ordered[bisect_left(self._ordered, key.encode())]

    def keys(self, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        """Keys in order below `prefix` and behind `after`, and whether there are more."""
        start, ordered = prefix.encode(), self._ordered
        at = max(bisect_left(ordered, start), bisect_right(ordered, after.encode()))
        found = ordered[at : at + most + 1]
        if found and not found[-1].startswith(start):
            found = [key for key in found if key.startswith(start)]
        return [key.decode() for key in found[:most]], 0 < most < len(found)


class S3:
    """The part of S3's interface that a consumer of events asks for, addressed by path."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}

    def handle(self, request: Request) -> tuple[str, bytes]:
        """What was asked, in a word, and the answer."""
        name, _, key = request.path[1:].partition("/")
        bucket = self.buckets.get(name)
        if not key:
            return self._of_bucket(request, name, bucket)
        if bucket is None:
            return "no-bucket", _error(request, 404, "NoSuchBucket")
        match request.method:
            case "HEAD" | "GET":
                return request.method.lower(), _read(request, bucket.objects.get(key))
            case "PUT":
                etag = hashlib.md5(request.body).hexdigest()
                bucket.put(key, len(request.body), etag, request.body)
                return "put", answer(200, b"", f'ETag: "{etag}"')
            case "DELETE":
                bucket.delete(key)
                return "delete", answer(204)
        return "unknown", _error(request, 501, "NotImplemented")

    def _of_bucket(self, request: Request, name: str, bucket: Bucket | None) -> tuple[str, bytes]:
        if request.method == "PUT" and name:
            self.buckets.setdefault(name, Bucket())
            return "create-bucket", answer(200, b"", f"Location: /{name}")
        if bucket is None:
            return "no-bucket", _error(request, 404, "NoSuchBucket")
        if request.method == "HEAD":
            return "head-bucket", answer(200, b"", "x-amz-bucket-region: us-east-1")
        if request.method == "GET" and request.query.get("list-type") == "2":
            return "list", _listing(request, name, bucket)
        return "unknown", _error(request, 501, "NotImplemented")


def _read(request: Request, stored: Stored | None) -> bytes:
    if stored is None:
        return _error(request, 404, "NoSuchKey")
    wanted = request.header(b"if-match").strip('"')
    if wanted and wanted != stored.etag:
        return _error(request, 412, "PreconditionFailed")
    facts = (
        f'ETag: "{stored.etag}"',
        f"Last-Modified: {http_date(stored.last_modified)}",
        "Accept-Ranges: bytes",
        "Content-Type: binary/octet-stream",
    )
    if request.method == "HEAD":
        return answer(200, b"", *facts, length=stored.size)
    body = bytes(stored.size) if stored.body is None else stored.body
    asked = _RANGE.fullmatch(request.header(b"range"))
    if asked is None:
        return answer(200, body, *facts)
    first = int(asked[1])
    if first >= stored.size:
        return _error(request, 416, "InvalidRange")
    last = min(int(asked[2] or stored.size), stored.size - 1)
    where = f"Content-Range: bytes {first}-{last}/{stored.size}"
    return answer(206, body[first : last + 1], *facts, where)


def _listing(request: Request, name: str, bucket: Bucket) -> bytes:
    query = request.query
    encoded = query.get("encoding-type") == "url"
    prefix = query.get("prefix", "")
    token = query.get("continuation-token")
    after = base64.urlsafe_b64decode(token).decode() if token else query.get("start-after", "")
    most = min(int(query.get("max-keys", 1000)), 1000)
    keys, more = bucket.keys(prefix, after, most)

    def shown(key: str) -> str:
        return quote_plus(key, safe="/-_.*") if encoded else escape(key)

    lines = [
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{name}</Name><Prefix>{shown(prefix)}</Prefix><KeyCount>{len(keys)}</KeyCount>"
            f"<MaxKeys>{most}</MaxKeys><IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        )
    ]
    if encoded:
        lines.append("<EncodingType>url</EncodingType>")
    if more:
        following = base64.urlsafe_b64encode(keys[-1].encode()).decode()
        lines.append(f"<NextContinuationToken>{following}</NextContinuationToken>")
    for key in keys:
        stored = bucket.objects[key]
        lines.append(
            f"<Contents><Key>{shown(key)}</Key><LastModified>{iso(stored.last_modified)}.000Z"
            f"</LastModified><ETag>&quot;{stored.etag}&quot;</ETag><Size>{stored.size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
    lines.append("</ListBucketResult>")
    return answer(200, "".join(lines).encode(), "Content-Type: application/xml")


def iso(second: float) -> str:
    """A moment as S3 writes it, without fractions and without the zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _error(request: Request, status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    if request.method == "HEAD":
        body = b""
    return answer(status, body, "Content-Type: application/xml")
