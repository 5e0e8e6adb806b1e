"""A viewer of pyramids on S3, one source per codec, and their pictures as they should be."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from s3pipelines.core.imaging.wishes import Work, work_on
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import FolderLocation
from s3pipelines.viewer.app import build_app
from s3pipelines.viewer.frontend import library_script
from tests.core.imaging.pictures import chart, file_of, quadrants
from tests.core.imaging.pyramid_files import image_file
from tests.viewer.serving import Served, served

BUCKET = "pictures-to-zoom"
KEY = 'in/"><script>alert(1)<é&v=0>.png'
# Odd, so that the levels are not just halves.
WIDTH_PX, HEIGHT_PX = 3333, 2101
CHART_PX = 2001, 1301
# The codec of each source, and the charts in it.
CHARTS = {
    "jpeg": ("rgb",),
    "webp": ("rgb", "rgba"),
    "deflate": ("rgb", "rgba", "16-bit"),
}


def require_library() -> None:
    """Skip without OpenSeadragon; fail if S3PIPELINES_TEST_REQUIRE_BROWSER is set."""
    if library_script() is None:
        reason = "OpenSeadragon is not installed: make setup"
        if os.environ.get("S3PIPELINES_TEST_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)


def picture_of(kind: str) -> np.ndarray:
    """A chart as 8 bits, whatever its file has."""
    return chart(*CHART_PX, bands=4 if kind == "rgba" else 3)


@contextmanager
def zoomable_pictures(folder: Path) -> Iterator[Served]:
    """Sources that went from an upload to a pyramid, and their viewer.

    Args:
        folder: For the tables, and the slots of the workers.
    """
    client = s3_client(Access())
    client.create_bucket(Bucket=BUCKET)
    place = FolderLocation(folder / "catalog")
    catalog = Catalog(place, derivatives=f"s3://{BUCKET}/made/{{source}}")
    client.put_object(Bucket=BUCKET, Key=KEY, Body=file_of(quadrants(WIDTH_PX, HEIGHT_PX), "PNG"))
    create_source(catalog, "pictures", f"s3://{BUCKET}/in", pyramid={"compression": "deflate"})
    for codec, kinds in CHARTS.items():
        for kind in kinds:
            pixels = picture_of(kind)
            if kind == "16-bit":
                pixels = pixels.astype(np.uint16) * 257
            key = f"charts/{codec}/{kind}.tif"
            client.put_object(Bucket=BUCKET, Key=key, Body=image_file(pixels))
        place = f"s3://{BUCKET}/charts/{codec}"
        create_source(catalog, codec, place, pyramid={"compression": codec})
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, folder)) as pool:
        for source_id, images in [("pictures", 1), *((c, len(k)) for c, k in CHARTS.items())]:
            refresh_index(catalog, source_id)
            made = run(catalog, work_on(get_source(catalog, source_id), "pyramid"), pool=pool)
            assert made.made == images
        assert run(catalog, Work("jpeg", "thumbnail"), pool=pool).made == 1
    with served(build_app(catalog)) as running:
        yield running
