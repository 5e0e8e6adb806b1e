"""Thumbnails: their parameters, where they lie, and how one is made."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import BinaryIO

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.headers import raise_failure
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.protocol import Frame
from s3pipelines.core.imaging.results import Thumbnail

# Grows when the same parameters give another picture, so that the thumbnails are made anew.
_RECIPE = 1
_LARGEST_BOX_PX = 4096
_DIGEST_CHARACTERS = 16


@dataclass(frozen=True)
class ThumbnailParams:
    """How thumbnails are to be.

    Attributes:
        box_px: Side of the square that they fit into; smaller images stay as they are.
        quality: Quality of the WebP file, 1 to 100.
    """

    box_px: int = 400
    quality: int = 80

    def __post_init__(self) -> None:
        if not 1 <= self.box_px <= _LARGEST_BOX_PX or not 1 <= self.quality <= 100:
            raise InvalidInput(
                f"There are no thumbnails of {self.box_px} px at quality {self.quality}.",
                hint=f"Use 1 to {_LARGEST_BOX_PX} px and a quality of 1 to 100.",
            )

    @property
    def digest(self) -> str:
        """Names these parameters: 16 hexadecimal characters."""
        text = json.dumps(asdict(self) | {"recipe": _RECIPE}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def thumbnail_name(params_digest: str, source_id: str, key: str, etag: str) -> str:
    """Where the thumbnail of one object lies below the derivatives of its source.

    The name follows from what it shows, so making it again writes the same object again. A key
    cannot lead out of the folder, as only its digest is in the name.
    """
    text = "\0".join((source_id, key, etag))
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:40]
    return f"thumbnails/{params_digest}/{digest[:2]}/{digest}.webp"


def make_thumbnail(
    pool: DecodePool,
    data: bytes | BinaryIO,
    extension: str,
    params: ThumbnailParams | None = None,
) -> Thumbnail:
    """Make the thumbnail of one image.

    Args:
        pool: Where it is decoded.
        data: The whole file, as bytes or, where it is large, as an open file on disk.
        extension: Lower-case ending of its name, for formats that have no magic number.
        params: How it is to be.

    Raises:
        Refused: There is no thumbnail, and why.
    """
    params = params or ThumbnailParams()
    header = {
        "task": "thumbnail",
        "limits": pool.limits.as_dict(),
        "extension": extension,
        "box_px": params.box_px,
        "quality": params.quality,
    }
    if isinstance(data, bytes):
        answer = pool.ask(Frame(header, data))
    else:
        answer = pool.ask(Frame(header, descriptors=(data.fileno(),)))
    raise_failure(answer)
    return thumbnail_of_answer(answer)


def thumbnail_of_answer(answer: Frame) -> Thumbnail:
    """The thumbnail that a worker sent."""
    size = answer.header["thumbnail"]
    return Thumbnail(bytes(answer.body), size["width_px"], size["height_px"])
