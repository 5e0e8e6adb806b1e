"""A large index that changes a little everywhere: what S3 said is in the ledger, and is applied."""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from deltalake import write_deltalake

from benchmarks.contenders.merging import LISTING
from s3pipelines.core.catalog.appending import append_through
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS
from s3pipelines.core.catalog.tables import TARGET_FILE_BYTES, WRITER, ensure_table, open_table
from s3pipelines.core.catalog.views import index_now
from s3pipelines.core.detection.ledger import load_observations
from s3pipelines.core.detection.pending import note_hints
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.index.turns import Applied, Turn
from s3pipelines.core.index.upkeep import fold
from s3pipelines.core.sources.leases import index_lease
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.leases import hold
from s3pipelines.core.storage.locations import parse_location
from s3pipelines.core.upkeep.optimize import optimize

_PAGE = 180


def fill_index(catalog: str, source_id: str, objects: str) -> dict[str, Any]:
    """An index of that many objects, sorted by key, in files as a refresh writes them."""
    home = Catalog(parse_location(catalog))
    source = get_source(home, source_id)
    ensure_table(home, OBJECTS)
    ensure_table(home, CHANGES)
    values = {
        "source": sql_text(source_id),
        "bucket": sql_text(source.bucket),
        "version_id": "NULL::VARCHAR",
        "extension": "regexp_extract(key, '[^.]+$')",
        "indexed_at": "TIMESTAMPTZ '2026-01-01 00:00:00+00'",
    }
    columns = ", ".join(f"{values.get(name, name)} AS {name}" for name in OBJECTS.column_names)
    listing = LISTING.replace("$objects", str(int(objects)))
    with tempfile.TemporaryDirectory() as spill:
        connection = duckdb.connect(config={"memory_limit": "4GB", "temp_directory": spill})
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(f"SELECT {columns} FROM ({listing})").to_arrow_reader(4096)
        write_deltalake(
            open_table(home, OBJECTS),
            rows,
            mode="append",
            target_file_size=TARGET_FILE_BYTES,
            writer_properties=WRITER,
        )
        connection.close()
    return {"files": len(open_table(home, OBJECTS).file_uris())}


def answer(catalog: str, source_id: str, number: str, changes: str) -> dict[str, Any]:
    """Write that S3 says of some objects, scattered over all keys, that they were overwritten."""
    home = Catalog(parse_location(catalog))
    source, now = get_source(home, source_id), datetime.now(UTC)
    ledger = open_table(home, CHANGES)
    known = {
        "id": f"md5(key || '/' || {int(number)})",
        "kind": "'overwritten'",
        "etag": f"md5(key || '#' || {int(number)})",
        "last_modified": "now()",
        "observed_at": "now()",
        "hinted_at": "now()",
        "observed_by": "'event'",
        "batch_id": sql_text(f"{source_id}/{number}"),
        "ledger_version": str(ledger.version()),
    }
    same = ("source", "key", "size_bytes", "storage_class")
    columns = ", ".join(
        f"{known.get(name, name if name in same else 'NULL')} AS {name}"
        for name in CHANGES.column_names
    )
    with connect(Catalog(home.location, memory_limit_mb=2048), delta=True) as connection:
        index = index_now(home)
        indexed = connection.execute(f"SELECT count(*) FROM ({index})").fetchall()[0][0]
        some = f"hash(key) % {max(1, indexed // int(changes))} = {int(number)}"
        query = f"SELECT {columns} FROM ({index}) WHERE {some} ORDER BY key"
        table = connection.execute(query).to_arrow_table()
    append_through(home, CHANGES, ledger, table.to_reader())
    note_hints(home, source, ledger.version(), 1, now)
    return {"changes": table.num_rows}


def apply(catalog: str, source_id: str) -> dict[str, Any]:
    """One update of the index, as a run of Dagster makes it."""
    started, cpu = time.perf_counter(), time.process_time()
    done = apply_changes(Catalog(parse_location(catalog)), source_id)
    return {
        "changed": sum(done.applied.changes.values()),
        "wrote": done.applied.wrote,
        **_spent(started, cpu),
    }


def merge_at_once(catalog: str, source_id: str) -> dict[str, Any]:
    """The same, as one merge into `objects`."""
    home, done = Catalog(parse_location(catalog)), Applied()
    source = get_source(home, source_id)
    started, cpu = time.perf_counter(), time.process_time()
    with (
        hold(home.documents, index_lease(source_id), "A benchmark") as lease,
        connect(home, delta=True) as connection,
    ):
        turn = Turn(home, source, lease, "merge", lambda _: None)
        load_observations(connection, home, turn.ledger, source_id, 0)
        turn.apply_answers(connection, done, merge=True)
    return {
        "changed": sum(done.changes.values()),
        "wrote": done.wrote,
        **_spent(started, cpu),
    }


def fold_tail(catalog: str, source_id: str) -> dict[str, Any]:
    """Merge the tail, whether it is due or not."""
    home = Catalog(parse_location(catalog))
    started, cpu = time.perf_counter(), time.process_time()
    with connect(home, delta=True) as connection:
        snapshot = Snapshot.open(home, source_id)
        rows = connection.execute(f"SELECT count(*) FROM ({snapshot.tail_rows})").fetchall()[0][0]
        wrote = fold(connection, snapshot, get_source(home, source_id))
    return {"changed": rows, "wrote": wrote, **_spent(started, cpu)}


def remove_old(catalog: str) -> dict[str, Any]:
    """Upkeep, with nothing kept of what was replaced."""
    started, cpu = time.perf_counter(), time.process_time()
    done = optimize(Catalog(parse_location(catalog)), timedelta(0))
    if done.failures:
        raise AssertionError(done.failures)
    return _spent(started, cpu)


def read_index(catalog: str, source_id: str) -> dict[str, Any]:
    """What readers ask of the index; the seconds of each, the first time and then warm."""
    home = Catalog(parse_location(catalog))
    of_source = f"({index_now(home)}) WHERE source = {sql_text(source_id)}"
    page = f"AND key > 'collections/maps/2010' ORDER BY key LIMIT {_PAGE}"
    questions = {
        "count": f"SELECT count(*) FROM {of_source}",
        "page": f"SELECT key, size_bytes, etag FROM {of_source} {page}",
        "group": f"SELECT extension, count(*), sum(size_bytes) FROM {of_source} GROUP BY ALL",
    }
    said: dict[str, Any] = {}
    with connect(home, delta=True) as connection:
        for name, query in questions.items():
            for time_of in (name, f"{name}_warm"):
                started = time.perf_counter()
                connection.execute(query).fetchall()
                said[time_of] = time.perf_counter() - started
    return said


def _spent(started: float, cpu: float) -> dict[str, float]:
    return {"s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
