"""The options of `sources create` and `sources update` that say how pyramids are to be."""

import re
from typing import Any

import click

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.pyramid_params import COLOURS, COMPRESSIONS

_SIZE = re.compile(r"(\d*)\s*x\s*(\d*)")
_ARROW = "=>"

PYRAMID_OPTIONS = (
    click.option(
        "--pyramids",
        type=click.Choice(["on-arrival", "scheduled"]),
        help="When pyramids are made: as images arrive, or once a day (the default).",
    ),
    click.option("--pyramid-tile", "pyramid_tile_px", type=int, metavar="PX", help="Tile size."),
    click.option(
        "--pyramid-compression",
        type=click.Choice(COMPRESSIONS),
        help="Codec of the tiles (default jpeg).",
    ),
    click.option(
        "--pyramid-quality", type=int, metavar="N", help="Of a lossy codec, 1 to 100 (default 85)."
    ),
    click.option(
        "--pyramid-subifds/--pyramid-pages",
        "pyramid_subifds",
        default=None,
        help="Levels below their page, as OME wants them, or after it (the default).",
    ),
    click.option(
        "--pyramid-dpi", type=float, metavar="DPI", help="Resolution to claim; 0: as the image."
    ),
    click.option(
        "--pyramid-colour",
        type=click.Choice(COLOURS),
        help="Keep colours and profile (the default), or bring all to sRGB.",
    ),
    click.option(
        "--pyramid-max",
        metavar="WxH",
        help="Largest size, such as 4000x4000, 4000x or x4000; 'full': full resolution.",
    ),
    click.option(
        "--pyramid-rule",
        "pyramid_rules",
        multiple=True,
        metavar="'WHEN => WxH'",
        help="A smaller one for some objects: WHEN is tag:NAME=VALUE, annotation:COLUMN=VALUE or "
        "an SQL condition. May be repeated, the strictest counts; '' takes all rules away.",
    ),
    click.option(
        "--pyramid-key", metavar="TEMPLATE", help="Key of a pyramid (default '{key}.tif')."
    ),
)


def chosen_pyramid(given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, with those of pyramids as one field `pyramid`.

    Raises:
        InvalidInput: A size or a rule cannot be read.
    """
    rest = {name: value for name, value in given.items() if not name.startswith("pyramid_")}
    named = {
        name.removeprefix("pyramid_"): value
        for name, value in given.items()
        if name.startswith("pyramid_")
    }
    if "max" in named:
        named |= _size(named.pop("max"))
    if "rules" in named:
        named["rules"] = [_rule(text) for text in named["rules"] if text.strip()]
    if named.get("dpi") == 0:
        named["dpi"] = None
    return {**rest, "pyramid": named} if named else rest


def _rule(text: str) -> dict[str, Any]:
    when, arrow, size = text.rpartition(_ARROW)
    if not arrow or not when.strip():
        raise InvalidInput(
            f"The rule {text!r} cannot be read.",
            hint="Write 'WHEN => WxH', such as \"rights = 'copyright' => 843x560\".",
        )
    return {"when": when.strip(), **_size(size)}


def _size(text: str) -> dict[str, int | None]:
    if text.strip() == "full":
        return {"max_width_px": None, "max_height_px": None}
    found = _SIZE.fullmatch(text.strip())
    if not found or not (found[1] or found[2]):
        raise InvalidInput(
            f"{text.strip()!r} is no size.", hint="Write 843x560, 843x or x560, in pixels."
        )
    width, height = (int(side) if side else None for side in found.groups())
    return {"max_width_px": width, "max_height_px": height}
