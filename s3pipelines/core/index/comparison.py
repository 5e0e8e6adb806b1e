"""Objects as S3 has them beside the index, in one DuckDB: what differs, as rows to write."""

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS, OBJECTS_TAIL
from s3pipelines.core.catalog.tables import ROW_GROUP_ROWS
from s3pipelines.core.detection.differences import KINDS, differences_of
from s3pipelines.core.index.slices import Slice
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text

# deltalake keeps many batches in flight: of 65,536 rows each, they took 100 MB more than of 4,096,
# in the same time.
_ROWS_PER_BATCH = 4096
_STATE = "key, size_bytes, etag, last_modified, storage_class"
# The end of a name after its last dot, as in `scan.TIFF` but not in `.hidden` or `v1.2/readme`.
_EXTENSION = r"lower(regexp_extract(key, '[^/]\.([^./\s]{1,16})$', 1))"


class Comparison:
    """Two relations, compared; made once, as a table `differences` of the connection.

    Args:
        connection: Made by `core.catalog.duck.connect`.
        source: The source.
        now: When the index takes the changes in.
        listed: A query for what S3 has, of schema `SCOPED`; of a source that asks for versions, of
            `SCOPED_VERSIONS`.
        indexed: A query of schema `OBJECTS`, what the index has of the same keys.
        slices: What is listed, in parts that are compared one after the other, so that memory
            holds one of them.
        rule: What differs, by default `differences_of` the source, taken in now: a query over
            `listed` and `indexed` with their columns, and `indexed_at`, when it was taken in.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        now: datetime,
        *,
        listed: str,
        indexed: str,
        slices: Sequence[Slice] = (),
        rule: str = "",
    ) -> None:
        self._connection = connection
        self._source = source
        self._now = _time(now)
        now_taken_in = (
            f"SELECT *, {self._now} AS indexed_at FROM ({differences_of(source.versions)})"
        )
        differing = f"SELECT * RENAME (indexed_at AS taken_at) FROM ({rule or now_taken_in})"
        self._relate(listed, indexed)
        made = f"CREATE OR REPLACE TEMP TABLE differences AS {differing}"
        if not slices:
            connection.execute(made)
            return
        connection.execute(f"{made} LIMIT 0")
        for one in slices:
            self._relate(one.listed, f"FROM ({indexed}) WHERE {one.condition}")
            connection.execute(f"INSERT INTO differences {differing}")

    def _relate(self, listed: str, indexed: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW listed AS {listed}")
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW indexed AS {indexed}")

    def counts(self) -> dict[str, int]:
        """How many objects differ, by kind; every kind is present."""
        rows = self._connection.execute(
            "SELECT kind, count(*) FROM differences GROUP BY kind"
        ).fetchall()
        return dict.fromkeys(KINDS, 0) | dict(rows)

    def leave_out(self, keys: str) -> list[str]:
        """Take the keys of a query out of the differences; returns those that were among them."""
        taken = self._connection.execute(
            f"DELETE FROM differences WHERE key IN (SELECT key FROM ({keys})) RETURNING key"
        )
        return [key for (key,) in taken.fetchall()]

    def key_range(self) -> tuple[str, str]:
        """The first and the last key that differ."""
        query = "SELECT min(key), max(key) FROM differences"
        first, last = self._connection.execute(query).fetchall()[0]
        return first, last

    def merge_rows(self) -> pa.RecordBatchReader:
        """The differing objects as rows of `objects` behind their kind, sorted by key."""
        return self._read(f"SELECT kind, {self._columns()} FROM differences ORDER BY key")

    def all_rows(self, index: str) -> pa.RecordBatchReader:
        """What the index of this source is to be, whole, sorted by key.

        Args:
            index: A query for what it is now.
        """
        # One join with the differences alone: joining the listing and the index as well ran out
        # of 512 MB at 10 million objects, where the sort spills and needs no more than that.
        state = f"{_STATE}, version_id" if self._source.versions else _STATE
        return self._read_groups(f"""
            SELECT {self._columns()} FROM (
                SELECT {state}, indexed_at AS taken_at
                FROM ({index}) ANTI JOIN differences USING (key)
                UNION ALL
                SELECT {state}, taken_at
                FROM differences WHERE kind <> 'deleted'
            ) ORDER BY key
        """)

    def tail_rows(self, position: int) -> pa.RecordBatchReader:
        """The differing objects as rows of `objects_tail`, sorted by key."""
        epoch = "TIMESTAMPTZ 'epoch'"
        nothing = {
            "size_bytes": "coalesce(size_bytes, 0)",
            "etag": "coalesce(etag, '')",
            "last_modified": f"coalesce(last_modified, {epoch})",
            "storage_class": "coalesce(storage_class, '')",
            "gone": "kind = 'deleted'",
            "position": f"{int(position)}::BIGINT",
        }
        columns = self._columns(OBJECTS_TAIL.column_names, **nothing)
        return self._read(f"SELECT {columns} FROM differences ORDER BY key")

    def ledger_rows(self, batch_id: str, ledger_version: int) -> pa.RecordBatchReader:
        """The differences as answers of a listing, rows of `changes`, sorted by key."""
        known = {
            "source": sql_text(self._source.id),
            "id": "replace(uuid()::VARCHAR, '-', '')",
            "observed_at": self._now,
            "observed_by": "'listing'",
            "batch_id": sql_text(batch_id),
            "ledger_version": f"{int(ledger_version)}::BIGINT",
        }
        seen = {*_STATE.split(", "), "kind", "version_id"}
        columns = ", ".join(
            f"{known.get(name, name if name in seen else 'NULL')} AS {name}"
            for name in CHANGES.column_names
        )
        return self._read(f"SELECT {columns} FROM differences ORDER BY key")

    def _read(self, query: str) -> pa.RecordBatchReader:
        return self._connection.execute(query).to_arrow_reader(_ROWS_PER_BATCH)

    def _read_groups(self, query: str) -> pa.RecordBatchReader:
        return self._connection.execute(query).to_arrow_reader(ROW_GROUP_ROWS)

    def _columns(self, names: list[str] = OBJECTS.column_names, **other: str) -> str:
        return _columns(self._source, names, **other)


def listed_rows(
    connection: duckdb.DuckDBPyConnection, source: Source, now: datetime, listed: str
) -> pa.RecordBatchReader:
    """The settled objects of a listing as rows of `objects`, in its order.

    Args:
        connection: Made by `core.catalog.duck.connect`.
        source: The source.
        now: When the index takes them in.
        listed: A query as for `Comparison`, sorted by key.
    """
    columns = _columns(source, taken_at=_time(now))
    query = f"SELECT {columns} FROM ({listed}) WHERE settled"
    return connection.execute(query).to_arrow_reader(ROW_GROUP_ROWS)


def _columns(source: Source, names: list[str] = OBJECTS.column_names, **other: str) -> str:
    values = {
        "source": sql_text(source.id),
        "bucket": sql_text(source.bucket),
        "version_id": "version_id" if source.versions else "NULL::VARCHAR",
        "extension": _EXTENSION,
        "indexed_at": other.pop("taken_at", "taken_at"),
        **other,
    }
    return ", ".join(f"{values.get(n, n)} AS {n}" for n in names)


def _time(moment: datetime) -> str:
    return f"TIMESTAMPTZ {sql_text(moment.isoformat())}"
