"""A Dagster at work: a code server, the webserver and the daemon, and knowing when they are ready.

`dagster dev` and `dagster-webserver -m …` give the webserver and the daemon a code server each.
Here they share one, which is a service of its own: the definitions are loaded once (some 100 MB
less), and if it dies, that is noticed. A daemon whose own code server has died goes on and fails
every run (seen with dagster 1.13.27).
"""

import json
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.instance.home import ensure_home, open_instance
from s3pipelines.services.ports import LOOPBACK
from s3pipelines.services.supervisor import Services

MODULE = "s3pipelines.definitions"
LOCATION = "s3pipelines"

# A socket's path has at most 103 bytes on macOS, 107 on Linux.
_LONGEST_SOCKET_BYTES = 100

_WORKSPACE = """\
# Written by s3pipelines at each start.
load_from:
  - grpc_server:
      socket: {socket}
      location_name: {location}
"""

_POLL_S = 0.2
_REQUEST_S = 30

# What Dagster says of a code server that does not answer, or not yet.
_NOT_YET = "DagsterUserCodeUnreachableError"

_QUERY = """
{
  workspaceOrError {
    ... on Workspace {
      locationEntries {
        loadStatus
        locationOrLoadError { ... on PythonError { message causes { message } } }
      }
    }
    ... on PythonError { message }
  }
  instance {
    daemonHealth {
      allDaemonStatuses {
        daemonType required healthy lastHeartbeatTime lastHeartbeatErrors { message }
      }
    }
  }
}
"""

# The webserver is on this machine, whatever HTTP_PROXY says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotReady(S3PipelinesError):
    """Dagster did not come up, or cannot load the definitions."""


def dagster_processes(
    port: int, *, module: str = MODULE, location: str = LOCATION
) -> dict[str, list[str]]:
    """The processes to start, all at once; see `wait_until_ready` for when they are up.

    Makes what they need to find each other and the instance: the home, its database, and a
    workspace file. They work from any working directory.

    Args:
        port: Where the webserver listens, on loopback.
        module: The module with the definitions.
        location: The name of the code location. Dagster knows sensors and schedules by it, so it
            is that of `workspace.yaml` and `pyproject.toml`.

    Returns:
        The arguments of each process, by name.
    """
    home = ensure_home()
    # Several processes that open a new home at once get into each other's way (see there).
    open_instance().dispose()
    socket = _socket_path(home)
    workspace = home / "up.workspace.yaml"
    workspace.write_text(
        _WORKSPACE.format(socket=json.dumps(str(socket)), location=json.dumps(location))
    )
    python = [sys.executable, "-m"]
    return {
        "code-server": [
            *(*python, "dagster", "api", "grpc", "--socket", str(socket)),
            *("--module-name", module, "--location-name", location),
            # A module that cannot be loaded is then a message in the UI, not the end of the server.
            "--lazy-load-user-code",
            # As `dagster dev` does, so that a `.env` file counts here too.
            "--inject-env-vars-from-instance",
        ],
        "webserver": [
            *(*python, "dagster_webserver", "--host", LOOPBACK, "--port", str(port)),
            *("--workspace", str(workspace)),
        ],
        "daemon": [*python, "dagster._daemon", "run", "--workspace", str(workspace)],
    }


def wait_until_ready(port: int, timeout_s: float, services: Services | None = None) -> None:
    """Wait until the code location is loaded and all daemons have reported since they started.

    Args:
        port: Of the webserver.
        timeout_s: How long to wait, in seconds.
        services: The processes, so that the end of one of them is noticed, and reports of the
            daemon of an earlier time do not count.

    Raises:
        ServiceStopped: One of the processes has ended.
        NotReady: The definitions cannot be loaded, or it took too long.
    """
    since = services.started_at if services else 0
    deadline = time.monotonic() + timeout_s
    missing = "the webserver does not answer"
    while time.monotonic() < deadline:
        if services:
            services.check()
        state = _ask(port)
        if state is not None:
            missing = _missing_location(state) or _missing_daemon(state, since)
            if not missing:
                return
        time.sleep(_POLL_S)
    raise NotReady(
        f"Dagster was not ready within {timeout_s:.0f} s: {missing}.",
        hint="Its logs are in the folder service-logs of the Dagster home.",
    )


def _socket_path(home: Path) -> Path:
    """Where the code server listens: only its owner may write, hence connect, there."""
    path = home / "code-server.sock"
    if len(os.fsencode(path)) > _LONGEST_SOCKET_BYTES:
        path = Path(tempfile.mkdtemp(prefix="s3pipelines-")) / path.name
    return path


def _ask(port: int) -> dict[str, Any] | None:
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{port}/graphql",
        data=json.dumps({"query": _QUERY}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with _OPENER.open(request, timeout=_REQUEST_S) as answer:
            return json.load(answer)["data"]
    except OSError:  # nothing listens yet, or it broke off
        return None


def _missing_location(state: dict[str, Any]) -> str:
    """What is missing for the definitions to be loaded; nothing, if they are."""
    entries = state["workspaceOrError"].get("locationEntries")
    if not entries or any(entry["loadStatus"] != "LOADED" for entry in entries):
        return "the definitions are still being loaded"
    for entry in entries:
        error = entry["locationOrLoadError"] or {}
        if "message" not in error:
            continue
        if _NOT_YET in error["message"]:
            return "the code server does not answer"
        raise NotReady(
            "Dagster cannot load the definitions.", hint=f"It says: {_innermost_message(error)}"
        )
    return ""


def _innermost_message(error: dict[str, Any]) -> str:
    messages = [error["message"], *(cause["message"] for cause in error.get("causes") or [])]
    return " ".join(messages[-1].split())[:500]


def _missing_daemon(state: dict[str, Any], since: float) -> str:
    """Which daemon has not reported yet, or reports an error; nothing, if all is well."""
    for daemon in state["instance"]["daemonHealth"]["allDaemonStatuses"]:
        if not daemon["required"]:
            continue
        name = f"the daemon {daemon['daemonType']}"
        # A report counts for half an hour, even if the daemon has long ended.
        reported = daemon["lastHeartbeatTime"]
        if not reported or reported < since:
            return f"{name} has not reported"
        if not daemon["healthy"]:
            errors = [error["message"] for error in daemon["lastHeartbeatErrors"] or []]
            return f"{name} reports {' '.join(' '.join(errors).split())[:300] or 'nothing'}"
    return ""
