"""The cluster of the tests: gone when it is not needed, and missed where it is required."""

import socket

import psutil
import pytest

from tests.ceph import REQUIRED, ceph_server
from tests.servers import CEPH


def _daemons() -> list[psutil.Process]:
    names = ("ceph-mon", "ceph-osd", "radosgw")
    return [child for child in psutil.Process().children() if child.name() in names]


@pytest.mark.parametrize("server", [CEPH])
def test_a_cluster_ends_with_the_block_that_needs_it(server: str):
    before = _daemons()
    with ceph_server() as started:
        daemons = [one for one in _daemons() if one not in before]
        assert len(daemons) == 3
    assert not any(one.is_running() for one in daemons)
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", started.port)) != 0
    assert _daemons() == before, "the cluster of the session goes on"


def test_without_ceph_a_test_is_skipped_and_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(REQUIRED, raising=False)

    with (
        pytest.raises(pytest.skip.Exception, match=r"Ceph is not installed .*radosgw"),
        ceph_server(),
    ):
        pass


def test_without_ceph_a_run_that_requires_it_fails(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv(REQUIRED, "1")

    with pytest.raises(pytest.fail.Exception, match="this run requires it"), ceph_server():
        pass
