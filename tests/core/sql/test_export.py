"""`index export`: one source's rows as one file, whole or not at all."""

import io
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.export import export_objects
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.errors import InvalidInput, NoSuchBucket, NotFound
from tests.core.sql.conftest import AddObjects


def test_the_file_holds_the_rows_of_one_source_sorted_by_key(
    filled_catalog: Catalog, add_objects: AddObjects, tmp_path: Path
) -> None:
    add_objects(filled_catalog, "maps", "maps/A.tif", "maps/ä.tif", "maps/'q.tif")
    target = tmp_path / "maps 'x'.parquet"
    assert export_objects(filled_catalog, "maps", target) == 6
    keys = pq.read_table(target).column("key").to_pylist()
    assert keys == sorted(keys, key=str.encode)
    assert "maps/A.tif" in keys
    assert set(pq.read_table(target).column("source").to_pylist()) == {"maps"}


def test_the_file_has_the_documented_columns_and_compression(
    filled_catalog: Catalog, tmp_path: Path
) -> None:
    target = tmp_path / "maps.parquet"
    export_objects(filled_catalog, "maps", str(target))
    file = pq.ParquetFile(target)
    assert file.schema_arrow.names == OBJECTS.column_names
    assert (
        file.schema_arrow.field("last_modified").type == OBJECTS.arrow.field("last_modified").type
    )
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_it_goes_to_s3_as_well(filled_catalog: Catalog, s3, bucket: str) -> None:
    assert export_objects(filled_catalog, "maps", f"s3://{bucket}/out/maps.parquet") == 3
    body = s3.get_object(Bucket=bucket, Key="out/maps.parquet")["Body"].read()
    assert pq.read_table(io.BytesIO(body)).num_rows == 3


def test_an_earlier_export_is_replaced_and_keeps_its_permissions(
    filled_catalog: Catalog, tmp_path: Path
) -> None:
    target = tmp_path / "maps.parquet"
    target.write_text("old")
    target.chmod(0o640)
    export_objects(filled_catalog, "scans", target)
    assert pq.read_table(target).num_rows == 2
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.glob(".*")) == []


def test_a_source_without_objects_gives_a_file_without_rows(
    filled_catalog: Catalog, tmp_path: Path
) -> None:
    assert export_objects(filled_catalog, "nothing", tmp_path / "x.parquet") == 0
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 0


def test_nothing_is_written_before_the_catalog_has_an_index(
    local_catalog: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        export_objects(local_catalog, "maps", tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", [".", "missing/x.parquet", "file/x.parquet"])
def test_a_place_that_cannot_be_written_is_refused(
    local_catalog: Catalog, add_objects: AddObjects, tmp_path: Path, target: str
) -> None:
    add_objects(local_catalog, "maps", "a.tif")
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(InvalidInput) as error:
        export_objects(local_catalog, "maps", tmp_path / target)
    assert str(tmp_path) in error.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalog", "file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(
    local_catalog: Catalog, add_objects: AddObjects, tmp_path: Path
) -> None:
    add_objects(local_catalog, "maps", "a.tif")
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(InvalidInput, match="Permission denied"):
        export_objects(local_catalog, "maps", folder / "x.parquet")


@pytest.mark.parametrize("target", ["s3://", "s3://bucket", "s3://bucket/", "s3://bucket/folder/"])
def test_an_address_that_names_no_object_is_refused(
    local_catalog: Catalog, add_objects: AddObjects, target: str
) -> None:
    add_objects(local_catalog, "maps", "a.tif")
    with pytest.raises(InvalidInput):
        export_objects(local_catalog, "maps", target)


def test_a_bucket_that_does_not_exist_is_named(
    local_catalog: Catalog, add_objects: AddObjects
) -> None:
    add_objects(local_catalog, "maps", "a.tif")
    with pytest.raises(NoSuchBucket, match="no-such-bucket-anywhere"):
        export_objects(local_catalog, "maps", "s3://no-such-bucket-anywhere/x.parquet")
