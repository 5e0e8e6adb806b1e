"""What is there already, what others write, and what broke off."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

from tests.core.datasets.conftest import bytes_of
from tests.core.datasets.proxy import Answer, CountingProxy, Passed
from tests.core.datasets.registering import PART, keys_of, register_files, rows_of


def test_what_is_there_already_is_not_sent_again_and_only_gets_its_tags(
    local_catalog, source, write, s3, bucket, proxy: CountingProxy
):
    small, big = write("a.tif", b"1"), write("big.bin", bytes_of(PART + 1))
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"1", Tagging="old=1")
    catalog = replace(local_catalog, access=proxy.access)
    assert register_files(catalog, small, big).counts == {"unchanged": 1, "uploaded": 1}
    proxy.passed.clear()

    done = register_files(catalog, small, big, tags={"new": "2"})

    assert done.counts == {"unchanged": 2}
    assert [one.query for one in proxy.passed if one.method == "PUT"] == [{"tagging": ""}] * 2
    assert proxy.count("POST") == 0
    known = rows_of(local_catalog, "SELECT key, name, value FROM tags ORDER BY ALL")
    assert known == [
        ("maps/a.tif", "new", "2"),
        ("maps/a.tif", "old", "1"),
        ("maps/big.bin", "new", "2"),
    ]


def test_another_object_of_the_key_is_only_replaced_when_told(
    local_catalog, source, write, s3, bucket
):
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"other")
    s3.put_object(Bucket=bucket, Key="maps/b.tif", Body=b"2")
    paths = [write("a.tif", b"mine!"), write("b.tif", b"longer"), write("c.tif", b"new")]

    done = register_files(local_catalog, *paths)

    assert done.counts == {"failed": 2, "uploaded": 1}
    assert {(one.key, one.error) for one in done.failed} == {
        ("maps/a.tif", "exists"),
        ("maps/b.tif", "exists"),
    }
    assert s3.get_object(Bucket=bucket, Key="maps/a.tif")["Body"].read() == b"other"
    assert register_files(local_catalog, *paths, overwrite=True).counts == {
        "replaced": 2,
        "unchanged": 1,
    }
    assert s3.get_object(Bucket=bucket, Key="maps/a.tif")["Body"].read() == b"mine!"


def test_somebody_who_writes_the_key_at_the_same_time_is_not_written_over(
    local_catalog, source, write, s3, bucket, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)
    path = write("a.tif", b"mine")

    def race(passed: Passed, answer: Answer) -> Answer:
        if passed.method == "HEAD" and passed.key == "maps/a.tif" and answer.status == 404:
            s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"theirs")
        return answer

    proxy.change = race
    done = register_files(catalog, path)

    assert [one.error for one in done.files] == ["changed"]
    assert s3.get_object(Bucket=bucket, Key="maps/a.tif")["Body"].read() == b"theirs"


def test_an_answer_that_was_lost_is_not_taken_for_somebody_else(
    local_catalog, source, write, s3, bucket, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)
    lost = []

    def lose(passed: Passed, answer: Answer) -> Answer | None:
        if passed.method == "PUT" and not lost:
            lost.append(passed.key)
            return None
        return answer

    proxy.change = lose
    assert register_files(catalog, write("a.tif", b"mine")).counts == {"uploaded": 1}
    assert lost == ["maps/a.tif"]


def test_a_server_without_checksums_is_compared_by_etags(
    local_catalog, source, write, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)

    def forget(passed: Passed, answer: Answer) -> Answer:
        answer.headers = {n: v for n, v in answer.headers.items() if "checksum" not in n}
        if b"ChecksumSHA256" in answer.body:
            start, end = answer.body.index(b"<ChecksumSHA256"), answer.body.index(b"</ChecksumSHA")
            answer.body = answer.body[:start] + answer.body[end + len("</ChecksumSHA256>") :]
        return answer

    proxy.change = forget
    paths = [write("a.tif", b"1"), write("big.bin", bytes_of(PART + 1))]

    assert register_files(catalog, *paths).counts == {"uploaded": 2}
    assert register_files(catalog, *paths).counts == {"unchanged": 2}
    assert not any(one.method == "GET" and not one.query for one in proxy.passed)


def test_a_server_that_says_that_it_holds_something_else_is_a_failure(
    local_catalog, source, write, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()

    def lie(passed: Passed, answer: Answer) -> Answer:
        if passed.method == "PUT":
            answer.headers["x-amz-checksum-sha256"] = other
        return answer

    proxy.change = lie
    done = register_files(catalog, write("a.tif", b"1"), write("big.bin", bytes_of(PART + 1)))

    assert done.counts == {"failed": 2}
    assert all("does not hold what was sent" in (one.detail or "") for one in done.files)


def test_a_server_that_knows_no_preconditions_is_written_without(
    local_catalog, source, write, s3, bucket, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)

    def refuse(passed: Passed, answer: Answer) -> Answer:
        if "if-none-match" in passed.headers:
            s3.delete_object(Bucket=bucket, Key=passed.key)
            return Answer(501, {}, b"<Error><Code>NotImplemented</Code></Error>")
        return answer

    proxy.change = refuse
    assert register_files(catalog, write("a.tif", b"1")).counts == {"uploaded": 1}


_CHILD = """
import sys
from pathlib import Path
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.registering import Wanted, register
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.locations import FolderLocation
access = Access(endpoint_url=sys.argv[2], static_keys=StaticKeys("testing", "testing"))
catalog = Catalog(FolderLocation(Path(sys.argv[1])), access=access)
register(catalog, Wanted("maps", [Path(sys.argv[3])], part_bytes=5 * 1024 * 1024))
"""


def test_after_a_kill_neither_finished_files_nor_finished_parts_are_sent_again(
    local_catalog, source, write, s3, bucket, proxy: CountingProxy
):
    body = bytes_of(6 * PART + 1)
    folder = write("scans/0.bin", b"small").parent
    write("scans/big.bin", body)
    parts = 0

    def hang_after_three_parts(passed: Passed, answer: Answer) -> Answer:
        nonlocal parts
        if "partNumber" in passed.query:
            parts += 1
            if parts > 3:
                time.sleep(60)
        return answer

    proxy.change = hang_after_three_parts
    arguments = [str(local_catalog.location.uri), proxy.endpoint, str(folder)]
    child = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments])
    deadline = time.monotonic() + 60
    while (
        parts < 4 or "maps/scans/0.bin" not in keys_of(s3, bucket)
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    proxy.change = lambda _, answer: answer
    proxy.forget()
    assert rows_of(local_catalog, "SELECT count(*) FROM changes") == [(0,)]
    [upload] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    listed = s3.list_parts(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    there = {part["PartNumber"] for part in listed["Parts"]}
    assert len(there) >= 3

    done = register_files(replace(local_catalog, access=proxy.access), folder)

    assert done.counts == {"unchanged": 1, "uploaded": 1}
    sent = {int(p.query["partNumber"]) for p in proxy.passed if "partNumber" in p.query}
    assert sent == set(range(1, 8)) - there
    assert proxy.count("PUT", key="maps/scans/0.bin") == 0
    assert s3.get_object(Bucket=bucket, Key="maps/scans/big.bin")["Body"].read() == body
    # The one that was complete before the kill had not been told of.
    told = rows_of(local_catalog, "SELECT key FROM changes ORDER BY key")
    assert told == [("maps/scans/0.bin",), ("maps/scans/big.bin",)]


def test_parts_of_what_the_file_was_before_are_not_used(
    local_catalog, source, write, s3, bucket, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)
    path = write("big.bin", bytes_of(2 * PART + 1))

    def refuse(passed: Passed, answer: Answer) -> Answer:
        if passed.query.get("partNumber") == "3":
            return Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        return answer

    proxy.change = refuse
    assert register_files(catalog, path).counts == {"failed": 1}
    proxy.change = lambda _, answer: answer
    new = bytes_of(2 * PART + 1, "b")
    path.write_bytes(new)

    assert register_files(catalog, path).counts == {"uploaded": 1}
    assert s3.get_object(Bucket=bucket, Key="maps/big.bin")["Body"].read() == new
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
