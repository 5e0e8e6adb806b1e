"""Presigned transfer: get, put (also by a form that bounds the size), and uploads in parts."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any
from urllib.parse import quote

from s3pipelines.core.buckets.keys import Target
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.presigned import MOST_EXPIRES_S, Presigner, Signed
from s3pipelines.core.storage.unfinished import Uploads

_MIB = 1024 * 1024
LEAST_PART_BYTES = 5 * _MIB
MOST_PART_BYTES = 5 * 1024 * _MIB
MOST_PARTS = 10_000
USUAL_PART_BYTES = 64 * _MIB
# What S3 tells with one answer.
_LISTED_PARTS = 1000
# Number, first byte and size of a part.
_Range = tuple[int, int | None, int | None]
# What S3 takes with one PUT or one form.
MOST_PUT_BYTES = 5 * 1024 * _MIB
UNBOUND_PUT = (
    "S3 cannot bound the size of this PUT: whoever has the URL may send up to 5 GiB. "
    "--bytes binds it to one size, --max-bytes makes a form (POST) with bounds."
)


@dataclass(frozen=True)
class Upload:
    """What is sent.

    Attributes:
        content_type: Must be sent exactly so.
        sha256: Base64 of the SHA-256 that the bytes must have; S3 compares it.
        exact_bytes: The size that a PUT must have.
        least_bytes: Of a form.
        most_bytes: Of a form; not None: a form is made.
    """

    content_type: str | None = None
    sha256: str | None = None
    exact_bytes: int | None = None
    least_bytes: int = 0
    most_bytes: int | None = None

    @property
    def is_form(self) -> bool:
        """Only a form has bounds."""
        return self.most_bytes is not None


@dataclass(frozen=True)
class PartUrl:
    """Where the bytes from `first_byte` on go."""

    number: int
    first_byte: int | None
    size_bytes: int | None
    url: str


@dataclass(frozen=True)
class InParts:
    """An upload that was begun, with a URL for each part.

    Attributes:
        complete: The request that ends it; its body lists the parts with the ETags that S3
            answered.
        abort: The request that calls it off.
        list: Requests that tell which parts have arrived, a thousand at a time.
        look: The request that tells what is at the key by then.
    """

    upload_id: str
    parts: tuple[PartUrl, ...]
    complete: Signed
    abort: Signed
    list: tuple[Signed, ...]
    look: Signed


def check_expiry_s(expires_s: float) -> int:
    """Whole seconds that S3 takes for an expiry.

    Raises:
        InvalidInput: It is none.
    """
    if not 1 <= expires_s <= MOST_EXPIRES_S:
        raise InvalidInput(
            "S3 lets a presigned URL hold for one second to seven days.",
            hint="Write --expires 15m, 12h or 7d; for longer, presign again later.",
        )
    return int(expires_s)


def sha256_base64(text: str) -> str:
    """A SHA-256, written in hexadecimal or base64, in base64.

    Raises:
        InvalidInput: It is none.
    """
    try:
        digest = (
            bytes.fromhex(text)
            if re.fullmatch(r"[0-9a-fA-F]{64}", text)
            else base64.b64decode(text, validate=True)
        )
    except (ValueError, binascii.Error):
        digest = b""
    if len(digest) != 32:
        raise InvalidInput(
            f"{text!r} is not a SHA-256.",
            hint="Write 64 hexadecimal digits, or base64.",
        )
    return base64.b64encode(digest).decode()


def presign_get(target: Target, expires_s: int, *, download_as: str | None = None) -> Signed:
    """A URL that reads an object.

    Args:
        target: The object.
        expires_s: How long it holds.
        download_as: The name under which a browser keeps the file.

    Raises:
        StorageError: It cannot be signed.
    """
    described = {}
    if download_as:
        described["ResponseContentDisposition"] = _attachment(download_as)
    return Presigner(target.access, target.bucket, expires_s).get(target.key, **described)


def presign_put(target: Target, expires_s: int, upload: Upload) -> Signed:
    """A URL, or with bounds a form, that writes an object.

    Raises:
        InvalidInput: The bounds exclude each other.
        StorageError: It cannot be signed.
    """
    _check_bounds(upload)
    presigner = Presigner(target.access, target.bucket, expires_s)
    if upload.most_bytes is not None:
        fields = {
            "Content-Type": upload.content_type,
            "x-amz-checksum-algorithm": "SHA256" if upload.sha256 else None,
            "x-amz-checksum-sha256": upload.sha256,
        }
        given = {name: value for name, value in fields.items() if value}
        return presigner.post(target.key, given, upload.least_bytes, upload.most_bytes)
    described: dict[str, Any] = {
        "ContentType": upload.content_type,
        "ContentLength": upload.exact_bytes,
        "ChecksumSHA256": upload.sha256,
    }
    return presigner.put(target.key, **{n: v for n, v in described.items() if v is not None})


def begin_in_parts(
    target: Target,
    expires_s: int,
    *,
    parts: int | None = None,
    size_bytes: int | None = None,
    part_bytes: int | None = None,
    content_type: str | None = None,
    upload_id: str | None = None,
) -> InParts:
    """Begin an upload in parts, and sign a URL for each of them.

    What is begun and never ended takes space until it is called off (see `uploads abort`).

    Args:
        target: The object to be.
        expires_s: How long the URLs hold.
        parts: How many parts there will be; or
        size_bytes: How large the object will be.
        part_bytes: The size of each part but the last; by default 64 MiB, more where S3 needs it.
        content_type: Of the object.
        upload_id: Sign anew for this upload, which was begun before.

    Raises:
        InvalidInput: S3 takes no upload like that.
        Gone: There is no upload of that id (any more).
        StorageError: It cannot be begun.
    """
    ranges = list(_ranges(parts, size_bytes, part_bytes))
    presigner = Presigner(target.access, target.bucket, expires_s)
    uploads = Uploads(target.access, target.bucket)
    if upload_id is not None:
        _require(not content_type, "An upload has the type with which it was begun.")
        next(iter(uploads.parts(target.key, upload_id)), None)  # It is there.
        return _signed_parts(presigner, target.key, upload_id, ranges)
    described = {"ContentType": content_type} if content_type else {}
    begun = uploads.begin(target.key, **described)
    try:
        return _signed_parts(presigner, target.key, begun, ranges)
    except BaseException:
        uploads.abort(target.key, begun)
        raise


def complete_in_parts(target: Target, upload_id: str, size_bytes: int | None = None) -> str:
    """Make the object of the parts that have arrived, and tell its ETag.

    Args:
        target: The object to be.
        upload_id: The upload.
        size_bytes: How large it must be; None: not compared.

    Raises:
        Gone: There is no such upload (any more).
        InvalidInput: A part is missing or too small, or the size is another one.
        StorageError: It cannot be completed.
    """
    uploads = Uploads(target.access, target.bucket)
    arrived = list(uploads.parts(target.key, upload_id))
    if not arrived:
        raise InvalidInput(f"No part of {target.uri} has arrived.", hint="Upload them first.")
    missing = sorted(set(range(1, arrived[-1].number + 1)) - {part.number for part in arrived})
    if missing:
        shown = ", ".join(map(str, missing[:10]))
        raise InvalidInput(
            f"{len(missing)} parts of {target.uri} have not arrived: {shown}.",
            hint="Upload them, and complete it then.",
        )
    total = sum(part.size_bytes for part in arrived)
    if size_bytes not in (None, total):
        raise InvalidInput(
            f"The parts of {target.uri} that have arrived are {total:,} bytes, not {size_bytes:,}.",
            hint="Upload what is missing, and complete it then.",
        )
    return uploads.complete(target.key, upload_id, [(part.number, part.etag) for part in arrived])


def abort_in_parts(target: Target, upload_id: str) -> bool:
    """Call an upload off; tells whether it was there.

    Raises:
        StorageError: It cannot be called off.
    """
    return Uploads(target.access, target.bucket).abort(target.key, upload_id)


def _signed_parts(presigner: Presigner, key: str, upload_id: str, ranges: list[_Range]) -> InParts:
    return InParts(
        upload_id,
        tuple(
            PartUrl(number, first, size, presigner.part(key, upload_id, number).url)
            for number, first, size in ranges
        ),
        presigner.complete(key, upload_id),
        presigner.abort(key, upload_id),
        tuple(
            presigner.list_parts(key, upload_id, after)
            for after in range(0, len(ranges), _LISTED_PARTS)
        ),
        presigner.look(key),
    )


def _check_bounds(upload: Upload) -> None:
    if upload.is_form and upload.exact_bytes is not None:
        raise InvalidInput(
            "--bytes and --max-bytes exclude each other.", hint="Choose one size, or bounds."
        )
    if upload.least_bytes and not upload.is_form:
        raise InvalidInput("--min-bytes goes with --max-bytes.", hint="Add --max-bytes.")
    most = upload.most_bytes if upload.most_bytes is not None else upload.exact_bytes
    if most is not None and not upload.least_bytes <= most <= MOST_PUT_BYTES:
        raise InvalidInput(
            f"S3 takes no object of that size at once ({upload.least_bytes:,} to {most:,} bytes).",
            hint="Up to 5 GiB go at once; use 'presign multipart' for more.",
        )


def _ranges(parts: int | None, size_bytes: int | None, part_bytes: int | None) -> Iterator[_Range]:
    """Number, first byte and size of each part; the latter two are None if only a count is known.

    Raises:
        InvalidInput: S3 takes no upload like that.
    """
    if (parts is None) == (size_bytes is None):
        raise InvalidInput(
            "How much will be sent is not clear.", hint="Name either --bytes or --parts."
        )
    if parts is not None:
        _require(1 <= parts <= MOST_PARTS, f"An upload has 1 to {MOST_PARTS:,} parts.")
        yield from ((number, None, None) for number in range(1, parts + 1))
        return
    whole = size_bytes or 0
    _require(whole > 0, "An empty object is no upload in parts; use 'presign put'.")
    each = part_bytes or max(USUAL_PART_BYTES, ceil(whole / MOST_PARTS / _MIB) * _MIB)
    _require(
        LEAST_PART_BYTES <= each <= MOST_PART_BYTES, "A part has 5 MiB to 5 GiB; the last may less."
    )
    _require(whole <= each * MOST_PARTS, f"That would be more than {MOST_PARTS:,} parts.")
    for number, first in enumerate(range(0, whole, each), start=1):
        yield number, first, min(each, whole - first)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InvalidInput(message, hint="See 's3pipelines presign multipart --help'.")


def _attachment(name: str) -> str:
    """A Content-Disposition that no name can break out of (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
