"""A backfill over sources, launched through the running webserver as the UI does it."""

import pytest

from tests.core.index.rows import index_keys
from tests.e2e.conftest import Running, wait_for

pytestmark = pytest.mark.timeout(300)

LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $params) {
        __typename
        ... on LaunchBackfillSuccess { backfillId }
        ... on PythonError { message }
    }
}
"""
STATUS = """
query Status($id: String!) {
    partitionBackfillOrError(backfillId: $id) {
        ... on PartitionBackfill { status error { message } runs: unfinishedRuns { id } }
    }
}
"""


def test_a_backfill_of_two_sources_indexes_both(running: Running):
    running.put("left/1", "right/1", "right/2")
    for name in ("left", "right"):
        running.register(name, name)
    wait_for(lambda: {"left", "right"} <= set(partitions(running)))

    launched = running.graphql(
        LAUNCH,
        {
            "params": {
                "partitionNames": ["left", "right"],
                "assetSelection": [{"path": ["object_index"]}],
                "tags": [],
            }
        },
    )["launchPartitionBackfill"]

    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    wait_for(lambda: status(running, launched["backfillId"]) == "COMPLETED_SUCCESS", 180)
    assert index_keys(running.catalog, "left") == ["left/1"]
    assert index_keys(running.catalog, "right") == ["right/1", "right/2"]
    statuses = running.graphql(
        """
        query { assetNodeOrError(assetKey: {path: ["object_index"]}) { ... on AssetNode {
            assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions } }
        } } }
        """
    )["assetNodeOrError"]["assetPartitionStatuses"]
    assert {"left", "right"} <= set(statuses["materializedPartitions"])


def partitions(running: Running) -> list[str]:
    query = """
        query { assetNodeOrError(assetKey: {path: ["object_index"]}) {
            ... on AssetNode { partitionKeys } } }
    """
    return running.graphql(query)["assetNodeOrError"]["partitionKeys"]


def status(running: Running, backfill_id: str) -> str:
    found = running.graphql(STATUS, {"id": backfill_id})["partitionBackfillOrError"]
    assert found["error"] is None, found
    assert found["status"] not in ("COMPLETED_FAILED", "FAILED"), found
    return found["status"]
