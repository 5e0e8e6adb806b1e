"""A source for Python programs."""

import io
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import s3pipelines
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.freezing import snapshot
from s3pipelines.core.errors import Gone, InvalidInput, NotFound, PreconditionFailed, StorageError
from s3pipelines.core.index.refresh import refresh_index
from tests.core.datasets.conftest import MIB, bytes_of
from tests.core.datasets.proxy import Answer, CountingProxy, Passed

BIG = bytes_of(20 * MIB + 3)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The folder of local copies."""
    return tmp_path / "cache"


@pytest.fixture
def filled(local_catalog, source, s3, bucket) -> Catalog:
    """The source `maps` with an image, an archive and a large object."""
    picture, archive = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "PNG")
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("note.txt", "a note")
    bodies = {"a/1.png": picture.getvalue(), "b.zip": archive.getvalue(), "big.bin": BIG}
    for name, body in bodies.items():
        s3.put_object(Bucket=bucket, Key=f"maps/{name}", Body=body)
    refresh_index(local_catalog, "maps")
    return local_catalog


def _opened(catalog: Catalog, cache: Path, name: str = "maps", **more):
    return s3pipelines.open_source(name, catalog=catalog, cache=cache, **more)


def test_objects_are_an_arrow_table_with_names_below_the_prefix(filled, cache):
    maps = _opened(filled, cache)

    table = maps.objects()

    assert table.column("name").to_pylist() == ["a/1.png", "b.zip", "big.bin"]
    assert table.column("size_bytes").to_pylist()[-1] == len(BIG)
    some = maps.objects(where="size_bytes < 1000", glob="*.zip", limit=5)
    assert some.column("key").to_pylist() == ["maps/b.zip"]
    none = maps.objects(where="key IN (SELECT key FROM images)")
    assert none.num_rows == 0
    with pytest.raises(InvalidInput, match="Did you mean size_bytes"):
        maps.objects(where="size > 1")


def test_files_are_read_in_ranges_by_whoever_takes_a_file(filled, cache, proxy: CountingProxy):
    maps = _opened(replace(filled, access=proxy.access), cache)

    with maps.open("a/1.png") as file, Image.open(file) as image:
        assert (image.size, image.getpixel((0, 0))) == ((40, 30), (255, 0, 0))
    with zipfile.ZipFile(maps.open("b.zip")) as zipped:
        assert zipped.read("note.txt") == b"a note"
    with maps.open("big.bin", buffer_bytes=1000) as file:
        file.seek(-3, io.SEEK_END)
        assert (file.read(), file.read(), file.tell()) == (BIG[-3:], b"", len(BIG))
        file.seek(5 * MIB)
        assert file.read(10) == BIG[5 * MIB : 5 * MIB + 10]
    sizes = [
        int(p.headers["range"].rpartition("-")[2]) for p in proxy.passed if p.key == "maps/big.bin"
    ]
    assert len(sizes) == 2
    assert maps.read("big.bin") == BIG
    assert maps.read("big.bin", 7, 3) == BIG[7:10]
    assert maps.read("big.bin", len(BIG) + 1) == b""
    with pytest.raises(ValueError, match="before the beginning"):
        maps.open("b.zip").seek(-1)


def test_a_version_is_read_as_it_was_where_the_bucket_keeps_it(filled, cache, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="maps/c.txt", Body=b"first")
    s3.put_object(Bucket=bucket, Key="maps/d.txt", Body=b"gone soon")
    refresh_index(filled, "maps")
    snapshot(filled, "maps")
    s3.put_object(Bucket=bucket, Key="maps/c.txt", Body=b"second")
    s3.delete_object(Bucket=bucket, Key="maps/d.txt")
    refresh_index(filled, "maps")

    frozen, now = _opened(filled, cache, "maps@1"), _opened(filled, cache)

    assert (frozen.name, frozen.version and frozen.version.number) == ("maps@1", 1)
    assert (frozen.read("c.txt"), now.read("c.txt")) == (b"first", b"second")
    assert frozen.open("d.txt").read() == b"gone soon"
    with frozen.local_path("c.txt") as old, now.local_path("c.txt") as new:
        assert (old.read_bytes(), new.read_bytes()) == (b"first", b"second")
    with pytest.raises(NotFound, match=r"no object 'd\.txt'"):
        now.open("d.txt")


def test_what_is_lost_or_changed_is_an_error_and_never_other_bytes(filled, cache, s3, bucket):
    snapshot(filled, "maps")
    frozen, maps = _opened(filled, cache, "maps@1"), _opened(filled, cache)
    s3.put_object(Bucket=bucket, Key="maps/b.zip", Body=b"other")
    s3.delete_object(Bucket=bucket, Key="maps/big.bin")

    with pytest.raises(Gone, match="overwritten since maps@1"):
        frozen.read("b.zip")
    with pytest.raises(Gone, match="deleted since maps@1"):
        frozen.open("big.bin").read(1)
    with pytest.raises(PreconditionFailed):
        maps.read("b.zip")
    with pytest.raises(NotFound, match="no version maps@2"):
        _opened(filled, cache, "maps@2")


def test_local_copies_are_fetched_once_and_keep_their_names(filled, cache, proxy: CountingProxy):
    maps = _opened(replace(filled, access=proxy.access), cache)

    for _ in range(2):
        with maps.local_path("a/1.png") as path:
            assert path.name == "1.png"
            with Image.open(path) as image:
                assert image.size == (40, 30)
    assert proxy.count("GET", key="maps/a/1.png") == 1
    with maps.local_path("big.bin") as path:
        assert path.read_bytes() == BIG


def test_the_cache_stays_within_its_bound_and_spares_what_is_in_use(filled, cache, s3, bucket):
    for number in range(6):
        s3.put_object(Bucket=bucket, Key=f"maps/n{number}", Body=b"%d" % number * 300_000)
    refresh_index(filled, "maps")
    maps = _opened(filled, cache, cache_mb=1)

    with maps.local_path("n0") as used:
        for number in range(1, 6):
            with maps.local_path(f"n{number}") as path:
                assert path.read_bytes()[:1] == b"%d" % number
        assert used.read_bytes()[:1] == b"0"
        kept = sum(path.stat().st_size for path in cache.rglob("n*"))
        assert kept <= 1_000_000
    assert {path.name for path in cache.rglob("n*")} >= {"n0", "n5"}
    with pytest.raises(InvalidInput, match="S3PIPELINES_CACHE_MB"), maps.local_path("big.bin"):
        pass


def test_bytes_that_are_wrong_get_into_no_copy(filled, cache, proxy: CountingProxy):
    maps = _opened(replace(filled, access=proxy.access), cache)

    def spoil(passed: Passed, answer: Answer) -> Answer:
        if passed.method == "GET" and passed.key == "maps/b.zip":
            answer.body = b"?" * len(answer.body)
        return answer

    proxy.change = spoil
    with pytest.raises(StorageError, match="not what S3 says"), maps.local_path("b.zip"):
        pass
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_it_may_be_shared_by_threads_and_sent_to_processes(filled, cache):
    maps = pickle.loads(pickle.dumps(_opened(filled, cache)))

    def copy(_: int) -> bytes:
        with maps.local_path("a/1.png") as path:
            return path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(copy, range(16)))) == 1
        assert set(pool.map(lambda _: maps.read("b.zip", 0, 2), range(8))) == {b"PK"}


def test_settings_say_where_the_catalog_and_the_cache_are(filled, cache, monkeypatch):
    monkeypatch.setenv("S3PIPELINES_CATALOG", filled.location.uri)
    monkeypatch.setenv("S3PIPELINES_CACHE", str(cache))

    with s3pipelines.open_source("maps").local_path("b.zip") as path:
        assert cache in path.parents
    assert s3pipelines.open_source("maps", catalog=filled.location.uri).objects().num_rows == 3
