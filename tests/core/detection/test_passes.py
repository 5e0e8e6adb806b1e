"""The cursor of the listing sensor, as a value."""

import pytest

from s3pipelines.core.detection.passes import Passes, SourcePass


def test_a_cursor_survives_being_written_and_read():
    passes = Passes(next_source="b").with_pass("a", SourcePass(generation="g", after="key\n😀"))

    assert Passes.from_cursor(passes.to_cursor()) == passes


@pytest.mark.parametrize("cursor", [None, "", "nonsense", '{"next_source": 7}', "[]"])
def test_a_cursor_that_cannot_be_read_starts_all_passes_anew(cursor):
    assert Passes.from_cursor(cursor) == Passes()


def test_a_pass_of_an_older_registration_is_not_continued():
    passes = Passes().with_pass("a", SourcePass(generation="old", after="k", differing=3))

    current = passes.of("a", "new")

    assert (current.after, current.differing) == ("", 0)


def test_a_pass_adds_up_what_its_slices_showed():
    advanced = SourcePass(generation="g").advanced("k1", 2).advanced("k2", 3)

    assert (advanced.after, advanced.differing) == ("k2", 5)


def test_an_ended_pass_is_forgotten():
    passes = Passes().with_pass("a", SourcePass(generation="g")).with_pass("a", None)

    assert passes.by_source == {}


def test_passes_of_sources_that_are_gone_are_forgotten():
    passes = Passes().with_pass("a", SourcePass(generation="g"))

    assert passes.only({"b"}).by_source == {}
