"""Which objects of a source still want a header or a thumbnail: one anti-join.

A row says that an object was handled in the state of its ETag (and, for thumbnails, with these
parameters). What has no such row is missing, and so are failures that may end differently now:

- the storage did not give the object: each time, or after ever longer pauses (`patient`);
- the worker hung, crashed or ran out of memory: up to three times by the same libraries;
- the libraries have changed since;
- the object was archived, and is in another storage class now.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, sql_text
from s3pipelines.core.catalog.schemas import CHANGES, DERIVATIVES, IMAGES, OBJECTS, TableSchema
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.imaging.extensions import IMAGES as IMAGE_EXTENSIONS
from s3pipelines.core.imaging.extensions import NO_IMAGES
from s3pipelines.core.imaging.outcomes import ATTEMPTS, MACHINE_REASONS, STORAGE_REASONS
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.failures import RAISED_BY_DUCKDB, statement_error
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.ranged_reads import ARCHIVED_CLASSES

Kind = Literal["header", "thumbnail"]
_BATCH_ROWS = 2048
# What may end differently now, as bits of one number: the latest attempt failed because of the
# storage, of the machine, with other libraries, as archived, for a reason to be tried again.
_STORAGE, _MACHINE, _OTHER_READER, _ARCHIVED, _AGAIN = 1, 2, 4, 8, 16
# After so many failures of the storage, the next try waits 2, 4, 8 … minutes, at most a day.
_PAUSE_S = "least(86400, 60 * pow(2, least(storage_failures, 20)))"


@dataclass(frozen=True)
class Work:
    """What is wanted of which objects.

    Attributes:
        source_id: A registered source.
        kind: Rows of `images`, or thumbnails and their rows of `derivatives`.
        params: How thumbnails are to be.
        selection: Of which objects.
        sniff: Also look at objects whose name does not tell whether they are images (no or an
            unknown extension). That costs a GET request each, once per state: 0.40 USD per
            million on AWS. Extensions that are certainly none are never looked at.
        again: Reasons of failures that are tried again whatever the rules say, as after a repair.
        patient: Nobody waits for it: objects that the storage did not give are asked for again
            only after a while, so that a source that denies access is not asked day and night.
        batch: Only objects that this batch of the ledger changed, in the last day.
        shard: Take the objects of one of several equal parts: its number and how many there are.
    """

    source_id: str
    kind: Kind
    params: ThumbnailParams = field(default_factory=ThumbnailParams)
    selection: Selection = field(default_factory=Selection)
    sniff: bool = True
    again: frozenset[str] = frozenset()
    patient: bool = False
    batch: str | None = None
    shard: tuple[int, int] = (0, 1)

    @property
    def table(self) -> TableSchema:
        """The table that its rows go to."""
        return IMAGES if self.kind == "header" else DERIVATIVES


@dataclass(frozen=True)
class Item:
    """One object that is to be worked on."""

    key: str
    etag: str
    size_bytes: int
    extension: str
    storage_class: str

    @property
    def archived(self) -> bool:
        """It cannot be read without a restore."""
        return self.storage_class in ARCHIVED_CLASSES


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
        rows = f"SELECT key, etag, size_bytes, extension, storage_class FROM ({query})"
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
    own = (OBJECTS, IMAGES, DERIVATIVES, *((CHANGES,) if work.batch else ()))
    tables = dict.fromkeys((*own, *work.selection.asked_tables))
    create_source_views(connection, catalog, work.source_id, *tables)
    prefix = get_source(catalog, work.source_id).prefix
    selected = work.selection.condition(connection, prefix)
    before = "true" if since is None else f"tried_at < {_time(since)}"
    return _query(work, reader_version, selected, before)


def _query(work: Work, reader_version: str, selected: str, before: str) -> str:
    number, count = work.shard
    # Not DuckDB's own hash, which another release may compute differently.
    in_shard = f"md5_number_lower(key) % {int(count)} = {int(number)}" if count > 1 else "true"
    return f"""
        WITH tried AS ({_tried(work, reader_version)}), wanted AS (
            SELECT key, etag, size_bytes, extension, storage_class, indexed_at FROM objects
            WHERE {_may_be_image(work)} AND {in_shard} AND {_of_batch(work)} AND {selected}
        )
        SELECT wanted.* FROM wanted LEFT JOIN tried USING (key, etag)
        WHERE (tried.key IS NULL OR {before} AND ({_worth_another_try(work)}))
        {_known_to_be_none(work)}
    """


def _tried(work: Work, reader_version: str) -> str:
    if work.kind == "header":
        made_at, table, which = "read_at", "images_attempts", "true"
    else:
        digest = sql_text(work.params.digest)
        made_at, table = "made_at", "derivatives_attempts"
        which = f"kind = 'thumbnail' AND params_digest = {digest}"
    version = sql_text(reader_version)
    # A number, as DuckDB does not spill what arg_max keeps of a text or a struct: with those, four
    # million objects ran out of 512 MB; so, they take 3.3 s (benchmarks/RESULTS.md).
    return f"""
        SELECT key, etag, arg_max({_ways(work, version)}, {made_at}) AS ways,
            max({made_at}) AS tried_at,
            count(*) FILTER (reader_version = {version}) AS tries_by_these,
            count(*) FILTER (
                error IN ({_listed(MACHINE_REASONS)}) AND reader_version = {version}
            ) AS machine_failures,
            count(*) FILTER (error IN ({_listed(STORAGE_REASONS)})) AS storage_failures
        FROM {table} WHERE {which} GROUP BY key, etag
    """


def _ways(work: Work, version: str) -> str:
    """The bits of one attempt; 0 where it gave what was wanted, or failed for good."""
    conditions = {
        _STORAGE: f"error IN ({_listed(STORAGE_REASONS)})",
        _MACHINE: f"error IN ({_listed(MACHINE_REASONS)})",
        _OTHER_READER: f"error <> 'archived' AND reader_version <> {version}",
        _ARCHIVED: "error = 'archived'",
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
    }
    return " OR ".join(
        f"((ways & {bit}) > 0 AND {condition})" for bit, condition in conditions.items()
    )


def _known_to_be_none(work: Work) -> str:
    """What its header showed to be no image is not fetched again for a thumbnail."""
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


def _may_be_image(work: Work) -> str:
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
