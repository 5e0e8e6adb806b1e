"""An HTTP proxy before the S3 server that counts the requests that pass."""

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class CountingProxy(ThreadingHTTPServer):
    """Passes reading requests on.

    Attributes:
        requests: How many of each kind: `LOG` and `DATA` for GETs of the log and of the files of a
            table, `HEAD`, `LIST`.
        bytes_read: Bytes of the answers to GETs of files.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.requests: Counter[str] = Counter()
        self.bytes_read = 0
        self.turn = threading.Lock()

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def reset(self) -> None:
        """Begin to count."""
        self.requests.clear()
        self.bytes_read = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "list-type" in parse_qs(urlsplit(self.path).query):
            self._pass("LIST")
        else:
            self._pass("LOG" if "/_delta_log/" in self.path else "DATA")

    def do_HEAD(self) -> None:
        self._pass("HEAD")

    def _pass(self, kind: str) -> None:
        proxy = self.server
        assert isinstance(proxy, CountingProxy)
        upstream = http.client.HTTPConnection(proxy.upstream)
        upstream.request(self.command, self.path, headers=dict(self.headers))
        answer = upstream.getresponse()
        body = answer.read()
        with proxy.turn:
            proxy.requests[kind] += 1
            proxy.bytes_read += len(body) if kind == "DATA" else 0
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(body)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        upstream.close()


@contextmanager
def counting_proxy(upstream: str) -> Iterator[CountingProxy]:
    """A proxy before `upstream` while the body runs."""
    with CountingProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
