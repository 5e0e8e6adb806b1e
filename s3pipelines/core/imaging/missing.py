"""Which objects of a source still want a header or a thumbnail: one anti-join.

A row says that an object was handled in the state of its ETag (and, for thumbnails, with these
parameters). What has no such row is missing, and so are failures that may end differently now:

- the storage did not give the object: each time;
- the worker hung, crashed or ran out of memory: up to three times by the same libraries;
- the libraries have changed since;
- the object was archived, and is in another storage class now.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, sql_text
from s3pipelines.core.catalog.schemas import OBJECTS, TableSchema
from s3pipelines.core.imaging.extensions import IMAGES as IMAGE_EXTENSIONS
from s3pipelines.core.imaging.extensions import NO_IMAGES
from s3pipelines.core.imaging.outcomes import ATTEMPTS, MACHINE_REASONS, STORAGE_REASONS
from s3pipelines.core.imaging.rows import create_view
from s3pipelines.core.imaging.tables import DERIVATIVES, IMAGES
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.storage.ranged_reads import ARCHIVED_CLASSES

Kind = Literal["header", "thumbnail"]
_BATCH_ROWS = 2048


@dataclass(frozen=True)
class Work:
    """What is wanted of which objects.

    Attributes:
        source_id: A registered source.
        kind: Rows of `images`, or thumbnails and their rows of `derivatives`.
        params: How thumbnails are to be.
        sniff: Also look at objects whose name does not tell whether they are images (no or an
            unknown extension). That costs a GET request each, once per state: 0.40 USD per
            million on AWS. Extensions that are certainly none are never looked at.
        again: Reasons of failures that are tried again whatever the rules say, as after a repair.
        where: An SQL condition over the columns of `objects`, from a trusted caller.
        shard: Take the objects of one of several equal parts: its number and how many there are.
    """

    source_id: str
    kind: Kind
    params: ThumbnailParams = field(default_factory=ThumbnailParams)
    sniff: bool = True
    again: frozenset[str] = frozenset()
    where: str = "true"
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


def missing(catalog: Catalog, work: Work, reader_version: str) -> Generator[Item, None, None]:
    """The objects that lack a current row, in the order of their keys.

    Close the iterator if it is not read to its end.

    Args:
        catalog: Where the tables are.
        work: What is wanted.
        reader_version: The libraries that would read the objects now.

    Raises:
        StorageError: The catalog cannot be read.
    """
    with connect(catalog) as connection:
        _prepare(connection, catalog, work)
        reader = connection.execute(_query(work, reader_version)).to_arrow_reader(_BATCH_ROWS)
        with closing(reader):
            for batch in reader:
                for row in batch.to_pylist():
                    yield Item(**row)


def count_missing(catalog: Catalog, work: Work, reader_version: str) -> int:
    """How many objects `missing` would give."""
    with connect(catalog) as connection:
        _prepare(connection, catalog, work)
        query = f"SELECT count(*) FROM ({_query(work, reader_version)})"
        return connection.execute(query).fetchall()[0][0]


def _prepare(connection: duckdb.DuckDBPyConnection, catalog: Catalog, work: Work) -> None:
    create_view(connection, catalog, OBJECTS, work.source_id, "objects")
    create_view(connection, catalog, IMAGES, work.source_id, "images")
    create_view(connection, catalog, DERIVATIVES, work.source_id, "derivatives")


def _query(work: Work, reader_version: str) -> str:
    number, count = work.shard
    # Not DuckDB's own hash, which another release may compute differently.
    in_shard = f"md5_number_lower(key) % {int(count)} = {int(number)}" if count > 1 else "true"
    return f"""
        WITH tried AS ({_tried(work, reader_version)}), wanted AS (
            SELECT key, etag, size_bytes, extension, storage_class FROM objects
            WHERE {_may_be_image(work)} AND {in_shard} AND ({work.where})
        )
        SELECT wanted.* FROM wanted LEFT JOIN tried USING (key, etag)
        WHERE (tried.key IS NULL OR ({_worth_another_try(work, reader_version)}))
        {_known_to_be_none(work)}
        ORDER BY key
    """


def _tried(work: Work, reader_version: str) -> str:
    if work.kind == "header":
        made_at, table, which = "read_at", "images", "true"
    else:
        digest = sql_text(work.params.digest)
        made_at, table = "made_at", "derivatives"
        which = f"kind = 'thumbnail' AND params_digest = {digest}"
    # In a struct, as arg_max leaves out rows whose value is NULL.
    latest = f"arg_max(struct_pack(error := error, reader := reader_version), {made_at})"
    return f"""
        SELECT key, etag, {latest} AS latest, count(*) FILTER (
            error IN ({_listed(MACHINE_REASONS)}) AND reader_version = {sql_text(reader_version)}
        ) AS machine_failures
        FROM {table} WHERE {which} GROUP BY key, etag
    """


def _worth_another_try(work: Work, reader_version: str) -> str:
    no_archive = f"storage_class NOT IN ({_listed(ARCHIVED_CLASSES)}, 'INTELLIGENT_TIERING')"
    ways = [
        f"latest.error IN ({_listed(STORAGE_REASONS)})",
        f"latest.error IN ({_listed(MACHINE_REASONS)}) AND machine_failures < {ATTEMPTS}",
        f"latest.error <> 'archived' AND latest.reader <> {sql_text(reader_version)}",
        f"latest.error = 'archived' AND {no_archive}",
    ]
    if work.again:
        ways.append(f"latest.error IN ({_listed(work.again)})")
    return " OR ".join(f"({way})" for way in ways)


def _known_to_be_none(work: Work) -> str:
    """What its header showed to be no image is not fetched again for a thumbnail."""
    if work.kind == "header" or "not_an_image" in work.again:
        return ""
    return """AND NOT EXISTS (
        SELECT 1 FROM images
        WHERE images.key = wanted.key AND images.etag = wanted.etag AND error = 'not_an_image'
    )"""


def _may_be_image(work: Work) -> str:
    if work.sniff:
        return f"extension NOT IN ({_listed(NO_IMAGES)}) AND NOT ends_with(key, '/')"
    return f"extension IN ({_listed(IMAGE_EXTENSIONS)})"


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sql_text(value) for value in sorted(values))
