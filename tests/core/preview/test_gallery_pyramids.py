"""What the gallery knows of pyramids: the latest of the state that an object has now."""

from collections.abc import Iterator

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import NotFound
from s3pipelines.core.preview.gallery import Gallery, PageRequest
from s3pipelines.core.preview.items import PublishedPyramid
from tests.core.preview.catalogs import SOURCE, Filling

PYRAMIDS = PageRequest(show="pyramids")


@pytest.fixture
def filling(local_catalog: Catalog, bucket: str) -> Filling:
    return Filling(local_catalog, bucket)


@pytest.fixture
def gallery(local_catalog: Catalog) -> Iterator[Gallery]:
    with Gallery(local_catalog) as made:
        yield made


def test_what_has_a_pyramid_is_shown_by_itself_page_by_page(filling: Filling, gallery: Gallery):
    names = [f"{n}.tif" for n in range(9)]
    filling.objects(*names)
    filling.pyramids(*names[::2])
    filling.pyramids(names[1], error="corrupt")
    filling.thumbnails(names[3])

    first = gallery.page(SOURCE, PageRequest(show="pyramids", page_size=3))
    second = gallery.page(SOURCE, PageRequest(show="pyramids", page_size=3, after=first.next_token))

    assert [item.name for item in (*first.items, *second.items)] == names[::2]
    assert second.next_token is None


def test_an_object_has_the_pyramid_that_was_made_last_of_its_state(
    filling: Filling, gallery: Gallery
):
    filling.objects("a.tif", "new.tif", etag="e2")
    filling.pyramids("a.tif", etag="e2", uri="s3://b/first.tif")
    filling.pyramids("a.tif", etag="e2", uri="s3://b/capped.tif", params_digest="2-843x560")
    filling.pyramids("a.tif", etag="e1", uri="s3://b/of before.tif")
    filling.pyramids("a.tif", etag="e2", error="timeout")
    filling.pyramids("new.tif", etag="e1")

    item = gallery.item(SOURCE, "in/a.tif")

    assert item.pyramid == PublishedPyramid("s3://b/capped.tif", 9, 4000, 3000, "0" * 64)
    assert item.reason == "not_made_yet"  # A thumbnail.
    assert gallery.item(SOURCE, "in/new.tif").pyramid is None
    assert [item.name for item in gallery.page(SOURCE, PYRAMIDS).items] == ["a.tif"]


def test_of_a_document_it_is_that_of_the_first_page(filling: Filling, gallery: Gallery):
    filling.objects("a.tif")
    for page, digest in enumerate(("1", "1/2", "1/3"), start=1):
        filling.pyramids("a.tif", params_digest=digest, uri=f"s3://b/a.page-000{page}.tif")

    pyramid = gallery.item(SOURCE, "in/a.tif").pyramid

    assert pyramid is not None
    assert pyramid.uri == "s3://b/a.page-0001.tif"


@pytest.mark.parametrize("key", ["in/b.tif", "in/", "", "a.tif", "\0", "\ud800", "'"])
def test_a_key_that_the_index_does_not_have_is_not_found(
    filling: Filling, gallery: Gallery, key: str
):
    filling.objects("a.tif")
    with pytest.raises(NotFound):
        gallery.item(SOURCE, key)
