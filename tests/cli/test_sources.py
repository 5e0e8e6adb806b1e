"""`s3pipelines sources …`, on good and on bad input."""

import json

import pytest
from dagster import AssetKey, DagsterInstance

from tests.cli.conftest import Run


def dagster_partitions() -> list[str]:
    with DagsterInstance.get() as instance:
        return list(instance.get_dynamic_partitions("sources"))


def test_a_source_is_created_shown_and_listed(run: Run, bucket):
    created = run(
        "sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps",
        "--description", "Old maps.", "--tag", "owner=library", "--include", "*.tif",
        "--settle", "60",
    )  # fmt: skip
    shown = run("sources", "get", "--id", "maps", "--json")
    listed = run("sources", "list")

    assert created.status == 0
    assert f"Registered 'maps': s3://{bucket}/maps/" in created.out
    source = json.loads(shown.out)
    assert source["tags"] == {"owner": "library"}
    assert (source["include"], source["settle_s"]) == (["*.tif"], 60)
    assert source["history"][0]["message"] == "created"
    assert "Old maps." in listed.out


def test_version_ids_are_asked_for_and_no_longer(run: Run, bucket):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps", "--versions")
    on = json.loads(run("sources", "get", "--id", "maps", "--json").out)
    told = run("sources", "update", "--id", "maps", "-m", "why", "--no-versions", "--json")
    kept = run("sources", "update", "--id", "maps", "-m", "again", "--json")

    assert on["versions"]
    assert not json.loads(told.out)["versions"]
    assert not json.loads(kept.out)["versions"]


def test_creating_a_source_adds_its_partition_and_deleting_removes_it(run: Run, bucket):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    assert dagster_partitions() == ["maps"]

    deleted = run("sources", "delete", "--id", "maps", "--yes")

    assert "Its objects on S3 are untouched." in deleted.out
    assert dagster_partitions() == []


def test_an_update_is_kept_in_the_history(run: Run, bucket):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")

    updated = run("sources", "update", "--id", "maps", "-m", "no drafts", "--exclude", "draft/*")

    assert updated.status == 0
    assert "no drafts" in updated.out
    source = json.loads(run("sources", "get", "--id", "maps", "--json").out)
    assert source["exclude"] == ["draft/*"]
    assert [entry["message"] for entry in source["history"]] == ["created", "no drafts"]


def test_switching_derivatives_on_says_what_they_will_cost(run: Run, bucket, put_objects):
    put_objects("maps/1.tif", "maps/2.tif", body=b"x" * 1000)

    created = run(
        "sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps",
        "--derive", "headers,thumbnails",
    )  # fmt: skip

    assert "Deriving headers, thumbnails: 2 objects" in created.out
    assert "4 GET and 2 PUT requests, about $0.00" in created.out


def test_a_list_is_paged(run: Run, bucket):
    for name in ("a", "b", "c"):
        run("sources", "create", "--id", name, "--s3-path", f"s3://{bucket}/{name}")

    page = run("sources", "list", "--offset", "1", "--num-items", "1", "--json")

    assert [source["id"] for source in json.loads(page.out)] == ["b"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("get", "--id", "nobody"), "There is no source 'nobody'."),
        (("delete", "--id", "nobody", "--yes"), "There is no source 'nobody'."),
        (("create", "--id", "No!", "--s3-path", "s3://bucket-x"), "'No!' is not a source id."),
        (("create", "--id", "m", "--s3-path", "/tmp/x"), "'/tmp/x' is not an S3 path."),
        (("create", "--id", "m", "--s3-path", "s3://nobody-s-bucket"), "There is no bucket"),
        (
            ("create", "--id", "m", "--s3-path", "s3://bucket-x", "--tag", "novalue"),
            "has no value",
        ),
        (
            ("create", "--id", "m", "--s3-path", "s3://bucket-x", "--profile", "nobody"),
            "There is no AWS profile 'nobody'",
        ),
        (("create", "--id", "m", "--s3-path", "s3://bucket-x", "--derive", "cake"), "'derive"),
        (
            ("create", "--id", "m", "--s3-path", "s3://b-x", "--anonymous", "--profile", "p"),
            "--anonymous goes with neither",
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(run: Run, arguments, line):
    refused = run("sources", *arguments)

    assert refused.status == 2
    assert refused.out == ""
    assert refused.err.startswith("Error: ")
    assert line in refused.err
    assert refused.err.count("\n") == 1


def test_a_damaged_registration_is_a_warning_and_the_others_are_listed(
    run: Run, bucket, local_catalog
):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    local_catalog.documents.put("sources/bad.json", b"not json")

    listed = run("sources", "list", "--json")

    assert [source["id"] for source in json.loads(listed.out)] == ["maps"]
    assert "Warning: 'bad' is left out." in listed.err
    asked = run("sql", "SELECT id FROM sources ORDER BY id", "--format", "csv")
    assert asked.out.split() == ['"id"', '"bad"', '"maps"']


def test_an_id_that_is_taken_is_refused(run: Run, bucket):
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")

    refused = run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/other")

    assert (refused.status, "There is a source 'maps' already." in refused.err) == (2, True)


def test_a_catalog_that_is_not_writable_is_one_clear_line(run: Run, bucket, monkeypatch):
    monkeypatch.setenv("S3PIPELINES_CATALOG", "/proc/nowhere")

    refused = run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}")

    assert refused.status == 2
    assert "set S3PIPELINES_CATALOG to another place" in refused.err
    assert "Traceback" not in refused.err


def test_a_setting_that_makes_no_sense_is_named(run: Run, monkeypatch):
    monkeypatch.setenv("S3PIPELINES_MEMORY_LIMIT_MB", "lots")

    refused = run("sources", "list")

    assert refused.status == 2
    assert "The setting S3PIPELINES_MEMORY_LIMIT_MB is not valid" in refused.err


def test_a_source_created_anew_shows_nothing_of_the_old_one_in_dagster(
    run: Run, bucket, put_objects
):
    put_objects("maps/1")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    run("index", "refresh", "--source", "maps")
    run("sources", "delete", "--id", "maps", "--yes")

    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")

    with DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(AssetKey("object_index")) == set()


@pytest.fixture
def indexed_maps(run: Run, bucket, put_objects) -> None:
    """A source of two objects, indexed."""
    put_objects("maps/a.tif", "maps/b.tif")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    run("index", "refresh", "--source", "maps")


def test_a_catalogue_is_joined_and_selections_may_ask_for_it(run: Run, indexed_maps, tmp_path):
    catalogue, left = tmp_path / "catalogue.csv", tmp_path / "left.csv"
    catalogue.write_text("file,rights,shelf\na.tif,public domain,007\nz\x1b.tif,reserved,008\n")
    arguments = ("sources", "annotate", "--source", "maps", "--file", str(catalogue))

    done = run(*arguments, "--key-column", "file", "--unmatched", str(left), "--json")
    again = run(*arguments, "--key-column", "file")

    assert done.status == 0
    assert json.loads(done.out) == {
        "source": "maps",
        "rows": 2,
        "written": True,
        "columns": {"rights": "VARCHAR", "shelf": "VARCHAR"},
        "matched": 1,
        "unmatched": 1,
        "examples": ["z\x1b.tif"],
        "objects_without_row": 1,
    }
    assert left.read_text() == "file,rights,shelf\nz\x1b.tif,reserved,008\n"
    assert "nothing was written" in again.out
    assert r"no object for 'z\x1b.tif'" in again.err
    where = "key IN (SELECT key FROM annotations WHERE rights = 'public domain')"
    listed = run("objects", "list", "--source", "maps", "--where", where, "--json")
    assert [row["key"] for row in json.loads(listed.out)["objects"]] == ["maps/a.tif"]
    run("images", "headers", "--source", "maps", "--where", where)
    tried = run("sql", "SELECT key FROM images", "--format", "csv")
    assert tried.out.split() == ['"key"', '"maps/a.tif"']


def test_a_catalogue_that_will_not_do_is_one_clear_line_and_exit_2(
    run: Run, indexed_maps, tmp_path
):
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text("file,title\na.tif,x\nmaps/a.tif,y\n")
    given = ("--id", "maps", "--file", str(catalogue))
    for options, words in (
        ((*given, "--key-column", "File"), "Did you mean 'file'?"),
        ((*given, "--key-column", "file"), "'maps/a.tif' in 1, 2"),
        ((*given, "--key-column", "file", "--text", "no"), "has no column 'no'"),
        (("--id", "maps", "--file", "none.csv", "--key-column", "f"), "There is no file none.csv"),
        (("--id", "no", "--file", str(catalogue), "--key-column", "file"), "no source 'no'"),
    ):
        refused = run("sources", "annotate", *options)

        assert (refused.status, refused.out) == (2, "")
        assert refused.err.startswith("Error: ")
        assert words in refused.err
        assert refused.err.count("\n") == 1
