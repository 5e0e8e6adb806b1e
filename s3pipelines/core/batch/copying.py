"""Copying one object from site to site: by the server, in parts, or through this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from s3pipelines.core.batch.changes import Changes
from s3pipelines.core.batch.review import LARGEST_SINGLE_COPY_BYTES
from s3pipelines.core.batch.rows import Row
from s3pipelines.core.batch.sites import Site, Sites
from s3pipelines.core.errors import Gone, StorageError
from s3pipelines.core.storage.ranged_reads import ARCHIVED_CLASSES
from s3pipelines.core.storage.verbs.copy import copy
from s3pipelines.core.storage.verbs.copy_through import PART_BYTES, copy_through
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.multipart_copy import multipart_copy
from s3pipelines.core.storage.verbs.tags import get_tags, put_tags
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
        tags: Those of the original, where they were looked up already.
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
    tags: Mapping[str, str] | None = None


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

    Where the server takes no tags along, they are written right after it.

    Raises:
        PreconditionFailed: The object, or the target, is not what the errand says, as far as the
            server compares that.
        Archived: It has to be restored first.
        StorageError: It cannot be copied.
    """
    by_server = sites.by_server(errand.origin, errand.target)
    writing = await _writing(errand, by_server)
    tags = await _tags_left(errand, by_server=by_server)
    if tags is None:
        return await _versioned(errand, await _copied(sites, errand, writing, by_server))
    # Not even asked for: Ceph's gateway would write something that it cannot read.
    bare = replace(writing, tags=None if _is_plain(errand, by_server) else {})
    copied = await _versioned(errand, await _copied(sites, errand, bare, by_server))
    if tags or writing.tags is not None:
        await _put_tags(errand, tags, copied.version_id)
    return copied


async def put_tags_again(sites: Sites, errand: Errand) -> None:
    """Write the tags that a copy may lack which another process made and did not report.

    Raises:
        StorageError: They cannot be read or written.
    """
    tags = await _tags_left(errand, by_server=sites.by_server(errand.origin, errand.target))
    if tags is not None:
        await _put_tags(errand, tags, None)


async def _put_tags(errand: Errand, tags: Mapping[str, str], version_id: str | None) -> None:
    try:
        await put_tags(errand.target.client, errand.target_key, tags, version_id)
    except StorageError as error:
        listed = ", ".join(f"{name}={value}" for name, value in tags.items())
        raise StorageError(
            f"{errand.target_key} was written without its tags ({listed}): {error.message}",
            hint="Set them with 's3pipelines batch plan tag'.",
        ) from error


def brings_tags(errand: Errand, *, by_server: bool) -> bool:
    """Whether the server that copies gives the copy its tags, in the same request."""
    enforced = errand.target.facts.enforced
    if _is_plain(errand, by_server):
        return errand.changes.keep_tags_and_description or enforced.copy_takes_tags
    in_parts = goes_in_parts(errand.size_bytes, errand.etag, by_server=by_server)
    return not in_parts or enforced.multipart_takes_tags


async def _tags_left(errand: Errand, *, by_server: bool) -> Mapping[str, str] | None:
    """The tags that are to be written after a copy; None where it brings them itself."""
    if brings_tags(errand, by_server=by_server):
        return None
    given = errand.tags if errand.changes.tags is None else errand.changes.tags
    return await get_tags(errand.origin.client, errand.key) if given is None else given


def _is_plain(errand: Errand, by_server: bool) -> bool:
    """One request to the server copies it."""
    return by_server and not goes_in_parts(errand.size_bytes, errand.etag, by_server=True)


async def _copied(sites: Sites, errand: Errand, writing: Writing, by_server: bool) -> Copied:
    origin = Origin(errand.origin.bucket, errand.key, errand.etag)
    source, target, key = errand.origin.client, errand.target.client, errand.target_key
    if not by_server:
        async with sites.passing:
            return await copy_through(source, origin, target, key, writing)
    if _is_plain(errand, by_server):
        return await copy(target, key, origin, writing)
    return await multipart_copy(source, origin, target, key, writing)


async def _versioned(errand: Errand, copied: Copied) -> Copied:
    """With the version that an undo removes; Ceph's gateway does not tell it of a copy."""
    if copied.version_id is not None or not errand.target.facts.keeps_versions:
        return copied
    found = await head(errand.target.client, errand.target_key)
    if found is None or found.etag != copied.etag:
        return copied
    return replace(copied, version_id=found.version_id)


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
