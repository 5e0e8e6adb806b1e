"""What people upload from outside appears in the index by itself."""

import pytest

from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import NotFound
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from tests.core.index.rows import index_rows
from tests.e2e.conftest import Running, wait_for

pytestmark = pytest.mark.timeout(240)


def sizes(running: Running, source_id: str) -> dict[str, int]:
    try:
        open_table(running.catalog, OBJECTS)
    except NotFound:
        return {}
    return {row["key"]: row["size_bytes"] for row in index_rows(running.catalog, source_id)}


def test_created_overwritten_and_deleted_objects_are_indexed_without_anybody_asking(
    running: Running,
):
    running.put("seen/a", "seen/b")
    running.register("seen", "seen")
    wait_for(lambda: sizes(running, "seen") == {"seen/a": 3, "seen/b": 3})

    running.put("seen/b", "seen/c", body=b"12345")
    s3_client(Access()).delete_object(Bucket=running.bucket, Key="seen/a")

    wait_for(lambda: sizes(running, "seen") == {"seen/b": 5, "seen/c": 5})


def test_the_sensor_adds_the_partition_of_a_source_that_another_machine_registered(
    running: Running,
):
    running.register("from-elsewhere", "elsewhere")
    query = """
        query { assetNodeOrError(assetKey: {path: ["object_index"]}) {
            ... on AssetNode { partitionKeys } } }
    """

    def partitions() -> list[str]:
        return running.graphql(query)["assetNodeOrError"]["partitionKeys"]

    wait_for(lambda: "from-elsewhere" in partitions())
