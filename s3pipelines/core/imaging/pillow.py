"""Pillow as it is used here: one named format at a time, and never a file that is cut off."""

import struct
import warnings
from typing import IO

import PIL
from PIL import Image, ImageFile, UnidentifiedImageError

from s3pipelines.core.imaging.formats import PILLOW_FORMATS
from s3pipelines.core.imaging.outcomes import Refused, failure_from_text

# What its readers raise at damaged files, beside OSError.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    EOFError,
    ArithmeticError,
    struct.error,
)


def prepare() -> None:
    """Load the plug-ins; sizes are checked by our own limits, before anything is decoded."""
    Image.MAX_IMAGE_PIXELS = None
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")
    Image.init()
    for plugin in ("pillow_heif", "pillow_jxl"):
        try:
            module = __import__(plugin)
        except ImportError:
            continue
        if hasattr(module, "register_heif_opener"):
            module.register_heif_opener()


def version() -> str:
    """The version of Pillow, with the plug-ins that add formats."""
    plugins = [name for name in ("HEIF", "JXL") if name in Image.OPEN]
    return " + ".join([PIL.__version__, *plugins])


def can_read(name: str) -> bool:
    """Whether this Pillow has a reader for the format."""
    return PILLOW_FORMATS.get(name) in Image.OPEN


def open_image(file: IO[bytes], name: str) -> Image.Image:
    """The image in `file` with its header read, and (in most formats) its pixels not.

    Raises:
        NeedBytes: More of the file is needed.
        Refused: Pillow cannot read it.
    """
    file.seek(0)
    try:
        return Image.open(file, formats=[PILLOW_FORMATS[name]])
    except UnidentifiedImageError as error:
        raise Refused("corrupt", f"Its header is not that of a valid {name} file.") from error
    except DAMAGED as error:
        raise pillow_failure(error) from error


def pillow_failure(error: Exception) -> Refused:
    """What an exception of Pillow says of the file."""
    return failure_from_text(f"Pillow: {str(error) or type(error).__name__}")
