"""A second real S3: Ceph's RADOS gateway before a cluster of one, in memory."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from s3pipelines.services.ports import LOOPBACK, free_port

REQUIRED = "S3PIPELINES_TEST_REQUIRE_CEPH"
_PROGRAMS = (
    "ceph",
    "ceph-authtool",
    "ceph-mon",
    "ceph-osd",
    "monmaptool",
    "radosgw",
    "radosgw-admin",
)
# Beside STANDARD; those of archives would be plain ones here.
STORAGE_CLASSES = ("STANDARD_IA", "ONEZONE_IA")
_KEYS = ("contract", "contract-secret")
_START_S, _STOP_S = 100, 10
_PR_SET_PDEATHSIG = 1

# One copy of everything, and placement groups without waiting for a manager to count them.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{monitor_port}]
public_network = 127.0.0.0/8
keyring = {folder}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 2000
mon_data_avail_crit = 1
mon_data_avail_warn = 2
auth_allow_insecure_global_id_reclaim = true
run_dir = {folder}
objecter_tick_interval = 0.5
admin_socket =
log_file = {folder}/$name.log
[mon.a]
mon_data = {folder}/monitor
paxos_propose_interval = 0.01
paxos_min_wait = 0.01
[osd.0]
osd_data = {folder}/store
osd_objectstore = memstore
memstore_device_bytes = 4294967296
[client.gateway]
rgw_data = {folder}/gateway
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_dns_name = localhost
"""
_CAPABILITIES = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "client.gateway": {"mon": "allow rw", "osd": "allow rwx"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
}


class CephServer:
    """A gateway that is up; it says where it is, as `MotoServer` does."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def endpoint(self) -> str:
        """The URL of the gateway."""
        return f"http://{LOOPBACK}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What makes botocore, and everything that reads its variables, use this server."""
        key, secret = _KEYS
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def ceph_server() -> Iterator[CephServer]:
    """Start a cluster of one monitor, one store in memory and one gateway, on free ports.

    All of it ends with the block, and also when this process is killed. The test is skipped where
    Ceph is not installed, unless S3PIPELINES_TEST_REQUIRE_CEPH is set.
    """
    _require_programs()
    with TemporaryDirectory(prefix="s3pipelines-ceph-") as folder, ExitStack() as running:
        yield _Cluster(Path(folder), running).start()


def _require_programs() -> None:
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if sys.platform != "linux" or missing:
        said = f"Ceph is not installed ({', '.join(missing)}); CONTRIBUTING.md names its packages"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{said}, and this run requires it")
        pytest.skip(said)


class _Cluster:
    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._running = running

    def start(self) -> CephServer:
        server = CephServer(free_port())
        fsid, store = str(uuid.uuid4()), str(uuid.uuid4())
        for name in ("monitor", "store", "gateway"):
            (self._folder / name).mkdir()
        self._start_monitor(fsid, server.port)
        self._run("ceph", "osd", "new", store, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store)
        self._serve("ceph-osd", "-f", "-i", "0")
        key, secret = _KEYS
        keys = (f"--access-key={key}", f"--secret-key={secret}")
        # The first command makes the zone, which the next ones change.
        self._administer("user", "create", "--uid=contract", "--display-name=contract", *keys)
        for name in STORAGE_CLASSES:
            self._add_storage_class(name)
        self._serve("radosgw", "-f", "-n", "client.gateway")
        _wait_for(server)
        return server

    def _add_storage_class(self, name: str) -> None:
        of = ("--placement-id=default-placement", f"--storage-class={name}")
        self._administer("zonegroup", "placement", "add", "--rgw-zonegroup=default", *of)
        pool = f"--data-pool=default.rgw.{name.lower()}"
        self._administer("zone", "placement", "add", "--rgw-zone=default", *of, pool)

    def _administer(self, *arguments: str) -> None:
        self._run("radosgw-admin", "-n", "client.gateway", *arguments)

    def _start_monitor(self, fsid: str, port: int) -> None:
        monitor_port = free_port()
        (self._folder / "ceph.conf").write_text(
            _CONFIGURATION.format(
                fsid=fsid, monitor_port=monitor_port, folder=self._folder, port=port
            )
        )
        keyring, monitors = self._folder / "keyring", self._folder / "monitors"
        keyring.touch()
        for name, allowed in _CAPABILITIES.items():
            caps = [word for kind, what in allowed.items() for word in ("--cap", kind, what)]
            self._run("ceph-authtool", str(keyring), "--gen-key", "-n", name, *caps)
        address = f"[v2:127.0.0.1:{monitor_port}]"
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, str(monitors))
        of = ("--monmap", str(monitors), "--keyring", str(keyring))
        self._run("ceph-mon", "-i", "a", "--mkfs", *of)
        self._serve("ceph-mon", "-f", "-i", "a")

    def _run(self, program: str, *arguments: str) -> None:
        configured = ["-c", str(self._folder / "ceph.conf"), *arguments]
        ended = subprocess.run(
            [program, *configured],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_S,
            check=False,
        )
        assert ended.returncode == 0, f"{program} {arguments} said: {ended.stderr[-2000:]}"

    def _serve(self, program: str, *arguments: str) -> None:
        log = self._running.enter_context((self._folder / f"{program}.out").open("wb"))
        process = subprocess.Popen(
            [program, "-c", str(self._folder / "ceph.conf"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no other thread runs yet
        )
        self._running.callback(_stop, process)


def _wait_for(server: CephServer) -> None:
    import urllib.request

    deadline = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(server.endpoint, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Everything is in memory and in a folder that goes with it: there is nothing to end in order.
    process.kill()
    process.wait(_STOP_S)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
