"""Tables are made once, however many processes come to make them."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import ANNOTATIONS, CHANGES, OBJECTS
from s3pipelines.core.catalog.tables import ensure_table, open_table, stored_schema

MAKERS = 6


def test_a_table_that_many_make_at_once_begins_with_one_commit(catalog: Catalog):
    for schema in (OBJECTS, CHANGES, ANNOTATIONS):
        start = Barrier(MAKERS)

        def make(_: int, schema=schema, start=start) -> None:
            start.wait()
            ensure_table(catalog, schema)

        with ThreadPoolExecutor(MAKERS) as pool:
            list(pool.map(make, range(MAKERS)))

        assert open_table(catalog, schema).version() == 0


@pytest.mark.parametrize("schema", [OBJECTS, CHANGES], ids=lambda schema: schema.name)
def test_a_new_table_has_the_columns_and_properties_of_its_schema(catalog: Catalog, schema):
    ensure_table(catalog, schema)

    table = open_table(catalog, schema)
    assert stored_schema(table, schema) == schema.arrow
    assert table.metadata().partition_columns == ["source"]
    assert table.metadata().configuration["delta.checkpointInterval"] == "10"
    [made] = table.history()
    assert made["operation"] == "CREATE TABLE"
    assert made["operationParameters"]["location"] == f"{catalog.table_uri(schema.name)}/"
