"""`s3pipelines uploads …`."""

import json

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def open_uploads(s3, bucket: str) -> None:
    """Three uploads, of which one has a part of now; moto says of all that they began in 2010."""
    for key in ("maps/a", "maps/b", "other"):
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        if key == "maps/a":
            s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"12345")


def test_unfinished_uploads_are_listed_with_what_they_take(run: Run, bucket: str, open_uploads):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")

    shown = json.loads(run("uploads", "list", "--source", "maps", "--json").out)

    assert [(one["key"], one["parts"], one["size_bytes"]) for one in shown] == [
        ("maps/a", 1, 5),
        ("maps/b", 0, 0),
    ]
    assert "other" in run("uploads", "list", bucket).out
    older = json.loads(run("uploads", "list", bucket, "--older-than", "2h", "--json").out)
    assert [one["key"] for one in older] == ["maps/b", "other"]


def test_uploads_in_progress_are_never_called_off(run: Run, s3, bucket: str, open_uploads):
    done = run("uploads", "abort", bucket, "--older-than", "1h", "--yes", "--json")

    assert (done.status, json.loads(done.out)["aborted"]) == (0, 2)
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["maps/a"]
    refused = run("uploads", "abort", bucket, "--older-than", "5m", "--yes")
    assert refused.status == 2
    assert "Within 5m, an upload may well be in progress. Name at least 60m" in refused.err


def test_abandoned_uploads_are_called_off_when_that_is_confirmed(
    run: Run, s3, bucket: str, open_uploads, monkeypatch
):
    answers = ["n", "y"]
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: answers.pop(0))
    arguments = ("uploads", "abort", bucket, "--older-than", "7d", "--prefix", "maps/")

    assert run(*arguments).status == 130
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 3
    done = run(*arguments)

    assert done.status == 0
    assert "1 uploads called off (0 B)" in done.out
    left = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["maps/a", "other"]


def test_bad_usage_says_what_is_right(run: Run):
    assert "--older-than" in run("uploads", "abort", "bucket").err
    assert "Name either a BUCKET or a --source" in run("uploads", "list").err
    assert "There is no bucket" in run("uploads", "list", "no-such-bucket-x").err
    asked = run("uploads", "abort", "bucket", "--older-than", "7d", "--json")
    assert "give --yes, too" in asked.err
