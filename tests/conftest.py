"""A real S3 over HTTP (moto's server), catalogs on a folder and on that S3, and empty buckets."""

import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import settings

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from s3pipelines.instance.home import open_instance
from s3pipelines.services.moto import MotoServer
from tests.ceph import CephServer, ceph_server
from tests.dagster_world import DagsterWorld, dagster_world

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PutObjects = Callable[..., None]


def _forget_settings_of_the_machine() -> None:
    """A test must not depend on, or reach, whoever runs it: no profile, no endpoint, no catalog."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "S3PIPELINES_", "DAGSTER_")) and "TEST" not in name:
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


_forget_settings_of_the_machine()
# A machine that is busy is no failure.
settings.register_profile("s3pipelines", deadline=None)
settings.load_profile("s3pipelines")
# A suite that was started in the background is deaf to these, and so is everything it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _migrations_read_once() -> Iterator[None]:
    """Dagster reads all its migrations for each instance: half the time of a command."""
    read, kept = ScriptDirectory.from_config, {}

    def from_config(config: Config) -> ScriptDirectory:
        place = config.get_alembic_option("script_location")
        if place not in kept:
            kept[place] = read(config)
        return kept[place]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", staticmethod(from_config))
        yield


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """One S3 server for the whole session; its address is in the environment."""
    with MotoServer() as server:
        os.environ.update(server.environment())
        yield server


@pytest.fixture(scope="session")
def ceph() -> Iterator[CephServer]:
    """Another S3 server for the whole session; see `s3_server`."""
    with ceph_server() as server:
        yield server


@pytest.fixture
def s3_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name of the server that the test talks to: moto, unless it is marked `ceph`."""
    name = "ceph" if request.node.get_closest_marker("ceph") else "moto"
    # Not the test's own `monkeypatch`, which it may undo.
    with pytest.MonkeyPatch.context() as environment:
        for variable, value in request.getfixturevalue(name).environment().items():
            environment.setenv(variable, value)
        yield name


@pytest.fixture
def s3(s3_server: str):
    """A boto3 client to arrange what a test needs."""
    return s3_client(Access())


@pytest.fixture
def bucket(s3) -> str:
    """A new, empty bucket."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def put_objects(s3, bucket: str) -> PutObjects:
    """Write `keys` into the bucket of the test, each with `body`."""

    def put(*keys: str, body: bytes = b"123") -> None:
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=body)

    return put


@pytest.fixture
def local_catalog(tmp_path: Path, s3_server: str) -> Catalog:
    """An empty catalog in a folder."""
    return Catalog(FolderLocation(tmp_path / "catalog"))


@pytest.fixture
def s3_catalog(s3) -> Catalog:
    """An empty catalog on S3."""
    name = f"catalog-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return Catalog(S3Location(name, "state/"))


@pytest.fixture(params=["folder", "s3"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    """An empty catalog, once in a folder and once on S3."""
    name = "local_catalog" if request.param == "folder" else "s3_catalog"
    return request.getfixturevalue(name)


@pytest.fixture(scope="session")
def _new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster home that nobody has used yet; its tables take a third of a second to make."""
    home = tmp_path_factory.mktemp("new-home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAGSTER_HOME", str(home))
        with open_instance():
            pass
    return home


@pytest.fixture
def dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _new_home: Path) -> Path:
    """A Dagster home of its own."""
    home = tmp_path / "dagster"
    shutil.copytree(_new_home, home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home


@pytest.fixture
def world(local_catalog: Catalog) -> Iterator[DagsterWorld]:
    """The project's definitions over an empty catalog, on an ephemeral instance."""
    with dagster_world(local_catalog) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium, for one module: while it lives, an event loop runs in the main thread."""
    from tests.browser import quiet_chromium

    with quiet_chromium() as made:
        yield made
