"""Which pages of a file are images of their own: what pyramids are made of."""

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.given import Given
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.reading import Known
from s3pipelines.core.imaging.tiff import read_tiff

_MOST_PAGES = 4096


def pages_of(given: Given, known: Known) -> list[int]:
    """The numbers of the pages, as the readers count them from 0.

    Of a TIFF all but the reduced copies of others; of a slide (Aperio) the slide alone, not the
    picture of its label. Of HEIF every image. An animation is one picture that moves: its first.

    Raises:
        Refused: There are more than anybody could want, or its directories are damaged.
    """
    if known.name == "tiff":
        return _of_tiff(given)
    if known.name in ("avif", "heic") and known.readers[0] == "vips":
        image = vips.header_image(given.file(), known.name)
        return list(range(max(1, vips.field(image, "n-pages", 1))))
    return [0]


def _of_tiff(given: Given) -> list[int]:
    tiff = read_tiff(given.file(), _MOST_PAGES + 1)
    if len(tiff.pages) > _MOST_PAGES:
        raise Refused("too_large", f"It has more than {_MOST_PAGES:,} pages.")
    if tiff.first.description.startswith("Aperio"):
        return [0]
    return [0, *(n for n, page in enumerate(tiff.pages) if n and not page.reduced)]
