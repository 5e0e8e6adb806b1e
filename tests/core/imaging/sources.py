"""A source over a whole bucket, and what the tables say of it, for the tests of runs."""

from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.missing import missing
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source


def indexed(catalog: Catalog, bucket: str) -> None:
    create_source(catalog, "all", f"s3://{bucket}")
    refresh_index(catalog, "all")


def rows_of(catalog: Catalog, name: str) -> list[dict[str, Any]]:
    table = DeltaTable(catalog.table_uri(name), storage_options=catalog.delta_options())
    return pa.table(table.to_pyarrow_dataset().to_table()).sort_by("key").to_pylist()


def keys_missing(catalog: Catalog, wanted: Work, version: str) -> list[str]:
    return [item.key for item in missing(catalog, wanted, version)]
