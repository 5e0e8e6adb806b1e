"""A source with objects, files that tell of them, and what the table then has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from s3pipelines.core.annotations.annotate import Annotated, annotate
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS, TIMESTAMP
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.sources.entries import read_entry, write_entry
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.locations import FolderLocation

AddSource = Callable[..., None]
Annotate = Callable[..., Annotated]
Rows = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def home(tmp_path: Path) -> Catalog:
    """An empty catalog in a folder; no test here needs S3."""
    return Catalog(FolderLocation(tmp_path / "catalog"))


@pytest.fixture
def add_source(home: Catalog) -> AddSource:
    """Register a source below the prefix `ID/`, with an index of those keys."""

    def add(source_id: str, *keys: str) -> None:
        source = Source(id=source_id, bucket="b", prefix=f"{source_id}/")
        write_entry(home.documents, source_id, source, read_entry(home.documents, source_id).tag)
        ensure_table(home, OBJECTS)
        now = pa.scalar(1_700_000_000_000_000, TIMESTAMP).as_py()
        empty = {"bucket": "b", "size_bytes": 1, "etag": "e", "storage_class": "STANDARD"}
        times = {"extension": "tif", "last_modified": now, "indexed_at": now}
        rows = [{"source": source_id, "key": key, **empty, **times} for key in keys]
        table = pa.Table.from_pylist(rows, OBJECTS.arrow)
        write_deltalake(home.table_uri("objects"), table, mode="append")

    return add


@pytest.fixture
def given(home: Catalog, tmp_path: Path) -> Annotate:
    """Annotate a source with a CSV of that text, or a Parquet file of that table."""

    def take(source_id: str, content: str | pa.Table, **options: Any) -> Annotated:
        if isinstance(content, str):
            path = tmp_path / "given.csv"
            path.write_bytes(content.encode())
        else:
            path = tmp_path / "given.parquet"
            pq.write_table(content, path)
        return annotate(home, source_id, path, options.pop("key_column", "file"), **options)

    return take


@pytest.fixture
def rows(home: Catalog) -> Rows:
    """Run a statement in the locked session."""

    def read(statement: str) -> list[dict[str, Any]]:
        with open_session(home) as session:
            return session.run(statement).read_all().to_pylist()

    return read
