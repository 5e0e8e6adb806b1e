"""`s3pipelines data …`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def maps(run: Run, bucket: str) -> str:
    """The source `maps`, empty."""
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    return "maps"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of three files."""
    folder = tmp_path / "scans"
    (folder / "a").mkdir(parents=True)
    for name, body in (("a/1.tif", b"one"), ("a/2.tif", b"two"), ("b.txt", b"a note")):
        (folder / name).write_bytes(body)
    return folder


def _listed(run: Run, *more: str) -> list[str]:
    shown = json.loads(run("objects", "list", "--source", "maps", "--json", *more).out)
    return [row["key"] for row in shown["objects"]]


def test_what_is_registered_is_in_the_index_at_once(run: Run, maps, scans):
    done = run("data", "register", "--source", "maps", "--tags", "rights=free,by=me", str(scans))

    assert (done.status, done.out.split()) == (0, ["uploaded", "3"])
    assert _listed(run) == ["maps/scans/a/1.tif", "maps/scans/a/2.tif", "maps/scans/b.txt"]
    tags = run("sql", "SELECT DISTINCT name, value FROM tags ORDER BY 1", "--format", "csv")
    assert tags.out.split() == ['"name","value"', '"by","me"', '"rights","free"']
    again = run("data", "register", "--source", "maps", str(scans), "--json")
    assert json.loads(again.out)["counts"] == {"unchanged": 3}


def test_a_dry_run_shows_where_things_would_go(run: Run, maps, scans):
    done = run("data", "register", "--source", "maps", "--dry-run", f"{scans}/.")

    assert done.status == 0
    assert "would_upload" in done.out
    assert "maps/a/1.tif" in done.out
    assert _listed(run) == []


def test_failed_files_are_listed_with_reasons_and_status_1(run: Run, maps, scans, bucket, s3):
    s3.put_object(Bucket=bucket, Key="maps/b.txt", Body=b"other")

    done = run("data", "register", "--source", "maps", f"{scans}/.")

    assert done.status == 1
    assert "exists" in done.out
    assert "--overwrite replaces it" in done.out


def test_what_is_wrong_with_a_registration_is_one_line_and_status_2(run: Run, maps, scans):
    for arguments, words in (
        ([str(scans), "--tags", "a"], "Write --tags name=value."),
        (["--existing", "s3://other/a.tif"], "does not lie in the source 'maps'"),
        ([], "Name files, or --existing."),
        ([f"{scans}/nothing"], "Check how it is written."),
    ):
        refused = run("data", "register", "--source", "maps", *arguments)

        assert (refused.status, refused.out) == (2, "")
        assert words in refused.err
        assert len(refused.err.splitlines()) == 1


@pytest.fixture
def shared(run: Run, maps, scans) -> str:
    """The source with the three files, tagged."""
    run("data", "register", "--source", "maps", "--tags", "rights=free", f"{scans}/.")
    return "maps"


def test_objects_are_described_for_people_and_for_programs(run: Run, shared):
    shown = run("data", "describe", "--source", "maps")

    assert shown.status == 0
    for words in ("a/1.tif", "rights=free", "sha256", "as described", "3 objects."):
        assert words in shown.out
    told = json.loads(run("data", "describe", "--source", "maps", "--ids", "b.txt", "--json").out)
    assert [row["key"] for row in told["objects"]] == ["maps/b.txt"]
    assert told["objects"][0]["tags"] == {"rights": "free"}


def test_several_ids_may_follow_each_other_and_unknown_ones_are_named(run: Run, shared):
    several = ("--ids", "a/1.tif", "a/2.tif", "none.tif", "--index-only", "--json")
    done = run("data", "describe", "--source", "maps", *several)

    assert done.status == 1
    assert [row["name"] for row in json.loads(done.out)["objects"]] == ["a/1.tif", "a/2.tif"]
    assert "'maps/none.tif'" in done.err


def test_what_is_gone_is_a_row_and_status_1(run: Run, shared, s3, bucket):
    s3.delete_object(Bucket=bucket, Key="maps/b.txt")

    done = run("data", "describe", "--source", "maps", "--json")

    assert done.status == 1
    assert [row["state"] for row in json.loads(done.out)["objects"]][-1] == "gone"


def test_what_is_downloaded_is_what_was_registered(run: Run, shared, scans, tmp_path):
    folder = tmp_path / "here"

    done = run("data", "download", "--source", "maps", "--dir", str(folder))

    assert (done.status, done.out.split()[:2]) == (0, ["downloaded", "3"])
    for name in ("a/1.tif", "a/2.tif", "b.txt"):
        assert (folder / name).read_bytes() == (scans / name).read_bytes()
    again = json.loads(
        run("data", "download", "--source", "maps", "--dir", str(folder), "--json").out
    )
    assert (again["downloaded"], again["unchanged"], again["failed"]) == (0, 3, [])


def test_a_selection_and_ids_restrict_a_download(run: Run, shared, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    run("data", "download", "--source", "maps", "--dir", str(one), "--regex", "1[.]tif$")
    run("data", "download", "--source", "maps", "--dir", str(other), "--ids", "b.txt")

    assert [path.name for path in one.rglob("*.tif")] == ["1.tif"]
    assert sorted(path.name for path in other.iterdir()) == [".s3pipelines", "b.txt"]


def test_objects_that_cannot_be_downloaded_are_listed_with_status_1(
    run: Run, shared, s3, bucket, tmp_path
):
    s3.put_object(Bucket=bucket, Key="maps/../../../out.tif", Body=b"1")
    run("index", "refresh", "--source", "maps")

    done = run("data", "download", "--source", "maps", "--dir", str(tmp_path / "here"))

    assert done.status == 1
    assert "maps/../../../out.tif" in done.out
    assert "'.' or '..'" in done.out
    assert not list(tmp_path.rglob("out.tif"))


def test_ids_go_with_no_other_selection(run: Run, shared, tmp_path):
    for options in (["--ids", "a", "--limit", "1"], ["a"], ["--ids", "a", "--keys-from", "x"]):
        refused = run("data", "describe", "--source", "maps", *options)

        assert (refused.status, refused.out) == (2, "")


def test_a_version_is_frozen_named_compared_and_checked(run: Run, shared, s3, bucket, tmp_path):
    first = run("data", "snapshot", "--source", "maps", "-m", "as published")
    assert (first.status, "maps@1" in first.out, "as published" in first.out) == (0, True, True)
    assert "Nothing changed since maps@1" in run("data", "snapshot", "--source", "maps").out
    clean = run("data", "drift", "maps@1")
    assert (clean.status, "deleted      0" in clean.out) == (0, True)
    s3.put_object(Bucket=bucket, Key="maps/b.txt", Body=b"another note")
    s3.delete_object(Bucket=bucket, Key="maps/a/1.tif")
    run("index", "refresh", "--source", "maps")

    drifted = run("data", "drift", "maps@1")
    told = json.loads(run("data", "drift", "maps@1", "--ask", "--json").out)
    second = json.loads(run("data", "snapshot", "--source", "maps", "--json").out)
    differences = run("data", "diff", "maps@1", "maps@2")

    assert (drifted.status, "deleted      maps/a/1.tif" in drifted.out) == (1, True)
    assert {(one["kind"], one["key"]) for one in told["drifted"]} == {
        ("deleted", "maps/a/1.tif"),
        ("overwritten", "maps/b.txt"),
    }
    assert (second["name"], second["objects"], second["is_new"]) == ("maps@2", 2, True)
    assert (differences.status, "overwritten  maps/b.txt" in differences.out) == (0, True)
    listed = json.loads(run("objects", "list", "--source", "maps@1", "--json").out)
    assert listed["total"] == 3
    versions = json.loads(run("sources", "list", "--json").out)[0]["versions"]
    assert [(v["name"], v["message"]) for v in versions] == [
        ("maps@1", "as published"),
        ("maps@2", ""),
    ]
    assert "maps@1, maps@2" in run("sources", "list").out


def test_members_of_a_version_are_not_deleted_by_accident(run: Run, shared):
    run("data", "snapshot", "--source", "maps")

    refused = run("batch", "plan", "delete", "--source", "maps", "--permanent")
    assert refused.status == 2
    assert "--break-versions" in refused.err
    made = run("batch", "plan", "delete", "--source", "maps", "--permanent", "--break-versions")
    assert (made.status, "breaks_versions" in made.out) == (0, True)


def test_what_is_wrong_with_a_version_is_one_line_and_status_2(run: Run, shared, tmp_path):
    for arguments, words in (
        (["drift", "maps"], "Write for example maps@1."),
        (["drift", "maps@1"], "There is no version maps@1."),
        (["diff", "maps@1", "maps"], "There is no version maps@1."),
        (["download", "--source", "maps@2", "--dir", str(tmp_path / "x")], "no version maps@2"),
        (["describe", "--source", "maps@one"], "names no version"),
        (["snapshot", "--source", "other"], "There is no source 'other'."),
    ):
        refused = run("data", *arguments)

        assert (refused.status, refused.out) == (2, "")
        assert words in refused.err
        assert len(refused.err.splitlines()) == 1
