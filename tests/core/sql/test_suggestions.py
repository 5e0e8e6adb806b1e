"""What may have been meant by a wrong name."""

import pytest

from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.sql.suggestions import closest


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("size", "size_bytes"),
        ("SIZE_BYTE", "size_bytes"),
        ("sze", "size_bytes"),
        ("keys", "key"),
        ("modified", "last_modified"),
        ("extention", "extension"),
        ("zzz", None),
        ("", None),
    ],
)
def test_a_mistyped_column_is_recognized(name: str, meant: str | None):
    assert closest(name, OBJECTS.column_names) == meant


def test_there_is_nothing_close_where_there_is_nothing():
    assert closest("size", []) is None
