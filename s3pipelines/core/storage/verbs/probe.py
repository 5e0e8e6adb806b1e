"""Finding out on small objects which preconditions a server compares, and what is allowed there.

Servers differ: S3 itself came to compare `If-None-Match` of a copy later than that of a PUT, and
others ignore what they do not know, which looks like success.
"""

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass

from s3pipelines.core.errors import AccessDenied, Gone, PreconditionFailed, StorageError
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.copy import copy
from s3pipelines.core.storage.verbs.delete import Deleted, Doomed, delete_many, delete_one
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.multipart import upload_part, write_in_parts
from s3pipelines.core.storage.verbs.put import put_bytes
from s3pipelines.core.storage.verbs.values import Copied, Origin, Writing
from s3pipelines.core.storage.verbs.versions import list_versions_of_key

PROBE_NAME = ".s3pipelines-probe-"
_OTHER_ETAG = "0" * 32


@dataclass(frozen=True)
class Enforced:
    """Which preconditions a server compares by itself.

    Attributes:
        put_if_none_match: A PUT only where nothing is.
        copy_source_if_match: A copy only of that ETag.
        copy_if_none_match: A copy only to where nothing is.
        copy_if_match: A copy only over that ETag.
        delete_if_match: A delete only of that ETag.
        delete_many_etags: The same, for many in one request.
        multipart_if_none_match: An upload in parts is completed only where nothing is.
    """

    put_if_none_match: bool = False
    copy_source_if_match: bool = False
    copy_if_none_match: bool = False
    copy_if_match: bool = False
    delete_if_match: bool = False
    delete_many_etags: bool = False
    multipart_if_none_match: bool = False


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
    in_parts = await _is_refused(_put_in_parts(client, key, b"probe"))
    one = await _keeps(client, key, [await delete_one(client, Doomed(key, etag=_OTHER_ETAG))])
    doomed = [Doomed(twin, etag=_OTHER_ETAG)]
    many = await _keeps(client, twin, await delete_many(client, doomed))
    return Enforced(
        put_if_none_match=new,
        copy_source_if_match=wrong_source,
        copy_if_none_match=to_nothing,
        copy_if_match=wrong_target,
        delete_if_match=one,
        delete_many_etags=many,
        multipart_if_none_match=in_parts,
    )


async def _put_in_parts(client: BucketClient, key: str, body: bytes) -> Copied:
    async def send(upload: str, number: int, first: int, last: int) -> str:
        return await upload_part(client, key, upload, number, body[first : last + 1])

    condition = {"if-none-match": "*"}
    return await write_in_parts(client, key, len(body), len(body), {}, condition, send)


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
