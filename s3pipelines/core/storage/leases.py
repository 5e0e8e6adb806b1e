"""A lease: one holder at a time of something in the catalog, across processes and machines.

A holder renews its document every few seconds. A crashed holder stops doing so, and whoever waits
takes over. No two clocks are ever compared: the waiting side watches, by its own monotonic clock,
whether the document changes; and on the same machine it sees at once that the process is gone.

A lease alone cannot stop a process that was suspended and wakes up after it lost its lease; what
makes that harmless is that it calls `Lease.confirm` before it commits, and that Delta refuses a
commit whose table has changed since it was opened.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from s3pipelines.core.errors import AlreadyExists, Busy, Gone, PreconditionFailed, StorageError
from s3pipelines.core.storage.documents import Document, Documents
from s3pipelines.core.storage.holders import Holder

RENEW_EVERY_S = 5.0
# Six renewals may be missed (a slow S3, a paused machine) before a holder counts as gone.
EXPIRE_AFTER_S = 30.0
_POLL_EVERY_S = 0.5
_FREE = b"null"


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
        """Give the lease back.

        Harmless if it was lost: what another holder wrote is never written over. If the store is
        out of reach, the lease expires by itself, and the work that was done under it stands.
        """
        self._stop.set()
        self._thread.join()
        with self._turn, suppress(StorageError):
            try:
                self._free()
            except PreconditionFailed as error:
                self._settle_doubt(error)
                self._free()

    def _keep(self) -> None:
        while not self._stop.wait(RENEW_EVERY_S):
            # Out of reach for a moment: the next beat tries again, and `confirm` insists.
            with self._turn, suppress(StorageError):
                if self._lost is None:
                    self._renew()

    def _free(self) -> None:
        if self._lost is None:
            # Not removed: a removal cannot be bound to what is there by now.
            self._documents.replace(self._name, _FREE, self._tag)

    def _renew(self) -> None:
        self._beat += 1
        body = self._holder.encoded(self._beat)
        try:
            self._tag = self._documents.replace(self._name, body, self._tag)
        except PreconditionFailed as error:
            self._settle_doubt(error)

    def _settle_doubt(self, refused: PreconditionFailed) -> None:
        """A renewal whose answer was lost makes the next one fail: but then the nonce is ours."""
        found = _read_or_none(self._documents, self._name)
        holder = Holder.decoded(found.body) if found else None
        if found and holder and holder.nonce == self._holder.nonce:
            self._tag = found.tag
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


def holder_of(documents: Documents, name: str) -> Holder | None:
    """Who holds a lease right now; None if nobody does.

    A holder renews its lease every few seconds, so this waits until it is seen to do so, and at
    most for as long as a lease lasts that nobody renews.

    Raises:
        StorageError: The catalog cannot be read.
    """
    first = _read_or_none(documents, name)
    started = time.monotonic()
    while True:
        current = _read_or_none(documents, name)
        holder = Holder.decoded(current.body) if current else None
        if current is None or holder is None or holder.surely_gone():
            return None
        if first is None or current.tag != first.tag:
            return holder
        if time.monotonic() - started > EXPIRE_AFTER_S:
            return None
        time.sleep(_POLL_EVERY_S)


def _acquire(documents: Documents, name: str, holder: Holder, wait_s: float) -> str:
    """Wait until the lease is free or abandoned, and take it; returns the document's tag."""
    deadline = time.monotonic() + wait_s
    seen_tag, seen_since = "", 0.0
    while True:
        current = _read_or_none(documents, name)
        other = Holder.decoded(current.body) if current else None
        if current and other and other.nonce == holder.nonce:
            return current.tag  # Taken before, only the answer was lost.
        if current and current.tag != seen_tag:
            seen_tag, seen_since = current.tag, time.monotonic()
        expired = time.monotonic() - seen_since > EXPIRE_AFTER_S
        if other is None or expired or other.surely_gone():
            taken = _take(documents, name, holder, current)
            if taken is not None:
                return taken  # Else somebody was faster, or the answer was lost: look again.
        if time.monotonic() > deadline:
            other = other or Holder(nonce="")
            raise Busy(
                f"{other.purpose} is running already (process {other.pid} on {other.host}).",
                hint="Wait for it to end, then repeat.",
            )
        time.sleep(_POLL_EVERY_S)


def _take(documents: Documents, name: str, holder: Holder, current: Document | None) -> str | None:
    """Write the holder over exactly what was seen; None if it is no longer there."""
    try:
        if current is None:
            return documents.create(name, holder.encoded(0))
        return documents.replace(name, holder.encoded(0), current.tag)
    except (AlreadyExists, PreconditionFailed):
        return None


def _read_or_none(documents: Documents, name: str) -> Document | None:
    try:
        return documents.read(name)
    except Gone:
        return None
