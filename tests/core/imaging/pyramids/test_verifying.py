"""A pyramid that is written wrong is found out; a worker that is killed leaves nothing."""

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from PIL import ImageCms

from s3pipelines.core.imaging import converting, proving
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.converting import Job, make_pyramid_file
from s3pipelines.core.imaging.given import Given
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS, Input, make_pyramid
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.imaging.pyramids.making import LOSSLESS, gradient


def test_nothing_is_left_of_a_worker_that_is_killed_at_it(
    pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = file_of(gradient(5000, 5000), "PNG", compress_level=1)
    limits = replace(PYRAMID_LIMITS, wall_s=0.4)
    with (
        DecodePool(limits, slots=Slots(1, tmp_path / "slots")) as hasty,
        tempfile.TemporaryFile() as file,
    ):
        assert hasty.reader_version
        with pytest.raises(Refused) as refused:
            make_pyramid(hasty, Input(data, "png"), LOSSLESS, file)

    assert refused.value.failure.reason == "timeout"
    assert [path.name for path in tmp_path.iterdir()] == ["slots"]


def _black(image: Any) -> Any:
    return (image * 0).cast(image.format).copy(interpretation=image.interpretation)


def _shifted(image: Any) -> Any:
    return image.wrap()


def _smaller(image: Any) -> Any:
    return image.resize(0.5)


def _without_profile(image: Any) -> Any:
    image = image.copy()
    image.remove("icc-profile-data")
    return image


@pytest.mark.parametrize("wrong", [_black, _shifted, _smaller, _without_profile])
@pytest.mark.parametrize("params", [PyramidParams(), LOSSLESS])
def test_what_is_written_wrong_is_found_out(output, wrong, params, monkeypatch):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = file_of(gradient(700, 500), "PNG", icc_profile=profile)
    save = converting.save_pyramid
    job = Job(output.fileno(), PYRAMID_LIMITS)
    make_pyramid_file(Given(memoryview(data)), "png", None, params, job)

    monkeypatch.setattr(converting, "save_pyramid", lambda image, *rest: save(wrong(image), *rest))
    with pytest.raises(Refused) as refused:
        make_pyramid_file(Given(memoryview(data)), "png", None, params, job)

    assert refused.value.failure.reason == "unverified"


def test_a_level_that_shows_something_else_is_found_out(output):
    data = file_of(gradient(700, 500), "PNG")
    job = Job(output.fileno(), PYRAMID_LIMITS)
    params = PyramidParams(compression="none", tile_px=512)
    make_pyramid_file(Given(memoryview(data)), "png", None, params, job)
    levels = [converting_level(output, number) for number in range(2)]
    other = file_of(gradient(700, 500).rotate(180), "PNG")
    with tempfile.TemporaryFile() as second:
        other_job = Job(second.fileno(), PYRAMID_LIMITS)
        make_pyramid_file(Given(memoryview(other)), "png", None, params, other_job)
        levels[1] = converting_level(second, 1)

        with pytest.raises(Refused, match="differs from the larger one"):
            proving._compare_levels(levels[0], levels[1], params)


def converting_level(file: BinaryIO, number: int) -> Any:
    return proving._level(file.fileno(), number, LOSSLESS)


def test_a_killed_worker_costs_its_image_and_no_other(pool, output):
    data = file_of(gradient(5000, 5000), "PNG", compress_level=1)
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.2):
            for pid in pool.pids():
                os.kill(pid, signal.SIGKILL)

    def reasons() -> Iterator[str]:
        while True:
            try:
                make_pyramid(pool, Input(data, "png"), LOSSLESS, output)
            except Refused as refused:
                yield refused.failure.reason

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert next(reasons()) == "crashed"
    finally:
        over.set()
        killer.join()
    small = Input(file_of(quadrants(), "JPEG"), "jpg")
    assert make_pyramid(pool, small, PyramidParams(), output).width_px == 120
