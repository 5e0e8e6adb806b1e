"""A decode pool for all tests of a process."""

from collections.abc import Iterator

import pytest

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.pool import DecodePool


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers with the default limits, and slots that no other process takes."""
    with DecodePool(slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made
