"""The viewer as a service: how it is started, and knowing when it answers."""

import sys
import time
import urllib.request

from s3pipelines.services.dagster_services import NotReady
from s3pipelines.services.ports import LOOPBACK
from s3pipelines.services.supervisor import Services

_POLL_S = 0.2
_REQUEST_S = 10
# The viewer is on this machine, whatever HTTP_PROXY says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def viewer_process(port: int) -> list[str]:
    """The arguments of the process that serves the viewer on loopback."""
    return [sys.executable, "-m", "s3pipelines.viewer", "--host", LOOPBACK, "--port", str(port)]


def wait_until_viewer_ready(port: int, timeout_s: float, services: Services) -> None:
    """Wait until the viewer answers.

    Raises:
        ServiceStopped: One of the services has ended.
        NotReady: It took too long.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        services.check()
        try:
            with _OPENER.open(f"http://{LOOPBACK}:{port}/health", timeout=_REQUEST_S):
                return
        except OSError:  # nothing listens yet
            time.sleep(_POLL_S)
    raise NotReady(
        f"The viewer was not ready within {timeout_s:.0f} s.",
        hint=f"Its log is {services.log_path('viewer')}.",
    )
