"""What a refresh shows in the Dagster UI: numbers that are plotted, a table, a statement to ask."""

from collections.abc import Mapping

from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from s3pipelines.core.catalog import schemas
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import Refresh
from s3pipelines.core.index.summary import Group

# Metadata is kept with every event for ever; the whole table is a query away.
_MOST_GROUPS = 50


def refresh_metadata(catalog: Catalog, refresh: Refresh) -> Mapping[str, MetadataValue]:
    """The metadata of one materialization of `object_index`; numbers are numbers, so they plot."""
    uri = catalog.table_uri(schemas.OBJECTS.name)
    return {
        "dagster/partition_row_count": MetadataValue.int(refresh.rows),
        "dagster/uri": MetadataValue.text(uri),
        "objects": MetadataValue.int(refresh.rows),
        "size_bytes": MetadataValue.int(refresh.size_bytes),
        "created": MetadataValue.int(refresh.created),
        "overwritten": MetadataValue.int(refresh.overwritten),
        "transitioned": MetadataValue.int(refresh.transitioned),
        "deleted": MetadataValue.int(refresh.deleted),
        "waiting_to_settle": MetadataValue.int(refresh.waiting),
        "listing_requests": MetadataValue.int(refresh.requests),
        "duration_s": MetadataValue.float(round(refresh.duration_s, 3)),
        "table_version": MetadataValue.int(refresh.table_version),
        "written_as": MetadataValue.text(refresh.wrote),
        "location": MetadataValue.text(refresh.source.location.uri),
        "by_format": _groups_table(refresh.groups),
        "ask_it": MetadataValue.md(_statements(uri, refresh.source.id)),
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


def _statements(uri: str, source_id: str) -> str:
    question = f"WHERE source = '{source_id}' ORDER BY size_bytes DESC LIMIT 10"
    return (
        f'With this project:\n\n```\ns3pipelines sql "SELECT * FROM objects {question}"\n```\n\n'
        f"With any DuckDB:\n\n```sql\nSELECT * FROM delta_scan('{uri}')\n{question};\n```\n"
    )
