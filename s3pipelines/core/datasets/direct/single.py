"""Sending a file by a ticket for one request: a PUT, or a form whose size S3 bounds."""

import asyncio
import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from s3pipelines.core.datasets.direct.done import Done
from s3pipelines.core.datasets.direct.sent import (
    DirectUpload,
    disagrees,
    ended,
    require_unchanged,
)
from s3pipelines.core.datasets.direct.tickets import PutTicket
from s3pipelines.core.datasets.fingerprints import changed, unreadable
from s3pipelines.core.datasets.local_files import LocalFile
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.storage.failures import presigned_errors
from s3pipelines.core.storage.http.presigned import FileBody, PresignedClient

_READ_BYTES = 1024 * 1024
_SHA256 = "x-amz-checksum-sha256"


@dataclass(frozen=True)
class _Sums:
    md5: bytes
    sha256: bytes


async def send_whole(
    client: PresignedClient,
    ticket: PutTicket,
    file: LocalFile,
    done: Done,
    advance: Callable[[int], object],
) -> DirectUpload:
    """Send a file with one request; what is there is overwritten.

    Args:
        client: Asks the server of the ticket.
        ticket: The ticket.
        file: What is sent; read twice, as its checksum goes before it.
        done: What was done with the ticket.
        advance: Is told how many more bytes S3 has.

    Raises:
        InvalidInput: The ticket is for another file.
        StorageError: It cannot be read or sent, or S3 has something else than was sent.
    """
    require_fits(ticket, file)
    etag = done.has_sent(_name(ticket), file)
    if etag is not None:
        advance(file.size_bytes)
        return ended(file, ticket.uri, "unchanged", etag)
    sums = await asyncio.to_thread(_summed, file)
    _require_sum(ticket, file, sums)
    headers, body = _form(ticket, file) if ticket.fields else _put(ticket, file, sums)
    try:
        with presigned_errors(ticket.bucket, ticket.key):
            reply = await client.ask(
                "PutObject", ticket.method, ticket.url, headers=headers, body=body
            )
    except OSError as error:
        raise unreadable(file.path, error) from error
    except StorageError as error:
        if ticket.is_expired or ticket.is_told_late(error):
            raise ticket.expired() from error
        raise
    etag = reply.headers.get("etag", "").strip('"')
    await asyncio.to_thread(require_unchanged, file)
    if disagrees(etag, reply.headers, sums.md5.hex(), file.size_bytes):
        raise StorageError(f"{ticket.uri} does not hold what was sent.", hint="Repeat it.")
    await asyncio.to_thread(done.note_object, _name(ticket), file, etag)
    advance(file.size_bytes)
    return ended(file, ticket.uri, "uploaded", etag, file.size_bytes)


def _name(ticket: PutTicket) -> str:
    """What tells a ticket from others: neither its URL nor its fields, which are secrets."""
    told = json.dumps([ticket.url, ticket.fields], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _put(ticket: PutTicket, file: LocalFile, sums: _Sums) -> tuple[dict[str, str], FileBody]:
    # No header of Amazon's own may be added to what was signed; this one is HTTP's.
    own = {"content-md5": base64.b64encode(sums.md5).decode()}
    return {**own, **ticket.headers}, FileBody(file.path, 0, file.size_bytes)


def _form(ticket: PutTicket, file: LocalFile) -> tuple[dict[str, str], FileBody]:
    """The fields as they were signed, and the file as the last of them (RFC 7578)."""
    boundary = secrets.token_hex(16)
    told = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in ticket.fields.items()
    )
    told += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
    body = FileBody(
        file.path, 0, file.size_bytes, told.encode(), f"\r\n--{boundary}--\r\n".encode()
    )
    return {"content-type": f"multipart/form-data; boundary={boundary}"}, body


def _summed(file: LocalFile) -> _Sums:
    md5, sha256, size_bytes = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    try:
        with file.path.open("rb", buffering=0) as opened:
            while piece := opened.read(_READ_BYTES):
                md5.update(piece)
                sha256.update(piece)
                size_bytes += len(piece)
    except OSError as error:
        raise unreadable(file.path, error) from error
    if size_bytes != file.size_bytes:
        raise changed(file.path)
    return _Sums(md5.digest(), sha256.digest())


def require_fits(ticket: PutTicket, file: LocalFile) -> None:
    """Make sure that S3 will take a file of this size.

    Raises:
        InvalidInput: The ticket is for another size.
    """
    least, most = _bounds(ticket)
    if not least <= file.size_bytes <= most:
        bounds = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        raise InvalidInput(
            f"{file.path} has {file.size_bytes:,} bytes, and the ticket for {ticket.uri} is for "
            f"{bounds}.",
            hint="Name the file that it was made for, or ask for a ticket for this one.",
        )


def _bounds(ticket: PutTicket) -> tuple[int, int]:
    """The least and the most bytes that S3 will take."""
    exact = {name.lower(): value for name, value in ticket.headers.items()}.get("content-length")
    if exact is not None and exact.isdecimal():
        return int(exact), int(exact)
    for one in _conditions(ticket):
        if isinstance(one, list) and len(one) == 3 and one[0] == "content-length-range":
            return int(one[1]), int(one[2])
    return 0, 5 * 1024**3


def _conditions(ticket: PutTicket) -> list[Any]:
    try:
        policy = json.loads(base64.b64decode(ticket.fields.get("policy", "")) or b"{}")
        return list(policy.get("conditions", []))
    except (ValueError, AttributeError, TypeError):
        return []


def _require_sum(ticket: PutTicket, file: LocalFile, sums: _Sums) -> None:
    """The bytes are those that the ticket was made for, before any of them is sent."""
    told = {**ticket.headers, **ticket.fields}.get(_SHA256)
    try:
        wanted = None if told is None else base64.b64decode(told, validate=True)
    except binascii.Error:
        wanted = b""
    if wanted not in (None, sums.sha256):
        raise InvalidInput(
            f"{file.path} is not the file that the ticket for {ticket.uri} is for: its SHA-256 is "
            "another one.",
            hint="Name that file, or ask for a ticket for this one.",
        )
