"""What a browser is told when something is wrong: a small page with a way on, never a traceback."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from s3pipelines.core.errors import (
    Gone,
    InvalidInput,
    NotFound,
    S3PipelinesError,
    Unreadable,
)
from s3pipelines.viewer.security import SECURITY_HEADERS
from s3pipelines.viewer.templating import render

_TITLES = {
    400: "That does not work",
    404: "Nothing here",
    405: "Only reading is possible",
    500: "Something went wrong",
    503: "Not available at the moment",
}


def _status(error: S3PipelinesError) -> int:
    if isinstance(error, InvalidInput):
        return 400
    if isinstance(error, NotFound | Gone):
        return 404
    return 500 if isinstance(error, Unreadable) else 503


def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, S3PipelinesError)
    return _page(_status(error), error.message, error.hint)


def _of_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _page(error.status_code, error.detail, "Start from the list of sources.")
    response.headers.update(error.headers or {})
    return response


def _unforeseen(_: Request, __: Exception) -> Response:
    response = _page(500, "The viewer made a mistake.", "Its log says more.")
    # Starlette makes this answer outside of all middleware.
    response.headers.update(SECURITY_HEADERS)
    return response


def _page(status: int, message: str, hint: str) -> Response:
    title = _TITLES.get(status, "That does not work")
    return render("error.html", status, title=title, message=message, hint=hint)


HANDLERS: Mapping[Any, Callable[[Request, Exception], Response]] = {
    S3PipelinesError: _ours,
    HTTPException: _of_http,
    Exception: _unforeseen,
}
