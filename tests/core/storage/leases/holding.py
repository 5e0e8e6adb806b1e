"""Holders that are elsewhere, and a store whose answers get lost."""

from collections.abc import Callable
from dataclasses import replace

from s3pipelines.core.errors import AlreadyExists, PreconditionFailed, StorageError, Unreachable
from s3pipelines.core.storage.documents import Document, Documents
from s3pipelines.core.storage.holders import Holder

NAME = "leases/a.json"


def stranger(**more: object) -> Holder:
    """A holder on another machine, of which nothing can be known."""
    return replace(Holder.here("Somebody's work"), host="another-machine", pid=4242, **more)


def holder_of(documents: Documents) -> Holder | None:
    return Holder.decoded(documents.read(NAME).body)


class Unreliable:
    """A store whose writes arrive, but whose answers can be spoilt."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.spoil: Callable[[], None] = lambda: None
        self.before: Callable[[], None] = lambda: None

    def create(self, name: str, body: bytes) -> str:
        tag = self._documents.create(name, body)
        self.spoil()
        return tag

    def replace(self, name: str, body: bytes, tag: str) -> str:
        self.before()
        new_tag = self._documents.replace(name, body, tag)
        self.spoil()
        return new_tag

    def read(self, name: str) -> Document:
        return self._documents.read(name)

    def put(self, name: str, body: bytes) -> None:
        self._documents.put(name, body)

    def remove(self, name: str) -> None:
        self._documents.remove(name)

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        return self._documents.names(prefix)

    def once(self, error: StorageError | AlreadyExists) -> None:
        """Raise `error` after the next write has arrived."""

        def raise_it() -> None:
            self.spoil = lambda: None
            raise error

        self.spoil = raise_it


LOST = Unreachable("The answer was lost.", hint="Wait.")
REFUSED = PreconditionFailed("The second try was refused.", hint="Repeat.")
