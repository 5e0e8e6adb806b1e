"""`python -m s3pipelines.viewer` as a process."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from s3pipelines.services.ports import free_port

ROOT = Path(__file__).parents[2]


def start(*arguments: str, catalog: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "S3PIPELINES_CATALOG": catalog}
    return subprocess.Popen(
        [sys.executable, "-m", "s3pipelines.viewer", *arguments],
        env=environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def answered(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read()
    except (urllib.error.URLError, ConnectionError):
        return None


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_the_catalog_of_the_settings_until_it_is_stopped(tmp_path: Path, stop):
    port = free_port()
    with start("--port", str(port), catalog=str(tmp_path)) as process:
        try:
            deadline = time.monotonic() + 60
            while answered(f"http://127.0.0.1:{port}/health") is None:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            page = answered(f"http://127.0.0.1:{port}/")
            assert page is not None
            assert b"No source is registered yet" in page
            process.send_signal(stop)
            process.wait(30)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "catalog", "said"),
    [
        (["--port", "0"], "x", "not a port"),
        (["--port", "many"], "x", "not a port"),
        (["--port", "8080", "--host", "0.0.0.0"], "x", "invalid choice"),
        (["--port", "8080"], "s3:/x*", "Error: The folder"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(arguments: list[str], catalog: str, said: str):
    with start(*arguments, catalog=catalog) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (1, 2)
    assert said in errors
    assert "Traceback" not in errors
