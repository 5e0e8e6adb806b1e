"""What every S3 server has to do that the verbs ask it for."""

import hashlib

import pytest

from s3pipelines.core.errors import Gone, NoSuchBucket, PreconditionFailed, StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.verbs.copy import copy
from s3pipelines.core.storage.verbs.copy_through import copy_through
from s3pipelines.core.storage.verbs.delete import Doomed, delete_many, delete_one
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.multipart_copy import multipart_copy
from s3pipelines.core.storage.verbs.object_lock import bucket_object_lock
from s3pipelines.core.storage.verbs.put import put_bytes
from s3pipelines.core.storage.verbs.read import read_hashes, read_range
from s3pipelines.core.storage.verbs.restore import restore
from s3pipelines.core.storage.verbs.tags import get_tags, put_tags
from s3pipelines.core.storage.verbs.values import Described, Origin, Writing
from s3pipelines.core.storage.verbs.versioning import bucket_versioning
from s3pipelines.core.storage.verbs.versions import list_versions_of_key
from tests.contract.conftest import Ask
from tests.core.batch.plans import in_both_kinds_of_buckets
from tests.servers import on_every_server

pytestmark = on_every_server

MB = 1024 * 1024
KEYS = ["plain.tif", "ü +%&'<>\"|\\*.jpg", "a//日本/😀?#.tif"]
WITHOUT_CONDITION = Writing(states_condition=False)
HEADERS = {
    "content-type": "image/tiff",
    "cache-control": "no-cache",
    "content-disposition": "inline",
    "content-language": "de",
}


def put_all(s3, bucket: str, key: str, body: bytes = b"123") -> str:
    """An object with all that a copy has to bring along; its ETag."""
    made = s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=body,
        ContentType="image/tiff",
        CacheControl="no-cache",
        ContentDisposition="inline",
        ContentLanguage="de",
        Metadata={"number": "7"},
        Tagging="page=7&kind=a%20scan",
        StorageClass="STANDARD_IA",
    )
    return made["ETag"].strip('"')


@in_both_kinds_of_buckets
@pytest.mark.parametrize("key", KEYS)
def test_a_head_tells_what_was_written(ask: Ask, s3, bucket: str, versions: bool, key: str):
    etag = put_all(s3, bucket, key)
    found = ask(lambda client: head(client, key))
    assert (found.key, found.etag, found.size_bytes) == (key, etag, 3)
    assert found.storage_class == "STANDARD_IA"
    assert found.described == Described(HEADERS, {"number": "7"})
    assert (found.version_id is not None) is versions
    assert found.tag_count in (None, 2)
    assert (found.lock, found.restore, found.encryption) == (None, None, None)


def test_what_is_not_there_is_none_and_a_bucket_that_is_not_there_is_named(ask: Ask, s3_server):
    assert ask(lambda client: head(client, "nothing")) is None

    async def elsewhere() -> None:
        place = bucket_place(Access(), "there-is-no-such-bucket")
        async with BucketClient(place, most_in_flight=1) as client:
            await bucket_versioning(client)

    with LoopThread() as loop, pytest.raises(NoSuchBucket):
        loop.run(elsewhere())


@pytest.mark.parametrize("key", KEYS)
def test_a_copy_holds_all_that_the_original_holds(ask: Ask, s3, bucket: str, key: str):
    origin = Origin(bucket, key, put_all(s3, bucket, key))
    writing = Writing(storage_class="STANDARD_IA", states_condition=False)
    copied = ask(lambda client: copy(client, f"copies/{key}", origin, writing))
    found = ask(lambda client: head(client, f"copies/{key}"))
    assert copied.etag == found.etag == origin.etag
    assert found.described == Described(HEADERS, {"number": "7"})
    assert found.storage_class == "STANDARD_IA"
    tags = ask(lambda client: get_tags(client, f"copies/{key}"))
    assert tags == {"page": "7", "kind": "a scan"}


def test_a_copy_says_of_itself_what_it_is_told_to(ask: Ask, s3, bucket: str):
    origin = Origin(bucket, "a", put_all(s3, bucket, "a"))
    described = Described({"content-type": "image/x"}, {"other": "1"})
    writing = Writing(described=described, states_condition=False)
    ask(lambda client: copy(client, "b", origin, writing))
    assert ask(lambda client: head(client, "b")).described == described


def test_a_copy_of_an_older_version_is_of_that_one(ask: Ask, s3, bucket: str):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="a", Body=b"old")
    s3.put_object(Bucket=bucket, Key="a", Body=b"newer")
    etag = old["ETag"].strip('"')
    origin = Origin(bucket, "a", etag, old["VersionId"])
    assert ask(lambda client: copy(client, "b", origin, WITHOUT_CONDITION)).etag == etag


def test_a_copy_of_nothing_says_so(ask: Ask, bucket: str):
    with pytest.raises(Gone):
        ask(lambda client: copy(client, "b", Origin(bucket, "a", "0" * 32), WITHOUT_CONDITION))


@pytest.mark.parametrize("way", ["in parts", "through", "through in parts"])
def test_a_large_copy_is_known_by_its_etag_and_holds_the_same_bytes(
    ask: Ask, s3, bucket: str, way: str
):
    body = bytes(range(256)) * (11 * MB // 256)
    origin = Origin(bucket, "a", put_all(s3, bucket, "a", body))
    # Tags: see the batches, which know whether a server takes them along.
    writing = Writing(storage_class="STANDARD_IA", tags={}, states_condition=False)

    async def copied(client: BucketClient):
        if way == "in parts":
            return await multipart_copy(client, origin, client, "b", writing, part_bytes=5 * MB)
        part_bytes = 8 * MB if way == "through in parts" else 16 * MB
        return await copy_through(client, origin, client, "b", writing, part_bytes=part_bytes)

    done = ask(copied)
    found = ask(lambda client: head(client, "b"))
    assert done.etag == found.etag
    assert found.etag.endswith({"in parts": "-3", "through in parts": "-2"}.get(way, ""))
    assert found.described == Described(HEADERS, {"number": "7"})
    assert found.storage_class == "STANDARD_IA"
    hashes = ask(lambda client: read_hashes(client, "b", etag=done.etag))
    assert hashes.sha256 == hashlib.sha256(body).hexdigest()


def test_no_part_of_an_upload_that_failed_is_left(ask: Ask, s3, bucket: str):
    put_all(s3, bucket, "a", b"x" * 6 * MB)
    other = Origin(bucket, "a", "0" * 32)
    with pytest.raises(PreconditionFailed):
        ask(lambda client: copy_through(client, other, client, "b", Writing(), part_bytes=5 * MB))
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    assert ask(lambda client: head(client, "b")) is None


def test_ranges_are_read_of_exactly_the_etag_that_was_asked_for(ask: Ask, s3, bucket: str):
    etag = put_all(s3, bucket, "a", b"0123456789")
    assert ask(lambda client: read_range(client, "a", 2, 3, etag=etag)) == b"234"
    with pytest.raises(PreconditionFailed):
        ask(lambda client: read_range(client, "a", 2, 3, etag="0" * 32))


def test_digests_are_those_of_the_version_that_was_asked_for(ask: Ask, s3, bucket: str):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="a", Body=b"123")
    s3.put_object(Bucket=bucket, Key="a", Body=b"newer")
    etag, version = old["ETag"].strip('"'), old["VersionId"]
    hashes = ask(lambda client: read_hashes(client, "a", etag=etag, version_id=version))
    assert (hashes.size_bytes, hashes.md5) == (3, etag)


@in_both_kinds_of_buckets
def test_deleted_objects_are_gone_and_those_that_were_not_there_are_no_errors(
    ask: Ask, s3, bucket: str, versions: bool
):
    for key in KEYS:
        put_all(s3, bucket, key)
    ended = ask(lambda client: delete_many(client, [Doomed(key) for key in [*KEYS, "nothing"]]))
    assert [one.error for one in ended] == [None] * 4
    assert {one.doomed.key for one in ended} == {*KEYS, "nothing"}
    assert all((one.marker is not None) is versions for one in ended if one.doomed.key in KEYS)
    assert [ask(lambda client, key=key: head(client, key)) for key in KEYS] == [None] * 3
    assert ask(lambda client: delete_one(client, Doomed("nothing"))).error is None


def test_the_versions_of_a_key_are_listed_the_newest_first_and_removed_one_by_one(
    ask: Ask, s3, bucket: str
):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"22"):
        s3.put_object(Bucket=bucket, Key="a b", Body=body)
        s3.put_object(Bucket=bucket, Key="a b c", Body=body)
    marker = ask(lambda client: delete_one(client, Doomed("a b"))).marker
    listed = ask(lambda client: list_versions_of_key(client, "a b"))
    assert [(one.is_delete_marker, one.size_bytes) for one in listed] == [
        (True, 0), (False, 2), (False, 1),
    ]  # fmt: skip
    assert [one.is_latest for one in listed] == [True, False, False]
    assert listed[0].version_id == marker
    ask(lambda client: delete_many(client, [Doomed("a b", marker)]))
    assert ask(lambda client: head(client, "a b")).size_bytes == 2
    ask(lambda client: delete_one(client, Doomed("a b", listed[1].version_id)))
    assert ask(lambda client: head(client, "a b")).size_bytes == 1


@in_both_kinds_of_buckets
def test_tags_are_written_read_and_taken_away(ask: Ask, s3, bucket: str, versions: bool):
    etag = put_all(s3, bucket, "a")
    version = ask(lambda client: head(client, "a")).version_id
    odd = {"page": "7", "Ü/=:": "a b +@"}
    ask(lambda client: put_tags(client, "a", odd, version))
    assert ask(lambda client: get_tags(client, "a", version)) == odd
    ask(lambda client: put_tags(client, "a", {}))
    assert ask(lambda client: get_tags(client, "a")) == {}
    assert ask(lambda client: head(client, "a")).etag == etag
    with pytest.raises(Gone):
        ask(lambda client: get_tags(client, "nothing"))


def test_tags_are_written_with_an_object(ask: Ask, bucket: str):
    ask(lambda client: put_bytes(client, "a", b"1", {"x-amz-tagging": "page=7&kind=a%20scan"}))
    assert ask(lambda client: get_tags(client, "a")) == {"page": "7", "kind": "a scan"}


def test_a_bucket_tells_whether_it_keeps_versions_and_locks(ask: Ask, s3, bucket: str):
    assert ask(bucket_versioning) is None
    assert ask(bucket_object_lock) is None
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert ask(bucket_versioning) == status


def test_only_a_server_with_archives_restores(ask: Ask, s3, s3_server: str, bucket: str):
    if s3_server == "ceph":
        put_all(s3, bucket, "a")
        with pytest.raises(StorageError, match="NotImplemented"):
            ask(lambda client: restore(client, "a", days=1, tier="Bulk"))
        return
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", StorageClass="GLACIER")
    ask(lambda client: restore(client, "a", days=1, tier="Bulk"))
    ask(lambda client: restore(client, "a", days=1, tier="Bulk"))
    assert ask(lambda client: head(client, "a")).restore is not None
