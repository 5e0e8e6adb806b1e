"""The states of an index, as the logs of its tables tell them."""

from dataclasses import astuple
from datetime import UTC, datetime

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.past import index_at
from s3pipelines.core.errors import NotFound
from s3pipelines.core.index import upkeep
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.history import index_history
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.catalog.states import etags_of
from tests.core.index.hinting import hint


def test_each_state_says_how_it_came_to_be(
    local: Catalog, bucket, put_objects, s3, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(upkeep, "SMALL_BYTES", 0)  # As if the source were large.
    monkeypatch.setattr(upkeep, "_FOLD_LEAST_ROWS", 3)
    monkeypatch.setattr(upkeep, "_FOLD_SHARE", 1.0)
    put_objects("m/e")
    hint(local, "maps", "m/e")
    apply_changes(local, "maps")
    s3.delete_object(Bucket=bucket, Key="m/a")
    refresh_index(local, "maps")

    found = index_history(local, "maps")

    # The refresh applies what it found through the tail, and then merges it.
    assert [(s.table, s.written_as, s.version, s.tail_version) for s in found] == [
        ("objects", "replacement", 2, 2),
        ("objects_tail", "tail", 1, 2),
        ("objects_tail", "tail", 1, 1),
        ("objects", "replacement", 1, None),
    ]
    assert [(state.rows_changed, state.rows_written) for state in found] == [
        (None, 4), (1, 1), (1, 1), (None, 4),
    ]  # fmt: skip
    assert [state.at for state in found] == sorted((s.at for s in found), reverse=True)
    keys = set(etags_of(local, index_at(local, "maps", found[0].at)))
    assert keys == {"m/b", "m/c", "m/d", "m/e"}
    assert set(etags_of(local, index_at(local, "maps", found[2].at))) == {"m/a", *keys}
    assert index_history(local, "maps", limit=1) == found[:1]


def test_what_other_sources_did_is_left_out(local: Catalog, bucket, put_objects):
    put_objects("n/a")
    create_source(local, "notes", f"s3://{bucket}/n")
    refresh_index(local, "notes")

    (maps,) = index_history(local, "maps")
    (notes,) = index_history(local, "notes")

    assert (maps.version, notes.version) == (1, 2)
    assert astuple(notes)[2:] == (None, "objects", "replacement", None, 1, 1, 0)
    assert maps.at < notes.at < datetime.now(UTC)


def test_an_unknown_source_is_refused(local_catalog: Catalog):
    with pytest.raises(NotFound, match="nobody"):
        index_history(local_catalog, "nobody")
