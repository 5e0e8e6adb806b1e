"""The gallery: every object once, in order, with its picture or the reason why there is none."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import get_args

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import InvalidInput, NotFound, StorageError
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, thumbnail_name
from s3pipelines.core.preview import gallery as gallery_module
from s3pipelines.core.preview.gallery import Gallery, Page, PageRequest
from s3pipelines.core.preview.items import GalleryItem, Show
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.preview.catalogs import NOON, SOURCE, Filling

ODD = [
    "\x01",
    '"><script>alert(1)</script>.jpg',
    "'; DROP TABLE objects; --.png",
    "../up.jpg",
    "line\nbreak\r\n.jpg",
    "nul\0in it.jpg",
    "nul",
    "x" * 900 + "1.jpg",
    "x" * 900 + "2.jpg",
    "é.jpg",
    "\ufffd",
    "😀.jpg",
    "\U0010ffff",
    "\U0010ffff\U0010ffff",
]


@pytest.fixture
def filling(local_catalog: Catalog, bucket: str) -> Filling:
    return Filling(local_catalog, bucket)


@pytest.fixture
def gallery(local_catalog: Catalog) -> Iterator[Gallery]:
    with Gallery(local_catalog) as made:
        yield made


def names(page: Page) -> list[str]:
    return [item.name for item in page.items]


def walk(gallery: Gallery, page_size: int, show: Show = "all", prefix: str = "") -> list[list[str]]:
    """The pages from the first to the last; and the way back shows the same ones."""
    pages: list[list[str]] = []
    request = PageRequest(page_size=page_size, show=show, prefix=prefix)
    page = gallery.page(SOURCE, request)
    assert page.previous_token is None
    pages.append(names(page))
    while page.next_token is not None:
        after = PageRequest(after=page.next_token, page_size=page_size, show=show, prefix=prefix)
        page = gallery.page(SOURCE, after)
        pages.append(names(page))
    back = [names(page)]
    while page.previous_token is not None:
        before = PageRequest(
            before=page.previous_token, page_size=page_size, show=show, prefix=prefix
        )
        page = gallery.page(SOURCE, before)
        assert page.next_token is not None
        back.insert(0, names(page))
    assert back == pages
    return pages


def joined(pages: list[list[str]]) -> list[str]:
    return [name for page in pages for name in page]


def only(page: Page) -> GalleryItem:
    (item,) = page.items
    return item


def test_the_pages_show_every_object_once_and_in_order(filling: Filling, gallery: Gallery):
    expected = [f"{n:03}.jpg" for n in range(25)]
    filling.objects(*expected[::2])
    filling.objects(*expected[1::2])  # Another file, of the same range of keys.

    for page_size in (1, 7, 24, 25, 26):
        pages = walk(gallery, page_size)
        assert joined(pages) == expected
        assert all(len(page) == page_size for page in pages[:-1])


def test_it_is_the_same_on_s3(s3_catalog: Catalog, bucket: str):
    filling = Filling(s3_catalog, bucket)
    filling.objects(*ODD)
    filling.thumbnails(*ODD[:3])
    with Gallery(s3_catalog) as gallery:
        assert joined(walk(gallery, 4)) == sorted(ODD)
        assert joined(walk(gallery, 2, "images")) == sorted(ODD[:3])


def test_keys_are_any_text_and_come_back_as_they_are(filling: Filling, gallery: Gallery):
    filling.objects(*ODD)
    filling.thumbnails(*ODD)
    filling.headers(*ODD)
    for show in ("all", "images"):
        for page_size in (1, 3, 60):
            assert joined(walk(gallery, page_size, show)) == sorted(ODD)
    for name in ODD:
        found = gallery.page(SOURCE, PageRequest(prefix=name))
        assert names(found) == [other for other in sorted(ODD) if other.startswith(name)]
        assert found.items[0].key == f"in/{name}"
        assert found.items[0].width_px == 4000


def test_an_item_says_what_the_index_and_its_header_know(filling: Filling, gallery: Gallery):
    filling.objects("a/one.jpg", storage_class="STANDARD_IA")
    filling.headers("a/one.jpg")
    filling.thumbnails("a/one.jpg")

    item = only(gallery.page(SOURCE))

    name = thumbnail_name(ThumbnailParams().digest, SOURCE, "in/a/one.jpg", "e1")
    assert item == GalleryItem(
        key="in/a/one.jpg",
        name="a/one.jpg",
        size_bytes=1234,
        last_modified=NOON,
        storage_class="STANDARD_IA",
        format="jpeg",
        width_px=4000,
        height_px=3000,
        thumbnail=name,
        reason=None,
        detail="",
        failed=False,
    )
    assert item.last_modified.tzinfo is UTC


def test_an_image_on_its_side_has_the_size_that_people_see(filling: Filling, gallery: Gallery):
    filling.objects("portrait.jpg")
    filling.headers("portrait.jpg", orientation=6)
    item = only(gallery.page(SOURCE))
    assert (item.width_px, item.height_px) == (3000, 4000)


@pytest.mark.parametrize(
    ("name", "columns", "reason"),
    [
        ("new.jpg", {}, "not_made_yet"),
        ("no-extension", {}, "not_made_yet"),
        ("cold.jpg", {"storage_class": "GLACIER"}, "archived"),
        ("notes.txt", {}, "not_an_image"),
        ("folder/", {}, "not_an_image"),
    ],
)
def test_what_was_never_tried_says_why(filling: Filling, gallery: Gallery, name, columns, reason):
    filling.objects(name, **columns)
    item = only(gallery.page(SOURCE))
    assert (item.thumbnail, item.reason, item.failed) == (None, reason, False)


def test_a_failure_is_shown_with_its_reason(filling: Filling, gallery: Gallery):
    filling.objects("bad.jpg")
    filling.thumbnails("bad.jpg", error="corrupt")
    item = only(gallery.page(SOURCE))
    assert (item.thumbnail, item.reason, item.detail) == (None, "corrupt", "It is corrupt.")
    assert item.failed


def test_the_header_tells_why_where_no_thumbnail_was_tried(filling: Filling, gallery: Gallery):
    filling.objects("a.bin", "b.jpg")
    filling.headers("a.bin", error="not_an_image", error_detail="It is a ZIP.", width_px=None)
    filling.headers("b.jpg", error="truncated", error_detail="It ends early.", width_px=None)
    none, broken = gallery.page(SOURCE).items
    assert (none.reason, none.detail, none.failed) == ("not_an_image", "It is a ZIP.", False)
    assert (broken.reason, broken.failed) == ("truncated", True)
    assert names(gallery.page(SOURCE, PageRequest(show="failed"))) == ["b.jpg"]


def test_only_the_latest_attempt_counts(filling: Filling, gallery: Gallery):
    filling.objects("mended.jpg", "broken.jpg")
    filling.thumbnails("mended.jpg", error="timeout")
    filling.thumbnails("broken.jpg")
    filling.thumbnails("mended.jpg")
    filling.thumbnails("broken.jpg", error="corrupt")
    assert names(gallery.page(SOURCE, PageRequest(show="images"))) == ["mended.jpg"]
    assert names(gallery.page(SOURCE, PageRequest(show="failed"))) == ["broken.jpg"]


def test_what_was_made_of_an_earlier_state_or_in_another_way_does_not_count(
    filling: Filling, gallery: Gallery
):
    filling.objects("a.jpg", etag="e2")
    filling.thumbnails("a.jpg", etag="e1")
    filling.thumbnails("a.jpg", etag="e2", kind="pyramid")
    filling.thumbnails("a.jpg", etag="e2", params_digest="0" * 16)
    filling.headers("a.jpg", etag="e1")
    item = only(gallery.page(SOURCE))
    assert (item.reason, item.width_px) == ("not_made_yet", None)
    assert not gallery.page(SOURCE, PageRequest(show="images")).items


def test_the_filters_page_through_what_they_show(filling: Filling, gallery: Gallery):
    all_names = [f"{n:03}.jpg" for n in range(60)]
    made, bad, none = all_names[0::3], all_names[1::3], all_names[2::3]
    filling.objects(*all_names)
    filling.thumbnails(*made[:10], *bad[:3])
    filling.thumbnails(*made[10:])
    filling.thumbnails(*bad, error="corrupt")
    filling.thumbnails(*none[:10], error="not_an_image")
    filling.thumbnails(*none[10:], error="archived")

    for page_size in (3, 20):
        assert joined(walk(gallery, page_size, "images")) == made
        assert joined(walk(gallery, page_size, "failed")) == sorted([*bad, *none[:10]])


def test_many_candidates_that_are_none_any_more_do_not_end_the_search(
    filling: Filling, gallery: Gallery
):
    gone = [f"a{n:03}.jpg" for n in range(300)]
    filling.objects("b1.jpg", "b2.jpg", *gone[:100])
    filling.thumbnails(*gone, "b1.jpg", "b2.jpg", error="timeout")
    filling.thumbnails(*gone[:100])  # The others were deleted from the source.
    assert walk(gallery, 1, "failed") == [["b1.jpg"], ["b2.jpg"]]


def test_a_prefix_narrows_every_filter(filling: Filling, gallery: Gallery):
    filling.objects("a/1.jpg", "a/2.jpg", "a/3.jpg", "a0.jpg", "b/1.jpg")
    filling.thumbnails("a/1.jpg", "b/1.jpg")
    assert walk(gallery, 2, prefix="a/") == [["a/1.jpg", "a/2.jpg"], ["a/3.jpg"]]
    assert walk(gallery, 2, "images", prefix="a") == [["a/1.jpg"]]
    assert walk(gallery, 2, prefix="c") == [[]]


def test_the_total_is_that_of_the_source_whatever_is_shown(filling: Filling, gallery: Gallery):
    filling.objects(*(f"{n}.jpg" for n in range(9)))
    assert gallery.page(SOURCE, PageRequest(show="failed", prefix="1")).total == 9
    assert gallery.counts() == {SOURCE: 9}


def test_what_is_not_merged_yet_is_shown_in_its_place(filling: Filling, gallery: Gallery):
    filling.objects("a.jpg", "b.jpg", "d.jpg")
    filling.tail("c.jpg", "d.jpg", size_bytes=9)
    filling.tail("c.jpg", size_bytes=7)
    filling.tail("b.jpg", gone=True)

    page = gallery.page(SOURCE)

    assert [item.key for item in page.items] == ["in/a.jpg", "in/c.jpg", "in/d.jpg"]
    assert [item.size_bytes for item in page.items] == [1234, 7, 9]
    assert page.total == 3


def test_a_catalog_without_tables_gives_an_empty_page(filling: Filling, gallery: Gallery):
    for show in get_args(Show):
        page = gallery.page(SOURCE, PageRequest(show=show))
        assert (page.items, page.next_token, page.previous_token, page.total) == ((), None, None, 0)
    assert gallery.counts() == {}


def test_a_source_shows_nothing_of_another_one(filling: Filling, gallery: Gallery, bucket: str):
    filling.objects("a.jpg")
    create_source(filling.catalog, "other", f"s3://{bucket}/in")
    page = gallery.page("other")
    assert (page.items, page.total) == ((), 0)


def test_an_unknown_source_is_not_found(local_catalog: Catalog, gallery: Gallery):
    with pytest.raises(NotFound, match="no source 'nobody'"):
        gallery.page("nobody")


@pytest.mark.parametrize("token", ["!", "a", "YQ==", "_w", "YR", "\x00", "é", "A" * 3000])
def test_a_malformed_token_is_invalid(filling: Filling, gallery: Gallery, token: str):
    for request in (PageRequest(after=token), PageRequest(before=token)):
        with pytest.raises(InvalidInput, match="not a page"):
            gallery.page(SOURCE, request)


@pytest.mark.parametrize(
    "wrong",
    [
        {"page_size": 0},
        {"page_size": 501},
        {"show": "everything"},
        {"prefix": "\ud800"},
        {"after": "YQ", "before": "Yg"},
    ],
)
def test_a_request_that_makes_no_sense_is_invalid(wrong):
    with pytest.raises(InvalidInput):
        PageRequest(**wrong)


def test_a_token_stays_good_when_its_object_is_deleted(filling: Filling, gallery: Gallery):
    filling.objects("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    token = gallery.page(SOURCE, PageRequest(page_size=2)).next_token
    open_table(filling.catalog, OBJECTS).delete(f"source = '{SOURCE}' AND key = 'in/b.jpg'")
    assert names(gallery.page(SOURCE, PageRequest(after=token))) == ["c.jpg", "d.jpg"]


def test_a_token_of_elsewhere_leads_nowhere_else(filling: Filling, gallery: Gallery):
    filling.objects("a.jpg")
    assert names(gallery.page(SOURCE, PageRequest(after="YQ"))) == ["a.jpg"]  # "a"
    assert names(gallery.page(SOURCE, PageRequest(after="eg"))) == []  # "z"
    assert names(gallery.page(SOURCE, PageRequest(before="eg"))) == ["a.jpg"]


def test_threads_share_a_gallery(filling: Filling, gallery: Gallery):
    filling.objects(*(f"{n:03}.jpg" for n in range(50)))
    filling.thumbnails(*(f"{n:03}.jpg" for n in range(0, 50, 2)))
    with ThreadPoolExecutor(6) as threads:
        pages = list(threads.map(lambda _: walk(gallery, 20, "images"), range(12)))
    assert all(page == pages[0] for page in pages)
    assert len(joined(pages[0])) == 25


def test_credentials_are_renewed_while_it_is_open(
    s3_catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    Filling(s3_catalog, bucket).objects("a.jpg")
    asked: list[str] = []
    original = gallery_module.duckdb_secret

    def counted(*arguments):
        asked.append("secret")
        return original(*arguments)

    monkeypatch.setattr(gallery_module, "duckdb_secret", counted)
    with Gallery(s3_catalog) as gallery:
        gallery.page(SOURCE)
        gallery.page(SOURCE)
        assert not asked
        monkeypatch.setattr(gallery_module, "_CREDENTIALS_FOR_S", -1)
        assert names(gallery.page(SOURCE)) == ["a.jpg"]
        assert asked == ["secret"]


def test_a_file_that_is_missing_from_the_catalog_is_a_storage_error(
    filling: Filling, gallery: Gallery
):
    filling.objects("a.jpg")
    assert isinstance(filling.catalog.location, FolderLocation)
    for file in filling.catalog.location.path.rglob("*.parquet"):
        file.unlink()
    with pytest.raises(StorageError):
        gallery.page(SOURCE)
