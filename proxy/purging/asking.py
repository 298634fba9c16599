"""Requests to those that the settings name: short, never redirected, by way of no proxy."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Final

import httpcore

SECONDS: Final = 10.0
"""The longest that one request may take."""
TIMEOUTS: Final = {"connect": 2.0, "read": 5.0, "write": 5.0, "pool": SECONDS}
CONNECTIONS: Final = 64
FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    TimeoutError,
)

Fields = Sequence[tuple[bytes, bytes]]


class Client:
    """Connections that are kept for a few seconds."""

    def __init__(self) -> None:
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def status(
        self, method: str, address: str, path: bytes = b"", fields: Fields = (), body: bytes = b""
    ) -> int | None:
        """The status of the answer, none where there is none. The path goes behind the address, byte for byte."""
        if self._pool is None:
            context = ssl.create_default_context()
            self._pool = httpcore.AsyncConnectionPool(context, max_connections=CONNECTIONS, keepalive_expiry=5)
        base = httpcore.URL(address)
        url = httpcore.URL(scheme=base.scheme, host=base.host, port=base.port, target=base.target.rstrip(b"/") + path)
        host = base.host if base.port is None else b"%b:%d" % (base.host, base.port)
        headers = [(b"host", host), *fields, *([(b"content-length", b"%d" % len(body))] if body else [])]
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._pool.request(
                    method, url, headers=headers, content=body or None, extensions={"timeout": TIMEOUTS}
                )
        except FAILURES:
            return None
        return answer.status

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()
