from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.index import spool as spools
from s3pipelines.core.index.spool import Spool
from s3pipelines.core.sources.scope import SCOPED
from tests.core.index.rows import NOON


def _spool(folder: Path, *files: list[str]) -> Spool:
    paths = [folder / f"{number}.parquet" for number in range(len(files))]
    for path, keys in zip(paths, files, strict=True):
        rows = [
            {
                "key": key,
                "size_bytes": 1,
                "etag": "e",
                "last_modified": NOON,
                "storage_class": "STANDARD",
                "settled": True,
            }
            for key in keys
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCOPED), path)
    return Spool(tuple(paths), sum(map(len, files)), 0, 0)


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_ROWS_PER_SLICE", 2)


def test_the_slices_of_a_listing_cover_every_key_of_the_index_once(
    tmp_path: Path, local_catalog: Catalog
) -> None:
    spool = _spool(tmp_path, ["b", "c'd"], ["e"], ["f"], ["g", "h"])
    slices = spool.slices()
    assert [(one.after, one.end) for one in slices] == [("", "c'd"), ("c'd", "f"), ("f", None)]
    with connect(local_catalog) as connection:
        for key in ("a", "b", "c'd", "c'e", "f", "fa", "h", "z"):
            conditions = " + ".join(f"({one.condition})::INTEGER" for one in slices)
            query = f"SELECT {conditions} FROM (SELECT ? AS key)"
            assert connection.execute(query, [key]).fetchall() == [(1,)]


def test_a_slice_does_not_end_with_a_key_that_no_statement_can_hold(
    tmp_path: Path, local_catalog: Catalog
) -> None:
    spool = _spool(tmp_path, ["a", "b\0c"], ["d"], ["e"])
    assert [(one.after, one.end) for one in spool.slices()] == [("", "d"), ("d", None)]
    with connect(local_catalog) as connection:
        listed = [
            key
            for one in spool.slices()
            for (key,) in connection.execute(f"SELECT key FROM ({one.listed})").fetchall()
        ]
    assert listed == ["a", "b\0c", "d", "e"]
