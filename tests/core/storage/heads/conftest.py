"""A server that knows every key."""

from collections.abc import Iterator

import pytest

from tests.core.storage.fake_s3 import Answer, FakeS3, fake_s3
from tests.core.storage.heads.asking import HEAD_OF_ONE


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3(lambda _: Answer(headers=HEAD_OF_ONE)) as server:
        yield server
