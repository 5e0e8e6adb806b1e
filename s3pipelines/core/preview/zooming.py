"""Pyramids for a viewer that zooms: found by the key of their object, and read tile by tile."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Self

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import NotFound, Unreadable
from s3pipelines.core.imaging.budget import Slots, machine_slots
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_making import FOLDER
from s3pipelines.core.imaging.single_tile import PyramidFile, draw_single_tile
from s3pipelines.core.preview.gallery import Gallery
from s3pipelines.core.preview.items import PublishedPyramid
from s3pipelines.core.storage.derived_files import DerivedFiles, open_derived_files

_MIB = 1024 * 1024
# Tiles of 4,096 px, the largest that are made. A codec of a tile may be tried in a file first.
_LIMITS = Limits(
    max_pixels=4096 * 4096, memory_bytes=512 * _MIB, wall_s=20, max_output_bytes=4 * _MIB
)
_AT_A_TIME = 4
# Of its own: who makes pyramids can hold all other slots of the machine for minutes, while somebody
# looks at the screen. A tile of 256 px takes some 10 MB.
_SLOTS = "tile"
_OPEN_PYRAMIDS = 16
# To look for a row takes several requests; a page asks for some fifty tiles within seconds.
_FRESH_S = 30
_CLIENTS = 32


@dataclass(frozen=True)
class Zoomable:
    """A pyramid that can be zoomed into.

    Attributes:
        source_id: The source of its object.
        version: Names the file; one that is made anew has another.
        file: What its levels are, and their tiles.
    """

    source_id: str
    version: str
    file: PyramidFile


class Zooming:
    """The pyramids of one catalog's sources; may be shared by threads.

    Holds the directories of 16 pyramids, and four tiles at a time, whatever the pyramids' size. Use
    it in a `with` block, or close it.
    """

    def __init__(self, catalog: Catalog, gallery: Gallery) -> None:
        self._catalog = catalog
        self._gallery = gallery
        self._known: OrderedDict[tuple[str, str], tuple[float, Zoomable]] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(_AT_A_TIME)
        self._pool: DecodePool | None = None

        def files(source_id: str) -> DerivedFiles:
            place = catalog.derivatives_location(source_id)
            return open_derived_files(place, catalog.access, connections=_AT_A_TIME)

        self._files = lru_cache(_CLIENTS)(files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def pyramid(self, source_id: str, key: str) -> Zoomable:
        """The latest pyramid of an object, as the tables have known it for half a minute at most.

        Args:
            source_id: A registered source.
            key: Full key of the object.

        Raises:
            NotFound: There is no such source or object, or it has no pyramid.
            Unreadable: The file is no pyramid.
            StorageError: The catalog or the pyramid cannot be read.
        """
        with self._lock:
            at, known = self._known.get((source_id, key), (0.0, None))
        if known is not None and time.monotonic() - at < _FRESH_S:
            return known
        published = self._gallery.item(source_id, key).pyramid
        if published is None:
            raise NotFound(f"{key[:200]!r} has no pyramid.", hint=_make_one(source_id))
        if known is None or known.version != published.sha256:
            known = Zoomable(source_id, published.sha256, self._opened(source_id, published))
        with self._lock:
            self._known[source_id, key] = (time.monotonic(), known)
            self._known.move_to_end((source_id, key))
            while len(self._known) > _OPEN_PYRAMIDS:
                self._known.popitem(last=False)
        return known

    def tile(self, pyramid: Zoomable, level: int, column: int, row: int) -> bytes:
        """One tile as a WebP in sRGB; arguments as in `PyramidFile.tile`.

        Raises:
            NotFound: There is no such tile.
            Unreadable: The pyramid is damaged.
            StorageError: It cannot be read.
        """
        try:
            with self._turns:
                return draw_single_tile(self._workers(), pyramid.file, level, column, row)
        except IndexError as error:
            raise NotFound("There is no such tile.", hint="Open the picture anew.") from error
        except Refused as error:
            raise _damaged(error, pyramid.source_id) from error

    def close(self) -> None:
        """End the workers; a tile that is asked for later starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _workers(self) -> DecodePool:
        with self._lock:
            if self._pool is None:
                count = min(machine_slots(_LIMITS.memory_bytes), _AT_A_TIME)
                self._pool = DecodePool(_LIMITS, slots=Slots(count, kind=_SLOTS))
            return self._pool

    def _opened(self, source_id: str, published: PublishedPyramid) -> PyramidFile:
        base = f"{self._catalog.derivatives_location(source_id).uri.rstrip('/')}/"
        name = published.uri.removeprefix(base)
        # A row can name any file; only what lies among the pyramids of its source is shown.
        if name == published.uri or not name.startswith(f"{FOLDER}/"):
            raise NotFound(
                "The pyramid does not lie where those of this catalog do.",
                hint="Check S3PIPELINES_DERIVATIVES, or make it again.",
            )
        try:
            return PyramidFile(_Published(self._files(source_id), name, published.size_bytes))
        except Refused as error:
            raise _damaged(error, source_id) from error


@dataclass(frozen=True)
class _Published:
    """A file among the derivatives as something to read ranges of."""

    files: DerivedFiles
    name: str
    size_bytes: int

    def read_range(self, offset: int, length: int) -> bytes:
        return self.files.read(self.name, offset, min(length, self.size_bytes - offset))


def _make_one(source_id: str) -> str:
    return f"Make one: s3pipelines images pyramids --source {source_id}."


def _damaged(error: Refused, source_id: str) -> Unreadable:
    return Unreadable(
        f"The pyramid cannot be shown: {error.failure.detail}",
        hint=f"Make it again: s3pipelines images rerun --source {source_id} --kind pyramid.",
    )
