"""Arrow columns as text, one per value: JSON, or plain as in a table or a CSV file.

Scalars are turned column by column, which is several times faster than `json.dumps` row by row
and keeps the exact digits of decimals (DuckDB's `sum` of integers is one).
"""

import base64
import json
import math
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from s3pipelines.core.errors import InvalidInput

NULL = "null"
_quoted: Callable[[str], str] = json.JSONEncoder(ensure_ascii=False).encode


def json_texts(column: pa.Array) -> list[str]:
    """Each value of `column` as JSON.

    Times are ISO 8601, with `Z` where they are in UTC; bytes are base64; what JSON has no number
    for (NaN, infinity) is `null`, as nulls are.

    Args:
        column: An array of any type that DuckDB gives.

    Returns:
        As many texts as `column` has values.

    Raises:
        InvalidInput: A list or struct holds a time that Python does not know.
    """
    column = _bare(column)
    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return pc.fill_null(column.cast(pa.string()), NULL).to_pylist()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [NULL if value is None else _quoted(value) for value in column.to_pylist()]
    if _is_time(kind):
        return [NULL if value is None else f'"{value}"' for value in _iso(column).to_pylist()]
    try:
        return [_text(value) for value in column.to_pylist(maps_as_pydicts="lossy")]
    except (OverflowError, ValueError) as error:
        raise InvalidInput(
            f"A value of type {kind} cannot be shown ({error}).",
            hint="Turn the column into text: CAST(… AS VARCHAR).",
        ) from error


def plain_texts(column: pa.Array) -> pa.Array:
    """Each value of `column` as text without quotes, null for null.

    Times and bytes are as in JSON; lists, structs and maps are JSON; NaN is `nan`.

    Raises:
        InvalidInput: A list or struct holds a time that Python does not know.
    """
    column = _bare(column)
    kind = column.type
    if _is_time(kind):
        return _iso(column)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_interval(kind):
        texts = [None if text == NULL else text for text in json_texts(column)]
        nested = pa.types.is_nested(kind)
        return pa.array(texts if nested else [text and text[1:-1] for text in texts], pa.string())
    return column.cast(pa.string())


def _bare(column: pa.Array) -> pa.Array:
    """The column without what Arrow wraps around the values."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_time(kind: pa.DataType) -> bool:
    """Dates, times and timestamps; neither intervals nor durations."""
    return pa.types.is_date(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind)


def _iso(column: pa.Array) -> pa.Array:
    """ISO 8601 in UTC, without empty fractions.

    In Arrow, because Python's own types end in the year 9999 and DuckDB knows `infinity`.
    """
    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    texts = column.cast(pa.string())
    if pa.types.is_timestamp(column.type):
        texts = _replaced(texts, r"^([^ ]*) ", r"\1T")
    return _replaced(texts, r"\.0+(Z?)$", r"\1")


def _replaced(texts: pa.Array, pattern: str, replacement: str) -> pa.Array:
    options = pc.ReplaceSubstringOptions(pattern, replacement)
    return pc.call_function("replace_substring_regex", [texts], options)


def _text(value: Any) -> str:
    """One value, with all that it holds, as JSON."""
    if isinstance(value, dict):
        parts = (f"{_quoted(_key(name))}: {_text(part)}" for name, part in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return NULL
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return str(value)
    return _quoted(_key(value))


def _key(value: Any) -> str:
    """A value as text that needs no more than quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, pa.MonthDayNano):
        return _duration(value.months, value.days, value.nanoseconds)
    return str(value)


def _duration(months: int, days: int, nanoseconds: int) -> str:
    """ISO 8601, for example `P14M3DT4.5S`; DuckDB keeps months, days and seconds apart too."""
    seconds = f"{Decimal(nanoseconds) / 10**9:f}"
    if "." in seconds:
        seconds = seconds.rstrip("0").rstrip(".")
    parts = [f"{months}M" if months else "", f"{days}D" if days else ""]
    time_part = f"T{seconds}S" if nanoseconds or not any(parts) else ""
    return f"P{''.join(parts)}{time_part}"
