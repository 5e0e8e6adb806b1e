"""Two states of an index, compared: by version, by time, with and without a tail."""

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.past import Moment
from s3pipelines.core.errors import NotFound
from s3pipelines.core.index.state_differences import compare_states
from s3pipelines.core.sources.registry import create_source
from tests.core.catalog.states import States


@pytest.fixture
def states(local_catalog: Catalog, bucket: str) -> States:
    """A source `maps` without a state."""
    create_source(local_catalog, "maps", f"s3://{bucket}/m")
    return States(local_catalog)


def found(states: States, before: Moment, after: Moment) -> dict[str, str]:
    """The kind of change by key."""
    with compare_states(states.catalog, "maps", before, after) as differences:
        kinds = {row["key"]: row["kind"] for row in differences.rows()}
        assert list(kinds) == sorted(kinds)
        assert differences.changed == len(kinds)
        for kind, count in differences.counts.items():
            assert list(kinds.values()).count(kind) == count
        assert len(list(differences.rows(1))) == min(1, len(kinds))
        return kinds


def test_each_kind_of_change_is_told(states: States):
    before = states.replace(a="1", b="1", c="1")
    after = states.replace(b="2", c="1", d="1")

    assert found(states, before, after) == {"a": "deleted", "b": "overwritten", "d": "created"}
    assert found(states, after, before) == {"a": "created", "b": "overwritten", "d": "deleted"}
    assert found(states, 1, 2) == found(states, before, after)
    assert found(states, 2, 2) == {}


def test_a_change_that_waits_in_the_tail_is_told_and_its_merge_is_none(states: States):
    times = [states.append(a="1"), states.append(b="1"), states.tail(b="2", c="1")]
    merged = [states.replace(a="1", b="2", c="1"), states.clear_tail()]

    assert found(states, times[1], times[2]) == {"b": "overwritten", "c": "created"}
    for later in merged:
        assert found(states, times[2], later) == {}
        assert found(states, times[0], later) == {"b": "created", "c": "created"}


def test_files_that_both_states_have_are_not_read(states: States):
    states.append(a="1")
    before = states.append(b="1")
    after = states.append(c="1")

    with compare_states(states.catalog, "maps", before, after) as differences:
        plan = differences._connection.execute(
            "SELECT sql FROM duckdb_views() WHERE view_name IN ('listed', 'indexed')"
        ).fetchall()
        assert "".join(sql for (sql,) in plan).count(".parquet") == 1
        assert [row["key"] for row in differences.rows()] == ["c"]


def test_any_two_states_differ_in_what_their_rows_say(states: States):
    rows = {
        states.pause(): {},
        states.append(a="1", b="1"): {"a": "1", "b": "1"},
        states.append(c="1"): {"a": "1", "b": "1", "c": "1"},
        states.tail(b="2", d="1"): {"a": "1", "b": "2", "c": "1", "d": "1"},
        states.tail(d="1", c="", gone=True): {"a": "1", "b": "2"},
        states.append(e="1"): {"a": "1", "b": "2", "e": "1"},
        states.tail(c="3"): {"a": "1", "b": "2", "c": "3", "e": "1"},
    }

    for before, old in rows.items():
        for after, new in rows.items():
            keys = [key for key in old | new if old.get(key) != new.get(key)]
            expected = {
                key: "created" if key not in old else "overwritten" if key in new else "deleted"
                for key in keys
            }
            assert found(states, before, after) == expected


def test_an_unknown_source_is_refused(local_catalog: Catalog):
    with (
        pytest.raises(NotFound, match="nobody"),
        compare_states(local_catalog, "nobody", 1, 2),
    ):
        pass
