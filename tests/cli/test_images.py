"""`s3pipelines images …`."""

import json
from io import BytesIO

import pytest
from dagster import AssetKey, DagsterInstance
from PIL import Image

from tests.cli.conftest import Run
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.imaging.sources import rows_of

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


@pytest.fixture
def scans(run: Run, bucket, put_objects) -> None:
    """A source of two images and a broken one, with pyramids of its own kind, indexed."""
    put_objects("scans/a.jpg", "scans/b.jpg", body=JPEG)
    put_objects("scans/bad.jpg", body=b"This is text.")
    run("sources", "create", "--id", "scans", "--s3-path", f"s3://{bucket}/scans")
    run("index", "refresh", "--source", "scans")


def _changed(run: Run, *options: str):
    return run("sources", "update", "--id", "scans", "-m", "why", *options)


def test_pyramids_are_made_as_the_source_wants_them_and_verified(run: Run, scans, local_catalog):
    assert _changed(run, "--pyramid-rule", "key LIKE '%/a.jpg' => 60x").status == 0
    assert _changed(run, "--pyramid-max", "100x100", "--pyramid-tile", "128").status == 0
    source = json.loads(run("sources", "get", "--id", "scans", "--json").out)
    assert source["pyramid"]["tile_px"] == 128
    assert source["pyramid"]["rules"][0]["max_width_px"] == 60

    done = run("images", "pyramids", "--source", "scans", "--json")

    shown = json.loads(done.out)
    assert (done.status, shown["made"], shown["failed"]) == (1, 2, 1)
    place = local_catalog.derivatives_location("scans").path / "pyramids"
    found = {p.name: Image.open(BytesIO(p.read_bytes())).size for p in place.iterdir()}
    assert found == {"a.jpg.tif": (60, 40), "b.jpg.tif": (100, 67)}
    audit = run("images", "verify", "--source", "scans", "--json")
    assert (audit.status, json.loads(audit.out)["files"]) == (0, 2)

    (place / "a.jpg.tif").write_bytes(b"something else")
    (place / "b.jpg.tif").unlink()
    audit = run("images", "verify", "--source", "scans", "--json")
    assert audit.status == 1
    assert {fault["key"]: fault["fault"] for fault in json.loads(audit.out)["faulty"]} == {
        "scans/a.jpg": f"It has 14 bytes and not {_size_of(local_catalog, 'scans/a.jpg'):,}.",
        "scans/b.jpg": "It is gone.",
    }
    assert "scans/b.jpg" in run("images", "verify", "--source", "scans").out


def _size_of(catalog, key: str) -> int:
    return next(r["size_bytes"] for r in rows_of(catalog, "derivatives") if r["key"] == key)


@pytest.mark.slow
def test_what_is_asked_for_again_is_made_by_the_next_run_or_now(run: Run, scans):
    run("images", "pyramids", "--source", "scans")
    asked = run("images", "rerun", "--source", "scans", "--kind", "pyramid", "--glob", "a*")
    assert (asked.status, "1 objects are worked on again (pyramid)" in asked.out) == (0, True)

    next_run = run("images", "pyramids", "--source", "scans", "--json")
    assert json.loads(next_run.out)["made"] == 1
    assert json.loads(run("images", "pyramids", "--source", "scans", "--json").out)["made"] == 0

    kinds = ("--kind", "pyramid", "--kind", "header")
    now = run("images", "rerun", "--source", "scans", *kinds, "--now", "--json")
    made = {kind: one["made"] for kind, one in json.loads(now.out)["kinds"].items()}
    assert (now.status, made) == (1, {"header": 2, "pyramid": 2})


def test_the_quarantine_tells_what_failed_how_often_and_when_again(run: Run, scans):
    run("images", "pyramids", "--source", "scans")
    run("images", "pyramids", "--source", "scans", "--again", "not_an_image")

    done = run("images", "quarantine", "--source", "scans", "--json")

    assert done.status == 1
    (found,) = json.loads(done.out)["failing"]
    assert (found["key"], found["kind"], found["reason"], found["attempts"]) == (
        "scans/bad.jpg",
        "pyramid",
        "not_an_image",
        2,
    )
    assert found["again"] == "when the object, the parameters or the libraries change"
    assert "scans/bad.jpg" in run("images", "quarantine", "--source", "scans").out


def test_what_is_left_of_deleted_objects_is_counted_and_then_removed(
    run: Run, maps, s3, bucket, local_catalog
):
    run("images", "thumbnails", "--source", "maps")
    assert "nothing is left" in run("images", "orphans", "--source", "maps").out
    s3.delete_object(Bucket=bucket, Key="maps/a.jpg")
    run("index", "refresh", "--source", "maps")

    counted = run("images", "orphans", "--source", "maps")
    assert (counted.status, "--remove" in counted.out) == (0, True)
    removed = run("images", "orphans", "--source", "maps", "--remove", "--json")

    shown = json.loads(removed.out)
    assert (removed.status, shown["files"], shown["left"]) == (0, 1, [])
    place = local_catalog.derivatives_location("maps").path
    assert len(list(place.rglob("*.webp"))) == 1
    again = run("images", "orphans", "--source", "maps", "--json")
    assert json.loads(again.out)["kinds"]["thumbnail"]["files"] == 0


BAD_PYRAMIDS = {
    ("--pyramid-compression", "zstd"): "writes no TIFF with 'zstd'",
    ("--pyramid-tile", "100"): "multiple of 16",
    ("--pyramid-max", "big"): "no size",
    ("--pyramid-rule", "rights = 'c'"): "WHEN => WxH",
    ("--pyramid-rule", "rights = => 5x5"): "no SQL condition",
    ("--pyramid-key", "{fun}"): "{fun}",
}


def test_options_of_pyramids_that_cannot_be_are_refused_with_one_line(run: Run, scans):
    for options, words in BAD_PYRAMIDS.items():
        done = _changed(run, *options)

        assert done.status == 2, options
        assert words in done.err
        assert "Traceback" not in done.err


def test_a_kind_that_is_none_and_a_source_that_asks_for_nothing_are_told(run: Run, scans):
    unknown = run("images", "rerun", "--source", "scans", "--kind", "fun")
    assert (unknown.status, "There is no kind 'fun'" in unknown.err) == (2, True)
    nothing = run("images", "rerun", "--source", "scans")
    assert (nothing.status, "asks for nothing" in nothing.err) == (2, True)
