"""A Dagster at work on a catalog: recovered from whatever happened before, started, and stopped."""

from collections.abc import Iterator
from contextlib import contextmanager

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.instance.home import ensure_home, exclusive_home, open_instance
from s3pipelines.instance.partitions import repair_partitions
from s3pipelines.instance.recovery import fail_gone_runs
from s3pipelines.services.dagster_services import dagster_processes, wait_until_ready
from s3pipelines.services.ports import require_free
from s3pipelines.services.supervisor import Services

_READY_S = 120


@contextmanager
def dagster_session(catalog: Catalog, port: int) -> Iterator[Services]:
    """Run the webserver and the daemon while the body runs.

    Args:
        catalog: Whose sources become partitions.
        port: Where the webserver listens, on loopback.

    Raises:
        InvalidInput: The port is taken, or another session has the Dagster home.
        StorageError: The catalog cannot be read.
    """
    require_free(port)
    registered = read_registry(catalog).ids
    home = ensure_home()
    with exclusive_home(home) as lock:
        with open_instance() as instance:
            fail_gone_runs(instance)
            repair_partitions(instance, registered)
        with Services(home, keep_open=[lock]) as services:
            for name, arguments in dagster_processes(port).items():
                services.start(name, arguments)
            wait_until_ready(port, _READY_S, services)
            yield services
