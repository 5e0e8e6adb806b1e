"""Copying one object from site to site: by the server, in parts, or through this machine."""

from dataclasses import dataclass, field

from s3pipelines.core.batch.changes import Changes
from s3pipelines.core.batch.review import LARGEST_SINGLE_COPY_BYTES
from s3pipelines.core.batch.rows import Row
from s3pipelines.core.batch.sites import Site, Sites
from s3pipelines.core.errors import Gone
from s3pipelines.core.storage.ranged_reads import ARCHIVED_CLASSES
from s3pipelines.core.storage.verbs.copy import copy
from s3pipelines.core.storage.verbs.copy_through import PART_BYTES, copy_through
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.multipart_copy import multipart_copy
from s3pipelines.core.storage.verbs.values import Copied, Found, Origin, Writing


@dataclass(frozen=True)
class Errand:
    """One copy.

    Attributes:
        origin: From where.
        key: Which object.
        etag: Its ETag; with another one it is not copied.
        size_bytes: Its size.
        target: To where.
        target_key: Under which key.
        storage_class: The class of the original; None for that of the bucket.
        replaces: ETag of what is there and is to be replaced; None if nothing may be there.
        changes: What the copy has otherwise.
    """

    origin: Site
    key: str
    etag: str
    size_bytes: int
    target: Site
    target_key: str
    storage_class: str | None = None
    replaces: str | None = None
    changes: Changes = field(default_factory=Changes)


def errand_of(sites: Sites, row: Row, changes: Changes) -> Errand:
    """The copy that a row of a plan asks for."""
    return Errand(
        origin=sites.source,
        key=row.key,
        etag=row.etag,
        size_bytes=row.size_bytes,
        target=sites.target,
        target_key=row.target or "",
        storage_class=row.storage_class,
        replaces=row.target_etag,
        changes=changes,
    )


async def copy_object(sites: Sites, errand: Errand) -> Copied:
    """Copy one object; the target has it whole or not at all.

    Raises:
        PreconditionFailed: The object, or the target, is not what the errand says, as far as the
            server compares that.
        Archived: It has to be restored first.
        StorageError: It cannot be copied.
    """
    origin = Origin(errand.origin.bucket, errand.key, errand.etag)
    by_server = sites.by_server(errand.origin, errand.target)
    writing = await _writing(errand, by_server)
    source, target, key = errand.origin.client, errand.target.client, errand.target_key
    if not by_server:
        async with sites.passing:
            return await copy_through(source, origin, target, key, writing)
    if goes_in_parts(errand.size_bytes, errand.etag, by_server=True):
        return await multipart_copy(source, origin, target, key, writing)
    return await copy(target, key, origin, writing)


async def _writing(errand: Errand, by_server: bool) -> Writing:
    changes, found = errand.changes, None
    if changes.asks_original:
        found = await _original(errand)
    return Writing(
        storage_class=_storage_class(errand),
        described=changes.description(found),
        tags=changes.tags,
        encryption=changes.encrypted(found),
        replaces=errand.replaces,
        states_condition=states_condition(
            errand.target,
            errand.replaces,
            by_server=by_server,
            in_parts=goes_in_parts(errand.size_bytes, errand.etag, by_server=by_server),
        ),
    )


def states_condition(
    target: Site, replaces: str | None, *, by_server: bool, in_parts: bool
) -> bool:
    """Whether the target's server compares by itself what may be there."""
    enforced = target.facts.enforced
    if in_parts:
        return enforced.multipart_if_none_match and replaces is None
    if not by_server:
        return enforced.put_if_none_match and replaces is None
    return enforced.copy_if_none_match if replaces is None else enforced.copy_if_match


def goes_in_parts(size_bytes: int, etag: str, *, by_server: bool) -> bool:
    """Whether an object is written in parts: one that is large, or was so and is read here."""
    if by_server:
        return size_bytes > LARGEST_SINGLE_COPY_BYTES
    return "-" in etag or size_bytes > PART_BYTES


async def _original(errand: Errand) -> Found:
    found = await head(errand.origin.client, errand.key)
    if found is None:
        raise Gone(f"{errand.key} was deleted since the plan was made.", hint="Plan it anew.")
    return found


def _storage_class(errand: Errand) -> str | None:
    """A copy goes to STANDARD unless told; what was restored need not go back to its archive."""
    if errand.changes.storage_class is not None:
        return errand.changes.storage_class
    return None if errand.storage_class in ARCHIVED_CLASSES else errand.storage_class
