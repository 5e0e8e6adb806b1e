"""The registry: one document per source in the catalog, so that everybody sees the same ones."""

import getpass
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TABLES, TIMESTAMP
from s3pipelines.core.catalog.tables import forget_source
from s3pipelines.core.errors import AlreadyExists, Gone, InvalidInput, NotFound
from s3pipelines.core.sources.guards import refuse_own_output
from s3pipelines.core.sources.refreshes import refresh_document
from s3pipelines.core.sources.source import SOURCE_ID, HistoryEntry, Source, SourceOptions
from s3pipelines.core.storage.documents import Document, Documents
from s3pipelines.core.storage.leases import hold
from s3pipelines.core.storage.listing import list_pages
from s3pipelines.core.storage.locations import parse_s3_location

_FOLDER = "sources/"
_READS_IN_FLIGHT = 16
SOURCES_COLUMNS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("bucket", pa.string()),
        pa.field("prefix", pa.string()),
        pa.field("description", pa.string()),
        pa.field("tags", pa.string()),
        pa.field("generation", pa.string()),
        pa.field("created_at", TIMESTAMP),
    ]
)


def create_source(catalog: Catalog, source_id: str, s3_path: str, **options: Any) -> Source:
    """Register a source; the id is unique even when two people register it at once.

    Args:
        catalog: Where the registry is.
        source_id: New id, `[a-z0-9][a-z0-9._-]{0,62}`.
        s3_path: `s3://BUCKET/PREFIX`; the prefix means the folder `PREFIX/`.
        **options: The fields of `SourceOptions`.

    Raises:
        AlreadyExists: The id is taken.
        InvalidInput: The id, the path or an option is not valid, or the source would hold what
            the project itself writes.
        StorageError: The bucket cannot be listed, or the catalog cannot be written.
    """
    _require_valid_id(source_id)
    location = parse_s3_location(s3_path)
    created = HistoryEntry(at=datetime.now(UTC), by=whoami(), message="created")
    source = _validated(
        _known_options(options),
        id=source_id,
        bucket=location.bucket,
        prefix=location.prefix,
        created_by=created.by,
        history=(created,),
    )
    refuse_own_output(catalog, source)
    next(list_pages(source.access(catalog.access), location, page_size=1))
    _finish_deletion(catalog, source_id)
    try:
        catalog.documents.create(_name(source_id), _encoded(source))
    except AlreadyExists as error:
        raise AlreadyExists(
            f"There is a source {source_id!r} already.",
            hint=f"Choose another id, or see it with 's3pipelines sources get --id {source_id}'.",
        ) from error
    return source


def get_source(catalog: Catalog, source_id: str) -> Source:
    """The registered source of that id.

    Raises:
        NotFound: There is none.
    """
    _require_valid_id(source_id)
    found = _read(catalog.documents, source_id)
    if found is None or found[0].state == "deleting":
        raise NotFound(
            f"There is no source {source_id!r}.",
            hint="See the registered ones with 's3pipelines sources list'.",
        )
    return found[0]


def list_sources(catalog: Catalog) -> list[Source]:
    """All registered sources, by id."""
    names = [name for name in catalog.documents.names(_FOLDER) if name.endswith(".json")]
    ids = [name.removeprefix(_FOLDER).removesuffix(".json") for name in names]
    documents = catalog.documents
    with ThreadPoolExecutor(_READS_IN_FLIGHT) as pool:
        found = list(pool.map(lambda source_id: _read(documents, source_id), ids))
    return [entry[0] for entry in found if entry and entry[0].state == "active"]


def update_source(catalog: Catalog, source_id: str, message: str, **changes: Any) -> Source:
    """Change options of a source and append `message` to its history.

    Raises:
        NotFound: There is no such source.
        InvalidInput: An option is not valid, or the message is empty.
        PreconditionFailed: Somebody else changed it in the same moment.
    """
    if not message.strip():
        raise InvalidInput("The message is empty.", hint="Say why, with -m MESSAGE.")
    get_source(catalog, source_id)
    found = _read(catalog.documents, source_id)
    if found is None:
        raise NotFound(f"There is no source {source_id!r}.", hint="It was deleted just now.")
    source, document = found
    entry = HistoryEntry(at=datetime.now(UTC), by=whoami(), message=message.strip())
    updated = _validated(
        {**source.model_dump(), **_known_options(changes)}, history=(*source.history, entry)
    )
    refuse_own_output(catalog, updated)
    catalog.documents.replace(_name(source_id), _encoded(updated), document.tag)
    return updated


def delete_source(catalog: Catalog, source_id: str) -> Source:
    """Forget a source and its rows; never touches its objects on S3.

    Safe to kill: it is marked first, and whoever deletes or registers the id next finishes it.

    Raises:
        NotFound: There is no such source.
        Busy: Its index is being refreshed.
    """
    source = get_source(catalog, source_id)
    found = _read(catalog.documents, source_id)
    if found is not None:
        leaving = source.model_copy(update={"state": "deleting"})
        catalog.documents.replace(_name(source_id), _encoded(leaving), found[1].tag)
    _finish_deletion(catalog, source_id)
    return source


def index_lease(source_id: str) -> str:
    """Name of the lease that the one writer of a source's index holds."""
    return f"leases/objects/{source_id}.json"


def sources_table(catalog: Catalog) -> pa.Table:
    """The registry as rows, for SQL; tags as JSON text."""
    rows = [
        {**source.model_dump(), "tags": json.dumps(source.tags)}
        for source in list_sources(catalog)
    ]
    return pa.Table.from_pylist(rows, schema=SOURCES_COLUMNS)


def whoami() -> str:
    """`user@host` of this process, for histories."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _finish_deletion(catalog: Catalog, source_id: str) -> None:
    found = _read(catalog.documents, source_id)
    if found is None or found[0].state != "deleting":
        return
    with hold(catalog.documents, index_lease(source_id), f"deleting source {source_id!r}"):
        for schema in TABLES:
            forget_source(catalog, schema, source_id)
        catalog.documents.remove(refresh_document(source_id))
        catalog.documents.remove(_name(source_id))


def _read(documents: Documents, source_id: str) -> tuple[Source, Document] | None:
    try:
        document = documents.read(_name(source_id))
    except Gone:
        return None
    return Source.model_validate_json(document.body), document


def _require_valid_id(source_id: str) -> None:
    if not SOURCE_ID.fullmatch(source_id):
        raise InvalidInput(
            f"{source_id!r} is not a source id.",
            hint="Use lower-case letters, digits, '.', '_' and '-', at most 63, "
            "starting with a letter or digit.",
        )


def _known_options(options: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(options) - set(SourceOptions.model_fields))
    if unknown:
        raise InvalidInput(
            f"A source has no option {unknown[0]!r}.",
            hint=f"Known are: {', '.join(SourceOptions.model_fields)}.",
        )
    return options


def _validated(fields: dict[str, Any], **more: Any) -> Source:
    try:
        return Source(**{**fields, **more})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            f"The option {name!r} is not valid: {first['msg']}.",
            hint="See 's3pipelines sources create --help'.",
        ) from error


def _encoded(source: Source) -> bytes:
    return source.model_dump_json(indent=2).encode()


def _name(source_id: str) -> str:
    return f"{_FOLDER}{source_id}.json"
