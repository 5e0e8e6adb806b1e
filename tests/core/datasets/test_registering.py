"""Registering files, and objects that are there already."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS, TAGS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.progress import Progress
from s3pipelines.core.datasets.registered import Registration
from s3pipelines.core.datasets.registering import Wanted, register
from s3pipelines.core.errors import InvalidInput, NoSuchBucket
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.sources.registry import create_source, update_source
from tests.core.datasets.conftest import MIB, bytes_of
from tests.core.datasets.proxy import Answer, CountingProxy, Passed

PART = 5 * MIB


def _register(catalog: Catalog, *paths: str | Path, **more) -> Registration:
    return register(catalog, Wanted("maps", paths, part_bytes=PART, **more))


def _rows(catalog: Catalog, query: str) -> list[tuple]:
    with connect(catalog) as connection:
        create_source_views(connection, catalog, "maps", OBJECTS, TAGS, CHANGES)
        return connection.execute(query).fetchall()


def _keys(s3, bucket: str) -> list[str]:
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def _checksum(s3, bucket: str, key: str) -> str:
    return s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")["ChecksumSHA256"]


def test_a_folder_keeps_its_name_and_structure(local_catalog, source, write, s3, bucket):
    write("scans/a/1.tif", b"one")
    write("scans/2.tif", b"two")
    folder = write("scans/b c/ü+&.png", b"three").parents[1]
    alone = write("alone.tif", b"four")

    done = _register(local_catalog, folder, alone, below="2026/new")

    assert done.counts == {"uploaded": 4}
    assert _keys(s3, bucket) == [
        "maps/2026/new/alone.tif",
        "maps/2026/new/scans/2.tif",
        "maps/2026/new/scans/a/1.tif",
        "maps/2026/new/scans/b c/ü+&.png",
    ]
    assert _register(local_catalog, f"{folder}/.").counts == {"uploaded": 3}
    assert "maps/a/1.tif" in _keys(s3, bucket)


def test_bytes_checksum_type_and_tags_are_what_was_given(local_catalog, source, write, s3, bucket):
    path = write("a.tif", b"bytes of a map")

    [one] = _register(local_catalog, path, tags={"rights": "free to use", "by": "me"}).files

    got = s3.get_object(Bucket=bucket, Key="maps/a.tif")
    assert (got["Body"].read(), got["ContentType"]) == (b"bytes of a map", "image/tiff")
    sha256 = hashlib.sha256(b"bytes of a map")
    assert _checksum(s3, bucket, "maps/a.tif") == base64.b64encode(sha256.digest()).decode()
    assert (one.sha256, one.etag) == (sha256.hexdigest(), got["ETag"].strip('"'))
    tagged = s3.get_object_tagging(Bucket=bucket, Key="maps/a.tif")["TagSet"]
    assert {t["Key"]: t["Value"] for t in tagged} == {"rights": "free to use", "by": "me"}
    assert _rows(local_catalog, "SELECT key, etag, name, value FROM tags ORDER BY name") == [
        ("maps/a.tif", one.etag, "by", "me"),
        ("maps/a.tif", one.etag, "rights", "free to use"),
    ]


def test_the_index_follows_the_ledger_without_a_listing(local_catalog, source, write):
    _register(local_catalog, write("a.tif", b"1"), write("empty.txt", b""))

    hinted = _rows(local_catalog, "SELECT key, kind, observed_by FROM changes ORDER BY key")
    assert hinted == [
        ("maps/a.tif", "hinted", "register"),
        ("maps/empty.txt", "hinted", "register"),
    ]
    applied = apply_changes(local_catalog, "maps")
    assert applied.groups
    assert _rows(local_catalog, "SELECT key, size_bytes FROM objects ORDER BY key") == [
        ("maps/a.tif", 1),
        ("maps/empty.txt", 0),
    ]


def test_a_large_file_goes_in_parts_whose_checksums_are_kept(
    local_catalog, source, write, s3, bucket
):
    body = bytes_of(2 * PART + 7)
    seen: list[int] = []
    wanted = Wanted("maps", [write("big.bin", body)], part_bytes=PART, tags={"kind": "scan"})

    [one] = register(local_catalog, wanted, Progress(seen.append, seen.append)).files

    assert s3.get_object(Bucket=bucket, Key="maps/big.bin")["Body"].read() == body
    digests = [hashlib.sha256(body[at : at + PART]).digest() for at in (0, PART, 2 * PART)]
    whole = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    assert _checksum(s3, bucket, "maps/big.bin").removesuffix("-3") == whole
    assert (one.sha256, one.tags) == (hashlib.sha256(body).hexdigest(), {"kind": "scan"})
    assert seen[0] == sum(seen[1:]) == len(body)
    assert local_catalog.documents.names("uploads/") == []


def test_what_is_there_already_is_not_sent_again_and_only_gets_its_tags(
    local_catalog, source, write, s3, bucket, proxy: CountingProxy
):
    small, big = write("a.tif", b"1"), write("big.bin", bytes_of(PART + 1))
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"1", Tagging="old=1")
    catalog = replace(local_catalog, access=proxy.access)
    assert _register(catalog, small, big).counts == {"unchanged": 1, "uploaded": 1}
    proxy.passed.clear()

    done = _register(catalog, small, big, tags={"new": "2"})

    assert done.counts == {"unchanged": 2}
    assert [one.query for one in proxy.passed if one.method == "PUT"] == [{"tagging": ""}] * 2
    assert proxy.count("POST") == 0
    known = _rows(local_catalog, "SELECT key, name, value FROM tags ORDER BY ALL")
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

    done = _register(local_catalog, *paths)

    assert done.counts == {"failed": 2, "uploaded": 1}
    assert {(one.key, one.error) for one in done.failed} == {
        ("maps/a.tif", "exists"),
        ("maps/b.tif", "exists"),
    }
    assert s3.get_object(Bucket=bucket, Key="maps/a.tif")["Body"].read() == b"other"
    assert _register(local_catalog, *paths, overwrite=True).counts == {
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
    done = _register(catalog, path)

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
    assert _register(catalog, write("a.tif", b"mine")).counts == {"uploaded": 1}
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

    assert _register(catalog, *paths).counts == {"uploaded": 2}
    assert _register(catalog, *paths).counts == {"unchanged": 2}
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
    done = _register(catalog, write("a.tif", b"1"), write("big.bin", bytes_of(PART + 1)))

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
    assert _register(catalog, write("a.tif", b"1")).counts == {"uploaded": 1}


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
        parts < 4 or "maps/scans/0.bin" not in _keys(s3, bucket)
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    proxy.change = lambda _, answer: answer
    proxy.forget()
    assert _rows(local_catalog, "SELECT count(*) FROM changes") == [(0,)]
    [upload] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    listed = s3.list_parts(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    there = {part["PartNumber"] for part in listed["Parts"]}
    assert len(there) >= 3

    done = _register(replace(local_catalog, access=proxy.access), folder)

    assert done.counts == {"unchanged": 1, "uploaded": 1}
    sent = {int(p.query["partNumber"]) for p in proxy.passed if "partNumber" in p.query}
    assert sent == set(range(1, 8)) - there
    assert proxy.count("PUT", key="maps/scans/0.bin") == 0
    assert s3.get_object(Bucket=bucket, Key="maps/scans/big.bin")["Body"].read() == body
    # The one that was complete before the kill had not been told of.
    told = _rows(local_catalog, "SELECT key FROM changes ORDER BY key")
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
    assert _register(catalog, path).counts == {"failed": 1}
    proxy.change = lambda _, answer: answer
    new = bytes_of(2 * PART + 1, "b")
    path.write_bytes(new)

    assert _register(catalog, path).counts == {"uploaded": 1}
    assert s3.get_object(Bucket=bucket, Key="maps/big.bin")["Body"].read() == new
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_what_cannot_be_registered_is_a_row_and_stops_nothing(local_catalog, source, write, s3):
    folder = write("scans/a.tif", b"1").parent
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder, target_is_directory=True)
    (folder / "gone.tif").symlink_to(folder / "nothing.tif")
    os.close(os.open(os.fsencode(folder) + b"/\xff.tif", os.O_CREAT | os.O_WRONLY))
    deep = folder / ("d" * 200) / ("e" * 200) / ("f" * 200) / ("g" * 200) / ("h" * 200)
    deep.mkdir(parents=True)
    (deep / ("i" * 100)).write_bytes(b"1")

    done = _register(local_catalog, folder)

    assert sorted(one.error or "" for one in done.failed) == [
        "link",
        "name",
        "name",
        "no_file",
        "unreadable",
    ]
    assert done.counts == {"failed": 5, "uploaded": 1}


def test_what_the_source_leaves_out_is_not_uploaded(local_catalog, bucket, write, s3):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps", exclude=("*.tmp",))

    done = _register(local_catalog, write("a.tmp", b"1"), write("b.tif", b"2"))

    assert [(one.key, one.error) for one in done.failed] == [("maps/a.tmp", "excluded")]
    assert _keys(s3, bucket) == ["maps/b.tif"]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    local_catalog, source, write, s3, bucket
):
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"1")
    paths = [write("a.tif", b"1"), write("b.tif", b"2")]

    done = _register(local_catalog, *paths, dry_run=True, tags={"a": "b"})

    assert done.counts == {"unchanged": 1, "would_upload": 1}
    assert _keys(s3, bucket) == ["maps/a.tif"]
    assert _rows(local_catalog, "SELECT count(*) FROM changes") == [(0,)]
    assert s3.get_object_tagging(Bucket=bucket, Key="maps/a.tif")["TagSet"] == []


def test_an_existing_object_is_taken_in_without_a_copy(
    local_catalog, source, s3, bucket, proxy: CountingProxy
):
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"1", Tagging="old=1")
    uri = f"s3://{bucket}/maps/a.tif"

    done = _register(replace(local_catalog, access=proxy.access), existing=[uri], tags={"new": "2"})

    assert done.counts == {"registered": 1}
    assert done.files[0].tags == {"old": "1", "new": "2"}
    assert [p.query for p in proxy.passed if p.method in ("PUT", "POST")] == [{"tagging": ""}]
    apply_changes(local_catalog, "maps")
    assert _rows(local_catalog, "SELECT key FROM objects") == [("maps/a.tif",)]


def test_an_object_that_does_not_exist_is_a_failure_and_one_elsewhere_is_refused(
    local_catalog, source, bucket
):
    done = _register(local_catalog, existing=[f"s3://{bucket}/maps/nothing.tif"])
    assert [one.error for one in done.failed] == ["gone"]
    for uri in (f"s3://{bucket}/other/a.tif", "s3://elsewhere/maps/a.tif"):
        with pytest.raises(InvalidInput, match=r"does not lie in the source.*Copy it there"):
            _register(local_catalog, existing=[uri])
    for uri in ("maps/a.tif", f"s3://{bucket}/maps/", f"s3://{bucket}"):
        with pytest.raises(InvalidInput, match="names no object"):
            _register(local_catalog, existing=[uri])


def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    local_catalog, source, write, s3, bucket, tmp_path
):
    one, other = write("x/a.tif", b"1"), write("y/a.tif", b"2")
    (tmp_path / "empty").mkdir()
    for paths, words in (
        ([one, other], "would both become"),
        ([tmp_path / "nothing"], "There is no file or folder"),
        ([tmp_path / "empty"], "There is no file to send"),
        ([], "nothing to register"),
    ):
        with pytest.raises(InvalidInput, match=words):
            _register(local_catalog, *paths)
    with pytest.raises(InvalidInput, match="no folder below the source"):
        _register(local_catalog, one, below="../other")
    with pytest.raises(InvalidInput, match="at most 10"):
        _register(local_catalog, one, tags={str(n): "" for n in range(11)})
    update_source(local_catalog, "maps", "no more", read_only=True)
    with pytest.raises(InvalidInput, match="read-only"):
        _register(local_catalog, one)
    assert _keys(s3, bucket) == []


def test_a_bucket_that_is_gone_ends_it_at_once(local_catalog, source, write, s3, bucket):
    s3.delete_bucket(Bucket=bucket)

    with pytest.raises(NoSuchBucket):
        _register(local_catalog, write("a.tif", b"1"))
