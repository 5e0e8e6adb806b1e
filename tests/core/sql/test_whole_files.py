"""Files that are there whole or not at all."""

import os
import threading
from pathlib import Path

import pytest

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.whole_files import whole_file


def test_the_file_appears_when_the_body_ends(tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    with whole_file(target) as part:
        part.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, BrokenPipeError])
def test_a_failure_leaves_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "x.csv"
    target.write_text("old")

    def write_half() -> None:
        with whole_file(target) as part:
            part.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No space left"), whole_file(tmp_path / "x.csv"):
        raise OSError(28, os.strerror(28))


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "x.csv"
    link.symlink_to(tmp_path / "real" / "data.csv")
    with whole_file(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "data.csv").read_text() == "new"


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with whole_file(tmp_path / "x.csv") as part:
            part.write_text("new")
    finally:
        os.umask(mask)
    assert (tmp_path / "x.csv").stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    with whole_file(pipe) as part:
        part.write_text("through")
    reader.join()
    assert received == ["through"]
    assert pipe.is_fifo()
