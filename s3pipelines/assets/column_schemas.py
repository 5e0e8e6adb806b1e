"""The columns of a catalog table as Dagster shows them."""

from dagster import TableColumn, TableColumnConstraints, TableSchema

from s3pipelines.core.catalog import schemas
from s3pipelines.core.catalog.duck import duckdb_type


def column_schema(schema: schemas.TableSchema) -> TableSchema:
    """The columns of a table, in DuckDB's types."""
    return TableSchema(
        columns=[
            TableColumn(
                name=column.name,
                type=duckdb_type(column.type),
                description=column.description,
                constraints=TableColumnConstraints(nullable=column.nullable),
            )
            for column in schema.columns
        ]
    )
