"""Writing a run of files anew, sorted by key, while others go on writing to the table.

The new files replace exactly those that were read, in one commit: what somebody appends meanwhile
is not among them, and stays.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from s3pipelines.core.catalog.duck import empty_relation
from s3pipelines.core.catalog.sorted_files import write_sorted_files
from s3pipelines.core.catalog.tables import NO_CLEANUP, ROW_GROUP_ROWS, table_errors
from s3pipelines.core.errors import Busy
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.upload import place_file
from s3pipelines.core.upkeep.files import Place
from s3pipelines.core.upkeep.layout import DataFile

# Delta takes any removal in the table for a conflict, also of another source's files; the commit is
# then tried again as long as the files that were read are still there.
_ATTEMPTS = 20


def rewrite(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    files: Sequence[DataFile],
    *,
    order_by: str,
    kept: str = "",
    confirm: Callable[[], None] = lambda: None,
) -> None:
    """Write the rows of some files of a source anew, sorted, into files of the target size.

    Whoever is killed here leaves the table as it was, and files that a later clean-up removes.

    Args:
        connection: Sorts, and spills what does not fit into the memory limit.
        place: The source and the table.
        files: Which files.
        order_by: The columns to sort by.
        kept: What ends the query, and so leaves rows out.
        confirm: Called before the commit; raises if it must not be made any more.

    Raises:
        Busy: Somebody else removed some of the files meanwhile; nothing was changed.
        StorageError: The catalog cannot be written.
    """
    catalog, name = place.catalog, place.schema.name
    with tempfile.TemporaryDirectory(prefix="s3pipelines-upkeep-") as folder:
        with table_errors(catalog, name):
            added = _write(connection, place, _sorted(place, files, order_by, kept), Path(folder))
        location = catalog.location.child("tables").child(name)
        for action in added:
            place_file(catalog.access, Path(folder, action.path), location, action.path)
    _commit(place, added, files, confirm)


def _sorted(place: Place, files: Sequence[DataFile], order_by: str, kept: str) -> str:
    stored = (
        f"SELECT *, {sql_text(place.source_id)} AS source FROM read_parquet({place.uris(files)}, "
        "hive_partitioning = false, union_by_name = true)"
    )
    # By name: a release may have added a column since the files were written.
    rows = f"({empty_relation(place.schema)}) UNION ALL BY NAME ({stored})"
    return f"SELECT * FROM ({rows}) {kept} ORDER BY {order_by}"


def _write(
    connection: duckdb.DuckDBPyConnection, place: Place, query: str, folder: Path
) -> list[AddAction]:
    stored = [field.name for field in place.open().schema().fields if field.name != "source"]
    columns = pa.schema([place.schema.arrow.field(name) for name in stored])
    rows = connection.execute(f"SELECT {', '.join(stored)} FROM ({query})")
    reader = rows.to_arrow_reader(ROW_GROUP_ROWS)
    return write_sorted_files(reader, columns, place.source_id, folder, data_change=False)


def _commit(
    place: Place,
    added: Sequence[AddAction],
    files: Sequence[DataFile],
    confirm: Callable[[], None],
) -> None:
    for _ in range(_ATTEMPTS):
        confirm()
        table = place.open()
        if not {file.path for file in place.files(table)}.issuperset(file.path for file in files):
            break
        # A conflict: look again whether it was about these files.
        with suppress(CommitFailedError), table_errors(place.catalog, place.schema.name):
            _replace(table, place.source_id, added, files)
            return
    raise Busy(
        f"The table {place.schema.name!r} was changed while rows of {place.source_id!r} were "
        "sorted.",
        hint="Nothing is lost; the next upkeep does it.",
    )


def _replace(
    table: DeltaTable, source_id: str, added: Sequence[AddAction], files: Sequence[DataFile]
) -> None:
    now_ms = int(time.time() * 1000)
    partition: dict[str, str | None] = {"source": source_id}
    removed = [RemoveAction(f.path, False, now_ms, f.size_bytes, partition) for f in files]
    table.create_write_transaction(
        [*added, *removed],
        "append",
        table.schema(),
        partition_by=["source"],
        post_commithook_properties=NO_CLEANUP,
    )
