import random
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from s3pipelines.core.errors import AccessDenied, StorageError, Throttled
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.listing.pages import NotInOrder
from s3pipelines.core.storage.listing.parallel import Part, list_parts
from s3pipelines.core.storage.listing.ranges import Span
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
from tests.servers import on_every_server

ALL = [Span("", None)]
KEYS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("a/b"),
    min_size=1,
    max_size=6,
)
# Each example is a few dozen requests.
EXAMPLES = examples(
    25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeS3]:
    with fake_s3(bucket_of([])) as server:
        yield server


def _keys(parts: Iterator[Part]) -> list[str]:
    """The keys of all ranges, in the order of their spans; a range must come in order."""
    found: dict[int, list[str]] = {}
    spans: dict[Span, list[str]] = {}
    for part in parts:
        keys = found.setdefault(part.range_id, [])
        keys += part.page.objects.column("key").to_pylist()
        if part.listed is not None:
            spans[part.listed] = found.pop(part.range_id)
    assert not found, "a range that was begun was not finished"
    return [key for span in sorted(spans) for key in spans[span]]


@EXAMPLES
@given(keys=st.sets(KEYS, max_size=40), page_size=st.integers(1, 4), in_flight=st.integers(1, 8))
@example(keys={"a", "a/", "a/b", "b"}, page_size=1, in_flight=8)
@example(keys={"new\nline", "\x01", "\r", "\x7f", "\u2028", "\uffff"}, page_size=1, in_flight=8)
def test_a_listing_by_ranges_is_the_serial_listing(
    server: FakeS3, keys: set[str], page_size: int, in_flight: int
) -> None:
    server.answer = bucket_of(list(keys))
    location = S3Location("bucket")
    serial = [
        key
        for page in list_pages(server.access(), location)
        for key in page.objects.column("key").to_pylist()
    ]
    parts = list_parts(server.access(), location, ALL, page_size=page_size, in_flight=in_flight)
    assert _keys(parts) == serial


@on_every_server
def test_a_real_server_is_listed_below_a_prefix(bucket: str, put_objects: PutObjects) -> None:
    names = [f"in/{a}{b}é +%" for a in "abcd" for b in "xyz"]
    put_objects(*names, "in", "inside", "z")
    parts = list_parts(Access(), S3Location(bucket, "in/"), ALL, page_size=2, in_flight=4)
    assert _keys(parts) == sorted(names, key=str.encode)


def test_what_was_there_all_the_time_is_listed_once_although_others_come_and_go(
    server: FakeS3,
) -> None:
    stable = [f"{a}/{n:03}" for a in "abcdef" for n in range(0, 200, 2)]
    changing = {f"{a}/{n:03}" for a in "abcdef" for n in range(1, 200, 2)}
    present, chance, lock = set(changing), random.Random(3), threading.Lock()

    def answer(asked: Asked) -> Answer:
        with lock:
            present.symmetric_difference_update(chance.sample(sorted(changing), 50))
            return bucket_of([*stable, *present])(asked)

    server.answer = answer
    found = _keys(list_parts(server.access(), S3Location("b"), ALL, page_size=5, in_flight=8))
    assert [key for key in found if key not in changing] == stable
    assert len(found) == len(set(found))
    assert found == sorted(found)


def test_a_server_that_asks_to_slow_down_is_listed_all_the_same(server: FakeS3) -> None:
    keys = [f"{number:04}" for number in range(400)]
    whole, chance, slowed = bucket_of(keys), random.Random(1), []

    def answer(asked: Asked) -> Answer:
        if chance.random() < 0.3:
            slowed.append(asked)
            return error_answer(503, "SlowDown")
        return whole(asked)

    server.answer = answer
    access = server.access(max_attempts=8)
    assert _keys(list_parts(access, S3Location("b"), ALL, page_size=20, in_flight=8)) == keys
    assert slowed


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (error_answer(403, "AccessDenied"), AccessDenied),
        (error_answer(503, "SlowDown"), Throttled),
        (Answer(hang_up=True), StorageError),
        (Answer(body=b"<html>A proxy says hello</html>"), StorageError),
    ],
)
def test_a_request_that_fails_fails_the_listing(
    server: FakeS3, failure: Answer, kind: type[StorageError]
) -> None:
    whole = bucket_of([f"{number:04}" for number in range(100)])
    server.answer = lambda asked: (
        failure if asked.query.get("start-after", "") > "005" else whole(asked)
    )
    with pytest.raises(kind):
        list(list_parts(server.access(max_attempts=1), S3Location("b"), ALL, page_size=5))


def test_a_server_that_does_not_know_start_after_is_found_out(server: FakeS3) -> None:
    keys = [f"{number:02}" for number in range(50)]

    def answer(asked: Asked) -> Answer:
        return listing_answer(keys[:5], asked, next_token="5")

    server.answer = answer
    with pytest.raises(NotInOrder):
        list(list_parts(server.access(), S3Location("b"), ALL, page_size=5))


def test_a_listing_that_is_left_ends_its_requests(server: FakeS3) -> None:
    server.answer = bucket_of([f"{number:04}" for number in range(2000)])
    parts = list_parts(server.access(), S3Location("b"), ALL, page_size=5, in_flight=4)
    next(parts)
    parts.close()
    asked = len(server.asked)
    names = [thread.name for thread in threading.enumerate()]
    assert "s3pipelines-s3" not in names
    assert len(server.asked) == asked


def test_it_does_not_run_far_ahead_of_who_takes_its_parts(server: FakeS3) -> None:
    server.asked.clear()
    server.answer = bucket_of([f"{number:05}" for number in range(3000)])
    parts = list_parts(server.access(), S3Location("b"), ALL, page_size=2, in_flight=4)
    next(parts)
    done = threading.Event()
    while not done.wait(0.3):
        before = len(server.asked)
        if done.wait(0.5) or len(server.asked) == before:
            break
    assert len(server.asked) < 200
    parts.close()
