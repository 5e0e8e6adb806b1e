"""What a refresh shows in the Dagster UI: numbers that are plotted, a table, a statement to ask."""

from collections.abc import Mapping

from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from s3pipelines.core.catalog import schemas
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.statistics import statistics_of
from s3pipelines.core.index.apply import Batch
from s3pipelines.core.index.refresh import Refresh
from s3pipelines.core.index.summary import Group, growth_by_day

Metadata = Mapping[str, MetadataValue]

# Metadata is kept with every event for ever; the whole table is a query away.
_MOST_GROUPS = 50
_GROWTH_DAYS = 30
# A batch of a few arrivals does not read two columns of a larger source for it: the listing does.
_GROWTH_MOST_OBJECTS = 1_000_000


def index_metadata(catalog: Catalog, outcome: Refresh | Batch) -> Metadata:
    """The metadata of one materialization of `object_index`; numbers are numbers, so they plot."""
    uri = catalog.table_uri(schemas.OBJECTS.name)
    rows = sum(group.objects for group in outcome.groups)
    size_bytes = sum(group.size_bytes for group in outcome.groups)
    return {
        "dagster/partition_row_count": MetadataValue.int(rows),
        "dagster/uri": MetadataValue.text(uri),
        "objects": MetadataValue.int(rows),
        "size_bytes": MetadataValue.int(size_bytes),
        **(_listed(outcome) if isinstance(outcome, Refresh) else _applied(outcome)),
        **_ledger(catalog, outcome),
        "batch": MetadataValue.text(outcome.batch_id),
        "duration_s": MetadataValue.float(round(outcome.duration_s, 3)),
        "table_version": MetadataValue.int(outcome.table_version),
        "location": MetadataValue.text(outcome.source.location.uri),
        "by_format": _groups_table(outcome.groups),
        **_growth(catalog, outcome, rows),
        "ask_it": MetadataValue.md(_statements(outcome.source.id)),
    }


def _listed(refresh: Refresh) -> Metadata:
    applied = refresh.applied
    return {
        "repaired": MetadataValue.int(refresh.changed),
        "from_the_ledger": MetadataValue.int(sum(applied.changes.values())),
        "created": MetadataValue.int(refresh.created),
        "overwritten": MetadataValue.int(refresh.overwritten),
        "transitioned": MetadataValue.int(refresh.transitioned),
        "deleted": MetadataValue.int(refresh.deleted),
        "waiting_to_settle": MetadataValue.int(refresh.waiting),
        "listing_requests": MetadataValue.int(refresh.requests),
        "written_as": MetadataValue.text(refresh.wrote),
    }


def _applied(batch: Batch) -> Metadata:
    applied = batch.applied
    changes = {kind: MetadataValue.int(number) for kind, number in applied.changes.items()}
    lag = {}
    if applied.lag_s is not None:
        lag["lag_p50_s"] = MetadataValue.float(round(applied.lag_s[0], 3))
        lag["lag_p95_s"] = MetadataValue.float(round(applied.lag_s[1], 3))
    return {
        **changes,
        "unchanged": MetadataValue.int(applied.answers.get("unchanged", 0)),
        "waiting_to_settle": MetadataValue.int(applied.waiting),
        "asked_s3_about": MetadataValue.int(applied.asked),
        "written_as": MetadataValue.text(applied.wrote),
        **lag,
    }


def _ledger(catalog: Catalog, outcome: Refresh | Batch) -> Metadata:
    known = statistics_of(catalog, outcome.source)
    oldest = known.oldest_open_s or 0.0
    return {
        "changes_last_hour": MetadataValue.int(known.changes_last_hour),
        "oldest_unapplied_s": MetadataValue.float(round(oldest, 1)),
    }


def _groups_table(groups: tuple[Group, ...]) -> MetadataValue:
    columns = [
        TableColumn("extension", "string"),
        TableColumn("storage_class", "string"),
        TableColumn("objects", "int"),
        TableColumn("size_bytes", "int"),
    ]
    records = [
        TableRecord(
            {
                "extension": group.extension or "(none)",
                "storage_class": group.storage_class,
                "objects": group.objects,
                "size_bytes": group.size_bytes,
            }
        )
        for group in groups[:_MOST_GROUPS]
    ]
    return MetadataValue.table(records=records, schema=TableSchema(columns=columns))


def _growth(catalog: Catalog, outcome: Refresh | Batch, rows: int) -> Metadata:
    if isinstance(outcome, Batch) and rows > _GROWTH_MOST_OBJECTS:
        return {}
    columns = [
        TableColumn("day", "string"),
        TableColumn("objects", "int"),
        TableColumn("size_bytes", "int"),
    ]
    records = [
        TableRecord({**vars(day), "day": day.day.isoformat()})
        for day in growth_by_day(catalog, outcome.source.id, _GROWTH_DAYS)
    ]
    table = MetadataValue.table(records=records, schema=TableSchema(columns=columns))
    return {"growth_by_day": table}


def _statements(source_id: str) -> str:
    largest = f"WHERE source = '{source_id}' ORDER BY size_bytes DESC LIMIT 10"
    why = f"WHERE source = '{source_id}' AND key = 'KEY' ORDER BY observed_at"
    return (
        f'The largest:\n\n```\ns3pipelines sql "SELECT * FROM objects {largest}"\n```\n\n'
        f'What happened to a key:\n\n```\ns3pipelines sql "SELECT * FROM changes {why}"\n```\n'
    )
