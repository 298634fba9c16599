"""Connections to the very addresses that were judged: no name is looked up a second time."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_address
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from proxy.sources.http.guard import Target
from proxy.sources.http.networks import Network, may_be_reached
from proxy.sources.http.place import Patience
from proxy.sources.http.response import Response, Unreachable

# The engine of httpx, where the network is a public seam; that of its living continuation where it is installed.
if TYPE_CHECKING:
    import httpcore
else:
    try:
        import httpcore2 as httpcore
    except ImportError:
        import httpcore

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Every address of a host, as numbers; raises OSError."""

_RESOLVERS = 4
_IDLE_SECONDS = 15.0
_MOST_IDLE = 32
_MOST_ADDRESSES = 3
_LONGEST_CONNECT = 10.0
_MOMENT = 0.001
"""Seconds in which what follows a body would have come, if anything does."""


class Connections:
    """HTTP/1.1 to public addresses, on connections that are kept for the next request to the same host."""

    def __init__(
        self,
        patience: Patience,
        private: Sequence[Network] = (),
        resolve: Resolve | None = None,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._patience = patience
        self._threads = ThreadPoolExecutor(_RESOLVERS, "resolver")
        self._network = _Network(private, resolve or self._resolve)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted or ssl.create_default_context(),
            max_connections=None,  # each host has a bound of its own
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=self._network,
        )

    @asynccontextmanager
    async def ask(self, method: str, target: Target, fields: Mapping[str, str]) -> AsyncIterator[Response]:
        """One request. Raises Unreachable, ConnectionError and TimeoutError."""
        patience = self._patience
        read = patience.first_byte
        timeout = {"connect": patience.connect, "read": read, "write": read, "pool": read}
        with _translated():
            async with asyncio.timeout(patience.connect + read):
                response = await self._pool.handle_async_request(
                    httpcore.Request(
                        method,
                        httpcore.URL(
                            scheme=target.scheme.encode(),
                            host=target.host.encode(),
                            port=target.port,
                            target=target.path.encode(),
                        ),
                        headers=[("Host", target.authority), *fields.items()],
                        extensions={"timeout": timeout},
                    )
                )
            try:
                yield Response(
                    response.status, _fields(response.headers), _blocks(response, _announced(method, response))
                )
            finally:
                # What was not read to its end is closed, not kept.
                await response.aclose()

    async def close(self) -> None:
        await self._pool.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        # In threads of its own, so that names that nobody answers for hold up nothing else.
        def look_up() -> list[str]:
            return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

        return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)


class _Network(httpcore.AsyncNetworkBackend):
    """TCP to addresses that are looked up once and judged, every one of them."""

    def __init__(self, private: Sequence[Network], resolve: Resolve) -> None:
        self._private, self._resolve = private, resolve
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        clock = asyncio.get_running_loop().time
        until = clock() + (timeout or _LONGEST_CONNECT)
        async with asyncio.timeout_at(until):
            addresses = await self._addresses(host, port)
        for others in range(len(addresses) - 1, -1, -1):
            address = addresses[-1 - others]
            try:
                # One that says nothing leaves time for the others.
                async with asyncio.timeout((until - clock()) / (others + 1)):
                    stream = await self._plain.connect_tcp(address, port, None, local_address, socket_options)
                break
            except (httpcore.ConnectError, TimeoutError):
                if not others:
                    raise
        peer = stream.get_extra_info("server_addr")
        if not peer or ip_address(peer[0]) != ip_address(address):
            await stream.aclose()
            raise Unreachable("the connection leads to another address than was judged")
        return _Stream(stream)

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise Unreachable("no origin is a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            ip_address(host)
            found: Sequence[str] = [host]
        except ValueError:
            try:
                found = await self._resolve(host, port)
            except OSError as error:
                raise Unreachable(f"the name cannot be looked up: {error.strerror}") from None
        if not found:
            raise Unreachable("the name has no address")
        for address in found:
            if not may_be_reached(ip_address(address), self._private):
                # Also where another of its addresses is public: a name that mixes them is up to something.
                raise Unreachable(f"{address} is no public address, nor in one of the private_networks")
        return _in_turn(list(dict.fromkeys(found)))[:_MOST_ADDRESSES]


def _in_turn(addresses: Sequence[str]) -> list[str]:
    """Addresses of IPv6 and IPv4 by turns, in their order, since a network may have no way for one kind."""
    first = ":" in addresses[0]
    kinds = [[text for text in addresses if (":" in text) == kind] for kind in (first, not first)]
    return [text for pair in zip_longest(*kinds) for text in pair if text is not None]


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that can tell whether more came than belongs to an answer."""

    def __init__(self, plain: httpcore.AsyncNetworkStream) -> None:
        self._plain = plain
        self._last = b""
        self.spoilt = False
        """What comes next belongs to no request, so that the connection cannot be used again."""

    def ends_with(self, end: bytes) -> bool:
        """Whether nothing was read behind the end of an answer: it is all of the last read, or ends its last line."""
        return self._last.endswith(b"\n" + end) or (self._last == end != b"")

    async def is_quiet(self) -> bool:
        """Whether nothing more has come, while no request is waited for."""
        try:
            return not await self._plain.read(1, _MOMENT)
        except httpcore.ReadTimeout:
            return True

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._last = await self._plain.read(max_bytes, timeout)
        return self._last

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._plain.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._plain.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._plain.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        # The pool closes an idle connection that has something to read.
        return True if info == "is_readable" and self.spoilt else self._plain.get_extra_info(info)


async def _blocks(response: httpcore.Response, announced: int | None) -> AsyncIterator[bytes]:
    """The body of an answer; raises ConnectionError where it is shorter or longer than was announced."""
    stream, size = response.extensions["network_stream"], 0

    async def check(end: bytes) -> None:
        # Before the library gives the connection to the next request, which would read what is left.
        if not (stream.ends_with(end) and await stream.is_quiet()):
            raise ConnectionError("the body is longer than was said")

    with _translated():
        if announced == 0:
            await check(b"")
        async for part in response.aiter_stream():
            size += len(part)
            if size == announced:
                await check(part)
            yield part
    if announced is None:  # each part said how long it is
        stream.spoilt = not stream.ends_with(b"")


def _announced(method: str, response: httpcore.Response) -> int | None:
    """Bytes of a body whose length is known beforehand."""
    if method == "HEAD" or response.status in (204, 304):
        return 0
    return next((int(value) for name, value in response.headers if name.lower() == b"content-length"), None)


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for raw, value in headers:
        name = raw.decode("ascii").lower()
        fields[name] = f"{fields[name]}, {value.decode('latin-1')}" if name in fields else value.decode("latin-1")
    return fields


@contextmanager
def _translated() -> Iterator[None]:
    """The library's errors as the standard library's."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise TimeoutError from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise ConnectionError(str(error)) from error
