"""Finding out on small objects what a server compares and keeps, and what is allowed there.

Servers differ: S3 itself came to compare `If-None-Match` of a copy later than that of a PUT, and
others ignore what they do not know, which looks like success.
"""

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass

from s3pipelines.core.errors import AccessDenied, Gone, PreconditionFailed, StorageError
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


async def probe_preconditions(client: BucketClient, prefix: str, purpose: str) -> Enforced:
    """Try each precondition on small objects below a prefix, and remove them again.

    Args:
        client: Asks the bucket.
        prefix: Where the objects go.
        purpose: A part of their names, for which nobody else probes at the same time: what a
            process left that was killed is removed by the next one.

    Raises:
        AccessDenied: Objects may not be written, copied or deleted there; the line says which.
        StorageError: The bucket cannot be asked.
    """
    name = f"{prefix}{PROBE_NAME}{purpose}"
    try:
        for key in (name, f"{name}-2"):
            await _remove(client, key)
        return await _probe(client, name)
    except AccessDenied as error:
        raise AccessDenied(
            f"A trial below s3://{client.bucket}/{prefix} was refused: {error.message}",
            hint="Grant this identity s3:PutObject, s3:GetObject and s3:DeleteObject there.",
        ) from error
    finally:
        for key in (name, f"{name}-2"):
            await _remove(client, key)


async def _probe(client: BucketClient, key: str) -> Enforced:
    first = await put_bytes(client, key, b"probe")
    twin = f"{key}-2"
    origin = Origin(client.bucket, key, first.etag)
    await copy(client, twin, origin, Writing(states_condition=False))
    other = Origin(client.bucket, key, _OTHER_ETAG)
    to_nothing = await _is_refused(copy(client, twin, origin, Writing()))
    wrong_source = await _is_refused(copy(client, twin, other, Writing(replaces=first.etag)))
    wrong_target = await _is_refused(copy(client, twin, origin, Writing(replaces=_OTHER_ETAG)))
    new = await _is_refused(put_bytes(client, key, b"probe", {"if-none-match": "*"}))
    only_new = {"if-none-match": "*"}
    in_parts = await _is_refused(_put_in_parts(client, key, b"probe", condition=only_new))
    one = await _keeps(client, key, [await delete_one(client, Doomed(key, etag=_OTHER_ETAG))])
    doomed = [Doomed(twin, etag=_OTHER_ETAG)]
    many = await _keeps(client, twin, await delete_many(client, doomed))
    tags = await _has_tags(client, key)
    return Enforced(
        put_if_none_match=new,
        copy_source_if_match=wrong_source,
        copy_if_none_match=to_nothing,
        copy_if_match=wrong_target,
        delete_if_match=one,
        delete_many_etags=many,
        multipart_if_none_match=in_parts,
        copy_takes_tags=not tags or await _copy_takes_tags(client, key, twin),
        multipart_takes_tags=not tags or await _multipart_takes_tags(client, twin),
    )


async def _has_tags(client: BucketClient, key: str) -> bool:
    """Whether objects can be tagged here, and this identity may do so; if not, none get lost."""
    tags = {"probe": "1"}
    try:
        await put_bytes(client, key, b"probe", tag_header(tags))
        return await get_tags(client, key) == tags
    except StorageError:
        return False


async def _copy_takes_tags(client: BucketClient, key: str, twin: str) -> bool:
    try:
        origin = await _origin(client, key)
        for writing, tags in (
            (Writing(described=Described(), states_condition=False), {"probe": "1"}),
            (Writing(tags={"probe": "2"}, states_condition=False), {"probe": "2"}),
        ):
            await copy(client, twin, origin, writing)
            if await get_tags(client, twin) != tags:
                return False
    except StorageError:
        return False
    return True


async def _multipart_takes_tags(client: BucketClient, key: str) -> bool:
    tags = {"probe": "3"}
    try:
        await _put_in_parts(client, key, b"probe", headers=tag_header(tags))
        return await get_tags(client, key) == tags
    except StorageError:
        return False


async def _origin(client: BucketClient, key: str) -> Origin:
    found = await head(client, key)
    return Origin(client.bucket, key, found.etag if found else _OTHER_ETAG)


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
    except AccessDenied:
        raise
    except StorageError:
        return False  # The server does not know it (501): to rely on it would be an error.
    return False


async def _keeps(client: BucketClient, key: str, deleted: list[Deleted]) -> bool:
    """Whether a delete that had to be refused has left the object there."""
    for one in deleted:
        if isinstance(one.error, AccessDenied):
            raise one.error
    return await head(client, key) is not None


async def _remove(client: BucketClient, key: str) -> None:
    # Whatever came before: what is left behind would be a riddle for whoever finds it.
    with suppress(StorageError):
        await delete_one(client, Doomed(key))
        versions = await list_versions_of_key(client, key)
        await delete_many(client, [Doomed(key, one.version_id) for one in versions])
