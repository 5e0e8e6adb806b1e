"""Pages of objects: complete, in order, without repetition, and of few files."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.errors import InvalidInput, NotFound
from s3pipelines.core.sql.object_pages import ObjectsPage, ObjectsRequest, list_objects
from s3pipelines.core.sql.places import Order
from s3pipelines.core.sql.selection import Selection
from tests.core.preview.catalogs import NOON, SOURCE, Filling

_SORTS = ("key", "size_bytes", "last_modified", "version_id", "etag", "storage_class")


@pytest.fixture
def filling(local_catalog: Catalog, bucket: str) -> Filling:
    """A catalog to be filled with the source `pictures`, below `in/`."""
    return Filling(local_catalog, bucket)


@pytest.fixture
def varied(filling: Filling) -> Catalog:
    """A hundred objects in four files, with ties and nulls, and a tail that changes some."""
    chance = random.Random(7)
    names = [f"{number:03}é\x01\U0001f600" for number in range(100)]
    for start in range(0, 100, 25):
        rows = [
            {
                "size_bytes": chance.choice([0, 5, 2**40]),
                "version_id": chance.choice([None, "a", "b"]),
                "last_modified": NOON + timedelta(microseconds=chance.randrange(3)),
                "etag": chance.choice(["x", "y"]),
            }
            for _ in range(25)
        ]
        filling.different_objects(dict(zip(names[start : start + 25], rows, strict=True)))
    filling.tail(*names[3:6], gone=True)
    filling.tail(*names[5:8], size_bytes=77)
    filling.tail("000 new", "zzz new")
    filling.tail("never was", gone=True)
    return filling.catalog


def pages(catalog: Catalog, request: ObjectsRequest) -> Iterator[ObjectsPage]:
    while True:
        page = list_objects(catalog, SOURCE, request)
        yield page
        if page.next_token is None:
            return
        request = replace(request, after=page.next_token)


def keys(page: ObjectsPage) -> list[str]:
    return [row["key"] for row in page.rows]


def test_pages_in_a_row_are_the_whole_list_in_order(varied: Catalog):
    for sort in _SORTS:
        check_pages_in_a_row(varied, sort, "asc")
        check_pages_in_a_row(varied, sort, "desc")


def check_pages_in_a_row(varied: Catalog, sort: str, order: Order):
    whole = list_objects(varied, SOURCE, ObjectsRequest(sort=sort, order=order, limit=1000))
    paged = list(pages(varied, ObjectsRequest(sort=sort, order=order, limit=40)))

    assert [row for page in paged for row in page.rows] == list(whole.rows)
    assert {page.total for page in paged} == {whole.total} == {len(whole.rows)} == {100}
    rows = sorted(whole.rows, key=lambda row: row["key"], reverse=order == "desc" and sort == "key")
    if sort != "key":
        valued = [row for row in rows if row[sort] is not None]
        valued.sort(key=lambda row: row[sort], reverse=order == "desc")
        rows = valued + [row for row in rows if row[sort] is None]
    assert list(whole.rows) == rows


def test_the_tail_counts(varied: Catalog):
    found = {
        row["key"]: row for row in list_objects(varied, SOURCE, ObjectsRequest(limit=999)).rows
    }

    assert {"in/000 new", "in/zzz new"} <= found.keys()
    assert "in/never was" not in found
    assert not [key for key in found if key.startswith(("in/003", "in/004"))]
    assert [row["size_bytes"] for key, row in found.items() if key.startswith("in/005")] == [77]


def test_a_page_of_a_selection_counts_the_selection(varied: Catalog):
    request = ObjectsRequest(Selection(where="size_bytes = 77", glob="00[5-6]*"), limit=1)
    paged = list(pages(varied, request))

    assert [len(page.rows) for page in paged] == [1, 1]
    assert {page.total for page in paged} == {2}


def test_a_condition_may_ask_other_tables(filling: Filling):
    filling.objects("a.tif", "b.tif", "c.tif")
    filling.headers("b.tif")
    where = "key IN (SELECT key FROM images) AND objects.key <= (SELECT max(key) FROM objects)"

    page = list_objects(filling.catalog, SOURCE, ObjectsRequest(Selection(where=where)))

    assert keys(page) == ["in/b.tif"]
    assert page.total == 1


def test_an_offset_leaves_rows_out(varied: Catalog):
    first = list_objects(varied, SOURCE, ObjectsRequest(limit=30))
    later = list_objects(varied, SOURCE, ObjectsRequest(limit=10, offset=20))

    assert later.rows == first.rows[20:]
    assert later.next_token == first.next_token


def test_a_token_is_good_when_its_row_is_gone(filling: Filling):
    filling.objects("a", "b", "c")
    first = list_objects(filling.catalog, SOURCE, ObjectsRequest(limit=2))
    filling.tail("b", gone=True)

    rest = list_objects(filling.catalog, SOURCE, ObjectsRequest(after=first.next_token))

    assert keys(rest) == ["in/c"]
    assert rest.total == 2


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_by_key_opens_no_file_but_its_own(filling: Filling, order: Order):
    for number in range(12):
        filling.objects(*(f"{number:02}-{row}" for row in range(20)))
    uri = filling.catalog.table_uri("objects")
    actions = DeltaTable(uri).get_add_actions(flatten=True)
    paths = actions.column("path").to_pylist()
    for path, first in zip(paths, actions.column("min.key").to_pylist(), strict=True):
        if not first.startswith("in/05"):
            (Path(uri) / path).unlink()
    narrow = ObjectsRequest(Selection(glob="05*"), order=order, limit=5)

    page = list_objects(filling.catalog, SOURCE, narrow)

    assert len(page.rows) == 5
    assert page.total == 20


def test_a_page_in_the_middle_of_everything_opens_no_file_but_its_own(filling: Filling):
    for number in range(12):
        filling.objects(*(f"{number:02}-{row:02}" for row in range(20)))
    *_, middle = (
        page
        for page, _ in zip(pages(filling.catalog, ObjectsRequest(limit=20)), range(6), strict=False)
    )
    index = IndexFiles.now(filling.catalog, SOURCE)
    for file in index.merged:
        if not file.first.startswith(("in/06", "in/07")):
            Path(file.uri).unlink()
    everything = ObjectsRequest(limit=15, after=middle.next_token)

    page = list_objects(filling.catalog, SOURCE, everything)

    assert keys(page) == [f"in/06-{row:02}" for row in range(15)]
    assert page.total == 240


@pytest.mark.parametrize(
    ("gone", "new"),
    [
        ({"a"}, {"a"}),
        ({"b", "never was"}, {"b", "c", "z" * 100}),
        ({"a", "b", "c", "d" * 99}, set()),
        (set(), {"d" * 99 + "e"}),
    ],
)
def test_the_number_from_the_log_is_the_number_of_rows(
    filling: Filling, gone: set[str], new: set[str]
):
    merged = {"a", "b", "c", "d" * 99}
    filling.objects(*merged)
    if gone:
        filling.tail(*gone, gone=True)
    if new:
        filling.tail(*new)

    index = IndexFiles.now(filling.catalog, SOURCE)

    with connect(filling.catalog) as connection:
        assert index.count(connection) == len((merged - gone) | new)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sort": "size"}, "There is no column 'size'. Did you mean size_bytes?"),
        ({"order": "up"}, "asc or desc"),
        ({"limit": 0}, "1 to 10,000"),
        ({"limit": 10_001}, "format csv"),
        ({"offset": 10_001}, "--after"),
        ({"offset": 1, "after": "x"}, "not both"),
    ],
)
def test_what_is_no_page_is_refused(wrong: dict[str, Any], words: str):
    with pytest.raises(InvalidInput) as refused:
        ObjectsRequest(**wrong)
    assert words in str(refused.value)


def test_a_mistyped_column_of_a_condition_is_named(filling: Filling):
    with pytest.raises(InvalidInput, match=r"no column 'size'\. Did you mean size_bytes\?"):
        list_objects(filling.catalog, SOURCE, ObjectsRequest(Selection(where="size > 1")))


def test_a_source_without_an_index_has_an_empty_page(filling: Filling):
    assert list_objects(filling.catalog, SOURCE) == ObjectsPage((), None, 0)


def test_an_unknown_source_is_refused(local_catalog: Catalog):
    with pytest.raises(NotFound, match="nobody"):
        list_objects(local_catalog, "nobody")
