"""What the derivatives of a source will cost, said before they are switched on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from s3pipelines.core.sources.source import Derivative

# S3 Standard in us-east-1, https://aws.amazon.com/s3/pricing/ (November 2026); other regions and
# transfer out of the region cost more, other servers nothing.
USD_PER_GET = 0.0004 / 1000
USD_PER_PUT = 0.005 / 1000
_PART_BYTES = 8 * 1024 * 1024
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Estimate:
    """Requests, bytes and US dollars for one pass over the objects of a source."""

    objects: int
    read_bytes: int
    get_requests: int
    put_requests: int
    usd: float


def estimate_tags(objects: int) -> Estimate:
    """Estimate reading the tags of so many objects once, as each full listing does (`--tags`)."""
    return Estimate(objects, 0, objects, 0, objects * USD_PER_GET)


def estimate(objects: int, size_bytes: int, derive: Sequence[Derivative]) -> Estimate:
    """Estimate one full pass, as if every object were an image or HDF5 file.

    Args:
        objects: How many objects there are.
        size_bytes: Their size together.
        derive: The derivatives that are asked for.
    """
    read_bytes = gets = puts = 0
    for derivative in derive:
        if derivative in ("headers", "hdf5"):
            # Ranged reads of the head; HDF5 keeps its structure in a few places of the file.
            per_object = 1 if derivative == "headers" else 4
            gets += objects * per_object
            read_bytes += min(size_bytes, objects * per_object * _HEAD_BYTES)
        else:
            gets += objects
            read_bytes += size_bytes
            # A pyramid, about as large as its image, goes up in parts (at least one each), between
            # a start and an end of the upload.
            parts = max(objects, math.ceil(size_bytes / _PART_BYTES)) + 2 * objects
            puts += parts if derivative == "pyramids" else objects
    usd = gets * USD_PER_GET + puts * USD_PER_PUT
    return Estimate(objects, read_bytes, gets, puts, usd)
