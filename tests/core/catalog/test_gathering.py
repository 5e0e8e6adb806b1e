"""Rows are gathered until there are enough, or the first of them has waited long enough."""

import pytest

from s3pipelines.core.catalog import gathering
from s3pipelines.core.catalog.gathering import Gathered


def test_it_is_time_to_write_when_there_are_enough(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gathering, "_COMMIT_ROWS", 3)
    written: list[list[int]] = []
    rows = Gathered[int](lambda some: written.append(list(some)), commit_after_s=60)

    assert [rows.take(number) for number in range(3)] == [False, False, True]
    rows.write()
    assert not rows.take(3)
    rows.write()

    assert written == [[0, 1, 2], [3]]


def test_it_is_time_to_write_when_one_has_waited_long_enough():
    assert Gathered[int](lambda _: None, commit_after_s=-1).take(1)


def test_what_could_not_be_written_is_written_the_next_time():
    written: list[int] = []

    def write(some):
        if not written:
            written.append(-1)
            raise OSError("no space")
        written.extend(some)

    rows = Gathered[int](write, commit_after_s=60)
    rows.take(1)
    with pytest.raises(OSError, match="no space"):
        rows.write()
    rows.take(2)
    rows.write()

    assert written == [-1, 1, 2]
