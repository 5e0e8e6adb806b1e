"""`docs/datasets.md` holds: its commands print what it shows, in their order; its programs run."""

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.services.moto import MotoServer
from tests.docs.transcripts import blocks, printed, steady, transcript

# One place for all of them, where the commands of the document have run.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("datasets-document")]

PROGRAMS = [block for language, block in blocks("datasets.md") if language == "python"]
TRANSCRIPT = transcript("datasets.md")


def _png(width: int, height: int) -> bytes:
    """A grey picture, the same bytes whatever compresses elsewhere."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    rows = b"".join(b"\0" + bytes([row % 256]) * width for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


FILES = {
    "scans/1890/sheet-01.png": _png(120, 80),
    "scans/1890/sheet-02.png": _png(90, 60),
    "scans/index.csv": b"sheet,title\n1,North\n2,South\n",
    "more/sheet-03.png": _png(60, 40),
    "more/index.csv": b"sheet,title\n1,North\n2,South\n3,East\n",
}


@pytest.fixture(scope="module")
def place(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the document is read, and its bucket, which no other test may use."""
    folder = tmp_path_factory.mktemp("datasets")
    for name, body in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    s3 = s3_client(Access())
    s3.create_bucket(Bucket="my-maps")
    s3.put_object(Bucket="my-maps", Key="sheets/legend.txt", Body=b"Red: roads.\n")
    (folder / "dagster").mkdir()
    before = dict(os.environ)
    os.environ["S3PIPELINES_CATALOG"] = str(folder / "catalog")
    os.environ["S3PIPELINES_CACHE"] = str(folder / "cache")
    os.environ["DAGSTER_HOME"] = str(folder / "dagster")
    yield folder
    os.environ.clear()
    os.environ.update(before)


def test_the_transcript_is_what_the_commands_print(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    assert len(TRANSCRIPT) > 10
    for command, shown in TRANSCRIPT:
        assert steady(printed(command)) == steady(shown), command


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_runs_to_its_end(place: Path, program: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=place,
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stderr
    assert "scans/1890/sheet-01.png" in ended.stdout
