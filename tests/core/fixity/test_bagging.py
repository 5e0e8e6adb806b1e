"""Exporting objects as a bag."""

import csv
import hashlib
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import bagit
import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.download_state import DownloadState
from s3pipelines.core.datasets.freezing import snapshot
from s3pipelines.core.errors import Busy, InvalidInput, NotFound
from s3pipelines.core.fixity.bagging import Bag, Wanted, export_bag
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.sql.selection import Selection
from tests.core.datasets.conftest import MIB
from tests.core.datasets.proxy import Answer, CountingProxy, Passed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bag; it does not exist yet."""
    return tmp_path / "bags" / "maps"


def _export(catalog: Catalog, folder: Path, name: str = "maps", **more) -> Bag:
    return export_bag(catalog, Wanted(name, folder, range_bytes=MIB, **more))


def _objects(folder: Path) -> dict[str, bytes]:
    """The payload by key, after every line of the manifests was compared with its file."""
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        for line in (folder / manifest).read_text(encoding="utf-8").splitlines():
            digest, path = line.split("  ", 1)
            body = (folder / unquote(path)).read_bytes()
            assert hashlib.sha256(body).hexdigest() == digest
    with (folder / "objects.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = (folder / "manifest-sha256.txt").read_text(encoding="utf-8").splitlines()
    assert [row["path"] for row in rows] == [unquote(line[66:]) for line in lines]
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    assert len(rows) == len(files)
    return {row["key"]: (folder / row["path"]).read_bytes() for row in rows}


def test_the_bag_is_valid_and_says_what_it_is(local_catalog, filled, folder, bucket):
    snapshot(local_catalog, "maps", "as published")

    bag = _export(local_catalog, folder, "maps@1")

    assert bag.is_complete
    opened = bagit.Bag(str(folder))
    opened.validate()
    assert opened.version == "1.0"
    info = opened.info
    assert info["Payload-Oxum"] == f"{sum(map(len, filled.values()))}.{len(filled)}"
    assert info["External-Identifier"] == "maps@1"
    assert info["Source-Location"] == f"s3://{bucket}/maps/"
    assert (info["Source-Version"], info["Source-Version-Message"]) == ("1", "as published")
    assert len(info["Bagging-Date"]) == len("2026-01-02")
    assert _objects(folder) == {f"maps/{name}": body for name, body in filled.items()}
    assert not (folder / ".s3pipelines").exists()


def test_keys_that_cannot_be_names_of_files_are_percent_encoded(local_catalog, s3, bucket, folder):
    names = [
        "../out",
        "/abs",
        "a//b",
        "nul.txt",
        "line\tbreak",
        "50%.tif",
        "Case.tif",
        "case.tif",
        "dir",
        "dir/file",
        "ü/ö",
    ]
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    for name in names:
        s3.put_object(Bucket=bucket, Key=f"maps/{name}", Body=name.encode())
    refresh_index(local_catalog, "maps")

    bag = _export(local_catalog, folder)

    assert bag.is_complete
    assert _objects(folder) == {f"maps/{name}": name.encode() for name in names}
    assert (folder / "data/50%.tif").exists()
    assert f"{hashlib.sha256(b'50%.tif').hexdigest()}  data/50%25.tif\n" in (
        folder / "manifest-sha256.txt"
    ).read_text(encoding="utf-8")
    assert {path.name for path in folder.parent.iterdir()} == {"maps"}


def test_an_interrupted_export_is_no_bag_and_goes_on(
    local_catalog, filled, folder, proxy: CountingProxy
):
    proxy.change = lambda passed, answer: (
        Answer(403, {"content-length": "0"}, b"") if passed.key == "maps/b.tif" else answer
    )
    catalog = replace(local_catalog, access=proxy.access)

    first = _export(catalog, folder)

    assert [one.key for one in first.downloaded.failed] == ["maps/b.tif"]
    assert not first.is_complete
    assert sorted(path.name for path in folder.iterdir()) == [".s3pipelines", "data"]
    with pytest.raises(bagit.BagError):
        bagit.Bag(str(folder))
    proxy.change = lambda _, answer: answer
    proxy.passed.clear()

    second = _export(catalog, folder)

    assert (second.downloaded.downloaded, second.downloaded.unchanged) == (1, 3)
    assert [one.key for one in proxy.passed] == ["maps/b.tif"]
    bagit.Bag(str(folder)).validate()


def test_what_is_no_object_any_more_when_it_goes_on_is_not_in_the_bag(
    local_catalog, filled, folder, s3, bucket, proxy: CountingProxy
):
    def deny(passed: Passed, answer: Answer) -> Answer:
        return Answer(403, {"content-length": "0"}, b"") if passed.key == "maps/b.tif" else answer

    proxy.change = deny
    _export(replace(local_catalog, access=proxy.access), folder)
    s3.delete_object(Bucket=bucket, Key="maps/a.tif")
    s3.put_object(Bucket=bucket, Key="maps/empty", Body=b"no more")
    refresh_index(local_catalog, "maps")

    assert _export(local_catalog, folder).is_complete

    bagit.Bag(str(folder)).validate()
    assert sorted(_objects(folder)) == ["maps/b.tif", "maps/big.bin", "maps/empty"]


def test_a_file_that_does_not_belong_there_is_never_bagged(
    local_catalog, filled, folder, proxy: CountingProxy
):
    proxy.change = lambda passed, answer: None if passed.key == "maps/b.tif" else answer
    access = replace(proxy.access, max_attempts=1)
    _export(replace(local_catalog, access=access), folder)
    (folder / "data" / "mine.txt").write_text("mine")

    with pytest.raises(InvalidInput, match=r"mine\.txt is none of the files"):
        _export(local_catalog, folder)

    assert not (folder / "bagit.txt").exists()
    (folder / "data" / "mine.txt").unlink()
    assert _export(local_catalog, folder).is_complete


def test_only_what_is_selected_is_in_the_bag(local_catalog, filled, folder):
    _export(local_catalog, folder, selection=Selection(glob="*.tif"))

    assert sorted(_objects(folder)) == ["maps/a.tif", "maps/b.tif"]
    assert bagit.Bag(str(folder)).info["Selection"] == "glob *.tif"


def test_what_makes_no_sense_is_refused_and_nothing_is_touched(
    local_catalog, filled, folder, tmp_path, bucket
):
    with pytest.raises(NotFound, match="no source 'other'"):
        _export(local_catalog, folder, "other")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(InvalidInput, match="is not empty"):
        _export(local_catalog, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    with pytest.raises(InvalidInput, match="cannot be written"):
        _export(local_catalog, tmp_path / "full" / "mine")
    with DownloadState(folder / "data", folder / ".s3pipelines"):
        (folder / ".s3pipelines" / "export-of").write_text("maps")
        with pytest.raises(Busy):
            _export(local_catalog, folder)
    create_source(local_catalog, "others", f"s3://{bucket}/others")
    with pytest.raises(InvalidInput, match="source 'maps' was begun"):
        _export(local_catalog, folder, "others")
    _export(local_catalog, folder)
    with pytest.raises(InvalidInput, match="complete bag already"):
        _export(local_catalog, folder)
