"""Finding out on small objects what a server compares and keeps, and what is allowed there.

Servers differ: S3 itself came to compare `If-None-Match` of a copy later than that of a PUT, and
others ignore what they do not know, which looks like success.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace

from s3pipelines.core.errors import (
    AccessDenied,
    Gone,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unreachable,
)
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.copy import copy, tag_header
from s3pipelines.core.storage.verbs.delete import Deleted, Doomed, delete_many, delete_one
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.multipart import upload_part, write_in_parts
from s3pipelines.core.storage.verbs.put import put_bytes
from s3pipelines.core.storage.verbs.tags import get_tags
from s3pipelines.core.storage.verbs.values import Copied, Described, Origin, Writing
from s3pipelines.core.storage.verbs.versions import list_versions_of_key

PROBE_NAME = ".s3pipelines-probe-"
_OTHER_ETAG = "0" * 32
# That the server was busy or out of reach says nothing of what it can do.
_FOR_NOW = (Throttled, Unreachable)
_ONLY_NEW = {"if-none-match": "*"}
_TAGS, _OTHER_TAGS = {"probe": "1"}, {"probe": "2"}
# Each question has an object of its own, and some have more beside it.
_TWINS = ("-a", "-b", "-c")
Answer = dict[str, bool]


@dataclass(frozen=True)
class Enforced:
    """What a server does by itself: preconditions that it compares, tags that it takes along.

    Attributes:
        put_if_none_match: A PUT only where nothing is.
        copy_source_if_match: A copy only of that ETag.
        copy_if_none_match: A copy only to where nothing is.
        copy_if_match: A copy only over that ETag.
        delete_if_match: A delete only of that ETag.
        delete_many_etags: The same, for many in one request.
        multipart_if_none_match: An upload in parts is completed only where nothing is.
        copy_takes_tags: A copy has the tags that it is given; without any it keeps those of the
            original, also where its metadata is another one.
        multipart_takes_tags: An upload in parts has the tags that it is given.
    """

    put_if_none_match: bool = False
    copy_source_if_match: bool = False
    copy_if_none_match: bool = False
    copy_if_match: bool = False
    delete_if_match: bool = False
    delete_many_etags: bool = False
    multipart_if_none_match: bool = False
    copy_takes_tags: bool = False
    multipart_takes_tags: bool = False


async def probe_preconditions(
    client: BucketClient, prefix: str, purpose: str, *, versioned: bool
) -> Enforced:
    """Try each precondition on small objects below a prefix, and remove them again.

    Args:
        client: Asks the bucket.
        prefix: Where the objects go.
        purpose: A part of their names, for which nobody else probes at the same time: what a
            process left that was killed is removed by the next one.
        versioned: The bucket keeps versions, or once did.

    Raises:
        AccessDenied: Objects may not be written, copied or deleted there; the line says which.
        StorageError: The bucket cannot be asked.
    """
    name = f"{prefix}{PROBE_NAME}{purpose}"
    keys = {question: f"{name}-{number}" for number, question in enumerate(_QUESTIONS, 1)}
    asked = [question(client, key) for question, key in keys.items()]
    enforced = Enforced()
    try:
        # All of them end before what they wrote is removed.
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            enforced = replace(enforced, **answer)
    except AccessDenied as error:
        raise AccessDenied(
            f"A trial below s3://{client.bucket}/{prefix} was refused: {error.message}",
            hint="Grant this identity s3:PutObject, s3:GetObject and s3:DeleteObject there.",
        ) from error
    finally:
        written = [key + twin for key in keys.values() for twin in ("", *_TWINS)]
        await _remove(client, written, versioned=versioned)
    return enforced


async def _of_copies(client: BucketClient, key: str) -> Answer:
    written = await put_bytes(client, key, b"probe")
    origin, twin = Origin(client.bucket, key, written.etag), f"{key}{_TWINS[0]}"
    await copy(client, twin, origin, Writing(states_condition=False))
    other = Origin(client.bucket, key, _OTHER_ETAG)
    # Of the same bytes, so that none of these changes what the others are about.
    to_nothing, wrong_source, wrong_target = await asyncio.gather(
        _is_refused(copy(client, twin, origin, Writing())),
        _is_refused(copy(client, twin, other, Writing(replaces=written.etag))),
        _is_refused(copy(client, twin, origin, Writing(replaces=_OTHER_ETAG))),
    )
    return {
        "copy_if_none_match": to_nothing,
        "copy_source_if_match": wrong_source,
        "copy_if_match": wrong_target,
    }


async def _of_puts(client: BucketClient, key: str) -> Answer:
    await put_bytes(client, key, b"probe")
    return {"put_if_none_match": await _is_refused(put_bytes(client, key, b"probe", _ONLY_NEW))}


async def _of_parts(client: BucketClient, key: str) -> Answer:
    await put_bytes(client, key, b"probe")
    attempt = _put_in_parts(client, key, b"probe", condition=_ONLY_NEW)
    return {"multipart_if_none_match": await _is_refused(attempt)}


async def _of_deletes(client: BucketClient, key: str) -> Answer:
    await put_bytes(client, key, b"probe")
    deleted = await delete_one(client, Doomed(key, etag=_OTHER_ETAG))
    return {"delete_if_match": await _keeps(client, key, [deleted])}


async def _of_many_deletes(client: BucketClient, key: str) -> Answer:
    await put_bytes(client, key, b"probe")
    deleted = await delete_many(client, [Doomed(key, etag=_OTHER_ETAG)])
    return {"delete_many_etags": await _keeps(client, key, deleted)}


async def _of_tags(client: BucketClient, key: str) -> Answer:
    etag = await _tagged(client, key)
    if etag is None:
        return {"copy_takes_tags": True, "multipart_takes_tags": True}
    origin = Origin(client.bucket, key, etag)
    kept, given, in_parts = (f"{key}{twin}" for twin in _TWINS)
    described = Writing(described=Described(), states_condition=False)
    other = Writing(tags=_OTHER_TAGS, states_condition=False)
    keeps, takes, takes_in_parts = await asyncio.gather(
        _has_tags(client, kept, copy(client, kept, origin, described), _TAGS),
        _has_tags(client, given, copy(client, given, origin, other), _OTHER_TAGS),
        _has_tags(client, in_parts, _put_tagged_in_parts(client, in_parts), _TAGS),
    )
    return {"copy_takes_tags": keeps and takes, "multipart_takes_tags": takes_in_parts}


async def _tagged(client: BucketClient, key: str) -> str | None:
    """The ETag of an object with tags; None if there are no tags here, and so none gets lost."""
    try:
        written = await put_bytes(client, key, b"probe", tag_header(_TAGS))
        return written.etag if await get_tags(client, key) == _TAGS else None
    except _FOR_NOW:
        raise
    except StorageError:
        return None


async def _has_tags(
    client: BucketClient, key: str, writing: Awaitable[object], tags: dict[str, str]
) -> bool:
    try:
        await writing
        return await get_tags(client, key) == tags
    except _FOR_NOW:
        raise
    except StorageError:
        return False


def _put_tagged_in_parts(client: BucketClient, key: str) -> Awaitable[Copied]:
    return _put_in_parts(client, key, b"probe", headers=tag_header(_TAGS))


async def _put_in_parts(
    client: BucketClient,
    key: str,
    body: bytes,
    *,
    headers: dict[str, str] | None = None,
    condition: dict[str, str] | None = None,
) -> Copied:
    async def send(upload: str, number: int, first: int, last: int) -> str:
        return await upload_part(client, key, upload, number, body[first : last + 1])

    size = len(body)
    return await write_in_parts(client, key, size, size, headers or {}, condition or {}, send)


async def _is_refused(attempt: Awaitable[Copied]) -> bool:
    try:
        await attempt
    except (PreconditionFailed, Gone):
        return True
    except (AccessDenied, *_FOR_NOW):
        raise
    except StorageError:
        return False  # The server does not know it (501): to rely on it would be an error.
    return False


async def _keeps(client: BucketClient, key: str, deleted: list[Deleted]) -> bool:
    """Whether a delete that had to be refused has left the object there."""
    for one in deleted:
        if isinstance(one.error, (AccessDenied, *_FOR_NOW)):
            raise one.error
    return await head(client, key) is not None


async def _remove(client: BucketClient, keys: list[str], *, versioned: bool) -> None:
    # Whatever came before: what is left behind would be a riddle for whoever finds it.
    doomed = [Doomed(key) for key in keys]
    with suppress(StorageError):
        try:
            await delete_many(client, doomed)
        except StorageError:
            await asyncio.gather(*(delete_one(client, one) for one in doomed))
        if not versioned:
            return
        # Not every server says which markers it has set.
        found = await asyncio.gather(*(list_versions_of_key(client, key) for key in keys))
        versions = [
            Doomed(key, one.version_id)
            for key, all_of_it in zip(keys, found, strict=True)
            for one in all_of_it
        ]
        await delete_many(client, versions)


_QUESTIONS = (_of_copies, _of_puts, _of_parts, _of_deletes, _of_many_deletes, _of_tags)
