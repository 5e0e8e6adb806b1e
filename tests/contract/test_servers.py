"""What each server compares and keeps by itself, as the probe finds it and the document says."""

import re
from dataclasses import asdict
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.conditional_writes import broken_condition
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.verbs.probe import Enforced, probe_preconditions
from tests.contract.conftest import Ask
from tests.core.batch.plans import in_both_kinds_of_buckets
from tests.servers import on_every_server

pytestmark = on_every_server

DOCUMENT = Path(__file__).parents[2] / "docs" / "servers.md"
COLUMNS = {
    ("moto", False): "moto",
    ("moto", True): "moto",
    ("ceph", False): "Ceph",
    ("ceph", True): "Ceph, with versions",
}


def _documented(column: str) -> dict[str, bool]:
    """What the table of the document says of a server, by the probe's names."""
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    at = rows[0].index(column)
    named = ((re.fullmatch(r"`(\w+)`", row[1]), row[at]) for row in rows[1:])
    return {name[1]: said == "yes" for name, said in named if name}


def _probe(client: BucketClient):
    return probe_preconditions(client, "p/", "test", versioned=True)


@in_both_kinds_of_buckets
def test_the_document_says_what_the_probe_finds(
    ask: Ask, s3_server: str, bucket: str, versions: bool
):
    found: Enforced = ask(_probe)

    documented = _documented(COLUMNS[s3_server, versions])
    # The catalog's own question, which no batch asks.
    documented.pop("put_if_match")
    assert asdict(found) == documented


@in_both_kinds_of_buckets
def test_a_probe_leaves_nothing_behind(ask: Ask, s3, bucket: str, versions: bool):
    ask(_probe)

    left = s3.list_object_versions(Bucket=bucket, Prefix="p/")
    assert not left.get("Versions", []) + left.get("DeleteMarkers", [])
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])


@in_both_kinds_of_buckets
def test_the_document_says_where_a_catalog_may_be(s3_server: str, bucket: str, versions: bool):
    documents = Catalog(S3Location(bucket, "state/")).documents

    documented = _documented(COLUMNS[s3_server, versions])
    can_be = documented["put_if_none_match"] and documented["put_if_match"]
    assert (broken_condition(documents) is None) is can_be
    assert documents.names("doctor/") == []
