"""The registry: one document per source in the catalog, so that everybody sees the same ones."""

import getpass
import json
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TIMESTAMP
from s3pipelines.core.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    Unreadable,
)
from s3pipelines.core.sources import pyramid_changes
from s3pipelines.core.sources.deletion import finish_deletion
from s3pipelines.core.sources.entries import read_entry, registered_ids, write_entry
from s3pipelines.core.sources.guards import refuse_own_output, refuse_unsafe_catalog
from s3pipelines.core.sources.source import SOURCE_ID, HistoryEntry, Source, SourceOptions
from s3pipelines.core.storage.locations import parse_s3_location

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
            the project itself writes; or conditional writes do not hold where the catalog is.
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
    _require_usable(catalog, source)
    refuse_unsafe_catalog(catalog)
    pyramid_changes.require_usable_codec(source, options)
    finish_deletion(catalog, source_id)
    entry = read_entry(catalog.documents, source_id)
    taken = AlreadyExists(
        f"There is a source {source_id!r} already.",
        hint=f"Choose another id, or see it with 's3pipelines sources get --id {source_id}'.",
    )
    if entry.source is not None:
        raise taken
    try:
        write_entry(catalog.documents, source_id, source, entry.tag)
    except (AlreadyExists, PreconditionFailed) as error:
        raise taken from error
    return source


def get_source(catalog: Catalog, source_id: str, *, leaving: bool = False) -> Source:
    """The registered source of that id.

    Args:
        catalog: Where the registry is.
        source_id: The id.
        leaving: Also take a source whose deletion began and was interrupted.

    Raises:
        NotFound: There is none.
        Unreadable: Its registration is damaged, or was written by a newer release.
    """
    _require_valid_id(source_id)
    return _present(read_entry(catalog.documents, source_id).source, source_id, leaving)


def list_sources(
    catalog: Catalog, *, on_unreadable: Callable[[str, Unreadable], object] | None = None
) -> list[Source]:
    """All registered sources, by id.

    Args:
        catalog: Where the registry is.
        on_unreadable: Is told the id and the error of each registration that cannot be read, and
            the others are returned. Without it the first one is raised: none is left out unseen.

    Raises:
        Unreadable: A registration is damaged, or was written by a newer release.
    """
    documents = catalog.documents

    def read(source_id: str) -> Source | Unreadable | None:
        try:
            return read_entry(documents, source_id).source
        except Unreadable as error:
            return error

    ids = registered_ids(documents)
    sources: list[Source] = []
    with ThreadPoolExecutor(_READS_IN_FLIGHT) as pool:
        for source_id, found in zip(ids, pool.map(read, ids), strict=True):
            if isinstance(found, Unreadable):
                if on_unreadable is None:
                    raise found
                on_unreadable(source_id, found)
            elif found is not None and found.state == "active":
                sources.append(found)
    return sources


@dataclass(frozen=True)
class Registry:
    """What is registered: the sources, and by id the registrations that cannot be read."""

    sources: list[Source]
    unreadable: dict[str, Unreadable]

    @property
    def ids(self) -> list[str]:
        """All ids; that of a damaged registration is no less registered."""
        return sorted([*(source.id for source in self.sources), *self.unreadable])


def read_registry(catalog: Catalog) -> Registry:
    """Everything that is registered, so that one damaged registration stops no other source."""
    unreadable: dict[str, Unreadable] = {}
    sources = list_sources(catalog, on_unreadable=unreadable.__setitem__)
    return Registry(sources, unreadable)


def update_source(catalog: Catalog, source_id: str, message: str, **changes: Any) -> Source:
    """Change options of a source and append `message` to its history.

    A profile or role ends an anonymous access, and the other way round.

    Raises:
        NotFound: There is no such source.
        InvalidInput: An option is not valid, or the message is empty.
        PreconditionFailed: Somebody else changed it in the same moment.
        StorageError: It cannot be listed with its new credentials or endpoint, or by versions.
    """
    if not message.strip():
        raise InvalidInput("The message is empty.", hint="Say why, with -m MESSAGE.")
    _require_valid_id(source_id)
    entry = read_entry(catalog.documents, source_id)
    source = _present(entry.source, source_id)
    done = HistoryEntry(at=datetime.now(UTC), by=whoami(), message=message.strip())
    changes = {**_given_up(changes), **_known_options(changes)}
    changes = pyramid_changes.merged(source, changes)
    updated = _validated({**source.model_dump(), **changes}, history=(*source.history, done))
    asks_for_more = updated.versions and not source.versions
    if asks_for_more or updated.access(catalog.access) != source.access(catalog.access):
        _require_usable(catalog, updated)
    pyramid_changes.require_usable_codec(updated, changes)
    write_entry(catalog.documents, source_id, updated, entry.tag)
    return updated


def delete_source(catalog: Catalog, source_id: str) -> Source:
    """Forget a source and its rows; never touches its objects on S3.

    Safe to kill: it is marked first, and whoever deletes or registers the id next finishes it.

    Raises:
        NotFound: There is no such source.
        Busy: Its index is being refreshed.
    """
    _require_valid_id(source_id)
    entry = read_entry(catalog.documents, source_id)
    source = _present(entry.source, source_id, leaving=True)
    if source.state == "active":
        leaving = source.model_copy(update={"state": "deleting"})
        write_entry(catalog.documents, source_id, leaving, entry.tag)
    finish_deletion(catalog, source_id)
    return source


def sources_table(catalog: Catalog) -> pa.Table:
    """The registry as rows, for SQL; tags as JSON text.

    A registration that cannot be read is a row that says so.
    """
    registry = read_registry(catalog)
    rows: list[dict[str, Any]] = [
        {**source.model_dump(), "tags": json.dumps(source.tags)} for source in registry.sources
    ]
    rows += [{"id": key, "description": str(error)} for key, error in registry.unreadable.items()]
    return pa.Table.from_pylist(rows, schema=SOURCES_COLUMNS)


def whoami() -> str:
    """`user@host` of this process, for histories."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # A container may run under a number that has no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _present(source: Source | None, source_id: str, leaving: bool = False) -> Source:
    if source is None:
        raise NotFound(
            f"There is no source {source_id!r}.",
            hint="See the registered ones with 's3pipelines sources list'.",
        )
    if source.state == "deleting" and not leaving:
        raise NotFound(
            f"The source {source_id!r} is being deleted.",
            hint="If that was interrupted, finish it with "
            f"'s3pipelines sources delete --id {source_id}'.",
        )
    return source


def _require_usable(catalog: Catalog, source: Source) -> None:
    # Here, since whoever only reads what is registered lists nothing.
    from s3pipelines.core.storage.listing.serial import list_pages
    from s3pipelines.core.storage.listing.versions import asking

    refuse_own_output(catalog, source)
    access = source.access(catalog.access)
    ask = asking(access, source.bucket, versions=source.versions)
    next(list_pages(access, source.location, page_size=1, ask=ask))


def _given_up(changes: dict[str, Any]) -> dict[str, Any]:
    """What a new identity takes the place of."""
    if changes.get("anonymous"):
        return {"profile": None, "role_arn": None}
    return {"anonymous": False} if changes.get("profile") or changes.get("role_arn") else {}


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
        which = f"option {name!r} is" if name else "options are"
        raise InvalidInput(
            f"The {which} not valid: {first['msg'].removeprefix('Value error, ').rstrip('.')}.",
            hint="See 's3pipelines sources create --help'.",
        ) from error
