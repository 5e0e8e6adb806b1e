"""Photographs to measure with: cut from real pictures, so that their detail is natural."""

import io
import random
from pathlib import Path
from typing import Any

from benchmarks.fakes3 import Unavailable

KINDS = 10
WIDTH_PX, HEIGHT_PX = 1632, 1224
_TILE_PX = (408, 306)
# Those of scikit-image that are in colour and larger than a tile: a portrait, a cup of coffee, a
# workshop, a launch, galaxies, an eye, a stained tissue.
_PICTURES = (
    "astronaut.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png",
    "retina.jpg", "rocket.jpg",
)  # fmt: skip


def photographs() -> list[bytes]:
    """Ten different JPEGs of 2 megapixels (quality 90, 4:2:0), the same each time.

    They are mosaics of pieces at their own resolution: a picture that is blown up has no detail,
    and is decoded and encoded faster than any photograph.

    Raises:
        Unavailable: scikit-image, whose pictures they are made of, is not installed.
    """
    from PIL import Image, ImageOps

    try:
        import skimage
    except ImportError as error:
        raise Unavailable("scikit-image is not installed (it is in the extra 'demo').") from error
    folder = Path(str(skimage.__file__)).parent / "data"
    pictures = [Image.open(folder / name).convert("RGB") for name in _PICTURES]
    chance = random.Random(20261121)
    made: list[bytes] = []
    for _ in range(KINDS):
        whole = Image.new("RGB", (WIDTH_PX, HEIGHT_PX))
        for top in range(0, HEIGHT_PX, _TILE_PX[1]):
            for left in range(0, WIDTH_PX, _TILE_PX[0]):
                piece = _piece(chance.choice(pictures), chance)
                whole.paste(ImageOps.mirror(piece) if chance.random() < 0.5 else piece, (left, top))
        buffer = io.BytesIO()
        whole.save(buffer, "JPEG", quality=90, subsampling="4:2:0")
        made.append(buffer.getvalue())
    return made


def _piece(picture: Any, chance: random.Random) -> Any:
    width_px, height_px = _TILE_PX
    left = chance.randrange(picture.width - width_px + 1)
    top = chance.randrange(picture.height - height_px + 1)
    return picture.crop((left, top, left + width_px, top + height_px))
