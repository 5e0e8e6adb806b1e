"""Tokens of places: what goes in comes out, and nothing else is taken."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.places import Place, place_of_token, token_of_place

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.datetimes(timezones=st.just(UTC))


def places() -> st.SearchStrategy[Place]:
    def of(sort: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Place]:
        orders = st.sampled_from(["asc", "desc"])
        return st.builds(Place, st.just(sort), orders, values, TEXTS)

    return st.one_of(
        st.builds(lambda key: Place("key", "asc", key, key), TEXTS),
        of("etag", TEXTS),
        of("version_id", TEXTS | st.none()),
        of("size_bytes", st.integers(-(2**63), 2**63 - 1)),
        of("last_modified", TIMES),
    )


@given(places())
def test_a_token_holds_the_place_exactly_and_fits_into_a_url(place: Place):
    token = token_of_place(place)

    assert place_of_token(token, place.sort, place.order) == place
    assert token.replace("-", "").replace("_", "").isalnum()


def test_times_keep_their_microseconds():
    at = datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(microseconds=123_457)

    token = token_of_place(Place("indexed_at", "desc", at, "k"))

    assert place_of_token(token, "indexed_at", "desc").value == at


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "é",
        "A" * 100_000,
        encoded(7),
        encoded(["key", "asc", None]),
        encoded(["no_such", "asc", None, "k"]),
        encoded(["key", "up", None, "k"]),
        encoded(["key", "asc", None, 7]),
        encoded(["size_bytes", "asc", "7", "k"]),
        encoded(["size_bytes", "asc", True, "k"]),
        encoded(["size_bytes", "asc", 2**63, "k"]),
        encoded(["etag", "asc", 7, "k"]),
        encoded(["last_modified", "asc", 2**62, "k"]),
        encoded(["key", "asc", None, "\ud800"]),
        encoded([["key"], "asc", None, "k"]),
        encoded(["size_bytes", "asc", 7, "k"]),  # With spaces, as none was given out.
    ],
)
def test_what_is_no_token_is_refused(token: str):
    with pytest.raises(InvalidInput, match="not a place in a listing"):
        place_of_token(token, "size_bytes", "asc")


@pytest.mark.parametrize(("sort", "order"), [("etag", "asc"), ("size_bytes", "desc")])
def test_a_token_of_another_order_is_refused(sort: str, order: Any):
    token = token_of_place(Place("size_bytes", "asc", 7, "k"))

    with pytest.raises(InvalidInput, match="sorted by size_bytes, asc; now it is"):
        place_of_token(token, sort, order)
