"""What the sensor asks: which sources lack headers or thumbnails."""

from datetime import UTC, datetime, timedelta

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Unreachable
from s3pipelines.core.imaging import wanted
from s3pipelines.core.imaging.wanted import Answers, Search, search
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, list_sources
from tests.core.imaging.pictures import file_of, quadrants

JPEG = file_of(quadrants(), "JPEG")


@pytest.fixture
def two_sources(local_catalog: Catalog, bucket, put_objects) -> Catalog:
    """`maps` wants both, `scans` thumbnails, `plain` nothing; each has an image."""
    put_objects("maps/1.jpg", "scans/1.jpg", "plain/1.jpg", body=JPEG)
    for name, derive in (("maps", ("headers", "thumbnails")), ("scans", ("thumbnails",))):
        create_source(local_catalog, name, f"s3://{bucket}/{name}", derive=derive)
    create_source(local_catalog, "plain", f"s3://{bucket}/plain")
    for name in ("maps", "scans", "plain"):
        refresh_index(local_catalog, name)
    return local_catalog


def looked(
    catalog: Catalog, pool, answers: Answers | None = None, *, budget_s: float = 60, busy=()
) -> Search:
    return search(
        catalog,
        list_sources(catalog),
        answers or Answers(),
        pool.reader_version,
        budget_s,
        lambda source_id, kind: (source_id, kind) in busy,
    )


def found(shown: Search) -> list[tuple[str, str, int]]:
    return [(f.source.id, f.kind, f.objects) for f in shown.findings]


def test_only_what_a_source_asks_for_is_looked_for(two_sources: Catalog, pool):
    shown = looked(two_sources, pool)

    assert found(shown) == [
        ("maps", "header", 1),
        ("maps", "thumbnail", 1),
        ("scans", "thumbnail", 1),
    ]
    assert not shown.quiet


def test_what_is_under_way_is_not_asked_for_again(two_sources: Catalog, pool):
    shown = looked(two_sources, pool, busy={("maps", "thumbnail"), ("scans", "thumbnail")})

    assert found(shown) == [("maps", "header", 1)]


def test_the_answer_nothing_is_trusted_until_something_changes(
    two_sources: Catalog, pool, bucket, put_objects, monkeypatch
):
    run(two_sources, Work("maps", "header"), pool=pool)
    run(two_sources, Work("maps", "thumbnail"), pool=pool)
    run(two_sources, Work("scans", "thumbnail"), pool=pool)
    first = looked(two_sources, pool)
    assert first.quiet
    assert found(first) == []
    asked: list[str] = []
    count = wanted.count_missing

    def spied(catalog, work, version):
        asked.append(f"{work.source_id}/{work.kind}")
        return count(catalog, work, version)

    monkeypatch.setattr(wanted, "count_missing", spied)

    again = looked(two_sources, pool, Answers.from_cursor(first.answers.to_cursor()))
    assert (again.quiet, asked) == (True, [])
    put_objects("scans/2.jpg", body=JPEG)
    refresh_index(two_sources, "scans")
    after = looked(two_sources, pool, again.answers)
    assert (found(after), asked) == ([("scans", "thumbnail", 1)], ["scans/thumbnail"])


def test_old_answers_are_asked_again_since_some_failures_are_tried_after_a_while():
    now = datetime.now(UTC)
    answers = Answers(nothing={"maps/header": "abc"}, since=now - timedelta(minutes=5))

    assert answers.trusted_at(now).nothing == {"maps/header": "abc"}
    assert answers.trusted_at(now + timedelta(minutes=6)).nothing == {}


def test_a_tick_without_time_left_goes_on_where_it_stopped(two_sources: Catalog, pool):
    shown = looked(two_sources, pool, budget_s=-1)

    # One source in any case, so that a slow catalog gets on as well.
    assert {source for source, _, _ in found(shown)} == {"maps"}
    assert not shown.quiet
    assert shown.answers.next_source == "scans"
    assert found(looked(two_sources, pool, shown.answers))[0][0] == "scans"


def test_a_source_that_cannot_be_looked_at_is_said_and_stops_no_other(
    two_sources: Catalog, pool, monkeypatch
):
    count = wanted.count_missing

    def broken(catalog, work, version):
        if work.source_id == "maps":
            raise Unreachable("The endpoint does not answer.", hint="Check it.")
        return count(catalog, work, version)

    monkeypatch.setattr(wanted, "count_missing", broken)

    shown = looked(two_sources, pool)

    assert found(shown) == [("scans", "thumbnail", 1)]
    assert shown.problems[0] == "maps: The endpoint does not answer. Check it."


def test_a_cursor_that_cannot_be_read_is_asked_anew():
    assert Answers.from_cursor("not ours").nothing == {}
    assert Answers.from_cursor(None).nothing == {}
