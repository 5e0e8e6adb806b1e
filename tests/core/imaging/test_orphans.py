"""What was made of deleted objects: found, removed, and made again where an object comes back."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import NotFound, StorageError
from s3pipelines.core.imaging import removing
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.orphans import orphans, orphans_of
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from s3pipelines.core.imaging.quarantine import failing
from s3pipelines.core.imaging.removing import remove_orphans
from s3pipelines.core.imaging.wishes import work_on
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source, list_sources
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.imaging.sources import rows_of

JPEG = file_of(quadrants(), "JPEG")
Files = Callable[[], list[str]]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers that may write files."""
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made


def make_all(catalog: Catalog, pool: DecodePool) -> int:
    source = get_source(catalog, "maps")
    reports = [
        run(catalog, work_on(source, kind), pool=pool)  # pyright: ignore[reportArgumentType]
        for kind in ("thumbnail", "pyramid")
    ]
    return sum(report.made for report in reports)


@pytest.fixture
def maps(catalog: Catalog, bucket: str, put_objects: Any, pool: DecodePool) -> Catalog:
    """A source of three images, each with a thumbnail and a pyramid."""
    put_objects("a.jpg", "b.jpg", "c.jpg", body=JPEG)
    create_source(catalog, "maps", f"s3://{bucket}")
    refresh_index(catalog, "maps")
    assert make_all(catalog, pool) == 6
    return catalog


@pytest.fixture
def files(maps: Catalog) -> Files:
    """What lies in the place for derivatives."""
    place = maps.derivatives_location("maps")

    def listed() -> list[str]:
        if isinstance(place, FolderLocation):
            return sorted(path.name for path in place.path.rglob("*") if path.is_file())
        pages = list_pages(maps.access, place)
        return sorted(key for page in pages for key in page.objects.column("key").to_pylist())

    return listed


def delete(catalog: Catalog, s3: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)
    refresh_index(catalog, "maps")


def test_files_of_deleted_objects_go_and_all_others_stay(maps, files: Files, s3, bucket):
    before = files()
    assert remove_orphans(maps, "maps").files == 0
    delete(maps, s3, bucket, "a.jpg", "b.jpg")
    assert set(orphans(maps, list_sources(maps), "pyramid")) == {"maps"}

    only = remove_orphans(maps, "maps", ("pyramid",))
    done = remove_orphans(maps, "maps")

    assert (only.files, done.files, done.left) == (2, 2, [])
    assert only.size_bytes > 0
    assert len(before) == 6
    assert len(files()) == 2
    assert orphans_of(maps, "maps", "pyramid").files == 0
    assert remove_orphans(maps, "maps").files == 0


@pytest.mark.slow
def test_an_object_that_comes_back_as_it_was_is_worked_on_again(
    maps, files: Files, s3, bucket, put_objects, pool
):
    delete(maps, s3, bucket, "a.jpg")
    remove_orphans(maps, "maps")
    put_objects("a.jpg", body=JPEG)
    refresh_index(maps, "maps")
    assert failing(maps, "maps") == []

    assert make_all(maps, pool) == 2

    assert len(files()) == 6
    assert remove_orphans(maps, "maps").files == 0


@pytest.mark.slow
def test_a_file_that_another_object_has_as_well_stays(
    catalog: Catalog, bucket, put_objects, s3, pool
):
    put_objects("a.jpg", body=JPEG)
    create_source(catalog, "maps", f"s3://{bucket}", pyramid={"key": "{stem}.tif"})
    refresh_index(catalog, "maps")
    make_all(catalog, pool)
    put_objects("a.png", body=file_of(quadrants(), "PNG"))
    delete(catalog, s3, bucket, "a.jpg")
    make_all(catalog, pool)

    assert orphans_of(catalog, "maps", "pyramid").files == 0
    assert remove_orphans(catalog, "maps", ("pyramid",)).files == 0


def test_whoever_is_killed_before_or_after_the_files_went_is_gone_on_from(
    maps, files: Files, s3, bucket, monkeypatch
):
    delete(maps, s3, bucket, "a.jpg", "b.jpg")
    remove, append = removing.remove_files, removing.append_rows
    commits = 0

    def dies(*_: Any) -> Any:
        raise KeyboardInterrupt

    def dies_at_the_second(*arguments: Any) -> Any:
        nonlocal commits
        commits += 1
        return dies() if commits == 2 else append(*arguments)

    monkeypatch.setattr(removing, "remove_files", dies)
    with pytest.raises(KeyboardInterrupt):
        remove_orphans(maps, "maps")
    assert len(files()) == 6
    assert orphans_of(maps, "maps", "pyramid").files == 2
    monkeypatch.setattr(removing, "remove_files", remove)
    monkeypatch.setattr(removing, "append_rows", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        remove_orphans(maps, "maps")
    assert len(files()) == 2
    monkeypatch.setattr(removing, "append_rows", append)

    assert remove_orphans(maps, "maps").files == 4

    assert remove_orphans(maps, "maps").files == 0
    assert orphans_of(maps, "maps", "pyramid").files == 0


def test_what_a_run_wrote_that_had_begun_before_the_deletion_is_found_later(
    maps, files: Files, s3, bucket
):
    (late,) = [
        row
        for row in rows_of(maps, "derivatives")
        if row["key"] == "a.jpg" and row["kind"] == "pyramid"
    ]
    delete(maps, s3, bucket, "a.jpg")
    remove_orphans(maps, "maps")
    place = maps.derivatives_location("maps")
    name = late["uri"].removeprefix(place.uri.rstrip("/") + "/")
    if isinstance(place, FolderLocation):
        (place.path / name).write_bytes(b"late")
    else:
        s3.put_object(Bucket=place.bucket, Key=place.prefix + name, Body=b"late")
    newest = max(row["made_at"] for row in rows_of(maps, "derivatives"))
    removing.append_rows(maps, removing.DERIVATIVES, [{**late, "made_at": newest}])
    removing.append_rows(
        maps, removing.DERIVATIVES, [{**late, "made_at": newest.replace(year=newest.year + 1)}]
    )

    assert remove_orphans(maps, "maps").files == 1
    assert len(files()) == 4


def test_what_cannot_be_removed_is_told_and_stops_nothing(maps, s3, bucket, monkeypatch):
    delete(maps, s3, bucket, "a.jpg", "b.jpg")
    remove = removing.remove_files

    def refuses(location: Any, access: Any, names: list[str]) -> dict[str, str]:
        return remove(location, access, names[1:]) | {names[0]: "AccessDenied"}

    monkeypatch.setattr(removing, "remove_files", refuses)
    monkeypatch.setattr(removing, "_BATCH_FILES", 2)
    done = remove_orphans(maps, "maps")
    monkeypatch.undo()

    assert (done.files, [left.why for left in done.left]) == (2, ["AccessDenied"] * 2)
    assert remove_orphans(maps, "maps").files == 2


def test_files_of_another_place_are_left_there(maps: Catalog, s3, bucket, tmp_path):
    delete(maps, s3, bucket, "a.jpg")
    moved = replace(maps, derivatives=f"{tmp_path}/elsewhere/{{source}}")

    done = remove_orphans(moved, "maps")

    assert done.files == 0
    assert len(done.left) == 2
    assert "lies elsewhere" in done.left[0].why
    assert remove_orphans(maps, "maps").files == 2


def test_without_the_source_or_its_catalog_nothing_is_removed(maps: Catalog):
    with pytest.raises((NotFound, StorageError)):
        remove_orphans(maps, "nothing")
