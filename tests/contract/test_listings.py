"""A listing by ranges is the serial one, and says of an object what a HEAD says."""

from collections.abc import Iterable

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.listing.parallel import Part, list_parts
from s3pipelines.core.storage.listing.ranges import Span
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.verbs.copy import copy
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.values import Found, Origin, Writing
from tests.contract.conftest import Ask
from tests.servers import on_every_server

pytestmark = on_every_server

ODD = [
    "k/ ", "k/!", "k/%41", "k/+", "k/a b", "k/a+b", "k/a/", "k/a/b", "k/a//b", "k/A", "k/é",
    "k/e\u0301", "k/日本", "k/😀", "k/\uffee", "k/<&>\"'", "k/~", "k/\\", "k/" + "x" * 500,
]  # fmt: skip
MANY = [f"k/{a}/{b}/{n:02d}" for a in "abc" for b in "xyz" for n in range(12)]


def _rows(pages: Iterable) -> list[dict]:
    return [row for page in pages for row in page.objects.to_pylist()]


def _in_order(parts: Iterable[Part]) -> list[dict]:
    found: dict[int, list[dict]] = {}
    spans: dict[Span, list[dict]] = {}
    for part in parts:
        found.setdefault(part.range_id, []).extend(part.page.objects.to_pylist())
        if part.listed is not None:
            spans[part.listed] = found.pop(part.range_id)
    assert not found, "a range that was begun was not finished"
    return [row for span in sorted(spans) for row in spans[span]]


def test_a_listing_by_ranges_is_the_serial_one(s3, bucket: str):
    for key in [*ODD, *MANY, "a", "k", "l"]:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    location = S3Location(bucket, "k/")

    serial = _rows(list_pages(Access(), location, page_size=10))
    whole = [Span("", None)]
    by_ranges = _in_order(list_parts(Access(), location, whole, page_size=5, in_flight=8))

    assert by_ranges == serial
    assert [row["key"] for row in serial] == sorted([*ODD, *MANY], key=str.encode)
    assert all(row["size_bytes"] == len(row["key"].encode()) for row in serial)


def test_a_listing_starts_behind_any_key(s3, bucket: str):
    for key in ODD:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    keys = sorted(ODD, key=str.encode)
    for number, key in enumerate(keys[::3]):
        pages = list_pages(Access(), S3Location(bucket, "k/"), start_after=key, page_size=100)
        assert [row["key"] for row in _rows(pages)] == keys[3 * number + 1 :]


def test_a_listing_says_what_a_head_says(ask: Ask, s3, bucket: str):
    keys = [f"{number}" for number in range(20)]
    etags = {
        key: s3.put_object(Bucket=bucket, Key=key, Body=b"1", StorageClass="STANDARD_IA")["ETag"]
        for key in keys
    }
    writing = Writing(storage_class="ONEZONE_IA", states_condition=False)

    async def copied_and_looked_at(client: BucketClient) -> dict[str, Found | None]:
        for key, etag in etags.items():
            await copy(client, f"{key}-copy", Origin(bucket, key, etag.strip('"')), writing)
        return {key: await head(client, key) for key in [*keys, *(f"{key}-copy" for key in keys)]}

    told = ask(copied_and_looked_at)
    rows = _rows(list_pages(Access(), S3Location(bucket)))
    assert len(rows) == 40
    for row in rows:
        found = told[row["key"]]
        # Some servers list milliseconds; a HEAD tells no more than seconds.
        listed = row["last_modified"].replace(microsecond=0)
        assert (listed, row["etag"], row["size_bytes"], row["storage_class"]) == (
            found.last_modified, found.etag, found.size_bytes, found.storage_class,
        )  # fmt: skip
