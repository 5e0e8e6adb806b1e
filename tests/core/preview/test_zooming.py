"""Pyramids to zoom into: found by key, read by ranges, and followed when they change."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Gone, NotFound, Unreadable
from s3pipelines.core.imaging import budget
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.preview import zooming as zooming_module
from s3pipelines.core.preview.gallery import Gallery
from s3pipelines.core.preview.zooming import Zooming
from s3pipelines.core.storage.locations import S3Location
from tests.core.imaging.pictures import CELL_PX, alike, chart
from tests.core.imaging.pyramid_files import written_elsewhere
from tests.core.preview.catalogs import SOURCE, Filling

PIXELS = chart(300, 200)
KEY = "in/a.tif"


@pytest.fixture
def catalog(local_catalog: Catalog, bucket: str) -> Catalog:
    """A catalog whose derivatives are on S3."""
    return replace(local_catalog, derivatives=f"s3://{bucket}/made/{{source}}")


@pytest.fixture
def filling(catalog: Catalog, bucket: str) -> Filling:
    made = Filling(catalog, bucket)
    made.objects("a.tif")
    return made


@pytest.fixture
def zooming(catalog: Catalog) -> Iterator[Zooming]:
    with Gallery(catalog) as gallery, Zooming(catalog, gallery) as made:
        yield made


class Publisher:
    """Puts pyramids where those of the source lie, and their rows into the table."""

    def __init__(self, filling: Filling, s3) -> None:
        location = filling.catalog.derivatives_location(SOURCE)
        assert isinstance(location, S3Location)
        self._filling, self._location, self._s3 = filling, location, s3

    def publish(self, data: bytes, version: str = "a", name: str = "pyramids/a.tif.tif") -> None:
        """One pyramid of `in/a.tif`."""
        self.put(data, name)
        uri = f"{self._location.uri.rstrip('/')}/{name}"
        columns = {"uri": uri, "size_bytes": len(data), "sha256": version * 64}
        self._filling.pyramids("a.tif", **columns)

    def put(self, data: bytes, name: str = "pyramids/a.tif.tif") -> None:
        """Only the file."""
        self._s3.put_object(
            Bucket=self._location.bucket, Key=self._location.prefix + name, Body=data
        )

    def delete(self, name: str = "pyramids/a.tif.tif") -> None:
        self._s3.delete_object(Bucket=self._location.bucket, Key=self._location.prefix + name)


@pytest.fixture
def publisher(filling: Filling, s3) -> Publisher:
    return Publisher(filling, s3)


def shown(webp: bytes, x: int, y: int) -> tuple[int, ...]:
    pixel = Image.open(io.BytesIO(webp)).convert("RGB").getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def test_a_tile_comes_from_s3_and_shows_its_part(publisher: Publisher, zooming: Zooming):
    publisher.publish(written_elsewhere(PIXELS, "<", False))

    pyramid = zooming.pyramid(SOURCE, KEY)
    tile = zooming.tile(pyramid, 1, 2, 1)

    middle = CELL_PX // 2
    expected = tuple(int(value) for value in PIXELS[64 + middle, 128 + middle])
    assert alike(shown(tile, middle, middle), expected)


def test_a_pyramid_that_was_made_anew_is_seen_as_another_one(
    publisher: Publisher, zooming: Zooming, monkeypatch: pytest.MonkeyPatch
):
    publisher.publish(written_elsewhere(PIXELS, "<", False), version="a")
    first = zooming.pyramid(SOURCE, KEY)
    publisher.publish(written_elsewhere(chart(100, 100), "<", False), version="b")
    assert zooming.pyramid(SOURCE, KEY) is first

    monkeypatch.setattr(zooming_module, "_FRESH_S", 0)

    second = zooming.pyramid(SOURCE, KEY)
    assert (first.version[0], second.version[0]) == ("a", "b")
    assert (second.file.levels[-1].width_px, second.file.levels[-1].height_px) == (100, 100)
    assert zooming.pyramid(SOURCE, KEY) is second


def test_only_what_lies_among_the_pyramids_of_its_source_is_shown(
    publisher: Publisher, filling: Filling, zooming: Zooming
):
    publisher.publish(written_elsewhere(PIXELS, "<", False), name="thumbnails/a.tif")
    with pytest.raises(NotFound, match="does not lie where"):
        zooming.pyramid(SOURCE, KEY)
    for uri in ("/etc/passwd", "s3://elsewhere/made/pictures/pyramids/a.tif", ""):
        filling.pyramids("a.tif", uri=uri)
        with pytest.raises(NotFound, match="does not lie where"):
            zooming.pyramid(SOURCE, KEY)


def test_what_is_damaged_or_gone_says_so_and_how_to_make_it_again(
    publisher: Publisher, zooming: Zooming
):
    with pytest.raises(NotFound, match="images pyramids --source pictures"):
        zooming.pyramid(SOURCE, KEY)
    publisher.publish(b"no pyramid", version="a")
    with pytest.raises(Unreadable, match=r"no TIFF.*rerun --source pictures"):
        zooming.pyramid(SOURCE, KEY)
    whole = written_elsewhere(PIXELS, "<", False)
    publisher.publish(whole, version="b")
    pyramid = zooming.pyramid(SOURCE, KEY)
    publisher.put(whole[:-10])
    with pytest.raises(Unreadable, match="missing, or cut off"):
        zooming.tile(pyramid, 0, 2, 1)
    publisher.delete()
    with pytest.raises(Gone):
        zooming.tile(pyramid, 1, 4, 3)


def test_a_tile_does_not_wait_for_those_who_make_pyramids(
    publisher: Publisher, zooming: Zooming, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(budget, "_runtime_folder", lambda: tmp_path / "slots")
    publisher.publish(written_elsewhere(PIXELS, "<", False))
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(Slots(8).one())
        assert zooming.tile(zooming.pyramid(SOURCE, KEY), 0, 0, 0)


def test_there_is_no_tile_beyond_the_picture(publisher: Publisher, zooming: Zooming):
    publisher.publish(written_elsewhere(PIXELS, "<", False))
    pyramid = zooming.pyramid(SOURCE, KEY)
    for place in ((2, 0, 0), (1, 5, 0), (0, 0, 2)):
        with pytest.raises(NotFound):
            zooming.tile(pyramid, *place)


def test_after_it_was_closed_a_tile_starts_new_workers(publisher: Publisher, zooming: Zooming):
    publisher.publish(written_elsewhere(PIXELS, "<", False))
    pyramid = zooming.pyramid(SOURCE, KEY)
    first = zooming.tile(pyramid, 0, 0, 0)
    zooming.close()
    assert zooming.tile(pyramid, 0, 0, 0) == first
