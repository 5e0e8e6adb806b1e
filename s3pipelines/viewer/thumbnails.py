"""Thumbnails as the browser gets them: through the viewer, so that the bucket stays private."""

import re
from functools import lru_cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Gone
from s3pipelines.core.sources.source import SOURCE_ID
from s3pipelines.core.storage.documents import Documents, open_documents

_PARAMS = re.compile(r"[0-9a-f]{16}")
_FILE = re.compile(r"([0-9a-f]{40})\.webp")
_YEAR_S = 365 * 24 * 3600
# An S3 client takes 50 ms to make.
_CLIENTS = 32


class Thumbnails:
    """The thumbnails of one catalog's sources; may be shared by threads."""

    def __init__(self, catalog: Catalog) -> None:
        def documents(source_id: str) -> Documents:
            return open_documents(catalog.derivatives_location(source_id), catalog.access)

        self._documents = lru_cache(_CLIENTS)(documents)

    def answer(self, request: Request) -> Response:
        """One thumbnail, to be kept for ever: its name follows from what it shows.

        Raises:
            HTTPException: 404, as there is none, or the address is not one of a thumbnail.
            StorageError: The place of the derivatives cannot be read.
        """
        source_id, params, digest = _parts(request)
        tag = f'"{params}-{digest}"'
        headers = {"ETag": tag, "Cache-Control": f"private, max-age={_YEAR_S}, immutable"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        name = f"thumbnails/{params}/{digest[:2]}/{digest}.webp"
        try:
            body = self._documents(source_id).read(name).body
        except Gone as error:
            raise _none() from error
        return Response(body, headers=headers, media_type="image/webp")


def _parts(request: Request) -> tuple[str, str, str]:
    source_id = request.path_params["source_id"]
    params = request.path_params["params"]
    file = _FILE.fullmatch(request.path_params["file"])
    if not SOURCE_ID.fullmatch(source_id) or not _PARAMS.fullmatch(params) or file is None:
        raise _none()
    return source_id, params, file[1]


def _none() -> HTTPException:
    return HTTPException(404, "There is no such thumbnail.")
