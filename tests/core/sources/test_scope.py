from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.sources.scope import SCOPED, Scope, is_folder_marker
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.listing.pages import LISTED, ListingPage
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import S3Location
from tests.conftest import PutObjects

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)


def _page(objects: list[tuple[str, int, datetime]], server_time: datetime = NOW) -> ListingPage:
    rows = [
        {"key": k, "size_bytes": s, "etag": "e", "last_modified": t, "storage_class": "STANDARD"}
        for k, s, t in objects
    ]
    return ListingPage(pa.RecordBatch.from_pylist(rows, schema=LISTED), server_time, True)


def _belonging(keys: list[str], prefix: str = "", **options: object) -> list[str]:
    source = Source.model_validate({"id": "a", "bucket": "b", "prefix": prefix, **options})
    objects = Scope(source).of(_page([(key, 1, NOW) for key in keys]))
    assert objects.schema == SCOPED
    return objects.column("key").to_pylist()


def test_everything_belongs_to_a_source_without_globs() -> None:
    keys = ["a", "a/b.tif", "ü/ß", "x\ny", "."]
    assert _belonging(keys) == keys


def test_only_what_matches_an_include_belongs() -> None:
    keys = ["a.tif", "a.TIF", "b.png", "d/a.tif", "tif"]
    assert _belonging(keys, include=["*.tif"]) == ["a.tif", "d/a.tif"]
    assert _belonging(keys, include=["*.png", "*.TIF"]) == ["a.TIF", "b.png"]


def test_what_matches_an_exclude_does_not_belong_even_if_included() -> None:
    keys = ["a.tif", "tmp/a.tif", "tmp/b.png", "tmpx.tif"]
    assert _belonging(keys, exclude=["tmp/*"]) == ["a.tif", "tmpx.tif"]
    assert _belonging(keys, include=["*.tif"], exclude=["tmp/*", "a*"]) == ["tmpx.tif"]


def test_globs_see_the_key_below_the_prefix() -> None:
    keys = ["scans/a.tif", "scans/scans/a.tif", "scans/x/a.tif"]
    assert _belonging(keys, "scans/", include=["a.*"]) == ["scans/a.tif"]
    assert _belonging(keys, "scans/", include=["scans/*"]) == ["scans/scans/a.tif"]


@pytest.mark.parametrize(
    ("glob", "matching"),
    [
        ("*", ["a1.tif", "a[1].tif", "b/a1.tif", "a\n.tif", "ab.tif"]),
        ("a?.tif", ["a1.tif", "a\n.tif", "ab.tif"]),
        ("a[0-9].tif", ["a1.tif"]),
        ("a[!0-9].tif", ["a\n.tif", "ab.tif"]),
        ("a[[]1].tif", ["a[1].tif"]),
        ("*a1*", ["a1.tif", "b/a1.tif"]),
        ("a1", []),
        ("a|b", []),
        ("(a1).tif", []),
    ],
)
def test_globs_are_read_as_aws_s3_reads_them(glob: str, matching: list[str]) -> None:
    keys = ["a1.tif", "a[1].tif", "b/a1.tif", "a\n.tif", "ab.tif"]
    assert _belonging(keys, include=[glob]) == matching
    assert _belonging(keys, exclude=[glob]) == [key for key in keys if key not in matching]


@given(st.lists(st.text(alphabet="ab*?[]!/.\n", max_size=6), max_size=3))
def test_any_text_is_a_glob(globs: list[str]) -> None:
    kept = _belonging(["a", "b/a", "]"], include=globs)
    left = _belonging(["a", "b/a", "]"], exclude=globs)
    if globs:
        assert sorted([*kept, *left]) == ["]", "a", "b/a"]
    else:
        assert kept == left == ["a", "b/a", "]"]


def test_folders_that_were_drawn_are_no_objects() -> None:
    assert is_folder_marker("a/", 0)
    assert is_folder_marker("a_$folder$", 0)
    assert not is_folder_marker("a/", 3)
    assert not is_folder_marker("a", 0)
    page = _page([("a/", 0, NOW), ("a/b", 0, NOW), ("c/", 5, NOW), ("d_$folder$", 0, NOW)])
    objects = Scope(Source(id="a", bucket="b", prefix="")).of(page)
    assert objects.column("key").to_pylist() == ["a/b", "c/"]


def test_without_a_settling_time_everything_has_settled() -> None:
    # Even what a server's clock puts into the future.
    later = NOW + timedelta(hours=1)
    objects = Scope(Source(id="a", bucket="b", prefix="")).of(_page([("a", 1, later)]))
    assert objects.column("settled").to_pylist() == [True]


def test_an_object_has_settled_when_it_has_rested_by_the_clock_of_the_server() -> None:
    ages = [0, 59, 60, 61]
    objects = [(f"k{age}", 1, NOW - timedelta(seconds=age)) for age in ages]
    scope = Scope(Source(id="a", bucket="b", prefix="", settle_s=60))
    assert scope.of(_page(objects)).column("settled").to_pylist() == [False, False, True, True]
    # The same page an hour later by the server, whatever our own clock says.
    later = _page(objects, NOW + timedelta(hours=1))
    assert scope.of(later).column("settled").to_pylist() == [True] * 4


def test_the_last_page_may_be_empty() -> None:
    for options in ({}, {"settle_s": 5, "include": ("*.tif",)}):
        source = Source.model_validate({"id": "a", "bucket": "b", "prefix": "", **options})
        objects = Scope(source).of(_page([]))
        assert objects.num_rows == 0
        assert objects.schema == SCOPED


def test_what_was_just_written_to_a_real_server_has_not_settled(
    bucket: str, put_objects: PutObjects
) -> None:
    put_objects("p/a.tif", "p/b.txt")
    source = Source(id="a", bucket=bucket, prefix="p/", include=("*.tif",), settle_s=60)
    (page,) = list_pages(Access(), S3Location(bucket, "p/"))
    objects = Scope(source).of(page)
    assert objects.select(["key", "settled"]).to_pylist() == [{"key": "p/a.tif", "settled": False}]
