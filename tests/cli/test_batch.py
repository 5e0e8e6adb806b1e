"""`s3pipelines batch …`, as it is typed."""

import json
from pathlib import Path

import pytest

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


def test_nothing_is_changed_by_whoever_says_no(run: Run, maps, monkeypatch: pytest.MonkeyPatch):
    plan_id = planned(run, "delete", "--permanent")
    monkeypatch.setattr("click.confirm", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))

    assert run("batch", "apply", plan_id).status == 130
    assert len(indexed(run)) == 3


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
    ],
)
def test_what_cannot_be_done_is_one_clear_line(run: Run, maps, arguments, line):
    done = run("batch", *(argument.format(maps=maps) for argument in arguments))

    assert done.status == 2
    assert line in done.err
    assert "Traceback" not in done.err
