"""The address of a server or a proxy, in parts."""

import base64
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """Where something listens.

    Attributes:
        scheme: `http` or `https`.
        host: A name or an IP address, without brackets.
        port: Of TCP.
        netloc: Host and port as the URL has them.
        authorization: What a proxy wants to know of its user; empty for nothing.
    """

    scheme: str
    host: str
    port: int
    netloc: str
    authorization: str = ""

    @classmethod
    def of(cls, url: str) -> Self:
        """What an URL says; one without a scheme is that of plain HTTP, as in `http_proxy`."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or _PORTS.get(parts.scheme, 80)
        authorization = ""
        if parts.username is not None:
            said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = f"Basic {base64.b64encode(said.encode()).decode()}"
        netloc = parts.netloc.rpartition("@")[2]
        return cls(parts.scheme, parts.hostname or "", port, netloc, authorization)
