"""`docs/fixity.md` holds: its commands print what it shows, in their order."""

import os
from collections.abc import Iterator
from pathlib import Path

import bagit
import pytest

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.services.moto import MotoServer
from tests.docs.transcripts import printed, steady, transcript

FILES = {
    "scans/sheet-01.tif": b"north" * 1500,
    "scans/sheet-02.tif": b"south" * 900,
    "scans/index.csv": b"sheet,title\n1,North\n2,South\n",
}


@pytest.fixture
def place(moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the document is read, and its bucket, which no other test may use."""
    for name, body in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(body)
    s3_client(Access()).create_bucket(Bucket="my-atlas")
    (tmp_path / "dagster").mkdir()
    before = dict(os.environ)
    os.environ["S3PIPELINES_CATALOG"] = str(tmp_path / "catalog")
    os.environ["DAGSTER_HOME"] = str(tmp_path / "dagster")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def test_the_transcript_is_what_the_commands_print(place: Path) -> None:
    commands = transcript("fixity.md")
    assert len(commands) > 8
    for command, shown in commands:
        assert steady(printed(command)) == steady(shown), command
    bagit.Bag(str(place / "atlas-1")).validate()
