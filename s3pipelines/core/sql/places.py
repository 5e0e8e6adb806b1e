"""Places in a sorted listing of objects, as tokens: where one page ends and the next begins.

A place is named by the row before it, not by a number. So the next page costs the same wherever it
is, and shows nothing twice when objects come and go. A token is opaque to whoever passes it on.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pyarrow as pa

from s3pipelines.core.catalog.schemas import OBJECTS, TIMESTAMP
from s3pipelines.core.errors import InvalidInput

Order = Literal["asc", "desc"]

# A key and a value have at most 1,024 bytes each, which JSON may write as six times as many.
_LONGEST_TOKEN = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT64 = 2**63


@dataclass(frozen=True)
class Place:
    """The place after one row.

    Attributes:
        sort: The column of `objects` that the listing is sorted by.
        order: How.
        value: What the row has in that column; None where it has nothing.
        key: The key of the row.
    """

    sort: str
    order: Order
    value: Any
    key: str


def token_of_place(place: Place) -> str:
    """The place as text that any URL can hold; times keep their microseconds."""
    value = place.value
    if isinstance(value, datetime):
        value = (value - _EPOCH) // _MICROSECOND
    parts = [place.sort, place.order, None if place.sort == "key" else value, place.key]
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def place_of_token(token: str, sort: str, order: Order) -> Place:
    """The place of a token.

    Args:
        token: As `token_of_place` gave it.
        sort: The column that the listing is sorted by now.
        order: How it is sorted now.

    Raises:
        InvalidInput: It is no token, or that of a listing sorted otherwise.
    """
    try:
        place = _decoded(token)
        # Several texts decode to the same place; only one of them was given out.
        if token_of_place(place) != token:
            raise ValueError("not as it was given")
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidInput(
            f"{token[:40]!r} is not a place in a listing.",
            hint="Give the token as it was printed, or leave it out to start from the first page.",
        ) from error
    if (place.sort, place.order) != (sort, order):
        raise InvalidInput(
            f"This token is of a listing sorted by {place.sort}, {place.order}; "
            f"now it is {sort}, {order}.",
            hint="Sort as before, or leave the token out to start from the first page.",
        )
    return place


def _decoded(token: str) -> Place:
    if len(token) > _LONGEST_TOKEN:
        raise ValueError("too long")
    padded = token.encode("ascii") + b"=" * (-len(token) % 4)
    sort, order, value, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    if sort not in OBJECTS.column_names or order not in ("asc", "desc") or type(key) is not str:
        raise ValueError("not a place")
    return Place(sort, order, key if sort == "key" else _typed(sort, value), key)


def _typed(column: str, value: Any) -> Any:
    """The value as the column has it."""
    kind = OBJECTS.arrow.field(column).type
    if value is None:
        return None
    if kind == pa.string():
        if type(value) is not str:
            raise ValueError("not a text")
        return value
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise ValueError("not a number of 64 bits")
    return _EPOCH + value * _MICROSECOND if kind == TIMESTAMP else value
