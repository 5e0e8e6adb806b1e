"""What people upload from outside appears in the index by itself."""

from typing import Any

import pytest

from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import NotFound
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.index.rows import index_rows
from tests.e2e.conftest import Running, wait_for

pytestmark = pytest.mark.timeout(240)
JPEG = file_of(quadrants(), "JPEG")


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


def test_an_event_leads_to_an_answer_in_the_ledger_and_to_a_header(running: Running):
    running.put("told/first.jpg", body=JPEG)
    running.register("told", "told", derive=("headers",))
    wait_for(lambda: sizes(running, "told"))

    running.put("told/Ä second+.jpg", body=JPEG)

    wait_for(lambda: len(ask(running, "SELECT * FROM images WHERE source = 'told'")) == 2)
    events = (
        "SELECT key FROM changes WHERE source = 'told' AND observed_by = 'event' "
        "AND event LIKE 'ObjectCreated:%' AND kind = 'hinted'"
    )
    wait_for(lambda: {"key": "told/Ä second+.jpg"} in ask(running, events))
    open_document = running.catalog.documents.read
    wait_for(lambda: open_document("pending/told.json").body == b"null")
    created = "SELECT count(*) AS n FROM changes WHERE source = 'told' AND kind = 'created'"
    assert ask(running, created) == [{"n": 1}], "applied once, whoever noticed it"


def ask(running: Running, question: str) -> list[dict[str, Any]]:
    with open_session(running.catalog) as session:
        return session.run(question).read_all().to_pylist()


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
