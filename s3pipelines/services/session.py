"""The whole project at work on a catalog: recovered from what happened before, started, stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.instance.home import ensure_home, exclusive_home, open_instance
from s3pipelines.instance.partitions import repair_partitions
from s3pipelines.instance.recovery import fail_gone_runs
from s3pipelines.services.dagster_services import dagster_processes, wait_until_ready
from s3pipelines.services.ports import LOOPBACK, require_free
from s3pipelines.services.supervisor import Services
from s3pipelines.services.viewer_service import viewer_process, wait_until_viewer_ready

_READY_S = 120


@dataclass(frozen=True)
class Ports:
    """Where the two webservers listen, on loopback.

    Raises:
        InvalidInput: They are the same.
    """

    dagster: int
    viewer: int

    def __post_init__(self) -> None:
        if self.dagster == self.viewer:
            raise InvalidInput(
                f"The Dagster UI and the viewer cannot both listen on port {self.viewer}.",
                hint="Choose another one with --viewer-port.",
            )

    @property
    def dagster_url(self) -> str:
        """The address of the Dagster UI."""
        return f"http://{LOOPBACK}:{self.dagster}"

    @property
    def viewer_url(self) -> str:
        """The address of the viewer."""
        return f"http://{LOOPBACK}:{self.viewer}"


@contextmanager
def project_session(
    catalog: Catalog, ports: Ports, *, viewer_url: str | None = None
) -> Iterator[Services]:
    """Run the Dagster webserver and daemon, and the viewer, while the body runs.

    Args:
        catalog: Whose sources become partitions.
        ports: Where to listen.
        viewer_url: How people reach the viewer, if not on this machine; links lead there.

    Raises:
        InvalidInput: A port is taken, or another session has the Dagster home.
        StorageError: The catalog cannot be read.
    """
    require_free(ports.dagster)
    require_free(ports.viewer, option="--viewer-port")
    registered = read_registry(catalog).ids
    home = ensure_home()
    with exclusive_home(home) as lock:
        with open_instance() as instance:
            fail_gone_runs(instance)
            repair_partitions(instance, registered)
        links = {"S3PIPELINES_VIEWER_URL": viewer_url or ports.viewer_url}
        processes = dagster_processes(ports.dagster) | {"viewer": viewer_process(ports.viewer)}
        with Services(home, keep_open=[lock]) as services:
            for name, arguments in processes.items():
                services.start(name, arguments, links)
            wait_until_ready(ports.dagster, _READY_S, services)
            wait_until_viewer_ready(ports.viewer, _READY_S, services)
            yield services
