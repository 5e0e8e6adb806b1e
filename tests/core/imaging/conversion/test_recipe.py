"""Recipes: what is understood, what is refused and in which words, and what names them."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS
from s3pipelines.core.imaging.conversion.recipe import parse_recipe, read_recipe, recipe_of
from s3pipelines.core.imaging.conversion.steps import STEPS

WHOLE = """
steps:
  - crop: {width: 1000, height: 800, at: attention}
  - rotate: 90
  - flip: vertical
  - resize: {width: 400, height: 300, fit: fill}
  - flatten: white
  - colour_space: srgb
  - sharpen
metadata: [xmp, icc]
output: {format: WebP, quality: 70}
"""


def test_a_recipe_is_read_from_yaml_and_json_alike(tmp_path: Path):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(yaml.safe_load(WHOLE)))

    recipe = parse_recipe(WHOLE)

    assert recipe == read_recipe(path)
    assert [step.name for step in recipe.steps] == [
        *("crop", "rotate", "flip", "resize", "flatten", "colour_space", "sharpen")
    ]
    assert recipe.metadata == ("icc", "xmp")
    assert recipe.output.name == "webp"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: [{resze: {width: 1}}]\noutput: webp", "no step 'resze' (did you mean 'resize'?)"),
        ("steps: [{resize: {widht: 1}}]\noutput: webp", "no field 'widht' (did you mean 'width'?)"),
        ("steps: [{resize: {width: 0}}]\noutput: webp", "steps.0: resize: width: Input should be"),
        ("steps: [resize]\noutput: png", "give either width and height"),
        ("steps: [{resize: {width: 3, fit: fill}}]\noutput: png", "'fill' needs width and height"),
        ("steps: [{crop: {width: 3, height: 3, x: 1}}]\noutput: png", "x needs y"),
        ("steps: [{rotate: {angle: 5, background: purplish}}]\noutput: png", "is no colour"),
        ("steps: [{flip: 1, rotate: 2}]\noutput: png", "a step is its name"),
        ("output: {format: webq}", "there is no format 'webq' (did you mean 'webp'?)"),
        ("output: {format: webp, qualty: 3}", "no field 'qualty' (did you mean 'quality'?)"),
        ("output: {format: jpeg, quality: 101}", "output: jpeg: quality: Input should be less"),
        ("outptu: webp", "no field 'outptu' (did you mean 'output'?)"),
        ("steps: []", "output: Field required"),
        ("output: png\nmetadata: [gps]", "there is no metadata 'gps'"),
        ("steps: [{colour_space: cmyk}]\noutput: webp", "WebP holds no CMYK"),
        ("steps: [{colour_space: p3}]\nmetadata: strip\noutput: webp", "only right with their"),
        ("a: [", "neither YAML nor JSON"),
        pytest.param("[" * 20_000, "neither YAML nor JSON", id="deep"),
        ("- 1", "A recipe has the fields"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_refused_with_the_place_and_a_suggestion(text: str, said: str):
    with pytest.raises(InvalidInput) as refused:
        parse_recipe(text)
    assert said in refused.value.message
    assert "recipes.md" in refused.value.hint


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "large.yaml").write_text("#" * 70_000)
    with pytest.raises(InvalidInput, match="too large for a recipe"):
        read_recipe(tmp_path / "large.yaml")


def test_the_digest_follows_from_what_is_meant_not_from_how_it_is_written():
    one = parse_recipe("steps: [{rotate: 90}, {flatten: white}]\noutput: jpg")
    same = parse_recipe(
        '{"output": {"quality": 85, "format": "jpeg"}, "metadata": ["xmp", "icc", "iptc", "exif"],'
        ' "steps": [{"rotate": {"angle": 90.0}}, {"flatten": {"background": "#FFFFFFff"}}]}'
    )
    other = parse_recipe("steps: [{flatten: white}, {rotate: 90}]\noutput: jpg")

    assert one.digest() == same.digest()
    assert one.digest() != other.digest()
    assert one.digest("s3://a/") != one.digest("s3://b/")
    # Rows of tables hold it: it must not change by accident.
    assert one.digest() == "d57e231933ba8d1b"


sides = st.integers(1, 5000)
colours = st.sampled_from(["white", "#102030", "#10203040", "transparent"])
steps = st.one_of(
    st.builds(lambda w, h, f: {"resize": {"width": w, "height": h, "fit": f}}, sides, sides,
              st.sampled_from(["fit", "fill", "exact"])),
    st.builds(lambda p: {"resize": {"percent": p}}, st.floats(0.1, 1000)),
    st.builds(lambda w, h, x, y: {"crop": {"width": w, "height": h, "x": x, "y": y}}, sides, sides,
              st.integers(0, 99), st.integers(0, 99)),
    st.builds(lambda a, c: {"rotate": {"angle": a, "background": c}}, st.floats(-360, 360),
              colours),
    st.builds(lambda d: {"flip": d}, st.sampled_from(["horizontal", "vertical"])),
    st.builds(lambda c: {"flatten": c}, colours),
    st.just({"colour_space": "gray"}),
    st.builds(lambda s: {"sharpen": s}, st.floats(0.1, 10)),
)  # fmt: skip
recipes = st.fixed_dictionaries(
    {
        "steps": st.lists(steps, max_size=6),
        "metadata": st.sampled_from(["keep", "strip", ["icc"], ["exif", "xmp"]]),
        "output": st.sampled_from(sorted(OUTPUTS)).map(lambda name: {"format": name}),
    }
)


@given(recipes)
def test_any_recipe_comes_back_as_it_was_from_how_plans_keep_it(told: dict):
    recipe = recipe_of(told)

    again = recipe_of(json.loads(recipe.model_dump_json()))

    assert again == recipe
    assert again.digest() == recipe.digest()


def test_every_step_and_format_says_what_its_fields_mean():
    for kind in [*STEPS.values(), *OUTPUTS.values()]:
        assert kind.__doc__
        assert all(field.description for field in kind.model_fields.values()), kind.name
