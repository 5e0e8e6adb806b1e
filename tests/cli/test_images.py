"""`s3pipelines images …`."""

import json

import pytest
from dagster import AssetKey, DagsterInstance

from tests.cli.conftest import Run
from tests.core.imaging.pictures import file_of, quadrants

JPEG = file_of(quadrants(), "JPEG")


@pytest.fixture
def maps(run: Run, bucket, put_objects) -> None:
    """A source of three images, one of them broken, indexed."""
    put_objects("maps/a.jpg", "maps/b.jpg", body=JPEG)
    put_objects("maps/bad.jpg", body=b"This is text.")
    run("sources", "create", "--id", "maps", "--s3-path", f"s3://{bucket}/maps")
    run("index", "refresh", "--source", "maps")


@pytest.mark.parametrize("command", ["headers", "thumbnails"])
def test_what_is_missing_is_made_and_failures_are_listed_with_status_1(run: Run, maps, command):
    done = run("images", command, "--source", "maps", "--json")

    shown = json.loads(done.out)
    assert done.status == 1
    assert (shown["made"], shown["failed"], shown["reasons"]) == (2, 1, {"not_an_image": 1})
    assert shown["failures"][0]["key"] == "maps/bad.jpg"
    again = run("images", command, "--source", "maps", "--json")
    assert (again.status, json.loads(again.out)["made"]) == (0, 0)


def test_people_get_a_table_of_what_failed(run: Run, maps):
    done = run("images", "thumbnails", "--source", "maps")

    assert done.status == 1
    assert "maps/bad.jpg" in done.out
    assert "not_an_image" in done.out


@pytest.mark.parametrize(
    "options",
    [
        ("--glob", "a.*"),
        ("--regex", "^a"),
        ("--where", "key LIKE '%/a.jpg'"),
        ("--limit", "1"),
    ],
)
def test_a_selection_restricts_it(run: Run, maps, options):
    done = run("images", "headers", "--source", "maps", *options, "--json")

    assert (done.status, json.loads(done.out)["made"]) == (0, 1)


def test_listed_keys_are_worked_on_and_unknown_ones_are_named(run: Run, maps, tmp_path):
    keys = tmp_path / "keys.txt"
    keys.write_text("maps/b.jpg\nmaps/nothing.jpg\n")

    done = run("images", "headers", "--source", "maps", "--keys-from", str(keys), "--json")

    assert json.loads(done.out)["made"] == 1
    assert done.status == 1
    assert "'maps/nothing.jpg'" in done.err


def test_failures_are_tried_again_on_demand(run: Run, maps):
    run("images", "headers", "--source", "maps")

    done = run("images", "headers", "--source", "maps", "--again", "not_an_image", "--json")

    assert (done.status, json.loads(done.out)["failed"]) == (1, 1)


BAD = {
    ("--source", "nothing"): "no source",
    ("--source", "maps", "--where", "widht > 1"): "widht",
    ("--source", "maps", "--regex", "("): "missing",
    ("--source", "maps", "--again", "fun"): "There is no reason 'fun'",
    ("--source", "maps", "--keys-from", "/does/not/exist"): "cannot be read",
    ("--source", "maps", "--limit", "0"): "--limit",
}


def test_bad_input_is_refused_with_one_line_that_says_what_to_do(run: Run, maps):
    for options, words in BAD.items():
        done = run("images", "headers", *options)

        assert done.status == 2, options
        assert words in done.err
        assert "Traceback" not in done.err


def test_it_is_in_the_history_of_dagster_with_its_contact_sheet(run: Run, maps):
    run("images", "thumbnails", "--source", "maps")
    run("images", "headers", "--source", "maps")

    with DagsterInstance.get() as instance:
        for asset, name in (("thumbnails", "contact_sheet"), ("image_headers", "by_format")):
            event = instance.get_latest_materialization_event(AssetKey(asset))
            assert event is not None
            assert event.asset_materialization is not None
            assert event.asset_materialization.partition == "maps"
            assert name in event.asset_materialization.metadata
