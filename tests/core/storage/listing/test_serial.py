from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from s3pipelines.core.errors import (
    AccessDenied,
    NoSuchBucket,
    StorageError,
    Unreachable,
)
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.listing.pages import LISTED, ListingPage
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import S3Location
from tests.conftest import PutObjects
from tests.core.storage.fake_s3 import (
    Answer,
    Asked,
    FakeS3,
    bucket_of,
    error_answer,
    fake_s3,
    listing_answer,
)
from tests.examples import examples

ODD_KEYS = [
    *("a//b", "a/./b", "a/../b", "/lead", "a b", "a+b", "a%b", "a%20b", "a%2Bb", "a&b<c>'\""),
    *(
        "🐟/東京.tif",
        "Ä",
        "ä",
        "a\tb",
        "a|b",
        "a\\b",
        "x" * 1024,
        "é" * 512,
        "\uffff",
        "\U0010ffff",
    ),
]
UNROUTABLE_KEYS = ["new\nline", "\x01", "carriage\r", "a?b", "a#b", "\x7f", "\u2028", "\u0085"]
ANY_KEYS = examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


def _keys(pages: Iterator[ListingPage] | list[ListingPage]) -> list[str]:
    return [key for page in pages for key in page.objects.column("key").to_pylist()]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeS3]:
    with fake_s3(bucket_of([])) as server:
        yield server


# A real server over HTTP.


def test_every_object_is_listed_with_what_s3_knows_of_it(
    bucket: str, put_objects: PutObjects, s3
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    put_objects("a/1.tif", body=b"12345")
    s3.put_object(Bucket=bucket, Key="a/2.tif", Body=b"", StorageClass="GLACIER")
    (page,) = list_pages(Access(), S3Location(bucket))
    assert page.is_last
    assert page.objects.schema == LISTED
    first, second = page.objects.to_pylist()
    assert (first["key"], first["size_bytes"], first["storage_class"]) == ("a/1.tif", 5, "STANDARD")
    assert (second["size_bytes"], second["storage_class"]) == (0, "GLACIER")
    assert first["etag"] == "827ccb0eea8a706c4c34a16891f84e7b"
    assert before < first["last_modified"] <= page.server_time + timedelta(seconds=1)


def test_odd_keys_are_listed_exactly_as_they_were_written(
    bucket: str, put_objects: PutObjects
) -> None:
    put_objects(*ODD_KEYS)
    found = _keys(list_pages(Access(), S3Location(bucket), page_size=3))
    assert found == sorted(ODD_KEYS, key=str.encode)


def test_a_listing_can_start_after_any_key(bucket: str, put_objects: PutObjects) -> None:
    put_objects(*ODD_KEYS)
    ordered = sorted(ODD_KEYS, key=str.encode)
    for number, key in enumerate(ordered):
        if key == "\uffff":
            continue  # moto 5.2.5 answers 500; see the tests with any keys below.
        pages = list_pages(Access(), S3Location(bucket), start_after=key, page_size=7)
        assert _keys(pages) == ordered[number + 1 :]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_nothing_is_lost_where_pages_meet(bucket: str, put_objects: PutObjects, count: int) -> None:
    expected = [f"k{number}" for number in range(count)]
    put_objects(*expected)
    pages = list(list_pages(Access(), S3Location(bucket), page_size=3))
    assert _keys(pages) == expected
    assert [page.is_last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert all(page.objects.num_rows <= 3 for page in pages)


def test_a_prefix_means_whole_segments(bucket: str, put_objects: PutObjects) -> None:
    put_objects("scan/a", "scans/b", "scan", "scan/", "other")
    assert _keys(list_pages(Access(), S3Location(bucket, "scan/"))) == ["scan/", "scan/a"]


def test_an_empty_bucket_is_one_empty_last_page(bucket: str) -> None:
    (page,) = list_pages(Access(), S3Location(bucket))
    assert page.objects.num_rows == 0
    assert page.objects.schema == LISTED
    assert page.is_last


def test_a_bucket_that_is_not_there_is_no_empty_listing(moto: object) -> None:
    with pytest.raises(NoSuchBucket):
        next(list_pages(Access(), S3Location("no-such-bucket")))


# Any keys that S3 may hold.


@ANY_KEYS
@given(keys=st.sets(KEYS, max_size=8), page_size=st.integers(1, 9))
@example(keys=set(UNROUTABLE_KEYS), page_size=3)
@example(keys={"a+b", "a b", "a%20b", "a%2Bb"}, page_size=1)
def test_whatever_keys_there_are_all_are_listed_in_order(
    server: FakeS3, keys: set[str], page_size: int
) -> None:
    server.answer = bucket_of(list(keys))
    found = _keys(list_pages(server.access(), S3Location("bucket"), page_size=page_size))
    assert found == sorted(keys, key=str.encode)


@ANY_KEYS
@given(keys=st.sets(KEYS, min_size=1, max_size=8), data=st.data())
@example(keys=set(UNROUTABLE_KEYS), data=None)
def test_whatever_key_a_listing_starts_after_the_rest_follows(
    server: FakeS3, keys: set[str], data: st.DataObject | None
) -> None:
    server.answer = bucket_of(list(keys))
    for after in (
        keys if data is None else {data.draw(KEYS), data.draw(st.sampled_from(list(keys)))}
    ):
        found = _keys(
            list_pages(server.access(), S3Location("bucket"), start_after=after, page_size=3)
        )
        assert found == sorted((k for k in keys if k.encode() > after.encode()), key=str.encode)


@ANY_KEYS
@given(keys=st.sets(KEYS, max_size=8), prefix=st.text("a/b+ %é", max_size=4).map(lambda p: p + "/"))
def test_a_prefix_may_hold_anything(server: FakeS3, keys: set[str], prefix: str) -> None:
    server.answer = bucket_of([*keys, *(prefix + key for key in keys)])
    found = _keys(list_pages(server.access(), S3Location("bucket", prefix)))
    assert found == sorted(
        {k for k in {*keys, *(prefix + key for key in keys)} if k.startswith(prefix)},
        key=str.encode,
    )


# Times.


def test_the_time_of_a_page_is_that_of_the_server(server: FakeS3) -> None:
    dates = iter(["Wed, 08 May 2024 10:00:00 GMT", "Wed, 08 May 2024 11:00:00 +0000"])

    def answer(asked: Asked) -> Answer:
        plain = bucket_of(["a", "b"])(asked)
        return Answer(body=plain.body, headers={"Date": next(dates)})

    server.answer = answer
    pages = list(list_pages(server.access(), S3Location("bucket"), page_size=1))
    assert [page.server_time for page in pages] == [
        datetime(2024, 5, 8, 10, tzinfo=UTC),
        datetime(2024, 5, 8, 11, tzinfo=UTC),
    ]
    assert pages[0].objects.column("last_modified")[0].as_py() == datetime(
        2024, 5, 6, 7, 8, 9, tzinfo=UTC
    )


@pytest.mark.parametrize("date", ["yesterday", "Wed, 99 May 2024 10:00:00 GMT"])
def test_a_server_without_a_usable_clock_is_given_ours(server: FakeS3, date: str) -> None:
    server.answer = lambda asked: Answer(body=bucket_of([])(asked).body, headers={"Date": date})
    (page,) = list_pages(server.access(), S3Location("bucket"))
    assert abs(page.server_time - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_date_without_a_zone_is_taken_for_utc(server: FakeS3) -> None:
    server.answer = lambda asked: Answer(
        body=bucket_of([])(asked).body, headers={"Date": "Wed, 08 May 2024 10:00:00 -0000"}
    )
    (page,) = list_pages(server.access(), S3Location("bucket"))
    assert page.server_time == datetime(2024, 5, 8, 10, tzinfo=UTC)


# Servers that cannot be relied on.


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (error_answer(500, "InternalError"), Unreachable),
        (error_answer(403, "AccessDenied"), AccessDenied),
        (error_answer(400, "InvalidArgument"), StorageError),
        (Answer(hang_up=True), Unreachable),
        (Answer(body=b""), StorageError),
        (Answer(body=b"not XML"), StorageError),
        (Answer(body=b"<html><body>A proxy says hello</body></html>"), StorageError),
        (Answer(204), StorageError),
    ],
)
def test_a_page_that_fails_is_an_error_and_never_the_end(
    server: FakeS3, failure: Answer, kind: type[StorageError]
) -> None:
    good = bucket_of(["a", "b", "c", "d"])
    server.answer = lambda asked: failure if "continuation-token" in asked.query else good(asked)
    pages = list_pages(server.access(max_attempts=1), S3Location("bucket"), page_size=2)
    first = next(pages)
    assert _keys([first]) == ["a", "b"]
    assert not first.is_last
    with pytest.raises(kind) as caught:
        next(pages)
    assert str(caught.value).isprintable()


def test_a_page_that_breaks_off_is_an_error_and_never_the_end(server: FakeS3) -> None:
    whole = bucket_of([f"k{n}" for n in range(20)])
    for cut in (1, 40, 200, 1000):

        def answer(asked: Asked, cut: int = cut) -> Answer:
            return Answer(body=whole(asked).body, cut=cut)

        def shortened(asked: Asked, cut: int = cut) -> Answer:
            return Answer(body=whole(asked).body[:-cut])

        for broken in (answer, shortened):
            server.answer = broken
            with pytest.raises(StorageError):
                list(list_pages(server.access(max_attempts=1), S3Location("bucket")))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<ListBucketResult/>",
        b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>",
        b"<html><head/><body>Welcome to the guest network.</body></html>",
    ],
)
def test_an_answer_that_is_no_listing_is_not_an_empty_bucket(server: FakeS3, body: bytes) -> None:
    server.answer = lambda _: Answer(body=body)
    with pytest.raises(StorageError, match="does not say whether it is complete"):
        next(list_pages(server.access(), S3Location("bucket")))


def _pages_of(*pages: list[str]) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        number = int(asked.query.get("continuation-token", 0))
        more = str(number + 1) if number + 1 < len(pages) else None
        return listing_answer(pages[number], asked, next_token=more)

    return answer


@pytest.mark.parametrize(
    ("pages", "start_after"),
    [
        ([["b", "a"]], ""),
        ([["a", "a"]], ""),
        ([["a", "b"], ["b", "c"]], ""),
        ([["b", "c"], ["a", "d"]], ""),
        ([["a", "b"]], "a"),  # The server does not know `start-after`.
        ([["\uffff", "\U0001f41f"], ["\uffff\uffff"]], ""),  # In the order of UTF-16.
        ([["a/b", "a"]], ""),  # Folder by folder.
    ],
)
def test_a_server_that_does_not_list_in_order_is_refused(
    server: FakeS3, pages: list[list[str]], start_after: str
) -> None:
    server.answer = _pages_of(*pages)
    with pytest.raises(StorageError, match="is not in key order"):
        list(list_pages(server.access(), S3Location("bucket"), start_after=start_after))


def test_a_server_that_does_not_know_prefixes_is_refused(server: FakeS3) -> None:
    for keys in (["a", "p/x"], ["p/x", "q"], ["a", "q"]):
        server.answer = _pages_of(keys)
        with pytest.raises(StorageError, match="has keys of other prefixes"):
            list(list_pages(server.access(), S3Location("bucket", "p/")))


def test_empty_pages_in_between_are_not_the_end(server: FakeS3) -> None:
    server.answer = _pages_of([], ["a"], [], ["b"], [])
    pages = list(list_pages(server.access(), S3Location("bucket")))
    assert _keys(pages) == ["a", "b"]
    assert [page.is_last for page in pages] == [False, False, False, False, True]


def test_a_server_that_goes_round_in_circles_is_refused(server: FakeS3) -> None:
    server.answer = lambda asked: listing_answer([], asked, next_token="again")
    with pytest.raises(StorageError, match="does not get on"):
        list(list_pages(server.access(), S3Location("bucket")))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<R><IsTruncated>true</IsTruncated></R>", "goes on, but not how"),
        (
            b"<R><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents></R>",
            "has objects without",
        ),
    ],
)
def test_a_listing_that_leaves_out_what_it_needs_is_refused(
    server: FakeS3, body: bytes, why: str
) -> None:
    server.answer = lambda _: Answer(body=body)
    with pytest.raises(StorageError, match=why):
        list(list_pages(server.access(), S3Location("bucket")))


def test_a_prefix_with_a_newline_makes_no_error_of_two_lines(server: FakeS3) -> None:
    server.answer = lambda _: Answer(body=b"")
    with pytest.raises(StorageError) as caught:
        next(list_pages(server.access(), S3Location("bucket", "a\nb/")))
    assert str(caught.value).isprintable()


def test_nothing_is_asked_before_the_first_page_is_wanted(server: FakeS3) -> None:
    server.asked.clear()
    pages = list_pages(server.access(), S3Location("bucket"))
    assert server.asked == []
    server.answer = bucket_of(["a", "b", "c"])
    next(pages)
    assert len(server.asked) == 1
