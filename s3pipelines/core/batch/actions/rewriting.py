"""Writing objects onto themselves: how S3 changes a storage class, or metadata."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from s3pipelines.core.batch.actions.action import Chunk
from s3pipelines.core.batch.changes import Changes
from s3pipelines.core.batch.copying import Errand, brings_tags, copy_object
from s3pipelines.core.batch.looking import Seen, look_at
from s3pipelines.core.batch.outcomes import failed, not_as_planned
from s3pipelines.core.batch.removal import remove_versions
from s3pipelines.core.batch.returning import facts_of
from s3pipelines.core.batch.rows import Outcome, Precondition, Row
from s3pipelines.core.batch.sites import Site, Sites
from s3pipelines.core.errors import Gone, StorageError
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.tags import get_tags, put_tags


async def still_there(
    sites: Sites, chunk: Chunk
) -> tuple[list[tuple[Row, Precondition]], list[Outcome]]:
    """The rows whose objects are as planned, each with how it was looked at, and the others."""
    source = sites.source
    seen = await look_at(source.client, source.facts.location, [row.key for row in chunk.rows])
    there: list[tuple[Row, Precondition]] = []
    ended: list[Outcome] = []
    for row in chunk.rows:
        try:
            now = seen[row.key]
        except StorageError as error:
            ended.append(failed(row, error))
            continue
        if now is not None and now.etag == row.etag:
            there.append((row, now.by))
        else:
            ended.append(_otherwise(row, now))
    return there, ended


async def as_planned(
    sites: Sites, chunk: Chunk, work: Callable[[Row, Precondition], Awaitable[Outcome]]
) -> list[Outcome]:
    """Look at the objects of a chunk, and work on those that are as planned.

    Args:
        sites: The buckets of the plan.
        chunk: The rows.
        work: Is given a row, and how it was looked at.
    """
    there, ended = await still_there(sites, chunk)
    return ended + list(await asyncio.gather(*(attempted(row, work(row, by)) for row, by in there)))


async def attempted(row: Row, work: Awaitable[Outcome]) -> Outcome:
    """What became of a row, also where S3 said no."""
    try:
        return await work
    except StorageError as error:
        return failed(row, error)


async def rewrite(
    sites: Sites,
    row: Row,
    changes: Changes,
    keeps: dict[str, Any],
    *,
    doubtful: bool,
    tags: Mapping[str, str] | None,
) -> Outcome:
    """Write an object onto itself, otherwise than it was.

    Args:
        sites: The buckets of the plan.
        row: The object.
        changes: What is otherwise.
        keeps: What an undo needs.
        doubtful: A process before this one may have done it; once more would make another version.
        tags: Its tags, as `tags_at_risk` has them; None if they are not.

    Raises:
        StorageError: It cannot be written.
    """
    source = sites.source
    found = await head(source.client, row.key) if doubtful else None
    if found is not None and found.etag == row.etag and changes.show_in(found):
        facts = {**keeps, "made": [found.etag, found.version_id]}
        if tags is not None:
            await put_tags(source.client, row.key, tags, found.version_id)
        return Outcome(row, "done", None, None, "head", found.etag, facts)
    copied = await copy_object(sites, _onto_itself(source, row, row.etag, changes, tags))
    facts = {**keeps, "made": [copied.etag, copied.version_id]}
    native = source.facts.enforced.copy_source_if_match
    return Outcome(row, "done", None, None, "native" if native else "head", copied.etag, facts)


async def rewrite_back(
    sites: Sites, chunk: Chunk, changes_of: Callable[[dict[str, Any]], Changes]
) -> list[Outcome]:
    """Undo it: in a bucket with versions the one before is the current one again."""
    source = sites.source
    tags, ended = await tags_at_risk(
        sites, chunk, chunk.rows, lambda row: changes_of(facts_of(row))
    )
    failures = {outcome.row.number for outcome in ended}
    rows = [row for row in chunk.rows if row.number not in failures]
    seen = await look_at(source.client, source.facts.location, [row.key for row in rows])

    async def one(row: Row) -> Outcome:
        facts = facts_of(row)
        etag, version = facts["made"]
        before = changes_of(facts)
        try:
            now = seen[row.key]
            if now is None or now.etag != etag:
                return _otherwise(row, now)
            if source.facts.keeps_versions and version is not None:
                removed = (await remove_versions(source, [(row.key, version)]))[0]
                if removed.error is not None:
                    return failed(row, removed.error)
                # Where an answer was lost, there may be another version that was written.
                found = await head(source.client, row.key)
                if found is not None and before.show_in(found):
                    return Outcome(row, "done", precondition=now.by, etag=found.etag)
            errand = _onto_itself(source, row, etag, before, tags.get(row.number))
            back = await copy_object(sites, errand)
        except StorageError as error:
            return failed(row, error)
        return Outcome(row, "done", precondition=now.by, etag=back.etag)

    return ended + list(await asyncio.gather(*map(one, rows)))


async def tags_at_risk(
    sites: Sites, chunk: Chunk, rows: Sequence[Row], changes_of: Callable[[Row], Changes]
) -> tuple[dict[int, dict[str, str]], list[Outcome]]:
    """The tags that objects lose when they are written onto themselves, noted before that.

    A server that takes them along leaves none at risk. Of another one, a process that is killed
    between the two writes would leave objects without tags, and nobody knew which they had.

    Returns:
        Tags by number of the row, and outcomes of rows whose tags cannot be read.
    """

    async def read(row: Row) -> tuple[int, dict[str, str]] | Outcome:
        try:
            return row.number, await get_tags(sites.source.client, row.key)
        except Gone:
            return row.number, {}  # What is said of such rows, others know.
        except StorageError as error:
            return failed(row, error)

    source = sites.source
    losing = [
        row
        for row in rows
        if not brings_tags(_onto_itself(source, row, row.etag, changes_of(row)), by_server=True)
    ]
    ended = await asyncio.gather(*map(read, losing))
    tags = dict(one for one in ended if not isinstance(one, Outcome))
    # What an earlier process had found holds: by now they may be lost.
    tags |= {n: fact["tags"] for n, fact in chunk.noted.items() if n in tags and "tags" in fact}
    await chunk.notes.note({number: {"tags": found} for number, found in tags.items() if found})
    return tags, [one for one in ended if isinstance(one, Outcome)]


def _onto_itself(
    site: Site,
    row: Row,
    etag: str,
    changes: Changes,
    tags: Mapping[str, str] | None = None,
) -> Errand:
    return Errand(
        origin=site,
        key=row.key,
        etag=etag,
        size_bytes=row.size_bytes,
        target=site,
        target_key=row.key,
        storage_class=row.storage_class,
        replaces=etag,
        changes=changes,
        tags=tags,
    )


def _otherwise(row: Row, now: Seen | None) -> Outcome:
    if now is None:
        return not_as_planned(row, "gone", f"{row.key} was deleted since.")
    return not_as_planned(row, "changed", f"{row.key} was overwritten since.")
