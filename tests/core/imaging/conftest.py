"""Decode pools of a test's own, and the corpus where this machine has it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pool import DecodePool

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "images"

MakePool = Callable[..., DecodePool]


@pytest.fixture
def make_pool(tmp_path: Path) -> Iterator[MakePool]:
    """Pools of a test's own."""
    made: list[DecodePool] = []

    def make(limits: Limits | None = None, workers: int = 2) -> DecodePool:
        made.append(DecodePool(limits, slots=Slots(workers, tmp_path / "slots")))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def corpus() -> Path:
    """The folder of real images."""
    if not CORPUS.is_dir():
        pytest.skip("There is no corpus beside this checkout.")
    return CORPUS
