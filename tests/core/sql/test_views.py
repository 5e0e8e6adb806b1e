"""The views of a session: what they say of a few objects, and that they are as documented."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.sql.session import Session, open_session
from s3pipelines.core.sql.views import VIEWS, SqlView
from tests.core.sql.conftest import Rows
from tests.core.upkeep.tables import add_objects

# source, key, size, ETag, storage class, when
_OBJECTS = [
    ("maps", "m/a.tif", 10, "e1", "STANDARD", datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)),
    ("maps", "m/b.tif", 10, "e1", "GLACIER", datetime(2026, 1, 2, tzinfo=UTC)),
    ("maps", "m/c.jpg", 7, "e2", "STANDARD", datetime(2026, 1, 2, 12, tzinfo=UTC)),
    ("maps", "m/empty", 0, "e0", "STANDARD", datetime(2026, 1, 2, 12, tzinfo=UTC)),
    ("scans", "s/a.tif", 10, "e1", "STANDARD", datetime(2026, 1, 3, tzinfo=UTC)),
    ("scans", "s/b.tif", 11, "e1", "STANDARD", datetime(2026, 1, 3, tzinfo=UTC)),
    ("scans", "s/empty", 0, "e0", "STANDARD", datetime(2026, 1, 3, tzinfo=UTC)),
]
_INDEXED = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def few(local_catalog: Catalog) -> Catalog:
    """Seven objects of two sources."""
    ensure_table(local_catalog, OBJECTS)
    names = ("source", "key", "size_bytes", "etag", "storage_class", "last_modified")
    rows: list[dict[str, Any]] = []
    for values in _OBJECTS:
        row: dict[str, Any] = dict(zip(names, values, strict=True))
        extension = row["key"].partition(".")[2]
        rows.append(row | {"bucket": "b", "extension": extension, "indexed_at": _INDEXED})
    append_rows(local_catalog, OBJECTS, rows)
    return local_catalog


def test_the_views_say_what_is_there(few: Catalog):
    with open_session(few) as session:

        def found(statement: str) -> list[tuple[Any, ...]]:
            rows = session.run(f"{statement} ORDER BY ALL").read_all().to_pylist()
            return [tuple(row.values()) for row in rows]

        at = {key: at for _, key, *_, at in _OBJECTS}
        assert found("FROM sources_summary") == [
            ("maps", 4, 27, at["m/a.tif"], at["m/c.jpg"], _INDEXED),
            ("scans", 3, 21, at["s/a.tif"], at["s/a.tif"], _INDEXED),
        ]
        assert found("FROM sources_by_format WHERE source = 'maps'") == [
            ("maps", "", 1, 0), ("maps", "jpg", 1, 7), ("maps", "tif", 2, 20),
        ]  # fmt: skip
        assert found("FROM sources_by_class WHERE source = 'maps'") == [
            ("maps", "GLACIER", 1, 10), ("maps", "STANDARD", 3, 17),
        ]  # fmt: skip
        assert found("FROM sources_by_day") == [
            ("maps", date(2026, 1, 1), 1, 10),
            ("maps", date(2026, 1, 2), 3, 17),
            ("scans", date(2026, 1, 3), 3, 21),
        ]
        assert found("FROM duplicates") == [
            ("maps", "m/a.tif", "e1", 10, 3, "maps", "m/a.tif"),
            ("maps", "m/b.tif", "e1", 10, 3, "maps", "m/a.tif"),
            ("scans", "s/a.tif", "e1", 10, 3, "maps", "m/a.tif"),
        ]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_has_the_documented_columns_also_when_empty(session: Session, view: SqlView):
    found = session.run(f"FROM {view.name}").read_all()

    assert found.num_rows == 0
    assert [(field.name, _plain(field.type)) for field in found.schema] == [
        (column.name, column.type) for column in view.columns
    ]


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(kind) else kind


def test_the_views_are_listed_and_complete_at_the_prompt(session: Session, rows: Rows):
    names = {view.name for view in VIEWS}

    assert names <= {row["name"] for row in rows("SHOW TABLES")}
    assert names <= session.columns().keys()


def test_duplicates_of_many_objects_need_little_memory(local_catalog: Catalog):
    for source_id in ("maps", "copies"):
        add_objects(local_catalog, source_id, 250_000)
    with open_session(replace(local_catalog, memory_limit_mb=100)) as session:
        found = session.run("FROM duplicates")
        assert sum(batch.num_rows for batch in found) == 2 * 249_999  # The first one is empty.
