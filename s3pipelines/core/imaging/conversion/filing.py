"""One file, in a worker: decode → steps → encode → verify."""

import tempfile
from collections.abc import Callable
from typing import get_args

import pyvips

from s3pipelines.core.imaging.conversion.fitting import fitted
from s3pipelines.core.imaging.conversion.following import follow, shrink_for
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS, TiffCodec
from s3pipelines.core.imaging.conversion.proof import Proof, prove
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe, recipe_of
from s3pipelines.core.imaging.conversion.writing import write
from s3pipelines.core.imaging.converting import Job, made_ready
from s3pipelines.core.imaging.decoding import Decoded, Page, decode
from s3pipelines.core.imaging.exif_directory import add_exif
from s3pipelines.core.imaging.given import Given
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.reading import Reader, first_that_reads, identify

_PROBE_PX = 64


def convert_file(given: Given, extension: str, recipe: ConversionRecipe, job: Job) -> Proof:
    """Convert the first page of a file, and compare what was written with what was meant.

    Args:
        given: The file.
        extension: Lower-case ending of its name.
        recipe: What is to be done.
        job: Where it goes, and what it may cost.

    Raises:
        Refused: The file cannot be read, or what came of it is not what it should be.
    """
    known = identify(given.head(), extension)
    page = Page(given, known, 0)
    return first_that_reads(
        known, {reader: _attempt(page, reader, recipe, job) for reader in known.readers}
    )


def _attempt(page: Page, reader: Reader, recipe: ConversionRecipe, job: Job) -> Callable[[], Proof]:
    def prepared() -> Decoded:
        decoded = decode(page, reader, job.limits, shrink_for(recipe.steps))
        return fitted(follow(recipe.steps, decoded, job.limits), recipe, job.limits)

    def attempt() -> Proof:
        image, again = made_ready(prepared, job.limits)
        try:
            write(image.image, recipe, job.descriptor)
        except (pyvips.Error, OSError) as error:
            if not image.in_any_order:
                raise  # It was decoded meanwhile.
            said = getattr(error, "detail", None) or str(error)
            title = recipe.output.title
            raise Refused("unsupported", f"It cannot be written as {title} ({said}).") from error
        if recipe.output.name == "tiff" and recipe.keeps("exif"):
            add_exif(job.descriptor, image.exif)
        return prove(again(), recipe, job.descriptor)

    return attempt


def writable_formats() -> dict[str, list[str]]:
    """The formats that are written here, and read again as what was written; TIFF with its codecs.

    A codec that a library lacks fails late, and what it leaves behind may be read as black. So
    each is tried on a small picture.
    """
    codecs = [
        codec for codec in get_args(TiffCodec) if _works({"format": "tiff", "compression": codec})
    ]
    found: dict[str, list[str]] = {"tiff": codecs} if codecs else {}
    others = (name for name in OUTPUTS if name != "tiff")
    return found | {name: [] for name in others if _works({"format": name})}


def _works(output: dict[str, str]) -> bool:
    ramp = pyvips.Image.identity(bands=3).resize(_PROBE_PX / 256, vscale=_PROBE_PX)  # pyright: ignore[reportAttributeAccessIssue]
    picture = ramp.cast("uchar").copy(interpretation="srgb").copy_memory()
    recipe = recipe_of({"output": output, "metadata": "strip"})
    try:
        with tempfile.TemporaryFile() as file:
            write(picture, recipe, file.fileno())
            prove(Decoded(picture, in_any_order=True), recipe, file.fileno())
    except (pyvips.Error, Refused, OSError):
        return False
    return True
