"""`s3pipelines data export`."""

import json
from pathlib import Path

import bagit
import pytest

from tests.cli.conftest import Run


@pytest.fixture
def maps(run: Run, bucket: str, put_objects) -> str:
    """The indexed source `maps` of two objects."""
    put_objects("maps/a", "maps/b")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    run("index", "refresh", "--source", "maps")
    return "maps"


def test_a_bag_is_valid_and_its_size_is_told(run: Run, maps, tmp_path: Path):
    done = run("data", "export", "--source", "maps", "--bagit", str(tmp_path / "bag"))

    assert done.status == 0
    assert f"{tmp_path / 'bag'} is a bag of 2 files, 6 B." in done.out
    bagit.Bag(str(tmp_path / "bag")).validate()
    again = run("data", "export", "--source", "maps", "--bagit", str(tmp_path / "bag"))
    assert (again.status, again.out) == (2, "")
    assert "is a complete bag already" in again.err


def test_without_all_objects_there_is_no_bag_and_status_1(
    run: Run, maps, tmp_path: Path, s3, bucket
):
    s3.put_object(Bucket=bucket, Key="maps/b", Body=b"other")

    done = run("data", "export", "--source", "maps", "--bagit", str(tmp_path / "bag"), "--json")

    told = json.loads(done.out)
    assert (done.status, told["complete"], told["payload"]) == (1, False, None)
    assert [one["error"] for one in told["failed"]] == ["changed"]
    some = run("data", "export", "--source", "maps", "--bagit", str(tmp_path / "bag"), "--ids", "a")
    assert some.status == 0
    assert bagit.Bag(str(tmp_path / "bag")).is_valid()
