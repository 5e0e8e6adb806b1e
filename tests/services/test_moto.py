"""The S3 server of the demo and of these tests behaves as S3 does, over connections it keeps."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import boto3
import obstore
import psutil
import pytest
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store
from werkzeug.serving import make_server

from s3pipelines.core.errors import InvalidInput, S3PipelinesError
from s3pipelines.services import moto as moto_module
from s3pipelines.services.moto import MotoServer
from s3pipelines.services.moto_server import Application, KeepAliveHandler


@pytest.fixture
def store(moto: MotoServer, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=moto.endpoint,
        access_key_id="moto",
        secret_access_key="moto",
        region="us-east-1",
        client_options={"allow_http": True},
    )


def _seconds(request: Callable[[], object], times: int = 10) -> list[float]:
    taken: list[float] = []
    for _ in range(times):
        start = time.monotonic()
        request()
        taken.append(time.monotonic() - start)
    return taken


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_one_connection_serves_many_requests(moto, s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"123")
    connection = http.client.HTTPConnection("127.0.0.1", moto.port)
    connection.connect()
    socket = connection.sock
    for method in ("HEAD", "GET", "GET"):
        where = {"Bucket": bucket, "Key": "key"}
        url = s3.generate_presigned_url(f"{method.lower()}_object", where)
        connection.request(method, url.removeprefix(moto.endpoint))
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["Content-Length"] == "3"
        assert answer.read() == (b"" if method == "HEAD" else b"123")
        assert connection.sock is socket, "the server closed the connection"
    connection.close()


@contextmanager
def connected_to(application: Callable) -> Iterator[http.client.HTTPConnection]:
    """A connection to a server with another application behind the same handler."""
    server = make_server("127.0.0.1", 0, application, True, request_handler=KeepAliveHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        yield connection
    finally:
        connection.close()
        server.shutdown()
        thread.join()


def ask(connection: http.client.HTTPConnection, body: bytes | None = None) -> tuple[int, bytes]:
    connection.request("GET", "/", body=body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_body_that_nobody_read_is_not_taken_for_the_next_request():
    def deaf(environ, start_response):
        start_response("200 OK", [])
        return [b"fine"]

    with connected_to(deaf) as connection:
        assert ask(connection, b"NONSENSE /\r\n\r\n" * 1000) == (200, b"fine")
        assert ask(connection) == (200, b"fine")


def test_an_answer_that_can_have_no_body_announces_none():
    def empty(environ, start_response):
        start_response("204 No Content", [])
        return []

    with connected_to(empty) as connection:
        connection.request("DELETE", "/")
        assert "Content-Length" not in connection.getresponse().headers


def test_an_application_that_fails_is_a_status_and_the_connection_goes_on(caplog):
    def broken(environ, start_response):
        raise ValueError("no")

    with connected_to(broken) as connection:
        assert ask(connection) == (500, b"")
        assert ask(connection) == (500, b"")
    assert "ValueError: no" in caplog.text


def test_what_is_uploaded_is_downloaded(s3, bucket, store):
    big = os.urandom(3_000_000)
    s3.put_object(Bucket=bucket, Key="boto", Body=big)
    obstore.put(store, "stream", iter([big[:1_000_000], big[1_000_000:]]), chunk_size=5 << 20)
    assert bytes(obstore.get(store, "boto").bytes()) == big
    assert s3.get_object(Bucket=bucket, Key="stream")["Body"].read() == big
    assert bytes(obstore.get_range(store, "boto", start=10, length=20)) == big[10:30]


def test_answers_of_two_packets_do_not_wait_for_each_other(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x" * 20_000)

    def download() -> None:
        assert len(s3.get_object(Bucket=bucket, Key="key")["Body"].read()) == 20_000

    # With Nagle's algorithm each takes 40 ms and more; without, only a busy machine is so slow.
    assert min(_seconds(download)) < 0.04


def test_a_multipart_upload_works(s3, bucket, store):
    body = os.urandom(12_000_000)
    obstore.put(store, "parts", body, use_multipart=True, chunk_size=5 << 20)
    assert s3.head_object(Bucket=bucket, Key="parts")["ETag"].endswith('-3"')
    assert bytes(obstore.get(store, "parts").bytes()) == body


def test_a_client_that_waits_for_leave_to_send_is_answered_at_once(s3, bucket):
    # Without the answer "100 Continue", boto3 waits a second for each of them.
    assert min(_seconds(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000))) < 1


def test_an_upload_that_breaks_off_leaves_no_object(moto, s3, bucket):
    connection = http.client.HTTPConnection("127.0.0.1", moto.port)
    connection.putrequest("PUT", f"/{bucket}/half")
    connection.putheader("Content-Length", "1000")
    connection.endheaders()
    connection.send(b"x" * 500)
    connection.close()
    time.sleep(0.3)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_of_several_conditional_writes_at_once_one_wins(store):
    rounds, writers = 30, 8
    barrier = threading.Barrier(writers)
    wins: list[int] = []

    def write() -> None:
        for number in range(rounds):
            barrier.wait()
            try:
                obstore.put(store, f"commit-{number}", b"x" * 3000, mode="create")
            except AlreadyExistsError:
                pass
            else:
                wins.append(number)

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == list(range(rounds))


@pytest.mark.parametrize(
    ("method", "header", "most_at_once"),
    [
        ("PUT", "HTTP_IF_NONE_MATCH", 1),
        ("PUT", "HTTP_IF_MATCH", 1),
        ("GET", "HTTP_IF_NONE_MATCH", 4),
        ("PUT", "HTTP_X_OTHER", 4),
    ],
)
def test_only_conditional_writes_take_turns(monkeypatch, method, header, most_at_once):
    busy: list[int] = []
    most: list[int] = []

    def answer(*_: object) -> list[bytes]:
        busy.append(1)
        most.append(len(busy))
        time.sleep(0.2)
        busy.pop()
        return []

    monkeypatch.setattr(Application.__base__, "__call__", answer)
    application = Application()
    environ = {"REQUEST_METHOD": method, header: "*"}
    threads = [threading.Thread(target=application, args=(environ, None)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == most_at_once


def test_the_environment_is_all_that_boto_needs(monkeypatch):
    with MotoServer() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        client = boto3.Session().client("s3")
        client.create_bucket(Bucket="own-server")
        names = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    assert names == ["own-server"], "each server starts empty"


def test_it_is_gone_when_it_is_left():
    with MotoServer() as server:
        process = psutil.Process(server.pid)
    assert not process.is_running()


def test_it_ends_when_its_starter_is_killed():
    script = (
        "import time\n"
        "from s3pipelines.services.moto import MotoServer\n"
        "with MotoServer() as server:\n"
        "    print(server.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        server = psutil.Process(int(starter.stdout.readline()))
        assert server.is_running()
        starter.send_signal(signal.SIGKILL)
    assert until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def test_without_moto_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(moto_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"pip install 's3pipelines\[demo\]'"), MotoServer():
        pass


def test_a_server_that_does_not_start_says_why(monkeypatch):
    monkeypatch.setattr(moto_module.sys, "executable", "/bin/false")
    with pytest.raises(S3PipelinesError, match="did not start"), MotoServer():
        pass
