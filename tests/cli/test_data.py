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
