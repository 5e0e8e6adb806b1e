"""Whether the index can be relied on: unique keys, right counts, fresh enough."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.views import create_source_views, index_now
from s3pipelines.core.errors import S3PipelinesError, printable
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.scope import Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.listing.serial import list_pages


def repeated_keys(catalog: Catalog) -> dict[str, int]:
    """Sources with more rows than keys, and by how many."""
    query = "SELECT source, count(*) - count(DISTINCT key) AS extra FROM {} GROUP BY source"
    return {source: extra for source, extra in _ask(catalog, query) if extra}


def miscounted(catalog: Catalog, sources: Sequence[Source], limit: int) -> dict[str, str]:
    """Small sources whose index has another number of rows than S3 has objects, and why.

    Args:
        catalog: Where the index is.
        sources: The registered sources.
        limit: Sources with more indexed objects than this are not counted.
    """
    indexed = dict(_ask(catalog, "SELECT source, count(*) FROM {} GROUP BY source"))
    found: dict[str, str] = {}
    for source in sources:
        if last_refresh(catalog, source) is None or indexed.get(source.id, 0) > limit:
            continue
        rows = indexed.get(source.id, 0)
        try:
            listed = _count_listed(catalog, source)
        except S3PipelinesError as error:
            found[source.id] = str(error)
        else:
            # Unsettled objects may rightly be in the index (an older state) or not yet.
            if not listed[0] <= rows <= listed[1]:
                found[source.id] = (
                    f"{counted(rows, 'row')} in the index, {counted(listed[1], 'object')} on S3"
                )
    return found


def stale(catalog: Catalog, sources: Sequence[Source]) -> dict[str, str]:
    """Sources that were not listed in full within the time that they ask for."""
    found: dict[str, str] = {}
    for source in sources:
        allowed = timedelta(hours=source.fresh_within_hours)
        record = last_refresh(catalog, source)
        since = record.listed_at if record else source.created_at
        if datetime.now(UTC) - since > allowed:
            when = f"last listed {since:%Y-%m-%d %H:%M} UTC" if record else "never listed"
            found[source.id] = f"{when}, to be fresh within {source.fresh_within_hours:g} h"
    return found


def missed_events(catalog: Catalog, sources: Sequence[Source]) -> dict[str, str]:
    """Sources whose last full listing repaired what no event has told of, and how much.

    An event that came after the listing counts as having told. Sources without any event in the
    week before are listed only, and miss nothing.
    """
    found: dict[str, str] = {}
    for source in sources:
        record = last_refresh(catalog, source)
        if record is None or not record.batch_id:
            continue
        with connect(catalog) as connection:
            create_source_views(connection, catalog, source.id, CHANGES)
            values = {"batch": record.batch_id, "since": record.listed_at - timedelta(days=7)}
            told, missed, example = connection.execute(_MISSED, values).fetchall()[0]
        if told and missed:
            when = f"{record.listed_at:%Y-%m-%d %H:%M} UTC"
            found[source.id] = (
                f"The listing of {when} alone has found {counted(missed, 'change')}, "
                f"for example of {printable(example)}"
            )
    return found


_MISSED = """
    WITH events AS (
        SELECT key, etag, regexp_matches(event, 'Removed|Delet|Expir') AS removes
        FROM changes_attempts
        WHERE kind = 'hinted' AND observed_by = 'event' AND observed_at > $since
    ), repaired AS (
        SELECT key, kind, etag FROM changes_attempts
        WHERE batch_id = $batch AND observed_by = 'listing'
            AND kind IN ('created', 'overwritten', 'deleted')
    ), missed AS (
        SELECT key FROM repaired WHERE NOT EXISTS (
            SELECT 1 FROM events WHERE events.key = repaired.key AND (
                (repaired.kind = 'deleted' AND removes)
                OR (repaired.kind <> 'deleted' AND coalesce(events.etag, repaired.etag)
                    = repaired.etag AND NOT removes)
            )
        )
    )
    SELECT
        (SELECT count(*) FROM events),
        (SELECT count(*) FROM missed),
        (SELECT min(key) FROM missed)
"""


def _count_listed(catalog: Catalog, source: Source) -> tuple[int, int]:
    """How many objects have settled, and how many there are in all."""
    scope = Scope(source)
    settled = total = 0
    for page in list_pages(source.access(catalog.access), source.location):
        objects = scope.of(page)
        total += objects.num_rows
        settled += objects.column("settled").true_count
    return settled, total


def _ask(catalog: Catalog, query: str) -> list[tuple[str, int]]:
    with connect(catalog, delta=True) as connection:
        return connection.execute(query.format(f"({index_now(catalog)})")).fetchall()
