"""A lease: one holder at a time of something in the catalog, across processes and machines.

A holder renews its document every few seconds. A crashed holder stops doing so, and whoever waits
takes over. No two clocks are ever compared: the waiting side watches, by its own monotonic clock,
whether the document changes; and on the same machine it sees at once that the process is gone.

A lease alone cannot stop a process that was suspended and wakes up after it lost its lease; what
makes that harmless is that it calls `Lease.confirm` before it commits, and that Delta refuses a
commit whose table has changed since it was opened.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from s3pipelines.core.errors import AlreadyExists, Busy, Gone, PreconditionFailed, StorageError
from s3pipelines.core.storage.documents import Document, Documents

RENEW_EVERY_S = 5.0
# Six renewals may be missed (a slow S3, a paused machine) before a holder counts as gone.
EXPIRE_AFTER_S = 30.0
_POLL_EVERY_S = 0.5
_FREE = b"null"


@dataclass(frozen=True)
class Holder:
    """Who holds a lease; `beat` grows with each renewal, so that no two contents are equal."""

    nonce: str
    purpose: str
    host: str
    boot_id: str
    pid: int
    process_started: float
    beat: int = 0

    @staticmethod
    def here(purpose: str) -> "Holder":
        """This process."""
        return Holder(
            nonce=uuid.uuid4().hex,
            purpose=purpose,
            host=socket.gethostname(),
            boot_id=_boot_id(),
            pid=os.getpid(),
            process_started=psutil.Process().create_time(),
        )

    def surely_gone(self) -> bool:
        """True only if this machine can tell that the process no longer runs."""
        if self.host != socket.gethostname():
            return False
        if self.boot_id != _boot_id():
            return True
        try:
            # Start times are read in ticks, so an equal one may differ by rounding.
            return abs(psutil.Process(self.pid).create_time() - self.process_started) > 1
        except psutil.NoSuchProcess:
            return True


class Lease:
    """A lease that is held; made by `hold`."""

    def __init__(self, documents: Documents, name: str, holder: Holder, tag: str) -> None:
        self._documents = documents
        self._name = name
        self._holder = holder
        self._tag = tag
        self._beat = 0
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._lost: StorageError | None = None
        self._thread = threading.Thread(target=self._keep, name=f"lease {name}", daemon=True)
        self._thread.start()

    def confirm(self) -> None:
        """Renew now, and so prove that nobody took the lease over.

        Raises:
            PreconditionFailed: Somebody did; what was about to be written must not be.
            StorageError: The catalog cannot be asked, so nothing is proven.
        """
        with self._turn:
            if self._lost is None:
                self._renew()
            if self._lost is not None:
                raise PreconditionFailed(
                    f"The lease {self._name} was taken over by another process.",
                    hint="This process was paused for too long; run it again.",
                ) from self._lost

    def release(self) -> None:
        """Give the lease back; harmless if it was lost."""
        self._stop.set()
        self._thread.join()
        with self._turn, suppress(PreconditionFailed):
            if self._lost is None:
                # Not removed: a removal cannot be bound to what is there by now.
                self._documents.replace(self._name, _FREE, self._tag)

    def _keep(self) -> None:
        while not self._stop.wait(RENEW_EVERY_S):
            # Out of reach for a moment: the next beat tries again, and `confirm` insists.
            with self._turn, suppress(StorageError):
                if self._lost is None:
                    self._renew()

    def _renew(self) -> None:
        body = _encoded(self._holder, self._beat + 1)
        try:
            self._tag = self._documents.replace(self._name, body, self._tag)
            self._beat += 1
        except PreconditionFailed as error:
            self._settle_doubt(body, error)

    def _settle_doubt(self, body: bytes, refused: PreconditionFailed) -> None:
        """A retried PUT is refused when its first try had arrived: then the body is ours."""
        try:
            found = self._documents.read(self._name)
        except Gone:
            self._lost = refused
            return
        if found.body == body:
            self._tag = found.tag
            self._beat += 1
        else:
            self._lost = refused


@contextmanager
def hold(
    documents: Documents, name: str, purpose: str, *, wait_s: float = 600.0
) -> Iterator[Lease]:
    """Hold the lease `name` while the body runs.

    Args:
        documents: Where leases are kept.
        name: Document name, for example `leases/objects/maps.json`.
        purpose: What for, shown to those who wait in vain.
        wait_s: How long to wait for another holder, in seconds.

    Raises:
        Busy: Another process held it all that time.
    """
    holder = Holder.here(purpose)
    lease = Lease(documents, name, holder, _acquire(documents, name, holder, wait_s))
    try:
        yield lease
    finally:
        lease.release()


def _acquire(documents: Documents, name: str, holder: Holder, wait_s: float) -> str:
    deadline = time.monotonic() + wait_s
    seen_tag, seen_since = "", 0.0
    while True:
        try:
            return documents.create(name, _encoded(holder, 0))
        except AlreadyExists:
            current = _read_or_none(documents, name)
        if current is None:
            continue
        if current.tag != seen_tag:
            seen_tag, seen_since = current.tag, time.monotonic()
        other = _decoded(current)
        expired = time.monotonic() - seen_since > EXPIRE_AFTER_S
        if other is None or expired or other.surely_gone():
            try:
                return documents.replace(name, _encoded(holder, 0), current.tag)
            except PreconditionFailed:
                continue
        if time.monotonic() > deadline:
            raise Busy(
                f"{other.purpose} is running already (process {other.pid} on {other.host}).",
                hint="Wait for it to end, then repeat.",
            )
        time.sleep(_POLL_EVERY_S)


def _read_or_none(documents: Documents, name: str) -> Document | None:
    try:
        return documents.read(name)
    except Gone:
        return None


def _encoded(holder: Holder, beat: int) -> bytes:
    return json.dumps({**asdict(holder), "beat": beat}).encode()


def _decoded(document: Document) -> Holder | None:
    fields = json.loads(document.body)
    return Holder(**fields) if fields else None


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else f"boot at {psutil.boot_time():.0f}"
