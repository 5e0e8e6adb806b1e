"""Reading headers from as few bytes as will do, and the EXIF data in them."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from s3pipelines.core.imaging.exif import MAX_BYTES, exif_json
from s3pipelines.core.imaging.headers import read_header
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.sparse import BytesSource, NeedBytes, SparseFile
from tests.core.imaging.conftest import MakePool
from tests.core.imaging.pictures import file_of, quadrants


class Counted(BytesSource):
    """Bytes that remember what was read of them."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads: list[tuple[int, int]] = []

    def read_range(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return super().read_range(offset, length)

    @property
    def bytes_read(self) -> int:
        return sum(length for _, length in self.reads)


def noise(width_px: int = 2000, height_px: int = 1500) -> Image.Image:
    return Image.effect_noise((width_px, height_px), 90).convert("RGB")


@pytest.mark.parametrize(
    ("format_name", "extension"),
    [("JPEG", "jpg"), ("PNG", "png"), ("BMP", "bmp"), ("JPEG2000", "jp2"), ("SGI", "sgi")],
)
def test_one_request_of_64_kb_reads_the_header_of_a_large_image(
    format_name, extension, pool: DecodePool
):
    source = Counted(file_of(noise(), format_name))

    header = read_header(pool, source, extension)

    assert (header.width_px, header.height_px, header.bands) == (2000, 1500, 3)
    assert source.reads == [(0, 65536)]


def test_a_tiff_with_its_directory_at_the_end_takes_two_requests(pool: DecodePool):
    pixels = np.random.default_rng(1).integers(0, 255, (1500, 2000, 3), np.uint8)
    data = pyvips.Image.new_from_array(pixels).tiffsave_buffer()
    source = Counted(data)

    header = read_header(pool, source, "tif")

    assert (header.width_px, header.height_px) == (2000, 1500)
    assert len(source.reads) <= 3
    assert source.bytes_read < len(data) / 4


def test_a_slide_is_not_read_whole(corpus: Path, pool: DecodePool):
    data = (corpus / "CMU-1-Small-Region.svs").read_bytes()
    source = Counted(data)

    header = read_header(pool, source, "svs")

    assert (header.width_px, header.height_px, header.pages) == (2220, 2967, 4)
    assert source.bytes_read < len(data) / 3
    assert "Aperio" in json.loads(header.exif or "{}")["ImageDescription"]


def test_a_header_that_is_nowhere_to_be_found_is_given_up(make_pool: MakePool):
    pool = make_pool(Limits(max_header_bytes=2_000_000))
    images = [noise(400, 300)] * 40
    data = file_of(images[0], "GIF", save_all=True, append_images=images[1:])
    data += b"" if len(data) > 4_000_000 else bytes(4_000_000)
    source = Counted(data[:-1])

    with pytest.raises(Refused) as refused:
        read_header(pool, source, "gif")

    assert refused.value.failure.reason == "too_large"
    assert source.bytes_read <= 2_000_000


def test_the_exif_of_a_photograph_is_readable_json(pool: DecodePool):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Maker\0", "Model ü", 6
    details = exif.get_ifd(0x8769)
    details[0x9003], details[0x9291], details[0x9011] = "2021:07:04 12:30:05", "25", "+02:00"
    details[0x829A], details[0x927C] = IFDRational(1, 250), b"\x01\x02" * 5000
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "S", (IFDRational(33), IFDRational(51), IFDRational(3540, 100))
    gps[3], gps[4] = "E", (IFDRational(151), IFDRational(12), IFDRational(36))
    gps[5], gps[6] = b"\x01", IFDRational(25, 2)

    for format_name in ("JPEG", "PNG", "TIFF", "WEBP"):
        data = file_of(quadrants(), format_name, exif=exif.tobytes())
        header = read_header(pool, BytesSource(data), format_name.lower())
        found = json.loads(header.exif or "{}")

        assert header.orientation == 6
        assert found["Make"] == "Maker"
        assert found["ExposureTime"] == 0.004
        assert found["CaptureTime"] == "2021-07-04T12:30:05.250000+02:00"
        assert (found["Latitude"], found["Longitude"]) == (-33.8598333, 151.21)
        assert found["AltitudeMetres"] == -12.5
        assert "MakerNote" not in found


def test_exif_json_is_bounded_and_keeps_the_short_tags():
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    for tag in range(0xC000, 0xC000 + 200):
        exif[tag] = "ü" * 900

    text = exif_json(exif)

    assert text is not None
    assert len(text.encode()) <= MAX_BYTES
    assert json.loads(text)["Make"] == "Maker"


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "yesterday", "", "2021:13:45 99:00:00"])
def test_a_capture_time_that_is_none_is_left_out(taken):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = taken
    exif[0x010F] = "Maker"

    assert "CaptureTime" not in json.loads(exif_json(exif) or "{}")


def test_no_exif_is_none(pool: DecodePool):
    header = read_header(pool, BytesSource(file_of(quadrants(), "PNG")), "png")
    assert (header.exif, header.has_icc, header.has_xmp, header.orientation) == (
        None,
        False,
        False,
        1,
    )


def test_a_sparse_file_says_what_is_missing():
    file = SparseFile(10, [(0, b"abc"), (3, b"de"), (8, b"ij")])

    assert file.read_at(0, 5) == b"abcde"
    assert file.read_at(8, 5) == b"ij"
    with pytest.raises(NeedBytes) as need:
        file.read_at(4, 3)
    assert (need.value.offset, need.value.length) == (5, 2)


@pytest.mark.parametrize("width_px", [2**63 + 5, 2**32 - 1])
def test_a_size_that_no_image_has_is_refused_before_it_becomes_a_row(pool: DecodePool, width_px):
    def tag(number: int, value: int) -> bytes:
        return struct.pack("<HHQQ", number, 16, 1, value)

    tags = [tag(256, width_px), tag(257, 9), tag(258, 8), tag(259, 1), tag(262, 1), tag(277, 1)]
    head = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags))
    file = head + b"".join(tags) + bytes(72)

    with pytest.raises(Refused) as refused:
        read_header(pool, BytesSource(file), "tif")

    assert refused.value.failure.reason in ("corrupt", "unsupported", "too_large")
