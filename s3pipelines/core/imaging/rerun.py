"""Asking for something to be made again, whether or not it was made well."""

from collections.abc import Sequence
from datetime import UTC, datetime

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS, RERUNS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.missing import may_be_image
from s3pipelines.core.imaging.wishes import KINDS, Kind, Work, kinds_of
from s3pipelines.core.sources.registry import get_source, whoami
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.selection import Selection

_BATCH_ROWS = 50_000


def chosen_kinds(source: Source, given: Sequence[str]) -> list[Kind]:
    """The kinds that were named, or all that the source asks for.

    Raises:
        InvalidInput: There is no such kind, or none is named and the source asks for nothing.
    """
    named: list[Kind] = [kind for kind in KINDS.values() if kind in given]
    if unknown := sorted(set(given) - set(named)):
        raise InvalidInput(
            f"There is no kind {unknown[0]!r}.", hint=f"The kinds are {', '.join(KINDS.values())}."
        )
    chosen = named or kinds_of(source)
    if not chosen:
        raise InvalidInput(
            f"The source {source.id!r} asks for nothing that could be made again.",
            hint=f"Name a kind: {', '.join(KINDS.values())}.",
        )
    return chosen


def ask_again(catalog: Catalog, source_id: str, kinds: Sequence[Kind], selection: Selection) -> int:
    """Note that these objects are to be worked on again; the next run does it.

    Args:
        catalog: Where the tables are.
        source_id: A registered source.
        kinds: What is to be made again.
        selection: Of which objects; what is certainly no image is left out.

    Returns:
        How many objects that are.

    Raises:
        InvalidInput: The selection is wrong.
        NotFound: There is no such source.
        StorageError: The catalog cannot be read or written.
    """
    source = get_source(catalog, source_id)
    ensure_table(catalog, RERUNS)
    asked_at, asked_by, objects = datetime.now(UTC), whoami(), 0
    with connect(catalog) as connection:
        create_source_views(
            connection, catalog, source_id, OBJECTS, *dict.fromkeys(selection.asked_tables)
        )
        condition = selection.condition(connection, source.prefix)
        limit = "" if selection.limit is None else f"LIMIT {int(selection.limit)}"
        sniffed = may_be_image(Work(source_id, kinds[0]))
        found = connection.execute(
            f"SELECT key FROM objects WHERE {sniffed} AND {condition} ORDER BY key {limit}"
        )
        while keys := found.fetchmany(_BATCH_ROWS):
            objects += len(keys)
            rows = [
                {
                    "source": source_id,
                    "key": key,
                    "kind": kind,
                    "asked_at": asked_at,
                    "asked_by": asked_by,
                }
                for (key,) in keys
                for kind in kinds
            ]
            append_rows(catalog, RERUNS, rows)
    return objects
