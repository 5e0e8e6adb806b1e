"""Connecting to a server, directly or through a proxy."""

import asyncio
import itertools
import socket
import ssl
import time

from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    SSLError,
)

from s3pipelines.core.storage.http.connection import BrokenConnectionError, Connection
from s3pipelines.core.storage.http.endpoints import Endpoint

_CONNECT_S = 5.0
_ADDRESSES_KEPT_S = 30.0


class Connector:
    """Makes connections to one server.

    Args:
        origin: `https://host[:port]`.
        tls: How the server is recognised; None without TLS.
        proxy: The proxy to connect through, as an URL; None for none.

    Attributes:
        target_prefix: What comes before the path in a request: a proxy is told the whole URL,
            unless it only passes on what is encrypted.
        headers: Header lines that each request needs.
    """

    def __init__(self, origin: str, tls: ssl.SSLContext | None, proxy: str | None) -> None:
        self._origin = origin
        self._tls = tls
        self._server = Endpoint.of(origin)
        self._proxy = Endpoint.of(proxy) if proxy else None
        self._addresses: list[str] = []
        self._addresses_until = 0.0
        self._turns = itertools.count()
        told = self._proxy is not None and tls is None
        self.target_prefix = origin if told else ""
        self.headers = self._proxy_headers() if told else []

    async def connect(self) -> Connection:
        """A new connection, ready for a request.

        Raises:
            EndpointConnectionError: Nobody is there.
            ProxyConnectionError: The proxy is not there, or does not want to.
            ConnectTimeoutError: Nobody answered in time.
            SSLError: The server is not recognised.
        """
        try:
            async with asyncio.timeout(_CONNECT_S):
                if self._proxy is None:
                    return await self._reached(self._server, self._tls)
                return await self._through(self._proxy)
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._origin, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self._origin, error=error) from error
        except (OSError, BrokenConnectionError) as error:
            if self._proxy is not None:
                proxy = f"{self._proxy.scheme}://{self._proxy.netloc}"
                raise ProxyConnectionError(proxy_url=proxy, error=error) from error
            raise EndpointConnectionError(endpoint_url=self._origin, error=error) from error

    async def _through(self, proxy: Endpoint) -> Connection:
        own_tls = ssl.create_default_context() if proxy.scheme == "https" else None
        connection = await self._reached(proxy, own_tls)
        if self._tls is None:
            return connection
        name = f"{self._server.host}:{self._server.port}"
        lines = [f"CONNECT {name} HTTP/1.1", f"host: {name}", *self._proxy_headers()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        reply = await connection.ask(head, b"", has_no_body=True)
        if reply.status != 200:
            connection.close()
            raise OSError(f"it answered {reply.status}")
        await connection.encrypt(self._tls, self._server.host)
        return connection

    def _proxy_headers(self) -> list[str]:
        said = self._proxy.authorization if self._proxy else ""
        return [f"proxy-authorization: {said}"] if said else []

    async def _reached(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> Connection:
        """A connection to one of the addresses of a name; each connection tries another one first.

        A service such as S3 has many, and bears more if they are used side by side.
        """
        loop = asyncio.get_running_loop()
        addresses = await self._resolved(endpoint)
        first = next(self._turns) % len(addresses)
        problem: OSError | None = None
        for address in addresses[first:] + addresses[:first]:
            try:
                _, connection = await loop.create_connection(
                    Connection,
                    address,
                    endpoint.port,
                    ssl=tls,
                    server_hostname=endpoint.host if tls else None,
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                problem = error
            else:
                return connection
        raise problem or OSError(f"{endpoint.host} has no address")

    async def _resolved(self, endpoint: Endpoint) -> list[str]:
        if not self._addresses or time.monotonic() > self._addresses_until:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            self._addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
            self._addresses_until = time.monotonic() + _ADDRESSES_KEPT_S
        return self._addresses
