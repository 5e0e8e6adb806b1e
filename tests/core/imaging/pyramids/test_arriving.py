"""Images that are decoded while they arrive, or while they are saved."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import pytest

from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import Input, make_pyramid
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.imaging.pyramids.making import LOSSLESS, Make, gradient


def test_an_image_that_is_decoded_while_it_is_saved_is_the_same(make: Make):
    # Beyond 64 MB, which are held.
    large = gradient(6000, 4000)
    for format_name, params in (("PNG", LOSSLESS), ("JPEG", PyramidParams(quality=90))):
        data = file_of(
            large, format_name, **({"compress_level": 1} if format_name == "PNG" else {})
        )

        pyramid, opened = make(data, params)

        assert pyramid.structure.levels[0] == (6000, 4000)
        assert pyramid.samples > 2
        assert opened.getpixel((4321, 1234)) == pytest.approx(large.getpixel((4321, 1234)), abs=6)
    cap = replace(LOSSLESS, max_width_px=5900)
    assert make(file_of(large, "JPEG"), cap)[0].width_px == 5900


def _arriving(data: bytes, file: BinaryIO, broken_at: int | None = None) -> Iterator[bytes]:
    for start in range(0, len(data), 10_000):
        if broken_at is not None and start > broken_at:
            raise ConnectionError("The network is gone.")
        piece = data[start : start + 10_000]
        file.seek(start)
        file.write(piece)
        file.flush()
        yield piece


def _begun(data: bytes, file: BinaryIO) -> None:
    file.truncate(len(data))
    file.write(data[:65536])
    file.flush()


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_an_image_is_decoded_while_it_arrives(pool, output, name: str):
    data = file_of(gradient(3000, 2000), name)
    with tempfile.TemporaryFile() as file:
        _begun(data, file)
        image = Input(file, name.lower(), _arriving(data, file))

        pyramid = make_pyramid(pool, image, PyramidParams(), output)

    assert pyramid.structure.levels[0] == (3000, 2000)


def test_what_breaks_off_as_it_arrives_is_no_truncated_image(pool, output):
    data = file_of(gradient(3000, 2000), "JPEG", quality=95)
    with tempfile.TemporaryFile() as file:
        _begun(data, file)
        image = Input(file, "jpg", _arriving(data, file, broken_at=100_000))

        with pytest.raises(ConnectionError):
            make_pyramid(pool, image, PyramidParams(), output)

    # The next one is none the worse.
    small = Input(file_of(quadrants(), "JPEG"), "jpg")
    assert make_pyramid(pool, small, PyramidParams(), output).width_px == 120


def test_a_worker_that_has_seen_enough_is_sent_no_more(pool, output):
    data = b"\xff\xd8\xff\xe0" + bytes(5_000_000)
    with tempfile.TemporaryFile() as file:
        _begun(data, file)

        with pytest.raises(Refused) as refused:
            make_pyramid(pool, Input(file, "jpg", _arriving(data, file)), PyramidParams(), output)

    assert refused.value.failure.reason in ("corrupt", "truncated")


def test_half_an_image_gives_none(make: Make):
    for name in ("JPEG", "PNG", "TIFF"):
        data = file_of(gradient(800, 800), name)

        with pytest.raises(Refused) as refused:
            make(data[: len(data) // 2])

        assert refused.value.failure.reason in ("truncated", "corrupt"), name
