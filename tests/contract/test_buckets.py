"""Buckets, presigned transfer and unfinished uploads on every server."""

import hashlib
import json
import time
import uuid
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from tests.cli.conftest import Run, run
from tests.core.datasets.conftest import MIB, bytes_of, write
from tests.servers import on_every_server

__all__ = ["run", "write"]

pytestmark = on_every_server

PART = 5 * MIB
ODD = "a b+ü😀/&=%.tif"


def _json(run: Run, *arguments: str, status: int = 0):
    done = run(*arguments, "--json")
    assert done.status == status, done.err
    return json.loads(done.out)


def _body(s3, bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture
def without_keys(s3, monkeypatch: pytest.MonkeyPatch):
    """Take the credentials away."""

    def take_away() -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)

    return take_away


def test_a_presigned_get_reads_and_an_expired_one_does_not(
    run: Run, s3, s3_server: str, bucket: str
):
    s3.put_object(Bucket=bucket, Key=ODD, Body=b"pixels")
    [told] = _json(run, "presign", "get", f"s3://{bucket}/{ODD}", "--expires", "1s")

    assert requests.get(told["url"], timeout=10).content == b"pixels"
    if s3_server == "moto":
        return  # It minds no expiry.
    time.sleep(2)
    assert requests.get(told["url"], timeout=10).status_code == 403


def test_a_presigned_put_takes_what_was_signed_and_nothing_else(
    run: Run, s3, s3_server: str, bucket: str, write, tmp_path: Path
):
    body = b"12345"
    options = ("--content-type", "image/tiff", "--bytes", "5")
    ticket = tmp_path / "put.json"
    done = run("presign", "put", f"s3://{bucket}/{ODD}", *options, "--json")
    ticket.write_text(done.out)

    [sent] = _json(run, "upload", str(write("x.tif", body)), "--direct", str(ticket))

    assert sent["etag"] == hashlib.md5(body).hexdigest()
    found = s3.get_object(Bucket=bucket, Key=ODD)
    assert (found["ContentType"], found["Body"].read()) == ("image/tiff", body)
    if s3_server == "ceph":
        [signed] = json.loads(done.out)
        other = {**signed["headers"], "content-type": "text/html"}
        assert requests.put(signed["url"], data=body, headers=other, timeout=10).status_code == 403


def test_a_form_bounds_the_size(run: Run, s3, s3_server: str, bucket: str, write, tmp_path: Path):
    ticket = tmp_path / "form.json"
    done = run("presign", "put", f"s3://{bucket}/k", "--max-bytes", "10", "--json")
    ticket.write_text(done.out)

    [sent] = _json(run, "upload", str(write("x.tif", b"123")), "--direct", str(ticket))

    assert (sent["outcome"], _body(s3, bucket, "k")) == ("uploaded", b"123")
    if s3_server == "ceph":
        [form] = json.loads(done.out)
        files = {"file": b"x" * 11}
        assert not requests.post(form["url"], form["fields"], files=files, timeout=10).ok


def test_an_upload_by_a_ticket_needs_no_credentials_and_goes_on(
    run: Run, s3, bucket: str, write, tmp_path: Path, without_keys
):
    body, ticket = bytes_of(2 * PART + 1), tmp_path / "ticket.json"
    how = ("--bytes", str(len(body)), "--part-bytes", str(PART))
    begun = run("presign", "multipart", f"s3://{bucket}/{ODD}", *how)
    ticket.write_text(begun.out)
    told = json.loads(begun.out)
    first = requests.put(told["parts"][0]["url"], data=body[:PART], timeout=30)
    assert first.ok
    without_keys()

    arguments = ("upload", str(write("x.bin", body)), "--direct", str(ticket))
    [sent] = _json(run, *arguments)
    ticket.with_name("ticket.json.done").unlink()
    [again] = _json(run, *arguments)

    assert (sent["outcome"], sent["sent_bytes"]) == ("uploaded", PART + 1)
    assert (again["outcome"], again["etag"]) == ("unchanged", sent["etag"])
    assert _body(s3, bucket, ODD) == body


def test_a_ticket_that_has_expired_is_refused_by_the_server_too(
    run: Run, s3, s3_server: str, bucket: str, write, tmp_path: Path
):
    if s3_server == "moto":
        pytest.skip("it minds no expiry")
    ticket = tmp_path / "ticket.json"
    options = ("--bytes", "5", "--expires", "1s")
    told = json.loads(run("presign", "multipart", f"s3://{bucket}/k", *options).out)
    ticket.write_text(json.dumps(told | {"expires_at": "2126-01-01T00:00:00Z"}))
    time.sleep(2)

    [late] = _json(run, "upload", str(write("x", b"12345")), "--direct", str(ticket), status=1)

    assert late["outcome"] == "failed"
    assert late["error"] in ("refused", "access_denied")


def test_unfinished_uploads_are_listed_and_completed_or_called_off(run: Run, s3, bucket: str):
    for key in (ODD, "other"):
        begun = run("presign", "multipart", f"s3://{bucket}/{key}", "--parts", "1")
        told = json.loads(begun.out)
        assert requests.put(told["parts"][0]["url"], data=b"abc", timeout=10).ok

    listed = {one["key"]: one for one in _json(run, "uploads", "list", bucket)}
    assert {key: (one["parts"], one["size_bytes"]) for key, one in listed.items()} == {
        ODD: (1, 3),
        "other": (1, 3),
    }
    young = _json(run, "uploads", "abort", bucket, "--older-than", "1h", "--yes")
    assert young["aborted"] == 0

    name, upload = f"s3://{bucket}/{ODD}", listed[ODD]["upload_id"]
    _json(run, "presign", "complete", name, "--upload-id", upload, "--bytes", "3")
    assert _body(s3, bucket, ODD) == b"abc"
    other = ("--upload-id", listed["other"]["upload_id"])
    assert _json(run, "presign", "abort", f"s3://{bucket}/other", *other)["was_there"]
    assert _json(run, "uploads", "list", bucket) == []


def test_a_bucket_is_made_shown_configured_and_removed(
    run: Run, s3, s3_server: str, tmp_path: Path
):
    name = f"made-{uuid.uuid4().hex[:12]}"
    # See the next test.
    public = ("--allow-public-access",) if s3_server == "ceph" else ()
    _json(run, "buckets", "create", name, "--versioning", *public)
    assert name in [row["name"] for row in _json(run, "buckets", "list")]

    file = tmp_path / "bucket.yaml"
    file.write_text(_SETTINGS.format(name=name))
    configure = ("buckets", "configure", "--file", str(file))
    done = run(*configure, "--yes")
    assert done.status == 0, done.out + done.err
    assert run(*configure, "--check").status == 0
    shown = run("buckets", "show", name, "--yaml")
    assert "abort_incomplete_uploads_days: 7" in shown.out

    s3.put_object(Bucket=name, Key=ODD, Body=b"1")
    s3.put_object(Bucket=name, Key=ODD, Body=b"2")
    s3.delete_object(Bucket=name, Key=ODD)
    upload = s3.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    s3.upload_part(Bucket=name, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    assert run("buckets", "delete", name, "--yes").status == 2
    assert run("buckets", "delete", name, "--yes", "--with-contents").status == 0
    assert name not in [row["Name"] for row in s3.list_buckets()["Buckets"]]


def test_a_bucket_that_blocks_public_access_can_be_written_except_on_ceph(
    run: Run, s3, s3_server: str
):
    name = f"made-{uuid.uuid4().hex[:12]}"

    made = run("buckets", "create", name)

    if s3_server == "ceph":
        assert (made.status, "denies every write" in made.out + made.err) == (1, True)
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object(Bucket=name, Key="k", Body=b"1")
        return
    assert made.status == 0
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    assert not s3.list_multipart_uploads(Bucket=name).get("Uploads")


_SETTINGS = """\
bucket: {name}
versioning: enabled
tags: {{project: maps}}
lifecycle:
  - id: abort
    abort_incomplete_uploads_days: 7
  - id: old
    prefix: scans/
    old_versions: {{expire_after_days: 30}}
cors:
  - origins: ["https://viewer.example.org"]
    methods: [GET, HEAD]
    headers: ["*"]
    expose_headers: [ETag]
"""
