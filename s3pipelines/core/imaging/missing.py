"""Which objects of a source still want a header, a thumbnail or a pyramid: one anti-join.

A row says that an object was handled in the state of its ETag (and, where there are some, with
these parameters). What has no such row is missing, and so are failures that may end differently
now:

- the storage did not give the object: each time, or after ever longer pauses (`patient`);
- the worker hung, crashed or ran out of memory: up to three times by the same libraries;
- the libraries have changed since;
- the object was archived, and is in another storage class now;
- the object was gone and what was made of it removed, and it is back.

And what somebody has asked to have made again since it was made.
"""

from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from s3pipelines.core.batch.templates import SHARED_NAMES, shared_names_query
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES, DERIVATIVES, IMAGES, OBJECTS, RERUNS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.imaging.caps import cap_columns, digest_column, tables_of_rules
from s3pipelines.core.imaging.extensions import IMAGES as IMAGE_EXTENSIONS
from s3pipelines.core.imaging.extensions import NO_IMAGES
from s3pipelines.core.imaging.outcomes import (
    ATTEMPTS,
    MACHINE_REASONS,
    REMOVED,
    STORAGE_REASONS,
)
from s3pipelines.core.imaging.wishes import Item, Work
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.failures import RAISED_BY_DUCKDB, statement_error
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.ranged_reads import ARCHIVED_CLASSES

# The parameters of a derivative as SQL, whichever page of the object it shows.
OF_ALL_PAGES = "split_part(params_digest, '/', 1)"
_BATCH_ROWS = 2048
# What may end differently now, as bits of one number: the latest attempt failed because of the
# storage, of the machine, with other libraries, as archived, for a reason to be tried again; or
# what it gave was removed.
_STORAGE, _MACHINE, _OTHER_READER, _ARCHIVED, _AGAIN, _REMOVED = 1, 2, 4, 8, 16, 32
# After so many failures of the storage, the next try waits 2, 4, 8 … minutes, at most a day.
_PAUSE_S = "least(86400, 60 * pow(2, least(storage_failures, 20)))"


def missing(
    catalog: Catalog,
    work: Work,
    reader_version: str,
    *,
    since: datetime | None = None,
    limit: int | None = None,
) -> Generator[Item, None, None]:
    """The objects that lack a current row: the newest in the index first, then by key.

    Close the iterator if it is not read to its end.

    Args:
        catalog: Where the tables are.
        work: What is wanted.
        reader_version: The libraries that would read the objects now.
        since: What was tried after this is left alone, so that a run tries nothing twice.
        limit: Most objects to give.

    Raises:
        InvalidInput: The selection is wrong.
        NotFound: There is no such source.
        StorageError: The catalog cannot be read.
    """
    with connect(catalog) as connection:
        query = _prepared(connection, catalog, work, reader_version, since)
        query += " ORDER BY indexed_at DESC, key"
        if limit is not None:
            query += f" LIMIT {int(limit)}"
        rows = f"SELECT * EXCLUDE (indexed_at) FROM ({query})"
        with closing(connection.execute(rows).to_arrow_reader(_BATCH_ROWS)) as reader:
            while (batch := _next(reader, catalog)) is not None:
                for row in batch.to_pylist():
                    yield Item(**row)


def _next(reader: pa.RecordBatchReader, catalog: Catalog) -> pa.RecordBatch | None:
    try:
        return next(reader, None)
    except RAISED_BY_DUCKDB as error:  # Through Arrow: only the text of a DuckDB error is left.
        raise statement_error(error, catalog.memory_limit_mb) from error


def count_missing(
    catalog: Catalog, work: Work, reader_version: str, *, since: datetime | None = None
) -> int:
    """How many objects `missing` would give, within the limit of the selection."""
    with connect(catalog) as connection:
        query = _prepared(connection, catalog, work, reader_version, since)
        count = connection.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
    limit = work.selection.limit
    return count if limit is None else min(count, limit)


def _prepared(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    work: Work,
    reader_version: str,
    since: datetime | None,
) -> str:
    own = (OBJECTS, IMAGES, DERIVATIVES, RERUNS, *((CHANGES,) if work.batch else ()))
    rules = tables_of_rules(work.pyramid) if work.kind == "pyramid" else ()
    tables = dict.fromkeys((*own, *rules, *work.selection.asked_tables))
    create_source_views(connection, catalog, work.source_id, *tables)
    prefix = get_source(catalog, work.source_id).prefix
    if work.kind == "pyramid" and work.pyramid.template.asks_shared_names:
        shared = shared_names_query(prefix)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {SHARED_NAMES} AS {shared}")
    selected = work.selection.condition(connection, prefix)
    before = "true" if since is None else f"tried_at < {_time(since)}"
    wanted = _wanted(connection, work, prefix, selected)
    return f"""
        WITH tried AS ({_tried(work, reader_version)}), wanted AS ({wanted}), asked AS (
            SELECT key, max(asked_at) AS asked_at FROM reruns_attempts
            WHERE kind = {sql_text(work.kind)} GROUP BY key
        )
        SELECT wanted.* FROM wanted
        LEFT JOIN tried USING ({_identity(work)}) LEFT JOIN asked USING (key)
        WHERE (tried.key IS NULL OR {before} AND ({_worth_another_try(work)}))
        {_known_to_be_none(work)}
    """


def _wanted(connection: duckdb.DuckDBPyConnection, work: Work, prefix: str, selected: str) -> str:
    number, count = work.shard
    # Not DuckDB's own hash, which another release may compute differently.
    in_shard = f"md5_number_lower(key) % {int(count)} = {int(number)}" if count > 1 else "true"
    columns = "key, etag, size_bytes, extension, storage_class, indexed_at"
    objects = "objects"
    if work.kind == "pyramid":
        width, height = cap_columns(connection, work.pyramid)
        digest, template = digest_column(work.digest, width, height), work.pyramid.template
        target = template.expression(prefix)
        # Over all objects of the source, whichever of them are to be worked on.
        clashes = "false" if template.tells_apart else f"count(*) OVER (PARTITION BY {target}) > 1"
        objects = f"""(
            SELECT objects.*, {digest} AS params_digest, {width} AS max_width_px,
                {height} AS max_height_px, {target} AS target, {clashes} AS clashes
            FROM objects WHERE {may_be_image(work)}
        ) AS objects"""
        columns += ", params_digest, max_width_px, max_height_px, target, clashes"
    return f"""
        SELECT {columns} FROM {objects}
        WHERE {may_be_image(work)} AND {in_shard} AND {_of_batch(work)} AND {selected}
    """


def _identity(work: Work) -> str:
    return "key, etag" if work.kind != "pyramid" else "key, etag, params_digest"


def _tried(work: Work, reader_version: str) -> str:
    made_at, table, grouped = "made_at", "derivatives_attempts", "key, etag"
    if work.kind == "header":
        made_at, table, which = "read_at", "images_attempts", "true"
    elif work.kind == "thumbnail":
        which = f"kind = 'thumbnail' AND params_digest = {sql_text(work.digest)}"
    else:
        # Rows of further pages are named after the page: DIGEST/2.
        which, grouped = "kind = 'pyramid'", f"key, etag, {OF_ALL_PAGES}"
    version = sql_text(reader_version)
    # A number, as DuckDB does not spill what arg_max keeps of a text or a struct: with those, four
    # million objects ran out of 512 MB; so, they take 3.3 s (benchmarks/RESULTS.md).
    return f"""
        SELECT {grouped.replace(OF_ALL_PAGES, f"{OF_ALL_PAGES} AS params_digest")},
            arg_max({_ways(work, version)}, {made_at}) AS ways,
            max({made_at}) AS tried_at,
            count(*) FILTER (reader_version = {version}) AS tries_by_these,
            count(*) FILTER (
                error IN ({_listed(MACHINE_REASONS)}) AND reader_version = {version}
            ) AS machine_failures,
            count(*) FILTER (error IN ({_listed(STORAGE_REASONS)})) AS storage_failures
        FROM {table} WHERE {which} GROUP BY {grouped}
    """


def _ways(work: Work, version: str) -> str:
    """The bits of one attempt; 0 where it gave what was wanted, or failed for good."""
    conditions = {
        _STORAGE: f"error IN ({_listed(STORAGE_REASONS)})",
        _MACHINE: f"error IN ({_listed(MACHINE_REASONS)})",
        _OTHER_READER: f"error <> 'archived' AND reader_version <> {version}",
        _ARCHIVED: "error = 'archived'",
        _REMOVED: f"error = {sql_text(REMOVED)}",
    }
    if work.again:
        conditions[_AGAIN] = f"error IN ({_listed(work.again)})"
    bits = " + ".join(f"if({condition}, {bit}, 0)" for bit, condition in conditions.items())
    # arg_max leaves out rows whose value is NULL; `if` takes an unknown condition for a false one.
    return f"({bits})"


def _worth_another_try(work: Work) -> str:
    no_archive = f"storage_class NOT IN ({_listed(ARCHIVED_CLASSES)}, 'INTELLIGENT_TIERING')"
    rested = (
        f"tried_at + to_seconds({_PAUSE_S}) < {_time(datetime.now(UTC))}"
        if work.patient
        else "true"
    )
    conditions = {
        _STORAGE: rested,
        _MACHINE: f"machine_failures < {ATTEMPTS}",
        # Never by these: two machines with different libraries would try it in turns for ever.
        _OTHER_READER: "tries_by_these = 0",
        _ARCHIVED: no_archive,
        _AGAIN: "true",
        _REMOVED: "true",
    }
    ways = [f"((ways & {bit}) > 0 AND {condition})" for bit, condition in conditions.items()]
    return " OR ".join(["coalesce(asked_at > tried_at, false)", *ways])


def _known_to_be_none(work: Work) -> str:
    """What its header showed to be no image is not fetched again for anything else."""
    if work.kind == "header" or "not_an_image" in work.again:
        return ""
    return """AND NOT EXISTS (
        SELECT 1 FROM images_attempts AS tries
        WHERE tries.key = wanted.key AND tries.etag = wanted.etag AND error = 'not_an_image'
        AND NOT EXISTS (
            SELECT 1 FROM images_attempts AS good
            WHERE good.key = tries.key AND good.etag = tries.etag AND good.error IS NULL
        )
    )"""


def may_be_image(work: Work) -> str:
    """A condition over `objects`: what its name says does not rule an image out."""
    if work.sniff:
        return f"extension NOT IN ({_listed(NO_IMAGES)}) AND NOT ends_with(key, '/')"
    return f"extension IN ({_listed(IMAGE_EXTENSIONS)})"


def _of_batch(work: Work) -> str:
    if work.batch is None:
        return "true"
    # The time lets DuckDB skip the rest of a ledger of years.
    yesterday = _time(datetime.now(UTC) - timedelta(days=1))
    return (
        "key IN (SELECT key FROM changes_attempts "
        f"WHERE batch_id = {sql_text(work.batch)} AND observed_at > {yesterday})"
    )


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sql_text(value) for value in sorted(values))


def _time(at: datetime) -> str:
    return f"TIMESTAMPTZ {sql_text(at.isoformat())}"
