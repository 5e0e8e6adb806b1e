from collections.abc import Iterable, Iterator

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.listing.asking import AskPage
from s3pipelines.core.storage.listing.pages import LISTED_VERSIONS, NotInOrder
from s3pipelines.core.storage.listing.parallel import list_parts
from s3pipelines.core.storage.listing.ranges import Span
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.listing.versions import LatestVersions, asking
from s3pipelines.core.storage.locations import S3Location
from tests.core.storage.fake_s3 import (
    Answer,
    Asked,
    FakeS3,
    bucket_of,
    error_answer,
    fake_s3,
)
from tests.core.storage.fake_versions import (
    Entry,
    History,
    Manner,
    bucket_of_versions,
    latest_of,
    versioning_answer,
    versions_answer,
)
from tests.examples import examples

ALL = [Span("", None)]
LATEST = LatestVersions(keeps_null=True)
PLACE = S3Location("bucket")
KEYS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("a/b"),
    min_size=1,
    max_size=6,
)
HISTORIES = st.dictionaries(KEYS, st.lists(st.booleans(), min_size=1, max_size=6), max_size=14)
# Other servers than S3 do not encode what XML can hold, and no other keys are theirs.
MANNERS = st.builds(
    Manner, oldest_first=st.booleans(), apart=st.booleans(), names_key_again=st.booleans()
)
EXAMPLES = examples(
    30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

Found = list[tuple[str, str | None]]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeS3]:
    with fake_s3(bucket_of_versions({})) as server:
        yield server


def _objects(pages: Iterable[pa.RecordBatch]) -> Found:
    found: Found = []
    for objects in pages:
        assert objects.schema == LISTED_VERSIONS
        columns = (objects.column(name).to_pylist() for name in ("key", "version_id"))
        found += zip(*columns, strict=True)
    return found


def _serial(access: Access, place: S3Location, *, page_size: int, ask: AskPage = LATEST) -> Found:
    pages = list_pages(access, place, page_size=page_size, ask=ask)
    return _objects(page.objects for page in pages)


def _parallel(
    access: Access,
    place: S3Location,
    *,
    page_size: int,
    in_flight: int = 8,
    spans: list[Span] = ALL,
    ask: AskPage = LATEST,
) -> Found:
    """What all ranges hold, in the order of their spans."""
    found: dict[int, Found] = {}
    covered: dict[Span, Found] = {}
    parts = list_parts(access, place, spans, page_size=page_size, in_flight=in_flight, ask=ask)
    for number, part in enumerate(parts):
        assert number < 5000, "it does not come to an end"
        some = found.setdefault(part.range_id, [])
        some += _objects([part.page.objects])
        if part.listed is not None:
            covered[part.listed] = found.pop(part.range_id)
    assert not found, "a range that was begun was not finished"
    return [one for span in sorted(covered) for one in covered[span]]


@pytest.mark.slow
@EXAMPLES
@given(
    history=HISTORIES,
    manner=MANNERS,
    page_size=st.integers(1, 4),
    in_flight=st.integers(1, 8),
)
@example(
    history={"a": [False] * 9, "a/": [True], "a/b": [False, True], "b": [True, False]},
    manner=Manner(oldest_first=True, names_key_again=True),
    page_size=1,
    in_flight=8,
)
@example(
    history={"new\nline": [False] * 9, "\x01": [True] * 9, "\uffff": [False], "\r": [True, False]},
    manner=Manner(),
    page_size=2,
    in_flight=8,
)
def test_by_ranges_and_serially_the_latest_versions_are_listed_and_nothing_else(
    server: FakeS3, history: History, manner: Manner, page_size: int, in_flight: int
) -> None:
    server.answer = bucket_of_versions(history, manner)
    access = server.access()
    expected = latest_of(history)
    assert _serial(access, PLACE, page_size=page_size) == expected
    assert _parallel(access, PLACE, page_size=page_size, in_flight=in_flight) == expected


@EXAMPLES
@given(history=HISTORIES, cut=KEYS, manner=MANNERS, page_size=st.integers(1, 4))
@example(
    history={"a": [False] * 9, "b": [False]},
    cut="a",
    manner=Manner(oldest_first=True, names_key_again=True),
    page_size=2,
)
def test_spans_that_meet_at_any_key_hold_each_object_once(
    server: FakeS3, history: History, cut: str, manner: Manner, page_size: int
) -> None:
    server.answer = bucket_of_versions(history, manner)
    spans = [Span("", cut), Span(cut, None)]
    found = _parallel(server.access(), PLACE, page_size=page_size, spans=spans)
    assert found == latest_of(history)


def test_what_was_divided_while_the_versions_of_a_key_were_listed_is_whole(server: FakeS3) -> None:
    # The latest version comes last, hundreds of pages later than a range was begun.
    history = {f"{letter}{n}": [False] * 60 for letter in "abcdef" for n in range(4)}
    server.answer = bucket_of_versions(history, Manner(oldest_first=True))
    assert _parallel(server.access(), PLACE, page_size=5) == latest_of(history)


@pytest.mark.slow
def test_no_key_is_begun_with_again_and_again(server: FakeS3) -> None:
    # Pages of delete markers only, the latest of which comes last.
    history = {"a": [False], "k": [*[True] * 200, False], "z": [False]}
    server.answer = bucket_of_versions(history, Manner(oldest_first=True, names_key_again=True))
    server.asked.clear()
    assert _parallel(server.access(), PLACE, page_size=2) == latest_of(history)
    assert len(server.asked) < 3 * 100


def test_the_old_versions_of_a_key_are_left_out_once_its_latest_was_seen(server: FakeS3) -> None:
    history = {"a": [False] * 5000, "b": [False], "c": [True] * 5000, "d": [False]}
    server.answer = bucket_of_versions(history)
    server.asked.clear()
    found = _parallel(server.access(), PLACE, page_size=10, in_flight=1)
    assert found == latest_of(history)
    assert len(server.asked) < 10


def test_deleted_keys_are_passed_by_however_many_there_are(server: FakeS3) -> None:
    history = {f"{number:04}": [False, True] for number in range(700)} | {"z": [True, False]}
    server.answer = bucket_of_versions(history)
    server.asked.clear()
    assert _parallel(server.access(), PLACE, page_size=20) == latest_of(history)
    markers = {asked.query.get("key-marker", "") for asked in server.asked}
    assert len(markers) > 20, "ranges without objects are divided, too"


def test_a_real_server_is_listed_with_versions_and_delete_markers(s3, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="in/before", Body=b"1")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    written = {"in/before": "null"}
    for key in ("in/é +%", "in/many", "in/z", "other"):
        for number in range(12 if key == "in/many" else 2):
            made = s3.put_object(Bucket=bucket, Key=key, Body=str(number).encode())
            written[key] = made["VersionId"]
    for key in ("in/gone", "in/gone-too"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
        s3.delete_object(Bucket=bucket, Key=key)
    place, ask = S3Location(bucket, "in/"), asking(Access(), bucket, versions=True)
    expected = sorted((key, version) for key, version in written.items() if key != "other")

    for size in (1, 3, 5, 1000):
        assert _serial(Access(), place, page_size=size, ask=ask) == expected
    assert _parallel(Access(), place, page_size=1000, ask=ask) == expected


def test_a_bucket_that_never_kept_versions_has_no_version_ids(s3, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    ask = asking(Access(), bucket, versions=True)
    assert _serial(Access(), S3Location(bucket), page_size=10, ask=ask) == [("a", None)]


def test_null_is_no_id_where_it_may_not_be_asked_whether_the_bucket_keeps_versions(
    server: FakeS3,
) -> None:
    entries = [Entry("a", "null", False, True), Entry("b", "v1", False, True)]

    def answer(asked: Asked) -> Answer:
        if "versioning" in asked.query:
            return error_answer(403, "AccessDenied")
        return versions_answer(entries, asked)

    server.answer = answer
    ask = asking(server.access(), "bucket", versions=True)
    found = _serial(server.access(), PLACE, page_size=10, ask=ask)
    assert found == [("a", None), ("b", "v1")]


@pytest.mark.parametrize(
    ("status", "known"), [("Enabled", "null"), ("Suspended", "null"), ("", None)]
)
def test_null_is_an_id_in_a_bucket_that_ever_kept_versions(
    server: FakeS3, status: str, known: str | None
) -> None:
    entries = [Entry("a", "null", False, True)]
    server.answer = lambda asked: (
        versioning_answer(status)
        if "versioning" in asked.query
        else versions_answer(entries, asked)
    )
    ask = asking(server.access(), "bucket", versions=True)
    assert _serial(server.access(), PLACE, page_size=10, ask=ask) == [("a", known)]


def test_a_version_that_is_removed_between_two_pages_does_not_bring_its_key_twice(
    server: FakeS3,
) -> None:
    pages = iter(
        [
            [Entry("a", "2", False, True)],
            [Entry("a", "1", False, True), Entry("b", "1", False, True)],
        ]
    )
    server.answer = lambda asked: versions_answer(
        next(pages), asked, is_truncated="key-marker" not in asked.query
    )
    assert _serial(server.access(), PLACE, page_size=1) == [("a", "2"), ("b", "1")]


def test_a_server_that_does_not_know_key_marker_is_found_out(server: FakeS3) -> None:
    some = [Entry(f"{number:02}", "v", False, True) for number in range(5)]
    server.answer = lambda asked: versions_answer(some, asked, is_truncated=True)
    with pytest.raises(NotInOrder):
        _parallel(server.access(), PLACE, page_size=5)


def test_a_server_that_does_not_get_on_is_found_out(server: FakeS3) -> None:
    old = [Entry("a", str(number), False, False) for number in range(5)]
    server.answer = lambda asked: versions_answer(old, asked, is_truncated=True)
    with pytest.raises(NotInOrder):
        _parallel(server.access(), PLACE, page_size=5)
    with pytest.raises(StorageError, match="does not get on"):
        _serial(server.access(), PLACE, page_size=5)


def test_a_server_that_lists_objects_instead_is_refused_with_what_to_do(server: FakeS3) -> None:
    server.answer = bucket_of(["a", "b"])
    with pytest.raises(StorageError, match=r"asked for versions.*--no-versions"):
        _serial(server.access(), PLACE, page_size=5)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("<html>A proxy says hello</html>", "does not say whether it is complete"),
        ("{truncated}</ListVersionsResult>", "says that it goes on, but not how"),
        ("{whole}<Version>{latest}</Version></ListVersionsResult>", "without a key"),
        (
            "{whole}<Version><Key>a</Key>{latest}</Version></ListVersionsResult>",
            "without 'LastModified'",
        ),
    ],
)
def test_an_answer_that_cannot_be_relied_on_is_refused(
    server: FakeS3, answer: str, why: str
) -> None:
    body = answer.format(
        whole="<ListVersionsResult><IsTruncated>false</IsTruncated>",
        truncated="<ListVersionsResult><IsTruncated>true</IsTruncated>",
        latest="<IsLatest>true</IsLatest>",
    )
    server.answer = lambda _: Answer(body=body.encode())
    with pytest.raises(StorageError, match=why):
        _serial(server.access(max_attempts=1), PLACE, page_size=5)
