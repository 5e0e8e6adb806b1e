"""The options that say what is done with images: a recipe in a file, or its common steps."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe, read_recipe, recipe_of

_SIZE = re.compile(r"(\d*)x(\d*)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_BOX = re.compile(r"(\d+),(\d+),(\d+),(\d+)")
_PART = re.compile(r"(\d+)x(\d+)(?:@(centre|attention))?")
# Not those of a file: what the options of the same names say.
_OUTPUT_FIELDS = ("quality", "lossless", "compression")

_OPTIONS = (
    click.option(
        "--recipe",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="A recipe in YAML or JSON, in place of the options up to --image-metadata.",
    ),
    click.option(
        "--format", "format", metavar="F", help=f"Format of the files: {', '.join(OUTPUTS)}."
    ),
    click.option("--quality", type=click.IntRange(1, 100), metavar="Q", help="Of a lossy format."),
    click.option("--lossless", is_flag=True, help="Every pixel as it is (WebP, AVIF, JP2)."),
    click.option("--compression", metavar="CODEC", help="Of a TIFF: deflate, lzw, jpeg …"),
    click.option(
        "--crop",
        metavar="X,Y,W,H",
        help="Cut a part out, in pixels; or WxH from the centre, WxH@attention from where "
        "something is to be seen.",
    ),
    click.option("--rotate", type=float, metavar="DEGREES", help="Turn clockwise."),
    click.option("--flip", type=click.Choice(["horizontal", "vertical"]), help="Mirror."),
    click.option(
        "--resize",
        metavar="WxH",
        help="Change the size: 800x600, 800x, x600, or a percentage such as 50%.",
    ),
    click.option(
        "--fit",
        type=click.Choice(["fit", "fill", "exact"]),
        help="With --resize WxH: within it (default), that size and cut, or that size, stretched.",
    ),
    click.option("--flatten", metavar="COLOUR", help="Put what is transparent on this colour."),
    click.option(
        "--colour-space", metavar="SPACE", help="Bring the colours to srgb, gray, p3 or cmyk."
    ),
    click.option("--sharpen", type=float, metavar="SIGMA", help="Sharpen; 0.5 is a little."),
    click.option(
        "--background",
        metavar="COLOUR",
        help="For corners after --rotate, and for formats without transparency.",
    ),
    click.option(
        "--image-metadata",
        metavar="WHAT",
        help="What is kept in the files: keep (default), strip, or some of icc,exif,xmp,iptc.",
    ),
)
_NAMES = (
    "recipe",
    "format",
    *_OUTPUT_FIELDS,
    "crop",
    "rotate",
    "flip",
    "resize",
    "fit",
    "flatten",
    "colour_space",
    "sharpen",
    "background",
    "image_metadata",
)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a recipe to a command, which gets them as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_recipe(options: dict[str, Any]) -> ConversionRecipe:
    """The recipe that the options describe; takes what is its own out of them.

    Steps are carried out in the order in which `--help` lists them.

    Raises:
        InvalidInput: There is none, or it cannot be.
    """
    given = {name: options.pop(name) for name in _NAMES}
    told = {name: value for name, value in given.items() if value not in (None, False)}
    path = told.pop("recipe", None)
    if path is not None:
        if told:
            raise InvalidInput(
                f"--recipe and --{next(iter(told)).replace('_', '-')} both say what is done.",
                hint="Write it into the recipe.",
            )
        return read_recipe(path)
    if "format" not in told:
        raise InvalidInput(
            "Nothing says what the files are to be.",
            hint=f"Give --format ({', '.join(OUTPUTS)}), or --recipe FILE.",
        )
    return recipe_of({**_metadata(told), "steps": _steps(told), "output": _output(told)})


def _steps(told: dict[str, Any]) -> list[dict[str, Any]]:
    if "fit" in told and "resize" not in told:
        raise InvalidInput("--fit says how to --resize, which is not given.", hint="Give both.")
    steps: list[dict[str, Any]] = []
    if "crop" in told:
        steps.append({"crop": _crop(told["crop"])})
    if told.get("rotate"):
        corners = {"background": told["background"]} if "background" in told else {}
        steps.append({"rotate": {"angle": told["rotate"], **corners}})
    if "flip" in told:
        steps.append({"flip": told["flip"]})
    if "resize" in told:
        fit = {"fit": told["fit"]} if "fit" in told else {}
        steps.append({"resize": {**_size(told["resize"]), **fit}})
    plain = ("flatten", "colour_space", "sharpen")
    return steps + [{name: told[name]} for name in plain if name in told]


def _output(told: dict[str, Any]) -> dict[str, Any]:
    fields = {name: told[name] for name in ("format", *_OUTPUT_FIELDS) if name in told}
    return fields | ({"background": told["background"]} if "background" in told else {})


def _metadata(told: dict[str, Any]) -> dict[str, Any]:
    text = told.get("image_metadata")
    if text is None:
        return {}
    return {"metadata": text if text in ("keep", "strip") else text.split(",")}


def _size(text: str) -> dict[str, Any]:
    if percent := _PERCENT.fullmatch(text):
        return {"percent": float(percent[1])}
    found = _SIZE.fullmatch(text)
    if not found or not (found[1] or found[2]):
        raise InvalidInput(f"{text!r} is no size.", hint="Write 800x600, 800x, x600, or 50%.")
    sides = zip(("width", "height"), found.groups(), strict=True)
    return {name: int(side) for name, side in sides if side}


def _crop(text: str) -> dict[str, Any]:
    if box := _BOX.fullmatch(text):
        names = ("x", "y", "width", "height")
        return dict(zip(names, map(int, box.groups()), strict=True))
    if part := _PART.fullmatch(text):
        return {"width": int(part[1]), "height": int(part[2]), "at": part[3] or "centre"}
    raise InvalidInput(
        f"{text!r} is no part of an image.", hint="Write X,Y,W,H, or WxH, or WxH@attention."
    )
