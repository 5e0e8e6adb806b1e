"""Catalogs on every server; machines with no AWS configuration at all, and with AWS's two files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from tests.servers import CEPH

ConfigureAws = Callable[..., None]


@pytest.fixture(params=["folder", "s3", CEPH])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    """An empty catalog: what leases and documents rely on must hold wherever it is."""
    name = "local_catalog" if request.param == "folder" else "s3_catalog"
    return request.getfixturevalue(name)


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of AWS is set, whatever other tests need."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def configure_aws(no_aws: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigureAws:
    """Write `~/.aws/config` and `~/.aws/credentials`, elsewhere."""

    def configure(config: str = "", credentials: str = "") -> None:
        for name, text in (
            ("AWS_CONFIG_FILE", config),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials),
        ):
            path = tmp_path / name.lower()
            path.write_text(text)
            monkeypatch.setenv(name, str(path))

    return configure
