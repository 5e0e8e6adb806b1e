"""Images of seconds and gigabytes: they use free cores, and little memory."""

import mmap
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.converting import Job, make_pyramid_file
from s3pipelines.core.imaging.forgetting import forgotten
from s3pipelines.core.imaging.given import Given
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from tests.core.imaging.pictures import file_of, quadrants

MB = 1024 * 1024


def test_free_slots_may_be_taken_by_one_who_has_one(tmp_path: Path):
    slots = Slots(3, tmp_path / "slots")

    with slots.some(8) as all_of_them:
        assert all_of_them == 3
    with slots.one(), slots.some(8) as the_others:
        assert the_others == 2
    with slots.some(2) as no_more:
        assert no_more == 2


@pytest.fixture
def threads_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs requests on a pool of three, and tells how many threads each was given."""
    pool = DecodePool(PYRAMID_LIMITS, slots=Slots(3, tmp_path / "slots"))
    given: list[tuple[str, int]] = []
    ended = threading.Event()

    def asked(_worker: Any, request: Any, *_: Any) -> Any:
        given.append((request.header["name"], request.header["threads"]))
        ended.wait(20)
        return request

    monkeypatch.setattr(pool, "_borrow", lambda: None)
    monkeypatch.setattr(pool, "_give_back", lambda _: None)
    monkeypatch.setattr(pool, "_asked", asked)
    yield pool, given, ended
    ended.set()


def _ask(pool: DecodePool, name: str, *, large: bool) -> threading.Thread:
    from s3pipelines.core.imaging.protocol import Frame

    thread = threading.Thread(target=lambda: pool.ask(Frame({"name": name}), large=large))
    thread.start()
    return thread


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_large_image_has_the_cores_that_no_other_one_wants(threads_of):
    pool, given, ended = threads_of
    small = _ask(pool, "small", large=False)
    _until(lambda: len(given) == 1)
    large = _ask(pool, "large", large=True)
    _until(lambda: len(given) == 2)
    ended.set()
    small.join()
    large.join()

    assert given == [("small", 1), ("large", 2)]


def test_a_large_image_has_one_core_where_others_wait(threads_of):
    pool, given, ended = threads_of
    held = [_ask(pool, f"small-{number}", large=False) for number in range(3)]
    _until(lambda: len(given) == 3)
    held += [_ask(pool, f"large-{number}", large=True) for number in range(4)]
    _until(lambda: pool._waiting == 4)
    ended.set()
    for thread in held:
        thread.join()

    # Whoever is the last to get a turn has nobody behind it, and may have what is free then.
    threads = [count for name, count in given if name.startswith("large")]
    assert sorted(threads)[:3] == [1, 1, 1]


def test_an_image_that_is_decoded_twice_is_written_alike_by_any_number_of_threads():
    vips.prepare()
    # More than what is held, so that its samples come from the top down.
    data = file_of(quadrants(5200, 4400), "JPEG")
    made: list[bytes] = []
    for threads in (1, 4):
        with tempfile.TemporaryFile() as file:
            job = Job(file.fileno(), PYRAMID_LIMITS, threads)
            converted = make_pyramid_file(
                Given(memoryview(data)), "jpg", None, PyramidParams(), job
            )
            made.append(file.read())
            assert converted.proof.samples > 1

    assert made[0] == made[1]


def test_a_mapped_file_is_not_memory_of_the_process_for_long(tmp_path: Path):
    path = tmp_path / "large"
    path.write_bytes(b"x" * 64 * MB)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        forgotten(mapped),
    ):
        assert bytes(mapped[:: mmap.PAGESIZE]) == b"x" * (64 * MB // mmap.PAGESIZE)
        _until(lambda: _resident_bytes(path) < MB)
        assert mapped[-1] == ord("x")


def _resident_bytes(path: Path) -> int:
    """What of a mapped file counts as memory of this process."""
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            ours = words[-1] == str(path)
        elif ours and words[0] == "Rss:":
            total += int(words[1]) * 1024
    return total
