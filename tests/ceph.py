"""A second real S3: Ceph's RADOS gateway before a cluster of one, in memory."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
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
    "setpriv",
)
# Beside STANDARD; those of archives would be plain ones here.
STORAGE_CLASSES = ("STANDARD_IA", "ONEZONE_IA")
_KEYS = ("contract", "contract-secret")
_START_S, _STOP_S = 100, 10

# One copy of everything, and nothing that waits: by default the monitor gathers changes for a
# second, clients look for placement groups every five, and the body of an answer is held back
# for 40 ms.
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
        self._configuration = str(folder / "ceph.conf")
        # Nothing of a cluster that this machine may know.
        self._environment = {n: v for n, v in os.environ.items() if not n.startswith("CEPH_")}

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
        self._wait_for(server, self._serve("radosgw", "-f", "-n", "client.gateway"))
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
        Path(self._configuration).write_text(
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
        ended = subprocess.run(
            [program, "-c", self._configuration, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_S,
            env=self._environment,
            check=False,
        )
        assert ended.returncode == 0, f"{program} {arguments} said: {ended.stderr[-2000:]}"

    def _serve(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = self._running.enter_context(self._log_of(program).open("wb"))
        process = subprocess.Popen(
            # It ends with this process, however that ends.
            ["setpriv", "--pdeathsig", "KILL", program, "-c", self._configuration, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self._environment,
            start_new_session=True,
        )
        self._running.callback(_stop, process)
        return process

    def _wait_for(self, server: CephServer, gateway: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                with urllib.request.urlopen(server.endpoint, timeout=5):
                    return
            except OSError:
                if gateway.poll() is not None or time.monotonic() > deadline:
                    said = self._log_of("radosgw").read_text(errors="replace")[-2000:]
                    pytest.fail(f"Ceph's gateway does not answer. It said: {said}")
                time.sleep(0.1)

    def _log_of(self, program: str) -> Path:
        return self._folder / f"{program}.out"


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Everything is in memory and in a folder that goes with it: there is nothing to end in order.
    process.kill()
    process.wait(_STOP_S)
