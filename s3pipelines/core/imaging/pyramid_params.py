"""How one pyramid is to be made: what a worker is told, and what names the result."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from s3pipelines.core.errors import InvalidInput

Compression = Literal["jpeg", "webp", "deflate", "lzw", "zstd", "jp2k", "none"]
Colour = Literal["keep", "srgb"]
COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)
COLOURS: tuple[Colour, ...] = get_args(Colour)
LOSSY: frozenset[str] = frozenset({"jpeg", "webp", "jp2k"})

# Grows when the same parameters give other files, so that all pyramids are made anew.
_RECIPE = 1
_DIGEST_CHARACTERS = 16
_TILE_STEP_PX = 16
_LARGEST_TILE_PX = 4096
_LARGEST_DPI = 100_000


@dataclass(frozen=True)
class PyramidParams:
    """How a pyramid is to be.

    Attributes:
        tile_px: Side of a tile; a multiple of 16, as TIFF wants it.
        compression: Codec of the tiles.
        quality: Of a lossy codec, 1 to 100.
        subifds: The smaller levels hang below the page, as OME wants them, instead of following it
            as pages of their own.
        dpi: Resolution that the file claims; None: that of the image.
        colour: `keep` leaves the colours as they are, with their profile, as far as the codec can
            hold them; `srgb` brings all to sRGB.
        max_width_px: Largest width, upright; None: full resolution.
        max_height_px: Largest height, upright.
    """

    tile_px: int = 256
    compression: Compression = "jpeg"
    quality: int = 85
    subifds: bool = False
    dpi: float | None = None
    colour: Colour = "keep"
    max_width_px: int | None = None
    max_height_px: int | None = None

    def __post_init__(self) -> None:
        wrong = self._wrong()
        if wrong is not None:
            raise InvalidInput(f"There are no pyramids of {wrong[0]}.", hint=wrong[1])

    @property
    def lossy(self) -> bool:
        """The pixels of the pyramid are only about those of the image."""
        return self.compression in LOSSY

    def as_dict(self) -> dict[str, Any]:
        """Its fields, as they are sent to a worker."""
        return asdict(self)

    def _wrong(self) -> tuple[str, str] | None:
        tile, dpi = self.tile_px, self.dpi
        good_tile = _TILE_STEP_PX <= tile <= _LARGEST_TILE_PX and tile % _TILE_STEP_PX == 0
        caps = [cap for cap in (self.max_width_px, self.max_height_px) if cap is not None]
        multiple = f"Use a multiple of {_TILE_STEP_PX}, at most {_LARGEST_TILE_PX:,}."
        dpis = f"Use more than 0, and at most {_LARGEST_DPI:,} dpi."
        sides = "Use a largest width and height of 1 px or more."
        codecs, colours = (f"Use one of {', '.join(names)}." for names in (COMPRESSIONS, COLOURS))
        checks = (
            (good_tile, f"tiles of {tile} px", multiple),
            (self.compression in COMPRESSIONS, f"compression {self.compression!r}", codecs),
            (self.colour in COLOURS, f"colour {self.colour!r}", colours),
            (1 <= self.quality <= 100, f"quality {self.quality}", "Use a quality of 1 to 100."),
            (dpi is None or 0 < dpi <= _LARGEST_DPI, f"{dpi} dpi", dpis),
            (min(caps, default=1) >= 1, f"at most {min(caps, default=1)} px", sides),
        )
        return next(((what, hint) for good, what, hint in checks if not good), None)


def digest_of(params: PyramidParams, *more: str) -> str:
    """Names parameters, whatever their caps: 16 hexadecimal characters.

    Args:
        params: How pyramids are to be made.
        more: What else decides what is made and where it goes.
    """
    fields = asdict(params)
    for cap in ("max_width_px", "max_height_px"):
        del fields[cap]
    if not params.lossy:
        del fields["quality"]
    text = json.dumps([_RECIPE, fields, *more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
