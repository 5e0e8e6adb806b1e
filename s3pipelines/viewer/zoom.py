"""The page that zooms into a pyramid, and the tiles that it asks for."""

import json
import re
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from s3pipelines.core.errors import InvalidInput, NotFound
from s3pipelines.core.imaging.single_tile import TILE_TYPE
from s3pipelines.core.preview.zooming import Zoomable, Zooming
from s3pipelines.viewer.frontend import library_script
from s3pipelines.viewer.security import SCRIPT_POLICY
from s3pipelines.viewer.templating import render

_FILE = re.compile(r"([0-9]{1,7})_([0-9]{1,7})\.webp")
_LEVEL = re.compile(r"[0-9]{1,2}")
_VERSION_CHARACTERS = 16
# Not for ever, as thumbnails: a pyramid can be made anew under the name that it had.
_KEPT_FOR_S = 3600


def zoom_address(source_id: str, key: str) -> str:
    """The address of the page of one object."""
    return f"/zoom/{quote(source_id, safe='')}?{urlencode({'key': key})}"


def zoom_page(zooming: Zooming, source_id: str, key: str | None) -> Response:
    """The page of one object, or what is missing to zoom.

    Raises:
        InvalidInput: There is no key.
        NotFound: There is no such source or object, or it has no pyramid.
        StorageError: The catalog or the pyramid cannot be read.
    """
    if not key:
        raise InvalidInput("The address names no object.", hint="Follow a link of the gallery.")
    pyramid = zooming.pyramid(source_id, key)
    if library_script() is None:
        hint = "Run `make setup` where a network is, and open this page again."
        title = "Zooming is not installed"
        message = "Zooming needs OpenSeadragon, which was not to be had at set-up."
        return render("error.html", 503, title=title, message=message, hint=hint)
    largest = pyramid.file.levels[-1]
    page = render(
        "zoom.html",
        source_id=source_id,
        key=key,
        width_px=largest.width_px,
        height_px=largest.height_px,
        described=_described(source_id, key, pyramid),
    )
    page.headers["Content-Security-Policy"] = SCRIPT_POLICY
    return page


def library(_: Request) -> Response:
    """OpenSeadragon, as it was installed.

    Raises:
        HTTPException: 404, as it was not.
    """
    script = library_script()
    if script is None:
        raise HTTPException(404, "OpenSeadragon is not installed.")
    return FileResponse(script, media_type="text/javascript")


def tile(zooming: Zooming, request: Request) -> Response:
    """One tile; a later pyramid of the same object has other addresses.

    Raises:
        HTTPException: 404, as the address is not one of a tile, or of a pyramid that was replaced.
        NotFound: There is no such tile.
        StorageError: The catalog or the pyramid cannot be read.
    """
    file = _FILE.fullmatch(request.path_params["file"])
    level = request.path_params["level"]
    key = request.query_params.get("key")
    if file is None or not _LEVEL.fullmatch(level) or not key:
        raise HTTPException(404, "There is no such tile.")
    pyramid = zooming.pyramid(request.path_params["source_id"], key)
    version = _version(pyramid)
    if request.query_params.get("v", version) != version:
        raise NotFound("The pyramid was made anew.", hint="Load the page again.")
    tag = f'"{version}-{int(level)}-{int(file[1])}-{int(file[2])}"'
    headers = {"ETag": tag, "Cache-Control": f"private, max-age={_KEPT_FOR_S}"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = zooming.tile(pyramid, int(level), int(file[1]), int(file[2]))
    return Response(body, headers=headers, media_type=TILE_TYPE)


def _version(pyramid: Zoomable) -> str:
    return pyramid.version[:_VERSION_CHARACTERS]


def _described(source_id: str, key: str, pyramid: Zoomable) -> str:
    """What the script needs, as JSON."""
    levels = [
        {"width": one.width_px, "height": one.height_px, "columns": one.columns, "rows": one.rows}
        for one in pyramid.file.levels
    ]
    return json.dumps(
        {
            "tiles": f"/tiles/{quote(source_id, safe='')}/",
            "query": urlencode({"key": key, "v": _version(pyramid)}),
            "tile": pyramid.file.tile_px,
            "transparent": pyramid.file.may_be_transparent,
            "levels": levels,
        }
    )
