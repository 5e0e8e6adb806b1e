"""The formats that images are converted to, each with its options; registered in `OUTPUTS`."""

from typing import Any, Literal

from pydantic import Field, ValidationError

from s3pipelines.core.imaging.conversion.output import (
    NONE,
    WEB,
    Holds,
    Output,
    db_of_palette,
    db_of_quality,
)
from s3pipelines.core.imaging.conversion.told import first_fault, unknown

TiffCodec = Literal["deflate", "lzw", "zstd", "none", "jpeg", "webp", "jp2k"]
_LOSSY_CODECS = frozenset({"jpeg", "webp", "jp2k"})


class JpegOutput(Output):
    """JPEG: 8 bits, no transparency."""

    name, title, extension, content_type = "jpeg", "JPEG", "jpg", "image/jpeg"
    quality: int = Field(85, ge=1, le=100, description="1 to 100.")
    progressive: bool = Field(False, description="It appears coarse first and gets finer.")
    subsampling: Literal["auto", "on", "off"] = Field(
        "auto", description="Half the resolution for colours; `auto`: below quality 90."
    )

    @property
    def lossy(self) -> bool:
        """Always."""
        return True

    @property
    def holds(self) -> Holds:
        """8 bits of grey, RGB or CMYK."""
        return Holds(alpha=False, cmyk=True, largest_px=65_535, as_a_whole=self.progressive)

    @property
    def least_db(self) -> float:
        """See `Output.least_db`."""
        return db_of_quality(12.0, self.quality)


class PngOutput(Output):
    """PNG: lossless, 8 or 16 bits, or with a palette."""

    name, title, extension, content_type = "png", "PNG", "png", "image/png"
    compression: int = Field(6, ge=0, le=9, description="0 (fast) to 9 (small).")
    interlace: bool = Field(False, description="It appears coarse first and gets finer.")
    palette: bool = Field(False, description="At most 256 colours, which is not lossless.")
    colours: Literal[16, 256] = Field(256, description="Of the palette.")

    @property
    def lossy(self) -> bool:
        """With a palette."""
        return self.palette

    @property
    def holds(self) -> Holds:
        """Up to 16 bits, and any transparency."""
        if self.palette:
            return Holds(grey=False, metadata=WEB, as_a_whole=True, used_alpha=True)
        return Holds(bits=16, metadata=WEB, as_a_whole=self.interlace)

    @property
    def least_db(self) -> float:
        """See `Output.least_db`."""
        return db_of_palette(self.colours)


class GifOutput(Output):
    """GIF: at most 256 colours, and transparent or not."""

    name, title, extension, content_type = "gif", "GIF", "gif", "image/gif"
    colours: Literal[16, 32, 64, 128, 256] = Field(256, description="Of the palette.")
    dither: float = Field(1.0, ge=0, le=1, description="How far missing colours are mixed.")

    @property
    def lossy(self) -> bool:
        """Always."""
        return True

    @property
    def holds(self) -> Holds:
        """A palette, and nothing beside it."""
        return Holds(
            grey=False,
            metadata=NONE,
            largest_px=65_535,
            as_a_whole=True,
            used_alpha=True,
            hard_alpha=True,
        )

    @property
    def least_db(self) -> float:
        """See `Output.least_db`."""
        return db_of_palette(self.colours)


class WebpOutput(Output):
    """WebP: small, with transparency, at most 16,383 pixels a side."""

    name, title, extension, content_type = "webp", "WebP", "webp", "image/webp"
    quality: int = Field(80, ge=1, le=100, description="1 to 100.")
    lossless: bool = Field(False, description="Every pixel as it is.")
    effort: int = Field(4, ge=0, le=6, description="0 (fast) to 6 (small).")

    @property
    def lossy(self) -> bool:
        """Unless told otherwise."""
        return not self.lossless

    @property
    def holds(self) -> Holds:
        """8 bits of RGB, with or without alpha."""
        return Holds(grey=False, metadata=WEB, largest_px=16_383, as_a_whole=True, used_alpha=True)

    @property
    def least_db(self) -> float:
        """WebP always halves the resolution of colours: coloured lines keep 19 dB at 85."""
        return db_of_quality(5.0, self.quality)


class AvifOutput(Output):
    """AVIF: smaller still, and slow to make."""

    name, title, extension, content_type = "avif", "AVIF", "avif", "image/avif"
    quality: int = Field(60, ge=1, le=100, description="1 to 100.")
    lossless: bool = Field(False, description="Every pixel as it is.")
    effort: int = Field(4, ge=0, le=9, description="0 (fast) to 9 (small).")

    @property
    def lossy(self) -> bool:
        """Unless told otherwise."""
        return not self.lossless

    @property
    def holds(self) -> Holds:
        """8 bits of RGB, with or without alpha."""
        return Holds(grey=False, metadata=WEB, largest_px=16_384, as_a_whole=True)

    @property
    def least_db(self) -> float:
        """See `Output.least_db`."""
        return db_of_quality(5.0, self.quality)


class TiffOutput(Output):
    """TIFF: everything, in strips or tiles; a pyramid is made by `images pyramids`."""

    name, title, extension, content_type = "tiff", "TIFF", "tif", "image/tiff"
    compression: TiffCodec = Field("deflate", description="The codec.")
    quality: int = Field(85, ge=1, le=100, description="Of a lossy codec, 1 to 100.")
    tile_px: int | None = Field(
        None, ge=16, le=4096, multiple_of=16, description="Side of a tile; by default strips."
    )

    @property
    def lossy(self) -> bool:
        """As the codec is."""
        return self.compression in _LOSSY_CODECS

    @property
    def holds(self) -> Holds:
        """All numbers where the codec is lossless."""
        if not self.lossy:
            return Holds(bits=32, cmyk=True)
        jpeg, webp = self.compression == "jpeg", self.compression == "webp"
        return Holds(grey=not webp, alpha=not jpeg, cmyk=jpeg)

    @property
    def least_db(self) -> float:
        """See `Output.least_db`."""
        return db_of_quality(5.0 if self.compression == "webp" else 12.0, self.quality)


class Jp2Output(Output):
    """JPEG 2000, lossless unless told otherwise."""

    name, title, extension, content_type = "jp2", "JPEG 2000", "jp2", "image/jp2"
    lossless: bool = Field(True, description="Every pixel as it is.")
    psnr_db: int = Field(40, ge=25, le=60, description="How close it is where it is not lossless.")

    @property
    def lossy(self) -> bool:
        """If told so."""
        return not self.lossless

    @property
    def holds(self) -> Holds:
        """16 bits of grey, or 8 of RGB; metadata is not written."""
        return Holds(bits=16, metadata=NONE, as_a_whole=True)

    @property
    def least_db(self) -> float:
        """What was asked for is of the whole image, and this of a part of it."""
        return self.psnr_db - 10.0


class JxlOutput(Output):
    """JPEG XL, where the libvips of this machine has it."""

    name, title, extension, content_type = "jxl", "JPEG XL", "jxl", "image/jxl"
    quality: int = Field(85, ge=1, le=100, description="1 to 100.")
    lossless: bool = Field(False, description="Every pixel as it is.")
    effort: int = Field(7, ge=1, le=9, description="1 (fast) to 9 (small).")

    @property
    def lossy(self) -> bool:
        """Unless told otherwise."""
        return not self.lossless

    @property
    def holds(self) -> Holds:
        """Up to 16 bits, and any transparency."""
        return Holds(bits=16, grey=False, metadata=WEB, as_a_whole=True)

    @property
    def least_db(self) -> float:
        """See `Output.least_db`."""
        return db_of_quality(5.0, self.quality)


OUTPUTS: dict[str, type[Output]] = {
    output.name: output
    for output in (
        JpegOutput,
        PngOutput,
        WebpOutput,
        AvifOutput,
        TiffOutput,
        Jp2Output,
        GifOutput,
        JxlOutput,
    )
}
_ALSO = {"jpg": "jpeg", "tif": "tiff", "jpeg2000": "jp2", "jpf": "jp2"}


def read_output(given: Any) -> Output:
    """An output format from what a recipe writes: `{format: webp, quality: 80}`, or `webp`.

    Raises:
        ValueError: It is none, in words that say what is wrong.
    """
    if isinstance(given, Output):
        return given
    told = {"format": given} if isinstance(given, str) else given
    if not isinstance(told, dict) or not isinstance(told.get("format"), str):
        raise ValueError(f"an output has a format: {', '.join(OUTPUTS)}")
    name = _ALSO.get(told["format"].lower(), told["format"].lower())
    kind = OUTPUTS.get(name)
    if kind is None:
        raise ValueError(unknown("there is no format", told["format"], OUTPUTS))
    try:
        return kind.model_validate({**told, "format": name})
    except ValidationError as error:
        raise ValueError(f"{name}: {first_fault(error)}") from None
