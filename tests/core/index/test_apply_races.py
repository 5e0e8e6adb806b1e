"""Whoever is killed or overtaken while the ledger is applied: each change is in the index once."""

import pytest
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.index import answers, turns
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.turns import Turn
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.storage.heads import Asked
from tests.core.index.hinting import answer_with, hint, indexed, kinds
from tests.core.index.rows import index_keys
from tests.servers import on_every_catalog


@pytest.mark.parametrize("step", ["take_in", "settle"])
@on_every_catalog
def test_a_writer_that_is_killed_between_two_steps_is_finished_by_the_next_one(
    maps: Catalog, put_objects, monkeypatch, step
):
    put_objects("m/e")
    hint(maps, "maps", "m/e")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(turns, step, killed)
        with pytest.raises(KeyboardInterrupt):
            apply_changes(maps, "maps")
    monkeypatch.setattr(answers, "ask_many", None)

    apply_changes(maps, "maps")

    assert kinds(maps, "maps") == [("m/e", "created")], "S3 is not asked again"
    assert index_keys(maps, "maps") == ["m/a", "m/b", "m/c", "m/d", "m/e"]


def test_a_hint_that_arrives_while_s3_is_asked_is_left_for_the_next_batch(
    local: Catalog, put_objects, monkeypatch
):
    put_objects("m/e")
    hint(local, "maps", "m/e")
    once: list[int] = []

    def meanwhile(asked: Asked) -> Asked:
        if not once:
            once.append(1)
            put_objects("m/e", body=b"newer")
            hint(local, "maps", "m/e", "m/a")
        return asked

    answer_with(monkeypatch, meanwhile)
    apply_changes(local, "maps")
    pending = read_pending(local, get_source(local, "maps"))
    assert pending is not None

    apply_changes(local, "maps")

    assert indexed(local, "maps")["m/e"].size_bytes == 5


def test_a_writer_that_was_overtaken_while_it_asked_writes_nothing_of_it(
    local: Catalog, put_objects, monkeypatch
):
    """Its lease was lost, another one asked later, and its own answers are old by now."""
    put_objects("m/e")
    hint(local, "maps", "m/e")
    once: list[int] = []

    def overtaken(asked: Asked) -> Asked:
        if not once:
            once.append(1)
            put_objects("m/e", body=b"newer")
            with monkeypatch.context() as patch:
                patch.setattr(turns, "index_lease", lambda _: "leases/other.json")
                apply_changes(local, "maps")
        return asked

    answer_with(monkeypatch, overtaken)

    apply_changes(local, "maps")

    assert indexed(local, "maps")["m/e"].size_bytes == 5
    assert kinds(local, "maps") == [("m/e", "created")]


def test_a_lost_race_for_the_commit_is_run_again(local: Catalog, put_objects, monkeypatch):
    put_objects("m/e")
    hint(local, "maps", "m/e")
    confirm = Turn.confirm
    calls: list[int] = []

    def refused_once(turn):
        calls.append(1)
        if len(calls) == 2:
            raise CommitFailedError("somebody was faster")
        confirm(turn)

    monkeypatch.setattr(Turn, "confirm", refused_once)

    apply_changes(local, "maps")

    assert kinds(local, "maps") == [("m/e", "created")]
    assert "m/e" in indexed(local, "maps")
