"""Headers and thumbnails of one object: what is fetched, what is made, and what its row tells."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from s3pipelines.core.imaging.extensions import READABLE
from s3pipelines.core.imaging.fetching import (
    ByteBudget,
    CountedObject,
    check_input,
    target_failures,
    whole,
)
from s3pipelines.core.imaging.headers import read_header
from s3pipelines.core.imaging.partly import make_thumbnail_partly
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.results import Thumbnail
from s3pipelines.core.imaging.thumbnails import make_thumbnail, thumbnail_name
from s3pipelines.core.imaging.wishes import Item, Work
from s3pipelines.core.storage.outputs import Outputs

# Larger files may be pyramids, of which a part will do. 8 MB come in 90 ms at 90 MB/s, in which
# three small requests at 30 ms are answered.
_PARTLY_BYTES = 8 * 1024 * 1024
_NO_TIFF = READABLE - {"tif", "tiff", "svs"}


@dataclass(frozen=True)
class Means:
    """What the work on each object of a run shares.

    Attributes:
        work: What is wanted.
        pool: Where images are decoded.
        target_uri: Address of the place for derivatives, without a trailing slash.
        memory: Of the images that are fetched whole.
        disk: Of the temporary files of the larger ones.
    """

    work: Work
    pool: DecodePool
    target_uri: str
    memory: ByteBudget
    disk: ByteBudget


class Maker(Protocol):
    """Makes one kind of thing."""

    def make(self, source: CountedObject, item: Item) -> Iterator[dict[str, Any]]:
        """What an object gives: the fields of one row each that its kind has for itself.

        Raises:
            Refused: There is no more, and why.
            TargetFailed: The place for derivatives cannot be written.
            StorageError: The object cannot be read.
        """
        ...


@dataclass(frozen=True)
class HeaderMaker:
    """Reads headers."""

    means: Means

    def make(self, source: CountedObject, item: Item) -> Iterator[dict[str, Any]]:
        """See `Maker.make`."""
        yield asdict(read_header(self.means.pool, source, item.extension))


@dataclass(frozen=True)
class ThumbnailMaker:
    """Makes thumbnails, and writes them to their place."""

    means: Means
    target: Outputs

    def make(self, source: CountedObject, item: Item) -> Iterator[dict[str, Any]]:
        """See `Maker.make`."""
        thumbnail = self._drawn(source, item)
        work = self.means.work
        name = thumbnail_name(work.digest, work.source_id, item.key, item.etag)
        with target_failures():
            self.target.put(name, thumbnail.webp)
        yield {
            "uri": f"{self.means.target_uri}/{name}",
            "size_bytes": len(thumbnail.webp),
            "width_px": thumbnail.width_px,
            "height_px": thumbnail.height_px,
            "sha256": hashlib.sha256(thumbnail.webp).hexdigest(),
        }

    def _drawn(self, source: CountedObject, item: Item) -> Thumbnail:
        means, params, extension = self.means, self.means.work.params, item.extension
        if item.size_bytes > _PARTLY_BYTES and extension not in _NO_TIFF:
            made = make_thumbnail_partly(means.pool, source, extension, params, means.disk.hold)
            if made is not None:
                return made
        check_input(item, means.pool.limits.max_input_bytes)
        with whole(source, item, means.memory, means.disk) as data:
            return make_thumbnail(means.pool, data, extension, params)
