"""An HTTP server that answers as a test says, for what moto cannot do: odd keys, broken answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape

from s3pipelines.core.storage.access import Access, StaticKeys


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the server says; `cut` bytes of the promised body are never sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    hang_up: bool = False


class FakeS3:
    """The address, the requests so far, and `answer`, which may be set at any time."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.url = ""

    def access(self, **more: Any) -> Access:
        """Access with plain keys, tried twice at most."""
        keys = StaticKeys("key-id", "secret")
        return Access(**{"endpoint_url": self.url, "static_keys": keys, "max_attempts": 2, **more})


@contextmanager
def fake_s3(answer: Callable[[Asked], Answer]) -> Iterator[FakeS3]:
    """Serve on a free port while the body runs."""
    fake = FakeS3(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return self.date or formatdate(timestamp, usegmt=True)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, True).items()}
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, query, headers, self.rfile.read(length))
            fake.asked.append(asked)
            self._say(fake.answer(asked))

        # The names that http.server looks for.
        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

        def _say(self, answer: Answer) -> None:
            if answer.hang_up:
                self.close_connection = True
                return
            self.date = answer.headers.get("Date", "")
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name != "Date":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: len(answer.body) - answer.cut])
            self.close_connection = bool(answer.cut)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def error_answer(status: int, code: str, message: str = "No.", **headers: str) -> Answer:
    """An error as S3 words it."""
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Answer(status, body.encode(), {name.replace("_", "-"): v for name, v in headers.items()})


def listing_answer(keys: list[str], asked: Asked, *, next_token: str | None = None) -> Answer:
    """One page of ListObjectsV2 that holds `keys`, url-encoded as AWS does it."""
    encoded = asked.query.get("encoding-type") == "url"

    def shown(key: str) -> str:
        return quote(key, safe="/-_.*").replace("%20", "+") if encoded else escape(key)

    contents = "".join(
        f"<Contents><Key>{shown(key)}</Key><LastModified>2024-05-06T07:08:09.000Z</LastModified>"
        f"<ETag>&quot;e{len(key)}&quot;</ETag><Size>{len(key)}</Size></Contents>"
        for key in keys
    )
    end = (
        f"<IsTruncated>true</IsTruncated>"
        f"<NextContinuationToken>{next_token}</NextContinuationToken>"
        if next_token
        else "<IsTruncated>false</IsTruncated>"
    )
    encoding = "<EncodingType>url</EncodingType>" if encoded else ""
    body = f"<ListBucketResult><Name>b</Name>{encoding}{contents}{end}</ListBucketResult>"
    return Answer(body=body.encode())


def bucket_of(keys: list[str]) -> Callable[[Asked], Answer]:
    """Answers ListObjectsV2 over `keys` as S3 does: order of UTF-8, prefix, pages, start-after."""
    ordered = sorted(keys, key=str.encode)

    def answer(asked: Asked) -> Answer:
        query = asked.query
        left = [key for key in ordered if key.startswith(query.get("prefix", ""))]
        if "continuation-token" in query:
            left = left[int(query["continuation-token"]) :]
            skipped = int(query["continuation-token"])
        else:
            after = query.get("start-after", "").encode()
            remaining = [key for key in left if key.encode() > after]
            skipped = len(left) - len(remaining)
            left = remaining
        size = int(query.get("max-keys", 1000))
        more = str(skipped + size) if len(left) > size else None
        return listing_answer(left[:size], asked, next_token=more)

    return answer
