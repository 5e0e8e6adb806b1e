"""The listing beside the index, in one DuckDB: what differs, and what the index is to be."""

from datetime import datetime

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from s3pipelines.core.catalog.duck import empty_relation, sql_text
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import files_of_source
from s3pipelines.core.detection.differences import DIFFERENCES, KINDS
from s3pipelines.core.index.spool import Spool
from s3pipelines.core.sources.source import Source

# deltalake keeps many batches in flight: of 65,536 rows each, they took 100 MB more than of 4,096,
# in the same time.
_ROWS_PER_BATCH = 4096
# The end of a name after its last dot, as in `scan.TIFF` but not in `.hidden` or `v1.2/readme`.
_EXTENSION = r"lower(regexp_extract(key, '[^/]\.([^./\s]{1,16})$', 1))"


class Comparison:
    """A spooled listing and one version of the index, ready to be compared.

    The index is read from exactly the files of the handle that the write will go through, so what
    is compared is what the write is checked against.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        table: DeltaTable,
        spool: Spool,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._source = source
        self._now = now
        connection.execute(
            f"CREATE OR REPLACE VIEW listed AS FROM read_parquet({sql_text(str(spool.path))})"
        )
        connection.execute(
            f"CREATE OR REPLACE VIEW indexed AS {indexed_rows_query(table, source.id)}"
        )
        connection.execute(f"CREATE OR REPLACE TEMP TABLE differences AS {DIFFERENCES}")

    def counts(self) -> dict[str, int]:
        """How many objects differ, by kind; every kind is present."""
        rows = self._connection.execute(
            "SELECT kind, count(*) FROM differences GROUP BY kind"
        ).fetchall()
        return dict.fromkeys(KINDS, 0) | dict(rows)

    def indexed_rows(self) -> int:
        """How many objects the index has of this source."""
        return _one_number(self._connection, "SELECT count(*) FROM indexed")

    def key_range(self) -> tuple[str, str]:
        """The first and the last key that differ."""
        query = "SELECT min(key), max(key) FROM differences"
        first, last = self._connection.execute(query).fetchall()[0]
        return first, last

    def merge_rows(self) -> pa.RecordBatchReader:
        """The differing objects as rows of `objects` behind their kind, sorted by key."""
        query = f"SELECT kind, {self._columns(self._now_literal)} FROM differences ORDER BY key"
        return self._connection.execute(query).to_arrow_reader(_ROWS_PER_BATCH)

    def all_rows(self) -> pa.RecordBatchReader:
        """What the index of this source is to be, whole, sorted by key."""
        taken_in = f"coalesce(indexed_at, {self._now_literal})"
        # One join with the differences alone: joining the listing and the index as well ran out
        # of 512 MB at 10 million objects, where the sort spills and needs no more than that.
        query = f"""
            SELECT {self._columns(taken_in)} FROM (
                SELECT key, size_bytes, etag, last_modified, storage_class, indexed_at
                FROM indexed ANTI JOIN differences USING (key)
                UNION ALL
                SELECT key, size_bytes, etag, last_modified, storage_class, NULL AS indexed_at
                FROM differences WHERE kind <> 'deleted'
            ) ORDER BY key
        """
        return self._connection.execute(query).to_arrow_reader(_ROWS_PER_BATCH)

    @property
    def _now_literal(self) -> str:
        return f"TIMESTAMPTZ {sql_text(self._now.isoformat())}"

    def _columns(self, indexed_at: str) -> str:
        source = self._source
        values = {
            "source": sql_text(source.id),
            "bucket": sql_text(source.bucket),
            "version_id": "NULL::VARCHAR",
            "extension": _EXTENSION,
            "indexed_at": indexed_at,
        }
        return ", ".join(f"{values.get(n, n)} AS {n}" for n in OBJECTS.column_names)


def indexed_rows_query(table: DeltaTable, source_id: str) -> str:
    """The rows of a source in exactly the files of the handle's version."""
    files = files_of_source(table, source_id)
    columns = ", ".join(name for name in OBJECTS.column_names if name != "source")
    if not files:
        return f"SELECT {columns} FROM ({empty_relation(OBJECTS)})"
    listed = ", ".join(sql_text(uri) for uri in files)
    return f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = false)"


def _one_number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return connection.execute(query).fetchall()[0][0]
