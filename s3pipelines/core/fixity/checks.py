"""Whether the latest audits of all sources found every object undamaged."""

from collections.abc import Sequence

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import AUDITS, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.pins import pinned_members, versions_in
from s3pipelines.core.errors import S3PipelinesError, printable
from s3pipelines.core.fixity.outcomes import DAMAGED
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text

_DAMAGED = ", ".join(map(sql_text, sorted(DAMAGED)))
_QUERY = f"""
    SELECT audits.key, audits.etag, audits.outcome, objects.key IS NOT NULL
    FROM (FROM audits WHERE outcome IN ({_DAMAGED})) AS audits
    LEFT JOIN objects ON objects.key = audits.key AND objects.etag = audits.etag
    ORDER BY audits.key
"""


def damaged(catalog: Catalog, sources: Sequence[Source]) -> dict[str, str]:
    """Sources with objects that the latest audit found damaged or missing, and how many.

    An object counts as long as the index has it so, or a version of the source: whoever replaces
    or deletes it otherwise has seen to it. A source that cannot be asked is among them, too.
    """
    found: dict[str, str] = {}
    for source in sources:
        try:
            rows = _damaged(catalog, source)
        except S3PipelinesError as error:
            found[source.id] = str(error)
            continue
        if rows:
            parts = [
                f"{counted(count, 'object')} {outcome}"
                for outcome in sorted(DAMAGED)
                if (count := sum(row == outcome for _, row in rows))
            ]
            found[source.id] = f"{', '.join(parts)}, for example {printable(rows[0][0])}"
    return found


def _damaged(catalog: Catalog, source: Source) -> list[tuple[str, str]]:
    """Keys and outcomes."""
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source.id, OBJECTS, AUDITS)
        rows = connection.execute(_QUERY).fetchall()
    elsewhere = [key for key, _, _, indexed in rows if not indexed]
    pinned: dict[tuple[str, str], str] = {}
    if elsewhere:
        versions = versions_in(catalog, source.bucket, source.access(catalog.access))
        pinned = pinned_members(catalog, versions, elsewhere)
    return [
        (key, outcome) for key, etag, outcome, indexed in rows if indexed or (key, etag) in pinned
    ]
