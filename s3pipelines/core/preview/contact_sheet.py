"""A contact sheet: one Markdown table of thumbnails that a metadata entry can hold.

The Dagster UI drops HTML from Markdown but shows images with `data:` addresses, so the sheet is
plain Markdown and escapes what keys may hold for both.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from s3pipelines.core.errors import printable
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, make_thumbnail

MOST_TILES = 24
MOST_BYTES = 100_000
_COLUMNS = 4
_LONGEST_NAME = 48
_LONGEST_REASON = 120
# Tried in this order until the sheet is small enough: box in pixels and WebP quality.
_SIZES = ((200, 75), (160, 70), (128, 60), (96, 50), (64, 40))
_SPECIAL = re.compile(r"""[\\`*_{}\[\]()#!|~$^=:@<>&"']""")


@dataclass(frozen=True)
class Tile:
    """One object on the sheet.

    Attributes:
        key: Its key, exactly as S3 has it.
        size: Dimensions and size as they are to be read (`4032 x 3024, 2.1 MB`).
        webp: Its thumbnail; None if there is none.
        reason: Why there is none.
    """

    key: str
    size: str
    webp: bytes | None = None
    reason: str = ""


def contact_sheet(pool: DecodePool, tiles: Sequence[Tile], *, max_bytes: int = MOST_BYTES) -> str:
    """A Markdown table of up to 24 tiles, of at most `max_bytes` in UTF-8.

    Thumbnails are shrunk and compressed again, all alike, until they fit.

    Args:
        pool: Where they are shrunk; a thumbnail is decoded with the same care as an image.
        tiles: The first 24 are shown.
        max_bytes: Most bytes of the whole table.
    """
    shown = tuple(tiles[:MOST_TILES])
    if not shown:
        return "No images yet."
    for box_px, quality in _SIZES:
        params = ThumbnailParams(box_px, quality)
        sheet = _table([_shrunk(pool, tile, params) for tile in shown])
        if len(sheet.encode()) <= max_bytes:
            return sheet
    without = [replace(t, webp=None, reason=t.reason or "no room for it here") for t in shown]
    return _table(without).encode()[:max_bytes].decode(errors="ignore")


def escaped(text: str) -> str:
    """`text` on one line, with nothing left in it that Markdown or HTML would act on.

    Numeric entities, as CommonMark takes neither for markup; a backslash would not keep a `|`
    from ending a cell in every dialect.
    """
    return _SPECIAL.sub(lambda found: f"&#{ord(found.group())};", printable(text))


def _shrunk(pool: DecodePool, tile: Tile, params: ThumbnailParams) -> Tile:
    if tile.webp is None:
        return tile
    try:
        return replace(tile, webp=make_thumbnail(pool, tile.webp, "webp", params).webp)
    except Refused as refused:
        return replace(tile, webp=None, reason=refused.failure.detail)


def _table(tiles: Sequence[Tile]) -> str:
    columns = min(_COLUMNS, len(tiles))
    lines = ["|" + "   |" * columns, "|" + " :-: |" * columns]
    for start in range(0, len(tiles), columns):
        row = list(tiles[start : start + columns])
        filling = [""] * (columns - len(row))
        for draw in (_picture, _name, _size):
            cells = [*map(draw, row), *filling]
            lines += [f"| {' | '.join(cells)} |"]
    return "\n".join(lines) + "\n"


def _picture(tile: Tile) -> str:
    if tile.webp is None:
        return f"⚠ {escaped(tile.reason[:_LONGEST_REASON] or 'no thumbnail')}"
    data = base64.b64encode(tile.webp).decode()
    return f"![{escaped(_short(tile.key))}](data:image/webp;base64,{data})"


def _name(tile: Tile) -> str:
    return escaped(_short(tile.key.rpartition("/")[2] or tile.key))


def _size(tile: Tile) -> str:
    return escaped(tile.size)


def _short(text: str) -> str:
    """The end of a long key tells more than its beginning; the middle tells least."""
    if len(text) <= _LONGEST_NAME:
        return text
    half = _LONGEST_NAME // 2
    return f"{text[:half]}…{text[-half:]}"
