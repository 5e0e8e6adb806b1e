"""`s3pipelines upload`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of two files."""
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "1.tif").write_bytes(b"one")
    (folder / "2.tif").write_bytes(b"two")
    return folder


def test_files_go_to_a_folder_of_a_bucket_and_into_the_index_of_its_source(
    run: Run, bucket: str, scans: Path
):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    place = f"s3://{bucket}/maps/new/"

    dry = run("upload", str(scans), place, "--dry-run")
    done = run("upload", str(scans), place, "--tags", "by=me")
    again = run("upload", str(scans), place, "--json")

    assert (dry.status, "would_upload" in dry.out) == (0, True)
    assert (done.status, done.out.split()) == (0, ["uploaded", "2"])
    told = json.loads(again.out)
    assert (told["to"], told["sources"], told["counts"]) == (place, ["maps"], {"unchanged": 2})
    listed = json.loads(run("objects", "list", "--source", "maps", "--json").out)
    assert [row["key"] for row in listed["objects"]] == [
        "maps/new/scans/1.tif",
        "maps/new/scans/2.tif",
    ]


def test_a_source_may_be_named_instead(run: Run, bucket: str, scans: Path):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")

    done = run("upload", "--source", "maps", f"{scans}/.")

    assert (done.status, done.out.split()) == (0, ["uploaded", "2"])
    found = run("sql", "SELECT key FROM objects ORDER BY key", "--format", "json")
    assert [row["key"] for row in json.loads(found.out)] == ["maps/1.tif", "maps/2.tif"]


def test_files_that_fail_are_listed_with_status_1(run: Run, s3, bucket: str, scans: Path):
    s3.put_object(Bucket=bucket, Key="1.tif", Body=b"other")

    done = run("upload", f"{scans}/.", f"s3://{bucket}")

    assert (done.status, "exists" in done.out, "uploaded  1" in done.out) == (1, True, True)


def test_a_ticket_is_all_that_an_upload_needs(
    run: Run, s3, bucket: str, scans: Path, tmp_path: Path, monkeypatch
):
    begun = run("presign", "multipart", f"s3://{bucket}/k", "--bytes", "3")
    ticket = tmp_path / "ticket.json"
    ticket.write_text(begun.out)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    done = run("upload", str(scans / "1.tif"), "--direct", str(ticket))
    again = json.loads(run("upload", str(scans / "1.tif"), "--direct", str(ticket), "--json").out)

    assert (done.status, done.out) == (0, "uploaded  1 (3 B sent)\n")
    assert [one["outcome"] for one in again] == ["unchanged"]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"


def test_a_ticket_is_renewed_for_the_same_upload(run: Run, bucket: str):
    name = f"s3://{bucket}/k"
    begun = json.loads(run("presign", "multipart", name, "--bytes", "9").out)

    again = run("presign", "multipart", name, "--bytes", "9", "--upload-id", begun["upload_id"])
    gone = run("presign", "multipart", name, "--bytes", "9", "--upload-id", "none")

    assert json.loads(again.out)["upload_id"] == begun["upload_id"]
    assert (gone.status, "There is no such unfinished upload" in gone.err) == (2, True)


def test_bad_usage_is_told_in_one_line(run: Run, bucket: str, scans: Path, tmp_path: Path):
    ticket = tmp_path / "ticket.json"
    ticket.write_text("{}")
    for arguments, words in (
        ([str(scans)], "Name one place"),
        ([str(scans), f"s3://{bucket}/", "--source", "maps"], "Name one place"),
        ([str(scans), "--direct", str(ticket), "--overwrite"], "leave the others out"),
        ([str(scans), "--direct", str(ticket)], "is no ticket to upload with"),
        ([f"s3://{bucket}/"], "There is no file"),
        ([f"{scans}/none", f"s3://{bucket}/"], "There is no file or folder"),
        ([str(scans), "s3://no-such-bucket-x/"], "There is no bucket"),
        ([str(scans), f"s3://{bucket}/a.tif"], "looks like the key"),
    ):
        refused = run("upload", *arguments)

        assert (refused.status, refused.out) == (2, ""), arguments
        assert words in refused.err
