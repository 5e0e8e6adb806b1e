"""Reading objects again."""

import hashlib
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import AUDITS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.freezing import snapshot
from s3pipelines.core.datasets.registering import Wanted as ToRegister
from s3pipelines.core.datasets.registering import register
from s3pipelines.core.errors import BadCredentials, InvalidInput, NoSuchBucket, NotFound
from s3pipelines.core.fixity.auditing import Wanted, audit
from s3pipelines.core.fixity.due import Sample
from s3pipelines.core.fixity.outcomes import Audit
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.sql.selection import Selection
from tests.core.datasets.conftest import MIB, bytes_of
from tests.core.datasets.proxy import Answer, CountingProxy, Passed


def _audit(catalog: Catalog, name: str = "maps", **more: Any) -> Audit:
    return audit(catalog, Wanted(name, range_bytes=MIB, **more))


def _rows(catalog: Catalog, view: str = "audits") -> list[dict[str, Any]]:
    with connect(catalog) as connection:
        create_source_views(connection, catalog, "maps", AUDITS)
        found = connection.execute(f"FROM {view} ORDER BY key, audited_at")
        return found.to_arrow_table().to_pylist()


def _spoiled(passed: Passed, answer: Answer) -> Answer:
    """Bit rot: one bit is another, and S3 says nothing of it."""
    if passed.method == "GET" and passed.key in ("maps/a.tif", "maps/big.bin") and answer.body:
        answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]
    return answer


def test_undamaged_objects_are_ok_and_their_sha256_is_noted(local_catalog, filled):
    done = _audit(local_catalog)

    assert (done.counts, done.told, done.failing) == ({"ok": 4}, [], 0)
    assert done.read_bytes == sum(map(len, filled.values()))
    rows = _rows(local_catalog)
    assert {row["key"].removeprefix("maps/"): row["sha256"] for row in rows} == {
        name: hashlib.sha256(body).hexdigest() for name, body in filled.items()
    }
    assert all(row["known_sha256"] == row["sha256"] for row in rows)
    again = _audit(local_catalog)
    assert again.counts == {"ok": 4}
    assert all("audit" in row["proofs"] for row in _rows(local_catalog))


def test_a_damaged_object_is_a_mismatch_which_is_never_taken_for_what_it_should_be(
    local_catalog, filled, proxy: CountingProxy
):
    _audit(local_catalog)
    proxy.change = _spoiled
    damaged = replace(local_catalog, access=proxy.access)

    done = _audit(damaged)

    assert [(one.key, one.outcome) for one in done.told] == [
        ("maps/a.tif", "mismatch"),
        ("maps/big.bin", "mismatch"),
    ]
    assert done.failing == 2
    assert done.told[0].proofs == ("etag", "audit")
    assert _audit(damaged).failing == 2
    first = hashlib.sha256(filled["a.tif"]).hexdigest()
    row = _rows(local_catalog)[0]
    assert (row["known_sha256"], row["sha256"] != first) == (first, True)
    assert _audit(local_catalog).counts == {"ok": 4}


def test_what_only_its_way_here_has_spoiled_is_read_again_and_well(
    local_catalog, filled, proxy: CountingProxy
):
    spoiled: list[str] = []

    def once(passed: Passed, answer: Answer) -> Answer:
        if passed.key == "maps/a.tif" and not spoiled:
            spoiled.append(passed.key)
            return _spoiled(passed, answer)
        return answer

    proxy.change = once

    done = _audit(replace(local_catalog, access=proxy.access))

    assert (spoiled, done.counts) == (["maps/a.tif"], {"ok": 4})


def test_what_nothing_is_known_of_is_noted_and_compared_the_next_time(
    local_catalog, s3, bucket, proxy: CountingProxy
):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="maps/parts")["UploadId"]
    # Sizes that nobody guesses.
    parts = [bytes_of(5 * MIB + 17), bytes_of(6 * MIB + 3, "b"), b"end"]
    sent = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(
                Bucket=bucket, Key="maps/parts", UploadId=upload, PartNumber=number, Body=body
            )["ETag"],
        }
        for number, body in enumerate(parts, start=1)
    ]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="maps/parts", UploadId=upload, MultipartUpload={"Parts": sent}
    )
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    refresh_index(local_catalog, "maps")

    def without_checksums(passed: Passed, answer: Answer) -> Answer:
        kept = {name: v for name, v in answer.headers.items() if "checksum" not in name}
        answer.headers = kept
        return answer

    proxy.change = without_checksums
    catalog = replace(local_catalog, access=proxy.access)

    assert _audit(catalog).counts == {"unknown": 1}
    assert _audit(catalog).counts == {"ok": 1}


def test_what_was_registered_is_compared_with_the_local_file(
    local_catalog, s3, bucket, tmp_path, proxy: CountingProxy
):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    (tmp_path / "scan.tif").write_bytes(b"scan")
    register(local_catalog, ToRegister("maps", [str(tmp_path / "scan.tif")]))
    refresh_index(local_catalog, "maps")
    (row,) = _rows(local_catalog)
    assert (row["outcome"], row["sha256"]) == ("registered", hashlib.sha256(b"scan").hexdigest())

    def exchanged(passed: Passed, answer: Answer) -> Answer:
        """Somebody who owns the bucket makes all that S3 says agree with other bytes."""
        if passed.method == "GET" and passed.key == "maps/scan.tif":
            answer.body = b"scam"
            amz = {name: v for name, v in answer.headers.items() if not name.startswith("x-amz-")}
            answer.headers = amz
        return answer

    proxy.change = exchanged
    done = _audit(replace(local_catalog, access=proxy.access))

    assert [one.outcome for one in done.told] == ["mismatch"]
    assert "audit" in done.told[0].proofs


def test_what_cannot_be_read_is_a_row_with_its_outcome_and_stops_nothing(
    local_catalog, filled, s3, bucket, proxy: CountingProxy
):
    s3.put_object(Bucket=bucket, Key="maps/cold", Body=b"1", StorageClass="GLACIER")
    refresh_index(local_catalog, "maps")
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"other")
    s3.delete_object(Bucket=bucket, Key="maps/b.tif")

    def deny(passed: Passed, answer: Answer) -> Answer:
        if passed.key == "maps/big.bin":
            return Answer(403, {"content-length": "0"}, b"")
        return answer

    proxy.change = deny
    done = _audit(replace(local_catalog, access=proxy.access))

    assert {one.key: one.outcome for one in done.told} == {
        "maps/a.tif": "changed",
        "maps/b.tif": "missing",
        "maps/big.bin": "denied",
        "maps/cold": "archived",
    }
    assert (done.counts["ok"], done.failing) == (1, 2)
    assert {row["key"]: row["outcome"] for row in _rows(local_catalog)} == {
        **{one.key: one.outcome for one in done.told},
        "maps/empty": "ok",
    }


def test_audits_with_a_budget_work_through_everything_one_after_the_other(
    local_catalog, s3, bucket
):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    for number in range(7):
        s3.put_object(Bucket=bucket, Key=f"maps/{number}", Body=b"x" * 100)
    refresh_index(local_catalog, "maps")

    audited = [_audit(local_catalog, budget_bytes=250) for _ in range(4)]

    assert [(one.audited, one.budget_used_up) for one in audited] == [
        (2, True),
        (2, True),
        (2, True),
        (2, True),
    ]
    read = Counter(row["key"] for row in _rows(local_catalog, "audits_attempts"))
    assert sorted(read) == [f"maps/{number}" for number in range(7)]
    # Of the two that are read at once, either may end first.
    assert [key for key, times in read.items() if times == 2] in (["maps/0"], ["maps/1"])
    assert sum(read.values()) == 8
    assert _audit(local_catalog, budget_s=0.0).audited == 1
    assert _audit(local_catalog, budget_bytes=10).audited == 1


def test_a_sample_is_drawn_again_by_its_seed(local_catalog, s3, bucket):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    for number in range(60):
        s3.put_object(Bucket=bucket, Key=f"maps/{number}", Body=b"x")
    refresh_index(local_catalog, "maps")

    def drawn(seed: int) -> set[str]:
        before = len(_rows(local_catalog, "audits_attempts"))
        _audit(local_catalog, sample=Sample(0.3, seed))
        every = _rows(local_catalog, "audits_attempts")
        newest = sorted(every, key=lambda row: row["audited_at"])[before:]
        return {row["key"] for row in newest}

    first = drawn(1)

    assert 5 < len(first) < 35
    assert drawn(1) == first != drawn(2)


def test_only_what_is_selected_is_read(local_catalog, filled, proxy: CountingProxy):
    done = _audit(
        replace(local_catalog, access=proxy.access), selection=Selection(glob="*.tif", limit=1)
    )

    assert (done.due, done.counts) == (1, {"ok": 1})
    assert {one.key for one in proxy.passed if one.method == "GET"} == {"maps/a.tif"}


def test_members_of_a_version_are_found_among_the_versions_of_their_keys(
    local_catalog, filled, s3, bucket
):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="maps/b.tif", Body=b"two, versioned")
    refresh_index(local_catalog, "maps")
    snapshot(local_catalog, "maps", "as published")
    s3.put_object(Bucket=bucket, Key="maps/b.tif", Body=b"two, later")
    s3.delete_object(Bucket=bucket, Key="maps/empty", VersionId="null")

    done = _audit(local_catalog, "maps@1")

    assert [(one.key, one.outcome) for one in done.told] == [("maps/empty", "missing")]
    assert done.counts["ok"] == 3


def test_a_process_that_ends_early_has_written_what_it_read(
    local_catalog, filled, proxy: CountingProxy
):
    def refused(passed: Passed, answer: Answer) -> Answer:
        if passed.key == "maps/big.bin":
            time.sleep(1)
            return Answer(403, {}, b"<Error><Code>InvalidAccessKeyId</Code></Error>")
        return answer

    proxy.change = refused

    with pytest.raises(BadCredentials):
        audit(replace(local_catalog, access=proxy.access), Wanted("maps"))

    assert [row["outcome"] for row in _rows(local_catalog)] == ["ok", "ok", "ok"]


def test_what_makes_no_sense_is_refused(local_catalog, filled, s3, bucket):
    with pytest.raises(NotFound, match="no source 'other'"):
        _audit(local_catalog, "other")
    with pytest.raises(NotFound, match="no version maps@7"):
        _audit(local_catalog, "maps@7")
    with pytest.raises(InvalidInput, match="no share"):
        Sample(0)
    with pytest.raises(InvalidInput, match="negative"):
        Wanted("maps", budget_bytes=-1)
    for key in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=key["Key"])
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(NoSuchBucket):
        _audit(local_catalog)
