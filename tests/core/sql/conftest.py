"""A catalog with objects in it, and sessions over it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.sql.session import Session, open_session

AddObjects = Callable[..., None]
Rows = Callable[[str], list[dict[str, Any]]]

SOURCES = pa.table(
    {"id": ["maps"], "bucket": ["b"], "prefix": ["maps/"], "tags": ['{"team": "atlas"}']}
)


@pytest.fixture
def add_objects() -> AddObjects:
    """Append keys of a source to a catalog's `objects`; sizes are 0, 1, 2 …"""

    def add(catalog: Catalog, source: str, *keys: str) -> None:
        ensure_table(catalog, OBJECTS)
        now = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)
        rows = [
            {
                "source": source,
                "bucket": "b",
                "key": key,
                "size_bytes": size,
                "etag": f"{size:032x}",
                "last_modified": now,
                "storage_class": "STANDARD",
                "extension": key.rpartition(".")[2],
                "indexed_at": now,
            }
            for size, key in enumerate(keys)
        ]
        write_deltalake(
            catalog.table_uri("objects"),
            pa.Table.from_pylist(rows, OBJECTS.arrow),
            mode="append",
            storage_options=catalog.delta_options(),
        )

    return add


@pytest.fixture
def filled_catalog(catalog: Catalog, add_objects: AddObjects) -> Catalog:
    """Two sources, `maps` with three objects and `scans` with two, once local and once on S3."""
    add_objects(catalog, "maps", "maps/a.tif", "maps/b.tif", "maps/c.png")
    add_objects(catalog, "scans", "scans/1.h5", "scans/2.h5")
    return catalog


@pytest.fixture
def filled_session(filled_catalog: Catalog) -> Iterator[Session]:
    """A session over `filled_catalog`."""
    with open_session(filled_catalog, SOURCES) as session:
        yield session


@pytest.fixture
def session(local_catalog: Catalog) -> Iterator[Session]:
    """A session over an empty catalog in a folder."""
    with open_session(local_catalog, SOURCES) as session:
        yield session


@pytest.fixture
def rows(session: Session) -> Rows:
    """Run a statement over the empty catalog and read all its rows."""
    return lambda statement: session.run(statement).read_all().to_pylist()
