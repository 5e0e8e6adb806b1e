"""`s3pipelines presign …`: what is printed is what works, without any credentials."""

import base64
import hashlib
import json
import shlex
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from s3pipelines.core.storage.access import AWS_ENDPOINT, Access, StaticKeys
from s3pipelines.core.storage.presigned import Presigner
from tests.cli.conftest import Run

ODD = "a b+ü😀/&=%.tif"
MIB = 1024 * 1024


def _bound(url: str) -> set[str]:
    return set(parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"][0].split(";"))


def test_a_get_reads_the_object_of_a_source(run: Run, bucket: str, put_objects):
    put_objects(f"maps/{ODD}", body=b"pixels")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps", "--read-only")

    done = run("presign", "get", "--source", "maps", ODD, "--expires", "15m")

    assert done.status == 0
    url = done.out.strip()
    assert requests.get(url, timeout=10).content == b"pixels"
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["900"]


def test_keys_that_are_not_there_are_named_and_the_others_are_signed(
    run: Run, bucket: str, put_objects
):
    put_objects("a")
    keys = (f"s3://{bucket}/a", f"s3://{bucket}/b")

    done = run("presign", "get", *keys, "--json", "--download-as", 'x"\r\ny.tif')

    assert done.status == 1
    [shown] = json.loads(done.out)
    assert shown["key"] == "a"
    assert f"There is no object s3://{bucket}/b" in done.err
    answer = requests.get(shown["url"], timeout=10)
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''x%22%0D%0Ay.tif"
    assert len(json.loads(run("presign", "get", *keys, "--json", "--unchecked").out)) == 2


def test_a_put_binds_type_checksum_and_size(run: Run, s3, bucket: str):
    body = b"12345"
    digest = hashlib.sha256(body)
    options = ("--content-type", "image/tiff", "--sha256", digest.hexdigest(), "--bytes", "5")

    done = run("presign", "put", f"s3://{bucket}/{ODD}", *options, "--json")

    assert (done.status, done.err) == (0, "")
    [signed] = json.loads(done.out)
    assert signed["headers"] == {
        "content-type": "image/tiff",
        "content-length": "5",
        "x-amz-checksum-sha256": base64.b64encode(digest.digest()).decode(),
    }
    assert set(signed["headers"]) <= _bound(signed["url"])
    answer = requests.put(signed["url"], data=body, headers=signed["headers"], timeout=10)
    assert answer.status_code == 200
    found = s3.get_object(Bucket=bucket, Key=ODD)
    assert (found["Body"].read(), found["ContentType"]) == (body, "image/tiff")


def test_the_printed_call_of_curl_sends_a_file(run: Run, s3, bucket: str, tmp_path: Path):
    (tmp_path / "FILE").write_bytes(b"abc")
    for key, options in (("put", ("--content-type", "a/b")), ("post", ("--max-bytes", "9"))):
        done = run("presign", "put", f"s3://{bucket}/{key}", *options)
        words = shlex.split(done.out)
        subprocess.run([*words, "--silent"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"abc"
        assert ("cannot bound the size" in done.err) == (key == "put")


def test_with_a_bound_of_the_size_it_is_a_form_whose_policy_says_so(run: Run, s3, bucket: str):
    options = ("--max-bytes", "10", "--min-bytes", "2", "--content-type", "a/b")
    sha256 = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()

    done = run("presign", "put", f"s3://{bucket}/k", *options, "--sha256", sha256, "--json")

    [form] = json.loads(done.out)
    assert (done.status, done.err, form["method"]) == (0, "", "POST")
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    assert ["content-length-range", 2, 10] in policy["conditions"]
    for name in ("Content-Type", "x-amz-checksum-sha256", "key"):
        assert {name: form["fields"][name]} in policy["conditions"]
    answer = requests.post(form["url"], form["fields"], files={"file": b"abc"}, timeout=10)
    assert answer.ok
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"abc"


def _begin(run: Run, key: str, *options: str) -> dict:
    done = run("presign", "multipart", key, *options)
    assert done.status == 0, done.err
    return json.loads(done.out)


def test_an_upload_in_parts_is_sent_by_url_and_completed(run: Run, s3, bucket: str):
    body = bytes(range(256)) * (6 * MIB // 256)
    name = f"s3://{bucket}/{ODD}"
    begun = _begin(
        run, name, "--bytes", str(len(body)), "--part-bytes", str(5 * MIB), "--content-type", "a/b"
    )
    for part in begun["parts"]:
        first = part["first_byte"]
        sent = body[first : first + part["size_bytes"]]
        assert requests.put(part["url"], data=sent, timeout=30).ok

    command = shlex.split(begun["complete"]["command"])[1:]
    done = run(*command, "--bytes", str(len(body)), "--json")

    assert done.status == 0, done.err
    found = s3.get_object(Bucket=bucket, Key=ODD)
    assert (found["Body"].read() == body, found["ContentType"]) == (True, "a/b")
    assert json.loads(done.out)["etag"] == found["ETag"].strip('"')
    assert run(*command).status == 2


def test_an_upload_in_parts_is_ended_by_url_alone(run: Run, s3, bucket: str):
    begun = _begin(run, f"s3://{bucket}/k", "--parts", "1")
    [part] = begun["parts"]
    etag = requests.put(part["url"], data=b"abc", timeout=10).headers["etag"]
    body = begun["complete"]["body"].replace("ETAG OF PART 1", etag).replace("…", "")

    assert requests.post(begun["complete"]["url"], data=body, timeout=10).ok

    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"abc"
    other = _begin(run, f"s3://{bucket}/k", "--parts", "1")
    assert requests.delete(other["abort"]["url"], timeout=10).ok
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_what_is_completed_in_a_source_is_told_to_the_ledger(run: Run, s3, bucket: str):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    done = run("presign", "multipart", "--source", "maps", "new/a.tif", "--parts", "1")
    begun = json.loads(done.out)
    requests.put(begun["parts"][0]["url"], data=b"abc", timeout=10)

    complete = ("presign", "complete", "--source", "maps", "new/a.tif")
    ended = run(*complete, "--upload-id", begun["upload_id"], "--json")

    assert json.loads(ended.out)["sources"] == ["maps"]
    found = run("sql", "SELECT key, kind FROM changes", "--format", "json")
    assert json.loads(found.out) == [{"key": "maps/new/a.tif", "kind": "hinted"}]


def test_an_upload_that_lacks_a_part_is_not_completed(run: Run, s3, bucket: str):
    begun = _begin(run, f"s3://{bucket}/k", "--parts", "3")
    command = shlex.split(begun["complete"]["command"])[1:]
    nothing = run(*command)
    for number in (0, 2):
        requests.put(begun["parts"][number]["url"], data=b"abc", timeout=10)

    gap = run(*command)
    requests.put(begun["parts"][1]["url"], data=b"abc", timeout=10)
    size = run(*command, "--bytes", "10")

    assert [nothing.status, gap.status, size.status] == [2, 2, 2]
    assert "No part of" in nothing.err
    assert "1 parts" in gap.err
    assert "have not arrived: 2." in gap.err
    assert "are 9 bytes, not 10" in size.err
    abort = shlex.split(begun["abort"]["command"])[1:]
    assert "Called off." in run(*abort).out
    assert "It had ended already." in run(*abort).out


def test_nothing_is_written_to_a_read_only_source_however_it_is_named(run: Run, bucket: str):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps", "--read-only")
    upload = ("--upload-id", "u")

    for arguments in (
        ("put", "--source", "maps", "a"),
        ("put", f"s3://{bucket}/maps/a"),
        ("multipart", f"s3://{bucket}/maps/a", "--parts", "1"),
        ("complete", "--source", "maps", "a", *upload),
        ("abort", "--source", "maps", "a", *upload),
    ):
        refused = run("presign", *arguments)
        assert (refused.status, refused.out) == (2, "")
        assert "which is read-only" in refused.err
    assert run("presign", "put", f"s3://{bucket}/maps2/a").status == 0


def test_nothing_is_written_among_the_projects_own_files(run: Run, bucket: str, monkeypatch):
    monkeypatch.setenv("S3PIPELINES_CATALOG", f"s3://{bucket}/state")

    refused = run("presign", "put", f"s3://{bucket}/state/tables/x")

    assert refused.status == 2
    assert "lies in the catalog of this project" in refused.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["get", "s3://b12/k", "--expires", "8d"], "one second to seven days"),
        (["get", "s3://b12/k", "--expires", "0s"], "one second to seven days"),
        (["get", "s3://b12/k", "--expires", "long"], "is no length of time"),
        (["get", "k"], "is not an S3 path"),
        (["get", "s3://b12"], "No key is named"),
        (["get", "s3://b12/a/../b"], "cannot be asked for by a URL"),
        (["get", "s3://b12/" + "ü" * 600], "The key has 1,200 bytes"),
        (["get", "k", "--source", "nobody"], "There is no source 'nobody'"),
        (["put", "s3://b12/k", "--sha256", "abc"], "is not a SHA-256"),
        (["put", "s3://b12/k", "--min-bytes", "3"], "--min-bytes goes with --max-bytes"),
        (["put", "s3://b12/k", "--max-bytes", "3", "--bytes", "3"], "exclude each other"),
        (["put", "s3://b12/k", "--max-bytes", "1", "--min-bytes", "3"], "3 to 1 bytes"),
        (["put", "s3://b12/k", "--bytes", str(6 * 2**30)], "use 'presign multipart'"),
        (["multipart", "s3://b12/k"], "Name either --bytes or --parts"),
        (["multipart", "s3://b12/k", "--parts", "10001"], "1 to 10,000 parts"),
        (["multipart", "s3://b12/k", "--bytes", "9", "--part-bytes", "1"], "5 MiB to 5 GiB"),
        (["multipart", "s3://no-such-bucket-x/k", "--parts", "1"], "There is no bucket"),
        (["complete", "s3://no-such-bucket-x/k", "--upload-id", "u"], "There is no"),
    ],
)
def test_what_cannot_be_signed_is_refused_with_one_line(run: Run, arguments: list[str], says: str):
    refused = run("presign", *arguments)

    assert (refused.status, refused.out) == (2, "")
    assert refused.err.count("\n") == 1
    assert says in refused.err


def test_on_aws_a_url_names_the_region_of_the_bucket(monkeypatch):
    monkeypatch.setattr(
        "s3pipelines.core.storage.options._region_of_bucket", lambda *_: "eu-central-1"
    )
    access = Access(endpoint_url=AWS_ENDPOINT, static_keys=StaticKeys("id", "secret", "token"))

    signed = Presigner(access, "bucket", 60).get("key")

    assert signed.url.startswith("https://bucket.s3.eu-central-1.amazonaws.com/key?")
    assert signed.is_temporary
    assert "eu-central-1" in signed.url.partition("X-Amz-Credential")[2]


def test_who_pays_is_signed_and_told(bucket: str):
    signed = Presigner(Access(requester_pays=True), bucket, 60).get("key")

    assert signed.headers == {"x-amz-request-payer": "requester"}


def test_without_credentials_nothing_is_signed(run: Run, bucket: str):
    run("sources", "create", "--id", "a", "--s3-path", f"s3://{bucket}/a", "--anonymous")

    refused = run("presign", "put", "--source", "a", "k")

    assert refused.status == 2
    assert "no credentials to sign" in refused.err
