"""A catalog on every server: two who write at once, and where none may be."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ensure_table, open_table, source_predicate
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import create_source, list_sources
from s3pipelines.core.storage.leases import hold
from tests.servers import on_every_server

pytestmark = on_every_server

COMMITS = 5


def _row(source: str, number: int) -> pa.Table:
    row = {
        "source": source,
        "bucket": "b",
        "key": f"{number:03d}",
        "size_bytes": 1,
        "etag": "e",
        "last_modified": datetime(2026, 1, 1, tzinfo=UTC),
        "storage_class": "STANDARD",
        "extension": "",
        "indexed_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return pa.Table.from_pylist([row], schema=OBJECTS.arrow)


def test_no_commit_of_two_writers_is_lost(s3_catalog: Catalog):
    ensure_table(s3_catalog, OBJECTS)

    def write(source: str) -> None:
        for number in range(COMMITS):
            write_deltalake(open_table(s3_catalog, OBJECTS), _row(source, number), mode="append")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("one", "two")))

    table = open_table(s3_catalog, OBJECTS)
    rows = pa.table(table.to_pyarrow_dataset().to_table())
    assert sorted(zip(*(rows[name].to_pylist() for name in ("source", "key")), strict=True)) == [
        (source, f"{number:03d}") for source in ("one", "two") for number in range(COMMITS)
    ]
    assert table.version() == 2 * COMMITS


def test_whoever_was_overtaken_is_refused(s3_catalog: Catalog):
    ensure_table(s3_catalog, OBJECTS)
    late: DeltaTable = open_table(s3_catalog, OBJECTS)
    first = open_table(s3_catalog, OBJECTS)
    of_one = source_predicate("one")
    write_deltalake(first, _row("one", 1), mode="overwrite", predicate=of_one)

    with pytest.raises(CommitFailedError):
        write_deltalake(late, _row("one", 2), mode="overwrite", predicate=of_one)
    keys = open_table(s3_catalog, OBJECTS).to_pyarrow_dataset().to_table()["key"].to_pylist()
    assert keys == ["001"]


def test_a_lease_lets_two_count_without_losing_one(s3_catalog: Catalog):
    documents = s3_catalog.documents
    documents.put("count", b"0")

    def count(_: int) -> None:
        for _ in range(3):
            with hold(documents, "leases/count.json", "The count", wait_s=30):
                documents.put("count", b"%d" % (int(documents.read("count").body) + 1))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, range(2)))
    assert documents.read("count").body == b"6"


def test_no_source_is_registered_where_conditional_writes_do_not_hold(
    s3, s3_server: str, s3_catalog: Catalog, bucket: str
):
    name = s3_catalog.location.bucket  # pyright: ignore[reportAttributeAccessIssue]
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if s3_server == "moto":
        create_source(s3_catalog, "maps", f"s3://{bucket}/maps")
        assert [source.id for source in list_sources(s3_catalog)] == ["maps"]
        return
    with pytest.raises(InvalidInput, match="ignores If-None-Match") as refused:
        create_source(s3_catalog, "maps", f"s3://{bucket}/maps")
    assert "without versions" in str(refused.value.hint)
    assert list_sources(s3_catalog) == []
