"""`s3pipelines images convert` and `batch plan convert`, as they are typed."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.core.imaging.pictures import file_of, quadrants

PICTURE = file_of(quadrants(), "PNG")


@pytest.fixture
def pictures(run: Run, bucket: str, put_objects) -> str:
    put_objects("pics/a.png", "pics/deep/b.png", body=PICTURE)
    put_objects("pics/notes.txt", body=b"no image")
    run("sources", "create", "--id", "pics", "--s3-path", f"s3://{bucket}/pics")
    run("index", "refresh", "--source", "pics")
    return bucket


def keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [entry["Key"] for entry in found]


def convert(run: Run, bucket: str, *options: str):
    command = ("images", "convert", "--source", "pics", "--to", f"s3://{bucket}/out")
    return run(*command, *options)


def test_images_are_converted_by_options_and_the_conversion_can_be_undone(
    run: Run, pictures: str, s3
):
    ran = convert(
        run, pictures, "--glob", "*.png", "--format", "jpeg", "--quality", "90", "--resize",
        "60x60", "--fit", "fill", "--rotate", "90", "--yes", "--json",
    )  # fmt: skip

    assert ran.status == 0, ran.err
    report = json.loads(ran.out)
    assert (report["done"], report["failed"]) == (2, 0)
    assert keys(s3, pictures, "out/") == ["out/a.jpg", "out/deep/b.jpg"]
    body = s3.get_object(Bucket=pictures, Key="out/a.jpg")["Body"].read()
    assert Image.open(io.BytesIO(body)).size == (60, 60)

    assert run("batch", "undo", report["plan"], "--yes").status == 0
    assert keys(s3, pictures, "out/") == []


def test_images_that_cannot_be_converted_are_listed_with_status_1(run: Run, pictures: str, s3):
    ran = convert(run, pictures, "--format", "webp", "--yes")

    assert ran.status == 1
    assert "not_an_image" in ran.out
    assert keys(s3, pictures, "out/") == ["out/a.webp", "out/deep/b.webp"]


def test_a_plan_is_made_only_and_applied_later(run: Run, pictures: str, s3, tmp_path: Path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text("steps:\n  - resize: {width: 30}\noutput: png\n")
    made = convert(run, pictures, "--glob", "a.png", "--recipe", str(recipe), "--plan-only")
    assert made.status == 0
    assert "Nothing was changed. Next: s3pipelines batch apply" in made.out
    assert keys(s3, pictures, "out/") == []
    likewise = run(
        "batch", "plan", "convert", "--source", "pics", "--glob", "a.png", "--recipe", str(recipe),
        "--to", f"s3://{pictures}/out", "--json",
    )  # fmt: skip
    plan = json.loads(likewise.out)
    assert plan["params"]["recipe"]["output"]["format"] == "png"

    assert run("batch", "apply", plan["id"], "--yes").status == 0

    assert keys(s3, pictures, "out/") == ["out/a.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Nothing says what the files are to be."),
        (("--format", "webq"), "there is no format 'webq' (did you mean 'webp'?)"),
        (("--format", "png", "--quality", "3"), "there is no field 'quality'"),
        (("--format", "jxl"), "This machine writes no JPEG XL"),
        (("--format", "tiff", "--compression", "zstd"), "This machine writes no TIFF with 'zstd'"),
        (("--format", "png", "--resize", "big"), "'big' is no size."),
        (("--format", "png", "--crop", "1,2,3"), "'1,2,3' is no part of an image."),
        (("--format", "png", "--fit", "fill"), "--fit says how to --resize"),
        (("--format", "png", "--flatten", "purplish"), "is no colour"),
        (("--format", "png", "--image-metadata", "icc,gps"), "there is no metadata 'gps'"),
        (("--format", "png", "--recipe", "none.yaml"), "--recipe and --format both say"),
        (("--recipe", "none.yaml"), "none.yaml cannot be read"),
        (("--format", "png", "--template", "{stm}"), "has {stm}, which is not known"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    run: Run, pictures: str, options: tuple[str, ...], said: str
):
    ran = convert(run, pictures, *options, "--yes")

    assert ran.status == 2
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert run("batch", "list", "--json").out.strip() == "[]"


def test_json_without_yes_is_refused_before_a_plan_is_made(run: Run, pictures: str):
    ran = convert(run, pictures, "--format", "png", "--json")

    assert ran.status == 2
    assert "--json leaves no room for a question" in ran.err


def test_what_was_converted_is_verified_until_it_is_taken_back(run: Run, pictures: str, s3):
    options = ("--glob", "*.png", "--format", "webp", "--resize", "60x60", "--yes", "--json")
    report = json.loads(convert(run, pictures, *options).out)
    verify = ("images", "verify", "--source", "pics", "--kind", "convert", "--json")
    good = run(*verify)
    assert (good.status, json.loads(good.out)["kinds"]) == (0, {"convert": 2})

    other = file_of(quadrants(), "WEBP")
    s3.put_object(Bucket=pictures, Key="out/a.webp", Body=other)
    s3.delete_object(Bucket=pictures, Key="out/deep/b.webp")
    bad = run(*verify)

    assert bad.status == 1
    faults = {fault["key"]: fault["fault"] for fault in json.loads(bad.out)["faulty"]}
    assert faults["pics/deep/b.png"] == "It is gone."
    assert faults["pics/a.png"].startswith(f"It has {len(other):,} bytes and not")
    run("batch", "undo", report["plan"], "--yes")
    after = json.loads(run(*verify).out)
    assert "pics/deep/b.png" not in {fault["key"] for fault in after["faulty"]}
