"""Datasets on every server: registered, described, downloaded, frozen, compared, audited."""

import json
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.registering import Wanted, register
from tests.cli.conftest import Run, run
from tests.core.batch.plans import in_both_kinds_of_buckets
from tests.core.datasets.conftest import MIB, bytes_of, write
from tests.servers import on_every_server

__all__ = ["run", "write"]

pytestmark = on_every_server

PART = 5 * MIB
FILES = {
    "a/1.tif": b"one",
    "a/ü + & %41.tif": b"two",
    "empty.txt": b"",
    "big.bin": bytes_of(2 * PART + 7),
}


@pytest.fixture
def scans(write) -> Path:
    """A folder of small files, odd names, an empty file and one of several parts."""
    for name, body in FILES.items():
        write(f"scans/{name}", body)
    return write("scans/empty.txt", b"").parent


@pytest.fixture
def maps(run: Run, versions: bool, bucket: str) -> str:
    """The source `maps`, in a bucket of the kind that the test is about."""
    assert run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps").status == 0
    return "maps"


def _json(run: Run, *arguments: str, status: int = 0):
    done = run(*arguments, "--json")
    assert done.status == status, done.err
    return json.loads(done.out)


def _tree(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(at): path.read_bytes() for at, path in found.items() if at.parts[0][0] != "."}


@in_both_kinds_of_buckets
def test_a_dataset_from_a_folder_to_a_version_and_back(
    run: Run, s3, bucket: str, maps: str, versions: bool, scans: Path, tmp_path: Path
):
    tagged = ("--tags", "by=me,rights=free to use")
    sent = _json(run, "data", "register", "--source", maps, *tagged, f"{scans}/.")
    assert sent["counts"] == {"uploaded": 4}
    assert _json(run, "data", "register", "--source", maps, f"{scans}/.")["counts"] == {
        "unchanged": 4
    }

    told = _json(run, "data", "describe", "--source", maps)["objects"]
    assert {row["name"]: row["state"] for row in told} == dict.fromkeys(FILES, "as_described")
    assert told[0]["tags"] == {"by": "me", "rights": "free to use"}
    got = _json(run, "data", "download", "--source", maps, "--dir", str(tmp_path / "here"))
    assert (got["downloaded"], got["failed"], got["unproven"]) == (4, [], 0)
    assert _tree(tmp_path / "here") == FILES

    assert _json(run, "data", "snapshot", "--source", maps)["name"] == "maps@1"
    s3.put_object(Bucket=bucket, Key="maps/a/1.tif", Body=b"another")
    s3.delete_object(Bucket=bucket, Key="maps/empty.txt")
    run("index", "refresh", "--source", maps)
    assert _json(run, "data", "snapshot", "--source", maps)["name"] == "maps@2"
    changed = _json(run, "data", "diff", "maps@1", "maps@2")
    assert (changed["overwritten"], changed["deleted"], changed["created"]) == (1, 1, 0)
    drifted = _json(run, "data", "drift", "maps@1", "--ask", status=1)
    assert (drifted["overwritten"], drifted["deleted"]) == (1, 1)

    # Where the bucket keeps versions, nothing of the first one is lost.
    there = ("data", "download", "--source", "maps@1", "--dir", str(tmp_path / "first"))
    first = _json(run, *there, status=0 if versions else 1)
    assert first["downloaded"] == (4 if versions else 2)


@in_both_kinds_of_buckets
def test_what_was_registered_is_audited_packed_and_its_tags_are_read(
    run: Run, s3, bucket: str, maps: str, versions: bool, scans: Path, tmp_path: Path
):
    _json(run, "data", "register", "--source", maps, f"{scans}/.")
    tag = {"TagSet": [{"Key": "by", "Value": "another"}]}
    s3.put_object_tagging(Bucket=bucket, Key="maps/a/1.tif", Tagging=tag)

    assert _json(run, "data", "audit", "--source", maps)["counts"] == {"ok": 4}
    bag = tmp_path / "bag"
    assert _json(run, "data", "export", "--source", maps, "--bagit", str(bag))["complete"]
    assert (bag / "data" / "big.bin").read_bytes() == FILES["big.bin"]
    assert _json(run, "tags", "refresh", "--source", maps)["tagged"] == 1


@in_both_kinds_of_buckets
def test_files_are_replaced_only_when_that_is_said(
    run: Run, s3, bucket: str, maps: str, versions: bool, scans: Path
):
    for key in ("maps/a/1.tif", "maps/big.bin"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"other")

    refused = _json(run, "upload", f"{scans}/.", f"s3://{bucket}/maps/", status=1)
    done = _json(run, "upload", f"{scans}/.", f"s3://{bucket}/maps/", "--overwrite")

    assert refused["counts"] == {"failed": 2, "uploaded": 2}
    assert done["counts"] == {"replaced": 2, "unchanged": 2}
    for name, body in FILES.items():
        assert s3.get_object(Bucket=bucket, Key=f"maps/{name}")["Body"].read() == body


def test_an_upload_in_parts_goes_on_with_what_has_arrived(
    local_catalog: Catalog, run: Run, s3, bucket: str, maps: str, write
):
    body = bytes_of(3 * PART + 1)
    path = write("big.bin", body)
    wanted = Wanted(maps, [path], part_bytes=PART)
    register(local_catalog, wanted)
    s3.delete_object(Bucket=bucket, Key="maps/big.bin")

    assert register(local_catalog, wanted).counts == {"uploaded": 1}
    assert register(local_catalog, wanted).counts == {"unchanged": 1}
    assert s3.get_object(Bucket=bucket, Key="maps/big.bin")["Body"].read() == body
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
