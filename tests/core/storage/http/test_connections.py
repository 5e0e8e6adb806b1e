"""What a server may answer, and how a connection may end."""

import asyncio
import datetime
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from s3pipelines.core.storage.http import connecting
from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.http.connections import Connections
from tests.core.storage.http.raw_server import RawServer, answering, listening

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: a\r\n\r\n"
Asking = Callable[[Connections, RawServer], Awaitable[object]]


def connections(origin: str, **changed: object) -> Connections:
    told: dict[str, object] = {"tls": None, "proxy": None, "read_timeout_s": 5.0, **changed}
    return Connections(origin, **told)  # type: ignore[arg-type]


async def get(asked: Connections, method: str = "GET", body: bytes = b"") -> Reply:
    return await asked.ask(method, "/b/k?x=1", {"x-amz-date": "now"}, body)


def of(*answers: bytes | None, work: Asking, **changed: object) -> RawServer:
    """Do some work with a server that has these answers."""

    async def run() -> RawServer:
        async with answering(*answers) as server, connections(server.origin, **changed) as asked:
            await work(asked, server)
        return server

    return uvloop.run(run())


def replies(*answers: bytes | None, methods: tuple[str, ...]) -> tuple[list[Reply], RawServer]:
    found: list[Reply] = []

    async def work(asked: Connections, _: RawServer) -> None:
        found.extend([await get(asked, method) for method in methods])

    return found, of(*answers, work=work)


def test_a_connection_is_kept_for_the_next_request() -> None:
    found, server = replies(OK, OK, OK, methods=("GET", "PUT", "GET"))
    assert [reply.body for reply in found] == [b"ok"] * 3
    assert server.connections == 1
    first, second, _ = server.heads
    assert first.startswith("GET /b/k?x=1 HTTP/1.1\r\nhost: 127.0.0.1:")
    assert "x-amz-date: now\r\n" in first
    assert "content-length" not in first
    assert "content-length: 0\r\n" in second


def test_an_answer_may_come_in_chunks_and_after_an_interim_one() -> None:
    interim = b"HTTP/1.1 100 Continue\r\nX-First: 1\r\n\r\n"
    chunked = CHUNKED + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
    [reply, other], server = replies(interim + chunked, OK, methods=("GET", "GET"))
    assert (reply.status, reply.body) == (200, b"abcd")
    assert reply.headers == {"transfer-encoding": "chunked", "etag": "a"}
    assert (other.body, server.connections) == (b"ok", 1)


def test_the_answer_to_a_head_has_no_body_whatever_its_length_says() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"
    gone = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
    found, server = replies(head, gone, OK, methods=("HEAD", "HEAD", "GET"))
    assert [(reply.status, reply.body) for reply in found] == [(200, b""), (404, b""), (200, b"ok")]
    assert server.connections == 1


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    until_end = b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\nhang up now"
    found, server = replies(until_end, OK, methods=("GET", "GET"))
    assert [reply.body for reply in found] == [b"hang up now", b"ok"]
    assert server.connections == 2


def test_a_server_that_says_that_it_closes_is_connected_to_anew() -> None:
    last = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    old = b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"
    found, server = replies(last, old, OK, methods=("DELETE", "GET", "GET"))
    assert [reply.status for reply in found] == [204, 200, 200]
    assert server.connections == 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, EndpointConnectionError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhang up", IncompleteReadError),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhang up \r\n",
            IncompleteReadError,
        ),
        (b"SSH-2.0-OpenSSH_9.6 hang up\r\n\r\n", IncompleteReadError),
        (b"", ReadTimeoutError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", ReadTimeoutError),
    ],
)
def test_half_an_answer_is_an_error_and_the_next_request_goes_well(
    answer: bytes | None, error: type[Exception]
) -> None:
    async def work(asked: Connections, _: RawServer) -> None:
        with pytest.raises(error):
            await get(asked)
        assert (await get(asked)).body == b"ok"

    assert of(answer, OK, work=work, read_timeout_s=0.3).connections == 2


def test_a_server_that_takes_its_time_byte_by_byte_is_waited_for() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for letter in OK.decode():
            writer.write(letter.encode())
            await asyncio.sleep(0.02)

    async def run() -> bytes:
        async with (
            listening(speak) as port,
            connections(f"http://127.0.0.1:{port}", read_timeout_s=0.4) as asked,
        ):
            return (await get(asked)).body

    assert uvloop.run(run()) == b"ok"


@pytest.mark.slow
def test_a_large_body_reaches_a_server_that_reads_slowly() -> None:
    body, received = bytes(32_000_000), []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while sum(received) < len(body):
            received.append(len(await reader.read(400_000)))
            await asyncio.sleep(0.07)
        writer.write(OK)

    async def run() -> Reply:
        async with (
            listening(speak) as port,
            connections(f"http://127.0.0.1:{port}", read_timeout_s=4) as asked,
        ):
            return await get(asked, "PUT", body)

    assert uvloop.run(run()).body == b"ok"
    assert sum(received) == len(body)


def test_a_request_that_is_given_up_takes_its_connection_with_it() -> None:
    async def work(asked: Connections, _: RawServer) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await get(asked)
        assert (await get(asked)).body == b"ok"

    assert of(b"", OK, work=work).connections == 2


def test_no_header_smuggles_in_another_one() -> None:
    async def work(asked: Connections, _: RawServer) -> None:
        for value in ("a\r\nx: b", "a\nb", "a\0"):
            with pytest.raises(ValueError, match="headers"):
                await asked.ask("GET", "/", {"x-amz-meta-a": value}, b"")

    assert of(work=work).heads == []


def test_nobody_there_is_an_error_at_once_and_one_that_never_answers_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "_CONNECT_S", 0.2)

    async def run(origin: str) -> None:
        async with connections(origin) as asked:
            await get(asked)

    with pytest.raises(EndpointConnectionError):
        uvloop.run(run("http://127.0.0.1:9"))
    with pytest.raises(EndpointConnectionError):
        uvloop.run(run("http://no-such-host.invalid"))

    async def never(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(connecting.Connector, "_reached", never)
    with pytest.raises(ConnectTimeoutError):
        uvloop.run(run("http://127.0.0.1:9"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `localhost` that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def _server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_server_is_recognised_by_its_certificate(certificate: Path) -> None:
    async def run(tls: ssl.SSLContext) -> list[bytes]:
        async with (
            answering(OK, OK, tls=_server_side(certificate)) as server,
            connections(f"https://localhost:{server.port}", tls=tls) as asked,
        ):
            return [(await get(asked)).body, (await get(asked)).body]

    knows = ssl.create_default_context(cafile=str(certificate))
    assert uvloop.run(run(knows)) == [b"ok", b"ok"]
    with pytest.raises(SSLError):
        uvloop.run(run(ssl.create_default_context()))


async def _proxied(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: list[str]
) -> None:
    """What a proxy does with CONNECT."""
    told.append((await reader.readuntil(b"\r\n\r\n")).decode())
    host, _, port = told[0].split()[1].partition(":")
    there_reader, there = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    await asyncio.gather(pass_on(reader, there), pass_on(there_reader, writer))


def test_a_proxy_passes_on_what_is_encrypted(certificate: Path) -> None:
    told: list[str] = []

    async def run() -> list[bytes]:
        tls = ssl.create_default_context(cafile=str(certificate))
        async with (
            answering(OK, OK, tls=_server_side(certificate)) as server,
            listening(lambda reader, writer: _proxied(reader, writer, told)) as port,
            connections(
                f"https://localhost:{server.port}",
                tls=tls,
                proxy=f"http://me:p%40ss@127.0.0.1:{port}",
            ) as asked,
        ):
            return [(await get(asked)).body, (await get(asked)).body]

    assert uvloop.run(run()) == [b"ok", b"ok"]
    assert len(told) == 1
    assert told[0].startswith("CONNECT localhost:")
    assert "proxy-authorization: Basic bWU6cEBzcw==\r\n" in told[0]


def test_a_proxy_is_told_the_whole_address_of_what_is_not_encrypted() -> None:
    async def run() -> list[str]:
        async with (
            answering(OK) as proxy,
            connections("http://s3.lab:9000", proxy=f"http://me:x@127.0.0.1:{proxy.port}") as asked,
        ):
            await get(asked)
            return proxy.heads

    [head] = uvloop.run(run())
    assert head.startswith("GET http://s3.lab:9000/b/k?x=1 HTTP/1.1\r\nhost: s3.lab:9000\r\n")
    assert "proxy-authorization: Basic bWU6eA==\r\n" in head


def test_a_proxy_that_refuses_says_so(certificate: Path) -> None:
    async def run() -> None:
        tls = ssl.create_default_context(cafile=str(certificate))
        refused = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        async with (
            answering(refused) as proxy,
            connections("https://localhost:1", tls=tls, proxy=proxy.origin) as asked,
        ):
            await get(asked)

    with pytest.raises(ProxyConnectionError) as raised:
        uvloop.run(run())
    assert "407" in str(raised.value.__cause__)
