"""A source in an empty bucket, and local files to put there."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sources.registry import create_source
from tests.core.datasets.proxy import CountingProxy

MIB = 1024 * 1024


@pytest.fixture
def source(local_catalog: Catalog, bucket: str) -> str:
    """The source `maps` at `maps/` of the test's bucket; nothing is there yet."""
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    return "maps"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Write a file below the folder `local`."""

    def make(name: str, body: bytes) -> Path:
        path = tmp_path / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path

    return make


@pytest.fixture
def proxy(moto) -> Iterator[CountingProxy]:
    """The test's S3 behind something that counts requests, and breaks off when it is told."""
    with CountingProxy(moto.endpoint) as made:
        yield made


def bytes_of(size_bytes: int, seed: str = "a") -> bytes:
    """So many bytes that look like none others."""
    block = b"".join(hashlib.sha256(f"{seed}{n}".encode()).digest() for n in range(2048))
    return (block * (size_bytes // len(block) + 1))[:size_bytes]
