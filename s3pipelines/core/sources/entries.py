"""One registration as a document of the catalog: reading it, and writing it with compare-and-swap.

An id that was given up keeps a document without a source, since the removal of a document cannot
be bound to what is there by then: another process may have registered the id anew.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from s3pipelines.core.errors import AlreadyExists, Gone, PreconditionFailed, Unreadable
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.documents import Documents

FOLDER = "sources/"
_VACANT = b"null"


@dataclass(frozen=True)
class Entry:
    """What the catalog has under an id.

    Attributes:
        source: The registration, or None if the id is free.
        tag: Names exactly this content, or is None if there is no document.
    """

    source: Source | None
    tag: str | None


def read_entry(documents: Documents, source_id: str) -> Entry:
    """The registration of an id, active or on its way out.

    Raises:
        Unreadable: The document is damaged, or was written by a newer release.
    """
    try:
        document = documents.read(_name(source_id))
    except Gone:
        return Entry(None, None)
    if document.body == _VACANT:
        return Entry(None, document.tag)
    return Entry(_decoded(source_id, document.body), document.tag)


def write_entry(
    documents: Documents, source_id: str, source: Source | None, over: str | None
) -> None:
    """Write a registration, or None to free the id, over exactly what was read.

    Args:
        documents: The catalog's.
        source_id: The id.
        source: What to write.
        over: The tag of the entry that was read.

    Raises:
        AlreadyExists: There was no document when it was read, and there is one now.
        PreconditionFailed: The document is no longer what was read.
    """
    body = _encoded(source)
    try:
        if over is None:
            documents.create(_name(source_id), body)
        else:
            documents.replace(_name(source_id), body, over)
    except (AlreadyExists, PreconditionFailed):
        # A write whose answer is lost is tried again, and then refused because of itself. Each
        # registration holds a time or a name of its own, so what is equal was written here.
        if documents.read(_name(source_id)).body != body:
            raise


def registered_ids(documents: Documents) -> list[str]:
    """Every id that was ever registered, sorted."""
    names = (name for name in documents.names(FOLDER) if name.endswith(".json"))
    # Sorted again: as names, `a-1.json` comes before `a.json`.
    return sorted(name.removeprefix(FOLDER).removesuffix(".json") for name in names)


def _decoded(source_id: str, body: bytes) -> Source:
    try:
        source = Source.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        why = f"{where}: {first['msg']}" if where else first["msg"]
        raise _unreadable(source_id, why) from error
    if source.id != source_id:
        raise _unreadable(source_id, f"it is that of {source.id!r}")
    return source


def _unreadable(source_id: str, why: str) -> Unreadable:
    return Unreadable(
        f"The registration of {source_id!r} cannot be read ({why}).",
        hint="If a newer release wrote it, upgrade this one; else mend or remove the document "
        f"{_name(source_id)} in the catalog.",
    )


def _encoded(source: Source | None) -> bytes:
    return _VACANT if source is None else source.model_dump_json(indent=2).encode()


def _name(source_id: str) -> str:
    return f"{FOLDER}{source_id}.json"
