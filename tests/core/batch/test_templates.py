"""Templates as SQL: which target an object gets, and what is no template."""

from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.batch.mapping import KeyMapping
from s3pipelines.core.batch.templates import parse_template
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.locations import S3Location

WRITTEN = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)


def target(mapping: KeyMapping, key: str, prefix: str = "maps/", tags: dict | None = None):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE objects (key VARCHAR, etag VARCHAR, last_modified TIMESTAMPTZ)"
        )
        connection.execute("INSERT INTO objects VALUES (?, 'e', ?)", [prefix + key, WRITTEN])
        connection.execute(
            "CREATE TABLE tags (key VARCHAR, etag VARCHAR, name VARCHAR, value VARCHAR)"
        )
        for name, value in (tags or {}).items():
            connection.execute(
                "INSERT INTO tags VALUES (?, 'e', ?, ?)", [prefix + key, name, value]
            )
        query = f"SELECT {mapping.expression(prefix)} FROM objects"
        return connection.execute(query).fetchall()[0][0]


def by_template(template: str) -> KeyMapping:
    return KeyMapping(S3Location("out", "to/"), template)


@pytest.mark.parametrize(
    ("template", "key", "expected"),
    [
        ("{key}", "a/b.tif", "to/a/b.tif"),
        ("{parent}{stem}.webp", "a/b.tif", "to/a/b.webp"),
        ("{stem}-{ext}", "a/b.c.TIF", "to/b.c-TIF"),
        ("{name}", "a/noext", "to/noext"),
        ("{stem}.{ext}", ".hidden", "to/.hidden."),
        ("{parent}x", "top", "to/x"),
        ("{date:%Y/%m/%d}/{name}", "a/b", "to/2026/03/09/b"),
        ("it's {{{name}}}", "b", "to/it's {b}"),
        ("{key}", "new\nline/ü%_'x", "to/new\nline/ü%_'x"),
        ("{parent}{stem}", "d\n/new\nline.x", "to/d\n/new\nline"),
        ("fixed", "a", "to/fixed"),
    ],
)
def test_a_template_says_where_an_object_goes(template: str, key: str, expected: str):
    assert target(by_template(template), key) == expected


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_parent_and_name_are_the_whole_key(key: str):
    assert target(by_template("{parent}{name}"), key) == f"to/{key}"


def test_a_tag_of_the_object_can_be_part_of_its_target():
    mapping = by_template("{tag:rights}/{name}")
    assert target(mapping, "a/b", tags={"rights": "free", "other": "x"}) == "to/free/b"
    assert target(mapping, "a/b", tags={"other": "x"}) is None
    assert mapping.asks_tags


def test_a_regular_expression_replaces_its_first_match():
    mapping = KeyMapping(S3Location("out", "to/"), match=r"(\d+)/(.*)", replace=r"\2-\1")
    assert target(mapping, "12/a/b.tif") == "to/a/b.tif-12"
    assert target(mapping, "none") is None


def test_every_target_begins_with_the_head():
    assert by_template("scans/{key}").head == "to/scans/"
    assert by_template("{key}").head == "to/"
    assert KeyMapping(S3Location("out", "to/"), match="a", replace="b").head == "to/"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{nothing}", "not known"),
        ("{key", "cannot be read"),
        ("{tag}", "not complete"),
        ("{date}", "not complete"),
        ("{key:x}", "not complete"),
        ("{}", "not known"),
    ],
)
def test_what_is_no_template_is_refused(template: str, words: str):
    with pytest.raises(InvalidInput, match=words):
        parse_template(template)


def test_a_match_needs_a_replacement_and_no_template():
    with pytest.raises(InvalidInput, match="replaced by"):
        KeyMapping(S3Location("out"), match="a")
    with pytest.raises(InvalidInput, match="Both"):
        KeyMapping(S3Location("out"), template="{name}", match="a", replace="b")
