"""Upkeep of the catalog: the files of each source put in order, then what is left over removed.

Nothing that a reader is shown changes, and whoever is killed here leaves each table whole. What
cannot be done for one source (somebody else is at it) is told, and the others go on.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import (
    AUDITS,
    CHANGES,
    DERIVATIVES,
    IMAGES,
    TABLES,
    TAGS,
    TableSchema,
)
from s3pipelines.core.catalog.tables import find_table
from s3pipelines.core.errors import Busy, S3PipelinesError
from s3pipelines.core.sources.registry import get_source, read_registry
from s3pipelines.core.sources.source import Source
from s3pipelines.core.upkeep.cleaning import clean
from s3pipelines.core.upkeep.ordering import compact_table, sort_attempts, sort_index
from s3pipelines.core.upkeep.report import Kept, Upkeep

_ATTEMPTS = 5
# Every row of the ledger, of the tags and of the audits stays; only their files are put together.
_KEPT_WHOLE = (CHANGES, TAGS, AUDITS)
_OF_SOURCES = (*_KEPT_WHOLE, IMAGES, DERIVATIVES)
_OPEN = (
    "Something in it is open for longer than old versions are kept, so its log stays; see "
    "'Looking at it in SQL' in docs/operating.md for what waits."
)


def optimize(
    catalog: Catalog,
    keep: timedelta,
    *,
    source_id: str | None = None,
    wait_s: float = 600,
    say: Callable[[str], None] = lambda _: None,
) -> Upkeep:
    """Put the files of the sources in order, and remove what only old versions need.

    Args:
        catalog: Where the tables are.
        keep: How long files and log of old versions stay.
        source_id: Only the files of this source; nothing is removed then, as that concerns all.
        wait_s: How long to wait for another writer of a source, in seconds.
        say: Is told of the steps, a line each.

    Returns:
        What was done, and what could not be done and why.

    Raises:
        NotFound: There is no such source.
        StorageError: The registry cannot be read.
    """
    started = time.monotonic()
    parts: list[Kept] = []
    if source_id is not None:
        sources = [get_source(catalog, source_id)]
    else:
        registry = read_registry(catalog)
        sources = registry.sources
        parts += [Kept("", name, error=str(why)) for name, why in registry.unreadable.items()]
    for source in sources:
        say(f"Putting the files of {source.id!r} in order")
        parts += _keep_source(catalog, source, keep, wait_s)
    if source_id is None:
        for schema in TABLES:
            say(f"Removing what only old versions of {schema.name!r} need")
            parts += _keep_table(catalog, schema, keep)
    return Upkeep(tuple(parts), time.monotonic() - started)


def _keep_source(catalog: Catalog, source: Source, keep: timedelta, wait_s: float) -> list[Kept]:
    known = [schema for schema in _OF_SOURCES if find_table(catalog, schema)]
    parts = _tried("objects", source.id, lambda: sort_index(catalog, source, wait_s))
    for schema in known:
        if schema in _KEPT_WHOLE:
            work = partial(compact_table, catalog, schema, source.id)
        else:
            work = partial(sort_attempts, catalog, schema, source, keep)
        parts += _tried(schema.name, source.id, lambda work=work: [work()])
    return parts


def _keep_table(catalog: Catalog, schema: TableSchema, keep: timedelta) -> list[Kept]:
    if find_table(catalog, schema) is None:
        return []
    parts: list[Kept] = []
    if not schema.by_source:
        parts += _tried(schema.name, "", lambda: [compact_table(catalog, schema, "")])
    return parts + _tried(schema.name, "", lambda: [_cleaned(catalog, schema, keep)])


def _cleaned(catalog: Catalog, schema: TableSchema, keep: timedelta) -> Kept:
    started = time.monotonic()
    cleaned = clean(catalog, schema, keep)
    return Kept(
        schema.name,
        removed_files=cleaned.files,
        removed_bytes=cleaned.size_bytes,
        duration_s=time.monotonic() - started,
        note=_OPEN if cleaned.log_is_kept else "",
    )


def _tried(table: str, source_id: str, work: Callable[[], list[Kept]]) -> list[Kept]:
    """What `work` tells, or why it was not done; what stands in its way is never fatal."""
    for _ in range(_ATTEMPTS):
        try:
            return work()
        except CommitFailedError:
            continue  # Somebody else wrote in the same moment.
        except S3PipelinesError as error:
            return [Kept(table, source_id, error=str(error))]
    busy = Busy(
        f"The table {table!r} was changed {_ATTEMPTS} times in a moment.",
        hint="Nothing is lost; the next upkeep does it.",
    )
    return [Kept(table, source_id, error=str(busy))]
