"""`s3pipelines batch …`, as it is typed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from s3pipelines.core.batch.applications import plan_lease
from s3pipelines.core.catalog.catalog import Catalog
from tests.cli.conftest import Run


@pytest.fixture
def maps(run: Run, bucket: str, put_objects) -> str:
    put_objects("maps/a.tif", "maps/b.tif", "maps/c.jpg")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    run("index", "refresh", "--source", "maps")
    return bucket


def planned(run: Run, action: str, *options: str) -> str:
    made = run("batch", "plan", action, "--source", "maps", *options, "--json")
    assert made.status == 0, made.err
    return json.loads(made.out)["id"]


def indexed(run: Run) -> list[str]:
    listed = run("objects", "list", "--source", "maps", "--json")
    return [row["key"] for row in json.loads(listed.out)["objects"]]


def keys(s3: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_plan_is_shown_applied_reported_and_undone(run: Run, maps, tmp_path: Path):
    made = run(
        *("batch", "plan", "move", "--source", "maps", "--glob", "*.tif"),
        *("--to", f"s3://{maps}/maps/scans", "--reason", "tidy"),
    )
    assert made.status == 0
    assert "maps/scans/a.tif" in made.out
    assert "Nothing was changed. Next: s3pipelines batch apply" in made.out
    assert indexed(run) == ["maps/a.tif", "maps/b.tif", "maps/c.jpg"]
    plan_id = json.loads(run("batch", "list", "--json").out)[0]["id"]

    applied = run("batch", "apply", plan_id, "--yes", "--json")

    assert applied.status == 0
    assert (json.loads(applied.out)["done"], json.loads(applied.out)["left"]) == (2, 0)
    assert indexed(run) == ["maps/c.jpg", "maps/scans/a.tif", "maps/scans/b.tif"]
    rows = tmp_path / "rows.csv"
    assert run("batch", "report", plan_id, "--rows", str(rows)).status == 0
    assert "tidy" in rows.read_text()

    assert run("batch", "undo", plan_id, "--yes").status == 0
    assert indexed(run) == ["maps/a.tif", "maps/b.tif", "maps/c.jpg"]


def test_objects_that_fail_are_listed_with_status_1(run: Run, maps, put_objects):
    plan_id = planned(run, "delete", "--permanent")
    put_objects("maps/b.tif", body=b"newer")

    applied = run("batch", "apply", plan_id, "--yes")

    assert applied.status == 1
    assert "maps/b.tif was changed by somebody else meanwhile" in " ".join(applied.out.split())
    assert run("batch", "report", plan_id).status == 1


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "Enter", "end of input"])
def test_nothing_is_changed_by_whoever_does_not_say_yes(
    run: Run, maps, s3, monkeypatch: pytest.MonkeyPatch, answer: str
):
    plan_id = planned(run, "delete", "--permanent")
    monkeypatch.setattr("sys.stdin", StringIO(answer))

    asked = run("batch", "apply", plan_id)

    assert asked.status == 130
    assert "Change 3 objects? [y/N]" in asked.err
    assert len(keys(s3, maps)) == 3
    assert json.loads(run("batch", "report", plan_id, "--json").out)["left"] == 3


def test_whoever_says_yes_sees_the_plan_before_and_the_report_after(
    run: Run, maps, s3, monkeypatch: pytest.MonkeyPatch
):
    plan_id = planned(run, "delete", "--permanent", "--glob", "a.tif")
    monkeypatch.setattr("sys.stdin", StringIO("y\n"))

    asked = run("batch", "apply", plan_id)

    assert (asked.status, keys(s3, maps)) == (0, ["maps/b.tif", "maps/c.jpg"])
    assert "Change 1 object? [y/N]" in asked.err
    assert asked.out.index("1 of 1") < asked.out.index("done")


def test_a_plan_is_shown_as_it_was_when_it_was_made(run: Run, maps):
    told = ("--source", "maps", "--glob", "*.tif", "--reason", "tidy", "--permanent")
    made = run("batch", "plan", "delete", *told)
    plan_id = json.loads(run("batch", "list", "--json").out)[0]["id"]

    shown = run("batch", "show", plan_id)

    assert shown.status == 0
    assert made.out == f"{shown.out}Nothing was changed. Next: s3pipelines batch apply {plan_id}\n"
    for line in (plan_id, "glob *.tif", "permanent=True", "2 of 2", "tidy", "maps/b.tif"):
        assert line in shown.out
    read = json.loads(run("batch", "show", plan_id, "--json").out)
    assert (read["id"], read["summary"]["to_do"]) == (plan_id, 2)


@pytest.mark.parametrize("command", ["apply", "undo"])
def test_a_plan_that_another_process_applies_is_refused(
    run: Run, maps, s3, local_catalog: Catalog, command: str
):
    plan_id = planned(run, "delete", "--permanent")
    with held_elsewhere(local_catalog, plan_lease(plan_id)) as process:
        refused = run("batch", command, plan_id, "--yes")

    assert refused.status == 2
    assert f"The plan {plan_id} is being applied (process {process.pid} on" in refused.err
    assert "Wait for it to end" in refused.err
    assert len(keys(s3, maps)) == 3


def test_a_source_that_is_read_only_is_refused_by_each_step(run: Run, maps, s3):
    plan_id = planned(run, "delete", "--permanent")
    update = ("sources", "update", "--id", "maps", "-m", "a loan")
    assert run(*update, "--read-only").status == 0

    new = run("batch", "plan", "delete", "--source", "maps")
    old = run("batch", "apply", plan_id, "--yes")
    into = run("batch", "plan", "copy", "--source", "maps", "--to", f"s3://{maps}/maps/new")

    assert (new.status, old.status, into.status) == (2, 2, 2)
    assert "'maps' is registered as read-only. Allow it with" in new.err
    assert "'maps' is read-only by now" in old.err
    assert "lies in the source 'maps', which is read-only" in into.err
    assert len(keys(s3, maps)) == 3


@pytest.fixture
def trashed(run: Run, maps: str, s3, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plan that has deleted two of the three objects by way of the trash."""
    monkeypatch.setenv("S3PIPELINES_TRASH", f"s3://{maps}/trash")
    plan_id = planned(run, "delete", "--glob", "*.tif")
    assert run("batch", "apply", plan_id, "--yes").status == 0
    assert len(keys(s3, maps)) == 3
    return plan_id


EMPTY = ("batch", "empty-trash", "--source", "maps")


def test_the_trash_is_emptied_after_a_question_and_undo_says_so(
    run: Run, maps, s3, trashed: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    asked = run(*EMPTY, "--older-than", "0d")
    assert asked.status == 130
    assert "Delete 2 objects for good? [y/N]" in asked.err
    assert trashed in asked.out  # What can no longer be undone.
    assert len(keys(s3, maps)) == 3

    done = run(*EMPTY, "--older-than", "0h", "--yes", "--json", "--reason", "space")

    assert (done.status, json.loads(done.out)["done"]) == (0, 2)
    assert keys(s3, maps) == ["maps/c.jpg"]
    undone = run("batch", "undo", trashed, "--yes")
    assert undone.status == 2
    assert "did nothing that can be taken back (2: the trash was emptied since)" in undone.err


def test_what_is_young_stays_in_the_trash(run: Run, maps, s3, trashed: str):
    done = run(*EMPTY, "--yes", "--json")

    assert (done.status, json.loads(done.out)) == (0, {"plan": None, "done": 0})
    assert "Nothing in the trash is that old." in done.err
    assert len(keys(s3, maps)) == 3
    assert run("batch", "undo", trashed, "--yes").status == 0


@contextmanager
def held_elsewhere(catalog: Catalog, lease: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lease, and renews it."""
    command = [sys.executable, "-c", _HOLDER, catalog.location.uri, lease]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.stdin.close()


_HOLDER = """
import sys
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage import leases
from s3pipelines.core.storage.locations import parse_location

leases.RENEW_EVERY_S = 0.2
catalog = Catalog(parse_location(sys.argv[1]))
with leases.hold(catalog.documents, sys.argv[2], "A test"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_json_and_a_question_do_not_go_together(run: Run, maps):
    refused = run("batch", "apply", planned(run, "delete", "--permanent"), "--json")

    assert (refused.status, refused.out) == (2, "")
    assert "give --yes, too" in refused.err
    assert len(indexed(run)) == 3


def test_keys_come_from_a_manifest_of_s3_batch_operations(run: Run, maps, tmp_path: Path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(f"{maps},maps%2Fa.tif\n{maps},maps/gone.tif\n")

    made = run(
        *("batch", "plan", "tag", "--source", "maps", "--manifest", str(manifest)),
        *("--set", "kind=scan", "--json"),
    )

    assert made.status == 1  # One of them is not in the index.
    assert "maps/gone.tif" in made.err
    assert json.loads(made.out)["summary"]["to_do"] == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("apply", "nonsense", "--yes"), "is no id of a plan"),
        (("show", "20260101-000000-abcdef"), "There is no plan"),
        (("plan", "delete", "--source", "maps", "--glob", "*.png"), "The selection is empty"),
        (("plan", "copy", "--source", "maps", "--to", "s3://no-such-bucket-here"), "no bucket"),
        (("plan", "copy", "--source", "maps", "--to", "nowhere"), "is not an S3 path"),
        (
            ("plan", "copy", "--source", "maps", "--to", "s3://{maps}/x", "--template", "one"),
            "would go to targets that others go to",
        ),
        (
            ("plan", "copy", "--source", "maps", "--to", "s3://{maps}/x", "--metadata", "x"),
            "has no value",
        ),
        (("plan", "tag", "--source", "maps"), "nothing is to be set or taken away"),
        (("plan", "restore", "--source", "maps", "--days", "0"), "--days"),
        (("plan", "delete", "--source", "nowhere"), "There is no source 'nowhere'"),
        (("empty-trash", "--source", "maps", "--older-than", "soon"), "neither days nor hours"),
        (("empty-trash", "--source", "maps", "--yes"), "Set S3PIPELINES_TRASH to"),
        (("empty-trash", "--source", "maps", "--json"), "give --yes, too"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(run: Run, maps, arguments, line):
    done = run("batch", *(argument.format(maps=maps) for argument in arguments))

    assert done.status == 2
    assert line in done.err
    assert "Traceback" not in done.err
