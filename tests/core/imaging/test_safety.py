"""Files that mean harm, or would be read wrongly without a word."""

import gzip
import socket
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from s3pipelines.core.imaging.headers import read_header
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Failure, Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.sparse import BytesSource
from s3pipelines.core.imaging.thumbnails import make_thumbnail
from tests.core.imaging.conftest import MakePool
from tests.core.imaging.pictures import RED, alike, corners, file_of, quadrants, thumbnail_of


def failure_of(pool: DecodePool, data: bytes, extension: str = "") -> Failure:
    with pytest.raises(Refused) as refused:
        make_thumbnail(pool, data, extension)
    return refused.value.failure


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
def test_a_tiff_that_libvips_would_read_as_black_is_read_right(compression, pool: DecodePool):
    shown = thumbnail_of(
        pool, file_of(Image.new("RGB", (300, 300), RED), "TIFF", compression=compression)
    )
    assert all(alike(colour, RED) for colour in corners(shown))


@pytest.mark.parametrize(
    "compression", ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "jpeg"]
)
def test_the_compressions_that_libvips_is_given_show_the_same(compression, pool: DecodePool):
    image = Image.effect_noise((300, 200), 90).convert("RGB")
    shown = thumbnail_of(pool, file_of(image, "TIFF", compression=compression), box_px=300)
    difference = np.abs(np.asarray(shown, int) - np.asarray(image, int))
    assert difference.mean() < 12


@pytest.mark.parametrize("number", [34887, 50001, 50002, 34712, 33003, 12345])
def test_a_tiff_of_another_compression_says_what_it_is(number, pool: DecodePool):
    data = bytearray(file_of(quadrants(), "TIFF"))
    at = data.index(struct.pack("<HHI", 259, 3, 1)) + 8
    struct.pack_into("<H", data, at, number)

    failure = failure_of(pool, bytes(data))

    assert failure.reason == "unsupported"
    assert "TIFF with" in failure.detail
    assert "compression" in failure.detail


def _png_that_claims(width_px: int, height_px: int, interlaced: bool = False) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, int(interlaced))
    body = zlib.compress(bytes(10_000_000), 9)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _gif_that_claims(width_px: int, height_px: int) -> bytes:
    data = bytearray(file_of(quadrants().quantize(4), "GIF"))
    struct.pack_into("<HH", data, 6, width_px, height_px)
    frame = data.index(b"," + bytes(4) + struct.pack("<HH", 120, 80))
    struct.pack_into("<HH", data, frame + 5, width_px, height_px)
    return bytes(data)


def _tiff_that_claims(width_px: int, height_px: int) -> bytes:
    data = bytearray(file_of(quadrants(), "TIFF"))
    for tag, value in ((256, width_px), (257, height_px), (278, height_px)):
        at = data.index(struct.pack("<H", tag), 8)
        struct.pack_into("<HII", data, at + 2, 4, 1, value)
    return bytes(data)


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(_png_that_claims(60_000, 60_000), id="png"),
        pytest.param(_png_that_claims(15_000, 15_000, interlaced=True), id="interlaced png"),
        pytest.param(_gif_that_claims(65_535, 65_535), id="gif"),
        pytest.param(_tiff_that_claims(200_000, 200_000), id="tiff"),
        pytest.param(file_of(Image.new("1", (30_000, 30_000)), "BMP")[:5000], id="bmp"),
        pytest.param(b"P6 100000 100000 255\n" + bytes(99), id="ppm"),
        pytest.param(gzip.compress(b"<svg>" + bytes(500_000_000), 1), id="svgz"),
    ],
)
def test_a_bomb_is_refused_by_its_figures_in_little_time_and_memory(bomb, make_pool: MakePool):
    pool = make_pool(workers=1)
    assert pool.reader_version
    (pid,) = pool.pids()
    before = psutil.Process(pid).memory_info().rss
    started = time.monotonic()

    failure = failure_of(pool, bomb)

    assert failure.reason == "too_large"
    assert any(character.isdigit() for character in failure.detail)
    assert time.monotonic() - started < 30
    peak_kb = next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    assert peak_kb * 1024 - before < 600e6


def test_a_claim_that_is_a_lie_ends_as_truncated_or_corrupt(pool: DecodePool):
    assert failure_of(pool, _png_that_claims(20_000, 20_000)).reason in ("truncated", "corrupt")


def test_an_animation_of_many_frames_costs_one_frame(pool: DecodePool):
    frames = [Image.new("L", (400, 400), shade) for shade in range(256)] * 4
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])

    make_thumbnail(pool, data, "gif")
    assert read_header(pool, BytesSource(data), "gif").pages > 200


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000"])
def test_a_file_that_is_cut_off_is_told_and_not_shown_half_grey(format_name, pool: DecodePool):
    options = {"compression": "tiff_lzw"} if format_name == "TIFF" else {}
    image = Image.effect_noise((400, 300), 90).convert("RGB")
    data = file_of(image, format_name, **options)

    for box_px in (100, 1000):
        with pytest.raises(Refused) as refused:
            thumbnail_of(pool, data[: len(data) * 6 // 10], format_name.lower(), box_px)
        assert refused.value.failure.reason in ("truncated", "corrupt")


@pytest.mark.parametrize(
    "attack",
    [
        '<image width="9" height="9" xlink:href="file://{path}"/>',
        '<image width="9" height="9" xlink:href="{path}"/>',
        '<image width="9" height="9" xlink:href="http://127.0.0.1:{port}/x.png"/>',
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{path}" parse="text"/>',
        '<style>@import url("http://127.0.0.1:{port}/x.css");</style>',
        '<script>document.documentElement.setAttribute("style", "background:red")</script>',
    ],
)
def test_an_svg_reaches_neither_files_nor_the_network(attack, tmp_path: Path, pool: DecodePool):
    secret = tmp_path / "secret.png"
    secret.write_bytes(file_of(Image.new("RGB", (9, 9), RED), "PNG"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        body = attack.format(path=secret, port=server.getsockname()[1])
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" '
            f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}</svg>'
        )
        shown = thumbnail_of(pool, svg.encode(), "svg").convert("RGBA")
        with pytest.raises(TimeoutError):
            server.accept()

    assert shown.getchannel("A").getextrema() == (0, 0), "Nothing was drawn."


@pytest.mark.slow
def test_an_svg_that_multiplies_itself_is_refused(make_pool: MakePool):
    levels = "".join(
        f'<g id="g{n}">' + f'<use xlink:href="#g{n - 1}"/>' * 10 + "</g>" for n in range(1, 10)
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" '
        'xmlns:xlink="http://www.w3.org/1999/xlink"><defs><g id="g0"><rect width="1" height="1"/>'
        f'</g>{levels}</defs><use xlink:href="#g9"/></svg>'
    )
    failure = failure_of(make_pool(Limits(wall_s=8)), svg.encode(), "svg")
    assert failure.reason in ("corrupt", "timeout")


def test_loaders_that_run_programs_are_never_reached(pool: DecodePool):
    for data in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.4\n"):
        assert failure_of(pool, data + bytes(200)).reason == "unsupported"


def test_what_is_no_image_is_said_to_be_none(pool: DecodePool):
    for data in (b"hello", b"<html><body>404</body></html>", bytes(5000), b"PK\3\4" + bytes(99)):
        assert failure_of(pool, data, "jpg").reason == "not_an_image"
    assert failure_of(pool, b"", "jpg").reason == "empty"


def test_random_damage_never_costs_the_worker_its_answer(pool: DecodePool):
    random = np.random.default_rng(7)
    for format_name in ("JPEG", "PNG", "TIFF", "GIF", "WEBP", "ICO", "BMP", "TGA", "SGI"):
        data = np.frombuffer(file_of(quadrants(64, 64), format_name), np.uint8)
        for _ in range(15):
            damaged = data.copy()
            places = random.integers(0, len(damaged), 8)
            damaged[places] = random.integers(0, 256, 8)
            for call in (make_thumbnail, _header):
                try:
                    call(pool, damaged.tobytes(), format_name.lower())
                except Refused as refused:
                    assert refused.failure.reason not in ("timeout", "out_of_memory")  # noqa: PT017
                    assert refused.failure.reason != "crashed", refused.failure  # noqa: PT017


def _header(pool: DecodePool, data: bytes, extension: str) -> None:
    read_header(pool, BytesSource(data), extension)


def test_workers_hold_no_credentials(pool: DecodePool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    assert pool.reader_version
    for pid in pool.pids():
        assert not any(name.startswith("AWS_") for name in psutil.Process(pid).environ())


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_a_large_file_that_is_cut_off_is_refused_for_that_and_costs_no_worker(
    format_name: str, pool: DecodePool, tmp_path: Path
):
    whole = file_of(Image.effect_noise((600, 600), 90), format_name)
    path = tmp_path / "cut"
    path.write_bytes(whole[: len(whole) // 2])
    make_thumbnail(pool, file_of(quadrants(), "PNG"), "png")
    workers = set(pool.pids())

    for _ in range(3):
        with path.open("rb") as file, pytest.raises(Refused) as refused:
            make_thumbnail(pool, file, "")
        assert refused.value.failure.reason == "truncated"
    assert workers <= set(pool.pids())
