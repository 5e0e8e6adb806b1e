"""Real files, bombs and broken ones among them: a whole run, and one file alone."""

import contextlib
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.thumbnails import make_thumbnail
from s3pipelines.core.imaging.wishes import Kind, Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import parse_location

_PAUSE_S = 0.02


def upload_folder(folder: str, bucket: str, *others: str) -> dict[str, Any]:
    """Make a bucket with the files of a folder in it, and empty ones beside it."""
    client = s3_client(Access())
    for name in (bucket, *others):
        client.create_bucket(Bucket=name)
    paths = sorted(Path(folder).iterdir())
    for path in paths:
        client.put_object(Bucket=bucket, Key=path.name, Body=path.read_bytes())
    return {"files": len(paths), "bytes": sum(path.stat().st_size for path in paths)}


def work_through(catalog: str, source_id: str, derivatives: str) -> dict[str, Any]:
    """Headers and then thumbnails of a whole source, and what the tables say afterwards."""
    home = Catalog(parse_location(catalog), derivatives=derivatives)
    kinds: tuple[Kind, ...] = ("header", "thumbnail")
    seconds: list[float] = []
    with DecodePool() as pool, _PeakOfWorkers(pool) as peak:
        for kind in kinds:
            started = time.perf_counter()
            run(home, Work(source_id, kind), pool=pool)
            seconds.append(time.perf_counter() - started)
        peak.look()
    return {
        "headers_s": seconds[0],
        "thumbnails_s": seconds[1],
        "parent_mb": _resident_peak_mb("self"),
        "worker_mb": peak.mb,
        "workers": peak.workers,
        "outcomes": _outcomes(home, source_id),
    }


def decode_one(path: str) -> dict[str, Any]:
    """The thumbnail of one file by a worker that has done nothing else, without any S3."""
    data = Path(path).read_bytes()
    extension = path.rpartition(".")[2].lower()
    with DecodePool(workers=1) as pool:
        _ = pool.reader_version  # The worker has started.
        with _PeakOfWorkers(pool) as peak:
            peak.look()
            idle_mb = peak.mb
            started = time.perf_counter()
            try:
                made = make_thumbnail(pool, data, extension)
                outcome = f"{made.width_px} x {made.height_px}"
            except Refused as refused:
                outcome = f"{refused.failure.reason}: {refused.failure.detail}"
            seconds = time.perf_counter() - started
            peak.look()
    return {"outcome": outcome, "seconds": seconds, "worker_mb": peak.mb, "idle_mb": idle_mb}


def _outcomes(home: Catalog, source_id: str) -> dict[str, dict[str, int]]:
    """Rows by reason, of both tables; `made` is no reason."""
    found: dict[str, dict[str, int]] = {}
    with connect(home) as connection:
        create_source_views(connection, home, source_id, IMAGES, DERIVATIVES)
        for schema in (IMAGES, DERIVATIVES):
            rows = connection.execute(f"SELECT coalesce(error, 'made') FROM {schema.name}")
            found[schema.name] = dict(Counter(reason for (reason,) in rows.fetchall()))
    return found


class _PeakOfWorkers:
    """The most resident memory of any one worker of a pool: the kernel's own high-water marks.

    A mark only grows, so that looking now and then misses nothing of a worker that still runs, and
    of one that ended only what it took in its last moment.
    """

    def __init__(self, pool: DecodePool) -> None:
        self.mb = 0.0
        self._pids: set[int] = set()
        self._pool = pool
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def workers(self) -> int:
        """How many different ones there were."""
        return len(self._pids)

    def look(self) -> None:
        """Read the marks now."""
        for pid in self._pool.pids():
            self._pids.add(pid)
            with contextlib.suppress(OSError, ValueError):
                self.mb = max(self.mb, _resident_peak_mb(pid))

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            self.look()


def _resident_peak_mb(pid: int | str) -> float:
    """`VmHWM` of a process, in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024 / 1e6
    raise ValueError("The process has ended.")
