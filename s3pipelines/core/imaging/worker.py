"""A decode worker: one image at a time, from frame to frame, until its connection ends.

Started by `process` as `python -m s3pipelines.core.imaging.worker FD FILE_BYTES`, with an
environment that holds no credentials. What goes wrong with an image is an answer; what goes wrong
with the worker ends it, and the pool starts another one.
"""

import mmap
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from s3pipelines.core.imaging import pillow, vips
from s3pipelines.core.imaging.confinement import ImageLimits, confine
from s3pipelines.core.imaging.drawing import draw, draw_partly
from s3pipelines.core.imaging.forgetting import forgotten
from s3pipelines.core.imaging.given import Given
from s3pipelines.core.imaging.inspection import inspect
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.protocol import Frame, receive, send
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.reading import identify, readers_by_format
from s3pipelines.core.imaging.saving import writable_codecs
from s3pipelines.core.imaging.sparse import FilePart, NeedBytes, SparseFile
from s3pipelines.core.imaging.structure import read_structure
from s3pipelines.core.imaging.tiff_parts import parts_for_level
from s3pipelines.core.imaging.tile_drawing import draw_tile

if TYPE_CHECKING:
    from s3pipelines.core.imaging.converting import Converted


def main() -> None:
    """Serve the connection of the first argument; no file gets larger than the second says."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    file_bytes = int(sys.argv[2])
    if file_bytes:
        # NumPy and the like, before an image's memory is counted; who writes nothing needs none.
        import s3pipelines.core.imaging.converting  # noqa: F401
    confine(file_bytes)
    pillow.prepare()
    vips.prepare()
    image_limits = ImageLimits()
    send(connection, Frame({"ready": f"libvips {vips.version()}, Pillow {pillow.version()}"}))
    while (request := receive(connection)) is not None:
        limits, threads = Limits(**request.header["limits"]), request.header.get("threads", 1)
        image_limits.start(limits, _input_bytes(request), threads)
        try:
            answer = _answer(request, partial(send, connection))
        finally:
            image_limits.end()
        send(connection, answer)


def _answer(request: Frame, tell: Callable[[Frame], None]) -> Frame:
    try:
        if request.header["task"] == "pyramid":
            return _pyramid(request, tell)
        return _TASKS[request.header["task"]](request)
    except NeedBytes as need:
        return Frame({"need": [need.offset, need.length]})
    except Refused as refused:
        return Frame({"failure": asdict(refused.failure)})
    except MemoryError:
        return Frame(
            {"failure": {"reason": "out_of_memory", "detail": "It needs more than its limit."}}
        )


def _header(request: Frame) -> Frame:
    header = request.header
    parts: list[tuple[int, memoryview]] = []
    at = 0
    for offset, length in header["parts"]:
        parts.append((offset, memoryview(request.body)[at : at + length]))
        at += length
    file = SparseFile(header["size_bytes"], parts)
    found = inspect(file, header["extension"])
    return Frame({"header": asdict(found)})


def _thumbnail(request: Frame) -> Frame:
    header: dict[str, Any] = request.header
    arguments = (header["extension"], header["box_px"], header["quality"])
    limits = Limits(**header["limits"])
    if not request.descriptors:
        drawn = draw(request.body, *arguments, limits)  # pyright: ignore[reportArgumentType]
    elif "held" in header:
        with _sparse(request) as file:
            drawn = draw_partly(file, *arguments, limits)
    else:
        with _mapped(request.descriptors[0]) as mapped:
            # No `with` for the view: libvips may hold it until its last image is collected.
            drawn = draw(memoryview(mapped), *arguments, limits)
    sizes = {"width_px": drawn.width_px, "height_px": drawn.height_px}
    return Frame({"thumbnail": sizes}, drawn.webp)


def _parts(request: Frame) -> Frame:
    with _sparse(request) as file:
        known = identify(file, request.header["extension"])
        if known.tiff is None or known.readers[0] != "vips":
            return Frame({"parts": None})
        return Frame({"parts": parts_for_level(file, known.tiff, request.header["box_px"])})


def _formats(_request: Frame) -> Frame:
    return Frame({"formats": readers_by_format()})


def _tiff_readers(_request: Frame) -> Frame:
    from s3pipelines.core.imaging.codec_trials import tiff_readers

    return Frame({"tiff_readers": tiff_readers()})


def _codecs(_request: Frame) -> Frame:
    return Frame({"codecs": writable_codecs()})


def _pyramid(request: Frame, tell: Callable[[Frame], None]) -> Frame:
    """The file that is written comes last, before it the image, perhaps as it arrives as well.

    When it is written, and before it is verified, that is told.
    """
    from s3pipelines.core.imaging.converting import Job, make_pyramid_file

    header = request.header
    *given, output = request.descriptors
    job = Job(
        output,
        Limits(**header["limits"]),
        header["threads"],
        lambda pages: tell(Frame({"written": True, "pages": pages})),
    )
    arguments = (header["extension"], header["page"], PyramidParams(**header["params"]), job)
    try:
        if not given:
            return _made(make_pyramid_file(Given(memoryview(request.body)), *arguments))
        with _given(*given) as file:
            return _made(make_pyramid_file(file, *arguments))
    finally:
        os.close(output)


def _made(made: "Converted") -> Frame:
    proof = {
        "structure": made.proof.structure.as_dict(),
        "psnr_db": made.proof.psnr_db,
        "samples": made.proof.samples,
        "saving": asdict(made.saving),
        "proving": asdict(made.proving),
    }
    return Frame({"pyramid": proof, "pages": made.pages})


def _convert(request: Frame) -> Frame:
    """The file that is written comes last, as for a pyramid."""
    # Only here: what reads recipes takes 0.2 s and 13 MB to import.
    from s3pipelines.core.imaging.conversion.filing import convert_file
    from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe
    from s3pipelines.core.imaging.converting import Job

    header = request.header
    *given, output = request.descriptors
    recipe = ConversionRecipe.model_validate(header["recipe"])
    arguments = (header["extension"], recipe, Job(output, Limits(**header["limits"])))
    try:
        if not given:
            proof = convert_file(Given(memoryview(request.body)), *arguments)
        else:
            with _given(*given) as file:
                proof = convert_file(file, *arguments)
    finally:
        os.close(output)
    return Frame({"converted": proof.as_dict()})


def _writers(_request: Frame) -> Frame:
    from s3pipelines.core.imaging.conversion.filing import writable_formats

    return Frame({"writers": writable_formats()})


def _structure(request: Frame) -> Frame:
    (descriptor,) = request.descriptors
    try:
        return Frame({"structure": read_structure(descriptor).as_dict()})
    finally:
        os.close(descriptor)


def _tile(request: Frame) -> Frame:
    """The body is a small TIFF of one tile, after one of the whole image by which it is toned."""
    header = request.header
    sample, data = request.body[: header["at"]], request.body[header["at"] :]
    drawn = draw_tile(bytes(data), bytes(sample), header["quality"], Limits(**header["limits"]))
    return Frame({}, drawn)


_TASKS = {
    "codecs": _codecs,
    "convert": _convert,
    "formats": _formats,
    "header": _header,
    "parts": _parts,
    "structure": _structure,
    "thumbnail": _thumbnail,
    "tile": _tile,
    "tiff_readers": _tiff_readers,
    "writers": _writers,
}


@contextmanager
def _given(descriptor: int, *stream: int) -> Iterator[Given]:
    """A file on disk, perhaps as it arrives as well."""
    with (
        _mapped(descriptor) as mapped,
        forgotten(mapped),
        closing(Given(memoryview(mapped), *stream)) as file,
    ):
        yield file


@contextmanager
def _mapped(descriptor: int) -> Iterator[mmap.mmap]:
    with os.fdopen(descriptor, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            yield mapped
        finally:
            # What was refused holds views of it until its error is gone, and is then unmapped.
            with suppress(BufferError):
                mapped.close()


@contextmanager
def _sparse(request: Frame) -> Iterator[SparseFile]:
    """The file with holes that came with a request; not mapped, as it may be larger than memory."""
    with os.fdopen(request.descriptors[0], "rb") as file:
        held = request.header["held"]
        parts = [(offset, FilePart(file.fileno(), offset, length)) for offset, length in held]
        yield SparseFile(os.fstat(file.fileno()).st_size, parts)


def _input_bytes(request: Frame) -> int:
    if not request.descriptors or "held" in request.header:
        return 0
    return os.fstat(request.descriptors[0]).st_size


if __name__ == "__main__":
    main()
