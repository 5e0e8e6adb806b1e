"""`s3pipelines index …`."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dagster import AssetKey, DagsterInstance

from s3pipelines.core.catalog.catalog import Catalog
from tests.cli.conftest import Run
from tests.core.index.reports import ReportOf, rows_of_bucket


@pytest.fixture
def maps(run: Run, bucket, put_objects) -> None:
    """A registered source of two objects."""
    put_objects("maps/b.tif", "maps/a.tif")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")


def test_a_refresh_says_what_it_found(run: Run, maps):
    done = run("index", "refresh", "--source", "maps", "--json")

    assert done.status == 0
    shown = json.loads(done.out)
    assert (shown["objects"], shown["created"], shown["written_as"]) == (2, 2, "replacement")
    assert "Listing s3://" in done.err


def test_a_refresh_by_the_command_line_is_in_the_history_of_dagster(run: Run, maps):
    run("index", "refresh", "--source", "maps")

    with DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(AssetKey("object_index"))
        assert instance.get_materialized_partitions(AssetKey("object_index")) == {"maps"}
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["objects"].value == 2


def test_a_dagster_that_cannot_be_told_is_a_warning_and_the_index_is_refreshed(
    run: Run, maps, monkeypatch, tmp_path
):
    not_a_folder = tmp_path / "file"
    not_a_folder.write_text("")
    monkeypatch.setenv("DAGSTER_HOME", str(not_a_folder))

    done = run("index", "refresh", "--source", "maps", "--json")

    assert done.status == 0
    assert json.loads(done.out)["objects"] == 2
    assert "Warning: Dagster was not told" in done.err


def test_a_refresh_of_an_unknown_source_exits_2(run: Run):
    refused = run("index", "refresh", "--source", "nobody")

    assert (refused.status, refused.out) == (2, "")
    assert refused.err == (
        "Error: There is no source 'nobody'. "
        "See the registered ones with 's3pipelines sources list'.\n"
    )


def test_an_export_is_one_sorted_parquet_file(run: Run, maps, tmp_path: Path):
    run("index", "refresh", "--source", "maps")

    done = run("index", "export", "--source", "maps", "--to", str(tmp_path / "maps.parquet"))

    assert done.status == 0
    table = pq.read_table(tmp_path / "maps.parquet")
    assert table.column("key").to_pylist() == ["maps/a.tif", "maps/b.tif"]


def test_an_export_into_a_folder_that_is_not_there_exits_2(run: Run, maps, tmp_path: Path):
    run("index", "refresh", "--source", "maps")

    refused = run("index", "export", "--source", "maps", "--to", str(tmp_path / "no" / "x.parquet"))

    assert refused.status == 2
    assert refused.err.count("\n") == 1


@pytest.fixture
def two_states(run: Run, maps, bucket, put_objects, s3) -> None:
    """Indexed twice; in between, one object was overwritten, one deleted, one created."""
    run("index", "refresh", "--source", "maps")
    put_objects("maps/a.tif", body=b"longer than before")
    put_objects("maps/c\x1b[2J.tif")
    s3.delete_object(Bucket=bucket, Key="maps/b.tif")
    run("index", "refresh", "--source", "maps", "--full")


def test_the_history_has_the_newest_state_first(run: Run, two_states):
    done = run("index", "history", "--source", "maps", "--json")

    assert done.status == 0
    states = json.loads(done.out)["states"]
    assert [state["version"] for state in states] == [2, 1]
    assert [state["written_as"] for state in states] == ["replacement", "replacement"]
    shown = run("index", "history", "--source", "maps", "--limit", "1")
    assert states[0]["at"] in shown.out
    assert states[1]["at"] not in shown.out


def test_a_source_without_a_state_has_no_history(run: Run, maps):
    done = run("index", "history", "--source", "maps")

    assert (done.status, done.out) == (0, "There is none yet.\n")


def test_two_states_are_compared_by_version_or_time(run: Run, two_states):
    history = json.loads(run("index", "history", "--source", "maps", "--json").out)
    newest, oldest = (state["at"] for state in history["states"])

    for moments in (("1", "2"), (oldest, newest)):
        done = run(
            "index", "diff", "--source", "maps", "--json", "--from", moments[0], "--to", moments[1]
        )

        found = json.loads(done.out)
        assert done.status == 0
        counts = [found[k] for k in ("created", "overwritten", "transitioned", "deleted")]
        assert counts == [1, 1, 0, 1]
        assert [(row["kind"], row["key"]) for row in found["changes"]] == [
            ("overwritten", "maps/a.tif"),
            ("deleted", "maps/b.tif"),
            ("created", "maps/c\x1b[2J.tif"),
        ]
    same = run("index", "diff", "--source", "maps", "--json", "--from", "2", "--to", newest)
    assert json.loads(same.out)["changes"] == []


def test_people_get_the_first_keys_that_differ_and_mistakes_exit_2(run: Run, two_states):
    between = ("index", "diff", "--source", "maps", "--to", "2", "--from")

    assert r"created      maps/c\x1b[2J.tif" in run(*between, "1").out
    few = run(*between, "1", "--limit", "1").out
    assert "1 of 3; --limit shows more" in few
    assert "maps/b.tif" not in few
    for moment, words in {
        "9": "the newest is 2",
        "yesterday": "neither a version nor a time",
        "1999-01-01": "begins at",
    }.items():
        refused = run(*between, moment)
        assert (refused.status, refused.out) == (2, "")
        assert words in refused.err


def test_a_refresh_reads_a_report_in_place_of_a_listing(run: Run, maps, bucket, s3):
    uri = ReportOf(rows_of_bucket(s3, bucket)).put(s3, bucket, bucket)

    done = run("index", "refresh", "--source", "maps", "--inventory", uri, "--json")

    assert done.status == 0
    assert json.loads(done.out)["created"] == 2
    assert f"Reading {uri}" in done.err
    both = run("index", "refresh", "--source", "maps", "--full", "--inventory", uri)
    assert both.status == 2
    assert "give one of them" in both.err


def test_optimize_tells_what_it_did_table_by_table(run: Run, maps):
    run("index", "refresh", "--source", "maps")

    done = run("index", "optimize", "--json")

    assert done.status == 0
    parts = json.loads(done.out)["parts"]
    (objects,) = (p for p in parts if (p["table"], p["source"]) == ("objects", "maps"))
    assert (objects["files_before"], objects["files_after"], objects["error"]) == (1, 1, "")
    assert "Putting the files of 'maps' in order" in done.err
    table = run("index", "optimize", "--source", "maps").out
    assert "1 -> 1" in table
    assert "(all)" not in table


def test_optimize_names_what_it_could_not_do_and_fails(run: Run, maps, local_catalog: Catalog):
    local_catalog.documents.put("sources/torn.json", b"{")

    done = run("index", "optimize")

    assert done.status == 1
    assert "The registration of 'torn' cannot be read" in done.out
    assert "maps" in done.out


def test_optimize_refuses_a_source_that_is_not_registered(run: Run):
    done = run("index", "optimize", "--source", "nobody")

    assert done.status == 2
    assert "There is no source 'nobody'" in done.err
