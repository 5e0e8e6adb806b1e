"""`s3pipelines tags …`."""

import json

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def maps(run: Run, bucket: str, s3) -> str:
    """The indexed source `maps` of two objects, one with a tag."""
    s3.put_object(Bucket=bucket, Key="maps/a", Body=b"1", Tagging="rights=free")
    s3.put_object(Bucket=bucket, Key="maps/b", Body=b"1")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    run("index", "refresh", "--source", "maps")
    return "maps"


def test_tags_are_read_and_counted(run: Run, maps):
    before = run("tags", "list", "--source", "maps")
    assert "The tags of 0 objects of 2 were read" in before.out

    done = run("tags", "refresh", "--source", "maps")

    assert (done.status, done.out.split()) == (
        0,
        ["read", "2", "tagged", "1", "changed", "1", "failed", "0"],
    )
    told = json.loads(run("tags", "list", "--source", "maps", "--key", "rights", "--json").out)
    assert told == {
        "source": "maps",
        "tags": [{"name": "rights", "value": "free", "objects": 1}],
        "objects": 2,
        "read": 2,
    }


def test_what_cannot_be_read_is_listed_with_status_1(run: Run, maps, s3, bucket):
    s3.delete_object(Bucket=bucket, Key="maps/b")

    done = run("tags", "refresh", "--source", "maps", "--full")

    assert done.status == 1
    assert "gone" in done.out
    assert "maps/b" in done.out


def test_what_contradicts_itself_is_refused(run: Run, maps):
    refused = run("tags", "refresh", "--source", "maps", "--full", "--older-than", "1d")

    assert (refused.status, "contradict" in refused.err) == (2, True)


def test_the_price_of_tags_with_each_listing_is_told_before_they_are_switched_on(run: Run, maps):
    done = run("sources", "update", "--id", "maps", "-m", "tags", "--tags")

    assert "Reading tags with each full listing: 2 objects, 2 GET requests, about $0.00" in done.out
    run("index", "refresh", "--source", "maps", "--full")
    assert "free" in run("tags", "list", "--source", "maps").out
