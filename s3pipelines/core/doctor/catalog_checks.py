"""The catalog: can it be used, do its conditional writes hold, which tables does it have."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import REJECTED, TABLES
from s3pipelines.core.catalog.tables import find_table
from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.conditional_writes import WHERE_THEY_HOLD, broken_condition

_AREA = "catalog"


def catalog_checks(catalog: Catalog) -> list[Check]:
    """The checks of the catalog."""
    return [
        Check(_AREA, "documents", lambda: [documents_finding(catalog)]),
        Check(_AREA, "tables", lambda: _tables(catalog)),
        Check("queue", "rejected messages", lambda: [_rejected(catalog)]),
    ]


def documents_finding(catalog: Catalog) -> Finding:
    """Write, overwrite and remove a document, and see that what must be refused is refused.

    Raises:
        StorageError: The catalog cannot be read or written.
    """
    wrong = broken_condition(catalog.documents)
    if wrong:
        detail = f"{catalog.location.uri} {wrong}."
        return Finding(_AREA, "documents", "failed", detail, WHERE_THEY_HOLD)
    detail = f"{catalog.location.uri} can be read and written; conditional writes hold."
    return Finding(_AREA, "documents", "ok", detail)


def _tables(catalog: Catalog) -> Iterator[Finding]:
    there: list[str] = []
    newer: list[Finding] = []
    # One after the other: a thread pool of its own would keep the process from ending while a
    # server does not answer. The first `StorageError` ends it, as it would be that of all.
    for schema in TABLES:
        try:
            table = find_table(catalog, schema)
        except InvalidInput as error:
            name = f"table {schema.name}"
            newer.append(Finding(_AREA, name, "failed", error.message, error.hint))
            continue
        if table is not None:
            there.append(f"{schema.name} (version {table.version()})")
    yield from newer
    detail = f"{len(there)} of {len(TABLES)} can be used: {', '.join(there)}."
    if not there and not newer:
        detail = "There is none yet; the first refresh of a source makes them."
    yield Finding(_AREA, "tables", "ok", detail)


def _rejected(catalog: Catalog) -> Finding:
    area, name = "queue", "rejected messages"
    if find_table(catalog, REJECTED) is None:
        return Finding(area, name, "ok", "No message was ever rejected.")
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    with connect(catalog, delta=True) as connection:
        count, newest = connection.execute(
            "SELECT count(DISTINCT id), arg_max(reason, received_at) "
            f"FROM delta_scan({sql_text(catalog.table_uri(REJECTED.name))}) "
            f"WHERE received_at > TIMESTAMPTZ {sql_text(since)}"
        ).fetchall()[0]
    if not count:
        return Finding(area, name, "ok", "None in the last day.")
    return Finding(
        area,
        name,
        "warning",
        f"{count:,} in the last day could not be understood; the newest: {newest}",
        'See them with: s3pipelines sql "SELECT received_at, mailbox, reason, text FROM rejected '
        'ORDER BY received_at DESC LIMIT 10"',
    )
