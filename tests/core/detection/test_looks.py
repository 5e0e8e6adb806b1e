"""Looks at a real bucket: slices of its listing against the index, within a time budget."""

import itertools
from collections.abc import Iterator

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection import slices
from s3pipelines.core.detection.looks import Look, look
from s3pipelines.core.detection.passes import Passes
from s3pipelines.core.errors import Throttled
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, list_sources, update_source
from s3pipelines.core.storage.listing.pages import ListingPage
from s3pipelines.core.storage.listing.serial import list_pages


def look_once(catalog: Catalog, passes: Passes | None = None, budget_s: float = 5) -> Look:
    return look(catalog, list_sources(catalog), passes or Passes(), budget_s)


def found(shown: Look) -> dict[str, int]:
    """How many objects differ, by source: hinted at in the ledger, or too many for that."""
    in_full = {finding.source.id: finding.ended.differing for finding in shown.findings}
    return {**in_full, **shown.hinted}


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two keys and slices of one page, so that a pass takes several looks."""

    def listed(*arguments, **options) -> Iterator[ListingPage]:
        return list_pages(*arguments, **options, page_size=2)

    monkeypatch.setattr(slices, "list_pages", listed)
    monkeypatch.setattr(slices, "_MOST_PAGES", 1)


@pytest.fixture
def indexed(local_catalog: Catalog, bucket, put_objects) -> Catalog:
    """A source `all` of six objects whose index is up to date."""
    put_objects(*"abcdef")
    create_source(local_catalog, "all", f"s3://{bucket}")
    refresh_index(local_catalog, "all")
    return local_catalog


def whole_pass(catalog: Catalog) -> tuple[int, int]:
    """Look until a pass ends; how many objects of `all` differ, and how many looks it took."""
    passes, differing = Passes(), 0
    for number in itertools.count(1):
        shown = look_once(catalog, passes)
        passes = shown.passes
        differing += found(shown).get("all", 0)
        if "all" not in passes.by_source:
            return differing, number
    raise AssertionError


def test_an_index_that_agrees_is_no_finding(catalog: Catalog, bucket, put_objects):
    put_objects("a", "b")
    create_source(catalog, "all", f"s3://{bucket}")
    refresh_index(catalog, "all")

    assert look_once(catalog).findings == ()


def test_created_overwritten_and_deleted_objects_are_found(
    catalog: Catalog, bucket, put_objects, s3
):
    put_objects("a", "b", "c")
    create_source(catalog, "all", f"s3://{bucket}")
    refresh_index(catalog, "all")
    put_objects("b", "d", body=b"other")
    s3.delete_object(Bucket=bucket, Key="c")

    assert found(look_once(catalog)) == {"all": 3}


def test_a_source_that_was_never_indexed_is_found_at_once(
    local_catalog: Catalog, bucket, put_objects, small_pages
):
    put_objects(*"abcdef")
    create_source(local_catalog, "all", f"s3://{bucket}")

    shown = look_once(local_catalog)

    assert found(shown) == {"all": 2}, "one slice is enough to know"
    assert shown.passes.by_source == {}


def test_an_empty_source_that_was_never_indexed_is_left_alone(local_catalog: Catalog, bucket):
    create_source(local_catalog, "all", f"s3://{bucket}")

    assert look_once(local_catalog).findings == ()


def test_a_pass_goes_on_where_the_last_look_ended(indexed: Catalog, put_objects, small_pages):
    put_objects("a2", "f2")

    differing, looks = whole_pass(indexed)

    assert differing == 2
    assert looks == 4, "eight keys, two a look"


def test_deletions_between_and_behind_the_listed_keys_are_found(
    indexed: Catalog, bucket, s3, small_pages
):
    for key in ("a", "c", "f"):
        s3.delete_object(Bucket=bucket, Key=key)

    differing, _ = whole_pass(indexed)

    assert differing == 3


def test_an_emptied_bucket_is_found(indexed: Catalog, bucket, s3):
    for key in "abcdef":
        s3.delete_object(Bucket=bucket, Key=key)

    assert found(look_once(indexed)) == {"all": 6}


def test_a_failed_listing_is_a_problem_and_never_an_empty_one(indexed: Catalog, monkeypatch):
    def throttled(*_, **__) -> Iterator[ListingPage]:
        raise Throttled("The endpoint asks to slow down.", hint="Try again later.")
        yield

    monkeypatch.setattr(slices, "list_pages", throttled)

    shown = look_once(indexed)

    assert shown.findings == ()
    assert shown.problems == ("all: The endpoint asks to slow down. Try again later.",)


def test_a_listing_that_breaks_off_leaves_the_pass_where_it_was(
    indexed: Catalog, monkeypatch, small_pages
):
    first = look_once(indexed)

    def breaks_off(*arguments, **options) -> Iterator[ListingPage]:
        raise Throttled("Slow down.", hint="Later.")
        yield

    monkeypatch.setattr(slices, "list_pages", breaks_off)
    second = look_once(indexed, first.passes)

    assert second.passes == first.passes
    assert second.passes.by_source["all"].after == "b"


def test_one_source_that_cannot_be_listed_does_not_stop_the_others(
    indexed: Catalog, s3, bucket, put_objects
):
    s3.create_bucket(Bucket=f"{bucket}-2")
    create_source(indexed, "aaa-broken", f"s3://{bucket}-2")
    s3.delete_bucket(Bucket=f"{bucket}-2")
    put_objects("new")

    shown = look_once(indexed)

    assert found(shown) == {"all": 1}
    assert len(shown.problems) == 1
    assert "There is no bucket" in shown.problems[0]


def test_what_has_not_settled_is_no_finding_yet(indexed: Catalog, put_objects):
    update_source(indexed, "all", "a gateway writes here", settle_s=3600)
    put_objects("a", "new", body=b"not whole yet")

    assert look_once(indexed).findings == ()


def test_a_refresh_that_began_after_the_pass_makes_its_finding_void(
    indexed: Catalog, put_objects, small_pages
):
    put_objects("a2")
    first = look_once(indexed)
    assert first.passes.by_source["all"].differing == 1
    refresh_index(indexed, "all")

    passes, findings = first.passes, []
    while "all" in passes.by_source:
        shown = look_once(indexed, passes)
        passes, findings = shown.passes, [*findings, *shown.findings]

    assert findings == []


def test_a_look_that_runs_out_of_time_begins_next_with_the_source_whose_turn_it_is(
    local_catalog: Catalog, bucket, put_objects
):
    put_objects("a/1", "b/1", "c/1")
    for name in "abc":
        create_source(local_catalog, name, f"s3://{bucket}/{name}")
    ticks = itertools.count()

    shown = look(
        local_catalog, list_sources(local_catalog), Passes(), 3.5, clock=lambda: next(ticks) * 1.0
    )

    assert list(found(shown)) == ["a"]
    assert shown.passes.next_source == "b"
    rest = look_once(local_catalog, shown.passes)
    assert list(found(rest)) == ["b", "c", "a"]


def test_a_source_over_the_catalog_is_a_problem_and_not_listed(s3_catalog: Catalog, bucket):
    create_source(s3_catalog, "all", f"s3://{bucket}")
    inside = Catalog(s3_catalog.location, trash=f"s3://{bucket}/trash/{{source}}")

    shown = look(inside, list_sources(inside), Passes(), 5)

    assert "overlaps with the trash" in shown.problems[0]
