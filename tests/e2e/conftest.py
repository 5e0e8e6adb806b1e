"""One running project on a moto S3: shared by all end-to-end tests, stopped after the last one."""

import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.bucket_events import notify_queue
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import FolderLocation
from s3pipelines.services.moto import MotoServer
from s3pipelines.services.ports import free_port
from s3pipelines.services.session import Ports, project_session
from s3pipelines.services.supervisor import Services


@pytest.hookimpl(tryfirst=True)  # Before xdist looks for groups, and pytest for markers.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests that share the running project go to the same worker, and none is fast."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group("e2e"))


@dataclass(frozen=True)
class Running:
    """The running project, and what is needed to use it from outside."""

    url: str
    viewer_url: str
    catalog: Catalog
    services: Services
    bucket: str
    trash_bucket: str

    def graphql(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the webserver as its own pages do."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return answer["data"]

    def put(self, *keys: str, body: bytes = b"123") -> None:
        """Upload from outside."""
        client = s3_client(Access())
        for key in keys:
            client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def register(self, source_id: str, prefix: str, derive: tuple[str, ...] = ()) -> None:
        """Register a source of the bucket."""
        create_source(self.catalog, source_id, f"s3://{self.bucket}/{prefix}", derive=derive)


# Not for the session: beside all the tests that come after these, its sensors took a quarter of a
# core (measured over 30 s).
@pytest.fixture(scope="package")
def running(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole project at work on a bucket that notifies it; its sensors tick all the time."""
    folder = tmp_path_factory.mktemp("running")
    bucket = f"running-{uuid.uuid4().hex[:8]}"
    trash_bucket = f"trash-of-{bucket}"
    for name in (bucket, trash_bucket):
        s3_client(Access()).create_bucket(Bucket=name)
    queue_url = notify_queue(Access(), bucket).queue_url
    catalog = Catalog(FolderLocation(folder / "catalog"))
    ports = Ports(free_port(), free_port())
    with ExitStack() as stack:
        # For the services only: other tests run in this process while they live.
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("S3PIPELINES_CATALOG", str(folder / "catalog"))
            environment.setenv("S3PIPELINES_TRASH", f"s3://{trash_bucket}/kept")
            environment.setenv("S3PIPELINES_LISTING_INTERVAL_S", "2")
            environment.setenv("S3PIPELINES_UPLOAD_QUEUE_URL", queue_url)
            environment.setenv("S3PIPELINES_EVENTS_INTERVAL_S", "1")
            environment.setenv("S3PIPELINES_DERIVE_INTERVAL_S", "2")
            environment.setenv("DAGSTER_HOME", str(folder / "dagster"))
            services = stack.enter_context(project_session(catalog, ports))
        yield Running(ports.dagster_url, ports.viewer_url, catalog, services, bucket, trash_bucket)


def wait_for(condition: Callable[[], Any], timeout_s: float = 90) -> Any:
    """Wait until `condition` gives something true, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s; last: {value!r}"
        time.sleep(0.3)
    return value
