"""Registering files, and objects that are there already."""

import base64
import hashlib
import os
from dataclasses import replace

import pytest

from s3pipelines.core.datasets.progress import Progress
from s3pipelines.core.datasets.registering import Wanted, register
from s3pipelines.core.errors import InvalidInput, NoSuchBucket
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.sources.registry import create_source, update_source
from tests.core.datasets.conftest import bytes_of
from tests.core.datasets.proxy import CountingProxy
from tests.core.datasets.registering import PART, checksum_of, keys_of, register_files, rows_of


def test_a_folder_keeps_its_name_and_structure(local_catalog, source, write, s3, bucket):
    write("scans/a/1.tif", b"one")
    write("scans/2.tif", b"two")
    folder = write("scans/b c/ü+&.png", b"three").parents[1]
    alone = write("alone.tif", b"four")

    done = register_files(local_catalog, folder, alone, below="2026/new")

    assert done.counts == {"uploaded": 4}
    assert keys_of(s3, bucket) == [
        "maps/2026/new/alone.tif",
        "maps/2026/new/scans/2.tif",
        "maps/2026/new/scans/a/1.tif",
        "maps/2026/new/scans/b c/ü+&.png",
    ]
    assert register_files(local_catalog, f"{folder}/.").counts == {"uploaded": 3}
    assert "maps/a/1.tif" in keys_of(s3, bucket)


def test_bytes_checksum_type_and_tags_are_what_was_given(local_catalog, source, write, s3, bucket):
    path = write("a.tif", b"bytes of a map")

    [one] = register_files(local_catalog, path, tags={"rights": "free to use", "by": "me"}).files

    got = s3.get_object(Bucket=bucket, Key="maps/a.tif")
    assert (got["Body"].read(), got["ContentType"]) == (b"bytes of a map", "image/tiff")
    sha256 = hashlib.sha256(b"bytes of a map")
    assert checksum_of(s3, bucket, "maps/a.tif") == base64.b64encode(sha256.digest()).decode()
    assert (one.sha256, one.etag) == (sha256.hexdigest(), got["ETag"].strip('"'))
    tagged = s3.get_object_tagging(Bucket=bucket, Key="maps/a.tif")["TagSet"]
    assert {t["Key"]: t["Value"] for t in tagged} == {"rights": "free to use", "by": "me"}
    assert rows_of(local_catalog, "SELECT key, etag, name, value FROM tags ORDER BY name") == [
        ("maps/a.tif", one.etag, "by", "me"),
        ("maps/a.tif", one.etag, "rights", "free to use"),
    ]


def test_the_index_follows_the_ledger_without_a_listing(local_catalog, source, write):
    register_files(local_catalog, write("a.tif", b"1"), write("empty.txt", b""))

    hinted = rows_of(local_catalog, "SELECT key, kind, observed_by FROM changes ORDER BY key")
    assert hinted == [
        ("maps/a.tif", "hinted", "register"),
        ("maps/empty.txt", "hinted", "register"),
    ]
    applied = apply_changes(local_catalog, "maps")
    assert applied.groups
    assert rows_of(local_catalog, "SELECT key, size_bytes FROM objects ORDER BY key") == [
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
    assert checksum_of(s3, bucket, "maps/big.bin").removesuffix("-3") == whole
    assert (one.sha256, one.tags) == (hashlib.sha256(body).hexdigest(), {"kind": "scan"})
    assert seen[0] == sum(seen[1:]) == len(body)
    assert local_catalog.documents.names("uploads/") == []


def test_what_cannot_be_registered_is_a_row_and_stops_nothing(local_catalog, source, write, s3):
    folder = write("scans/a.tif", b"1").parent
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder, target_is_directory=True)
    (folder / "gone.tif").symlink_to(folder / "nothing.tif")
    os.close(os.open(os.fsencode(folder) + b"/\xff.tif", os.O_CREAT | os.O_WRONLY))
    deep = folder / ("d" * 200) / ("e" * 200) / ("f" * 200) / ("g" * 200) / ("h" * 200)
    deep.mkdir(parents=True)
    (deep / ("i" * 100)).write_bytes(b"1")

    done = register_files(local_catalog, folder)

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

    done = register_files(local_catalog, write("a.tmp", b"1"), write("b.tif", b"2"))

    assert [(one.key, one.error) for one in done.failed] == [("maps/a.tmp", "excluded")]
    assert keys_of(s3, bucket) == ["maps/b.tif"]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    local_catalog, source, write, s3, bucket
):
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"1")
    paths = [write("a.tif", b"1"), write("b.tif", b"2")]

    done = register_files(local_catalog, *paths, dry_run=True, tags={"a": "b"})

    assert done.counts == {"unchanged": 1, "would_upload": 1}
    assert keys_of(s3, bucket) == ["maps/a.tif"]
    assert rows_of(local_catalog, "SELECT count(*) FROM changes") == [(0,)]
    assert s3.get_object_tagging(Bucket=bucket, Key="maps/a.tif")["TagSet"] == []


def test_an_existing_object_is_taken_in_without_a_copy(
    local_catalog, source, s3, bucket, proxy: CountingProxy
):
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"1", Tagging="old=1")
    uri = f"s3://{bucket}/maps/a.tif"

    done = register_files(
        replace(local_catalog, access=proxy.access), existing=[uri], tags={"new": "2"}
    )

    assert done.counts == {"registered": 1}
    assert done.files[0].tags == {"old": "1", "new": "2"}
    assert [p.query for p in proxy.passed if p.method in ("PUT", "POST")] == [{"tagging": ""}]
    apply_changes(local_catalog, "maps")
    assert rows_of(local_catalog, "SELECT key FROM objects") == [("maps/a.tif",)]


def test_an_object_that_does_not_exist_is_a_failure_and_one_elsewhere_is_refused(
    local_catalog, source, bucket
):
    done = register_files(local_catalog, existing=[f"s3://{bucket}/maps/nothing.tif"])
    assert [one.error for one in done.failed] == ["gone"]
    for uri in (f"s3://{bucket}/other/a.tif", "s3://elsewhere/maps/a.tif"):
        with pytest.raises(InvalidInput, match=r"does not lie in the source.*Copy it there"):
            register_files(local_catalog, existing=[uri])
    for uri in ("maps/a.tif", f"s3://{bucket}/maps/", f"s3://{bucket}"):
        with pytest.raises(InvalidInput, match="names no object"):
            register_files(local_catalog, existing=[uri])


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
            register_files(local_catalog, *paths)
    with pytest.raises(InvalidInput, match="no folder below the source"):
        register_files(local_catalog, one, below="../other")
    with pytest.raises(InvalidInput, match="at most 10"):
        register_files(local_catalog, one, tags={str(n): "" for n in range(11)})
    update_source(local_catalog, "maps", "no more", read_only=True)
    with pytest.raises(InvalidInput, match="read-only"):
        register_files(local_catalog, one)
    assert keys_of(s3, bucket) == []


def test_a_bucket_that_is_gone_ends_it_at_once(local_catalog, source, write, s3, bucket):
    s3.delete_bucket(Bucket=bucket)

    with pytest.raises(NoSuchBucket):
        register_files(local_catalog, write("a.tif", b"1"))
