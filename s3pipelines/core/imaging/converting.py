"""One page of one file, in a worker: decode → recipe → save → verify."""

from collections.abc import Callable
from dataclasses import dataclass

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.decoding import Decoded, Page, decode, held
from s3pipelines.core.imaging.exif_directory import add_exif
from s3pipelines.core.imaging.given import Given
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pages import pages_of
from s3pipelines.core.imaging.proving import Proof, prove
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.reading import Reader, first_that_reads, identify
from s3pipelines.core.imaging.recipe import Recipe
from s3pipelines.core.imaging.results import Spent, Stopwatch
from s3pipelines.core.imaging.saving import TooLargeForClassic, save_pyramid

# Up to this, an image is decoded once and held. Beyond, it is decoded while it is saved, and once
# more to be compared, so that what an image takes does not grow with its height.
_HELD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Converted:
    """What came of one page.

    Attributes:
        proof: What was seen of the file that was written.
        saving: What decoding and encoding took.
        proving: What it took to compare it with the page.
        pages: The numbers of all pages of the image; the first is the one of a request for none.
    """

    proof: Proof
    saving: Spent
    proving: Spent
    pages: list[int]


def make_pyramid_file(
    given: Given, extension: str, page: int | None, params: PyramidParams, job: "Job"
) -> Converted:
    """Make the pyramid of one page, and compare it with the page.

    Args:
        given: The file.
        extension: Lower-case ending of its name.
        page: The number of the page; None: the first.
        params: How the pyramid is to be.
        job: Where it goes, and what it may cost.

    Raises:
        Refused: The file cannot be read, or what came of it is not what it should be.
    """
    known = identify(given.head(), extension)
    pages = pages_of(given, known)
    which = Page(given, known, pages[0] if page is None else page)
    recipe = Recipe(params, job.limits)
    proof, saving, proving = first_that_reads(
        known, {reader: _attempt(which, reader, recipe, job, pages) for reader in known.readers}
    )
    return Converted(proof, saving, proving, pages)


@dataclass(frozen=True)
class Job:
    """One result.

    Attributes:
        descriptor: Where it goes: an open file.
        limits: What it may cost.
        threads: How many it may use.
        written: Is called with the numbers of all pages when the file is there, before it is
            compared with the image; and again if another reader has to be tried.
    """

    descriptor: int
    limits: Limits
    threads: int = 1
    written: Callable[[list[int]], None] = lambda _: None


def _attempt(
    page: Page, reader: Reader, recipe: Recipe, job: Job, pages: list[int]
) -> Callable[[], tuple[Proof, Spent, Spent]]:
    def prepared() -> Decoded:
        return recipe.follow(decode(page, reader, job.limits, recipe.shrink))

    def attempt() -> tuple[Proof, Spent, Spent]:
        watch = Stopwatch()
        image, again = made_ready(prepared, job.limits)
        with vips.threads(job.threads):
            try:
                save_pyramid(image.image, recipe.params, job.descriptor)
            except TooLargeForClassic:
                image = again()
                save_pyramid(image.image, recipe.params, job.descriptor, big=True)
        add_exif(job.descriptor, image.exif)
        job.written(pages)
        saving = watch.lap()
        proof = prove(again(), job.descriptor, recipe.params)
        return proof, saving, watch.lap()

    return attempt


def made_ready(
    prepare: Callable[[], Decoded], limits: Limits
) -> tuple[Decoded, Callable[[], Decoded]]:
    """The image, and what gives it once more."""
    image = prepare()
    if vips.pixel_bytes(image.image) <= _HELD_BYTES:
        image = held(image, limits)
    return (image, lambda: image) if image.in_any_order else (image, prepare)
