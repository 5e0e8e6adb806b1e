"""Which thumbnails stand for a source."""

import pytest
from PIL import ExifTags, Image

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.preview.samples import choose, sample_tiles
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.imaging.pictures import file_of, quadrants

JPEG = file_of(quadrants(), "JPEG")
THUMBNAILS = Work("maps", "thumbnail")
_TURNED = Image.Exif()
_TURNED[ExifTags.Base.Orientation] = 6


@pytest.fixture
def maps(catalog: Catalog, bucket) -> Catalog:
    """A registered source, on both kinds of catalog."""
    create_source(catalog, "maps", f"s3://{bucket}/maps")
    return catalog


def test_an_empty_source_has_no_tiles(maps: Catalog, pool):
    assert sample_tiles(maps, pool, "maps") == []


def test_tiles_have_their_thumbnail_dimensions_and_size_or_the_reason(
    maps: Catalog, pool, put_objects
):
    put_objects("maps/good.jpg", body=JPEG)
    put_objects("maps/upright.jpg", body=file_of(quadrants(), "JPEG", exif=_TURNED))
    put_objects("maps/empty.jpg", body=b"")
    put_objects("maps/README", "maps/data.csv", body=b"text")
    refresh_index(maps, "maps")
    run(maps, THUMBNAILS, pool=pool)

    tiles = {tile.key: tile for tile in sample_tiles(maps, pool, "maps")}

    assert sorted(tiles) == ["maps/empty.jpg", "maps/good.jpg", "maps/upright.jpg"]
    assert (tiles["maps/good.jpg"].webp or b"")[8:12] == b"WEBP"
    assert tiles["maps/good.jpg"].size.startswith("120 x 80, ")
    assert tiles["maps/upright.jpg"].size.startswith("80 x 120, ")
    assert tiles["maps/empty.jpg"].webp is None
    assert tiles["maps/empty.jpg"].reason == "Empty file: The object has no bytes."


def test_dimensions_come_from_the_table_where_it_has_them(maps: Catalog, pool, put_objects):
    put_objects("maps/upright.jpg", body=file_of(quadrants(), "JPEG", exif=_TURNED))
    refresh_index(maps, "maps")
    run(maps, THUMBNAILS, pool=pool)
    run(maps, Work("maps", "header"), pool=pool)

    (sample,) = choose(maps, "maps", ThumbnailParams())

    assert (sample.width_px, sample.height_px) == (80, 120)


def test_half_are_the_newest_and_the_rest_is_spread(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects(*(f"maps/{number:03}.jpg" for number in range(60)), body=JPEG)
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    refresh_index(local_catalog, "maps")
    run(local_catalog, THUMBNAILS, pool=pool)

    chosen = [sample.key for sample in choose(local_catalog, "maps", ThumbnailParams())]

    assert len(set(chosen)) == 24
    numbers = sorted(int(key[-7:-4]) for key in chosen[12:])
    assert numbers[0] < 25
    assert numbers[-1] > 35
    assert chosen == [s.key for s in choose(local_catalog, "maps", ThumbnailParams())]


def test_a_thumbnail_that_was_removed_is_a_tile_that_says_so(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("maps/1.jpg", body=JPEG)
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    refresh_index(local_catalog, "maps")
    run(local_catalog, THUMBNAILS, pool=pool)
    place = local_catalog.derivatives_location("maps")
    assert isinstance(place, FolderLocation)
    for path in place.path.rglob("*.webp"):
        path.unlink()

    (tile,) = sample_tiles(local_catalog, pool, "maps")

    assert tile.webp is None
    assert tile.reason.startswith("Its thumbnail cannot be read")
