"""Tickets, made with credentials, as `presign` prints them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3pipelines.cli.presign_output import in_parts_json, signed_json
from s3pipelines.core.buckets.keys import Target
from s3pipelines.core.buckets.presigning import Upload, begin_in_parts, presign_put
from s3pipelines.core.storage.access import Access

MakeTicket = Callable[..., Path]


def saved(path: Path, value: Any) -> Path:
    """A ticket as a file."""
    path.write_text(json.dumps(value, default=str))
    return path


@pytest.fixture
def ticket(tmp_path: Path, bucket: str, s3) -> MakeTicket:
    """Begin an upload in parts, and write its ticket; `through` is the endpoint in its URLs."""

    def make(key: str = "k", *, through: str | None = None, without: tuple = (), **how) -> Path:
        access = Access(endpoint_url=through) if through else Access()
        target = Target(access, bucket, key)
        told = in_parts_json(target, begin_in_parts(target, how.pop("expires_s", 600), **how))
        for name in without:
            del told[name]
        return saved(tmp_path / f"{key}.json", told)

    return make


@pytest.fixture
def put_ticket(tmp_path: Path, bucket: str, s3) -> MakeTicket:
    """Presign requests that write `keys`, and write the ticket."""

    def make(*keys: str, through: str | None = None, **how) -> Path:
        access = Access(endpoint_url=through) if through else Access()
        targets = [Target(access, bucket, key) for key in keys]
        expires_s = how.pop("expires_s", 600)
        signed = [(one, presign_put(one, expires_s, Upload(**how))) for one in targets]
        return saved(tmp_path / "put.json", [signed_json(*one) for one in signed])

    return make


@pytest.fixture(autouse=True)
def no_credentials(s3, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Take the credentials and the endpoint away, which no ticket needs."""

    def take_away() -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name)

    return take_away
