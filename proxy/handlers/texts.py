"""Text made small on its way, by Zstandard, Brotli or gzip; pictures never come here."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type

from proxy.wire import PLAYLISTS

SMALLEST = 500
"""Bytes below which a text stays as it is: it fits into the packet that its head needs."""
GIVE = "darkroom.give"


class Texts:
    """Runs an application whose answer is text, and compresses that for clients that take it."""

    def __init__(self) -> None:
        for media_type in ("application/problem+json", *PLAYLISTS):
            add_compress_type(media_type)
        self._middleware = CompressMiddleware(_given, minimum_size=SMALLEST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, give: ASGIApp) -> None:
        """Run `give` in place of an application around which nothing is."""

        async def sent(message: Message) -> None:
            await send(_each_once(message) if message["type"] == "http.response.start" else message)

        await self._middleware({**scope, GIVE: give}, receive, sent)


async def _given(scope: Scope, receive: Receive, send: Send) -> None:
    await scope[GIVE](scope, receive, send)


def _each_once(message: Message) -> Message:
    """The head with each name in one Vary and once: who made the answer may have said what is said here again."""
    fields: list[tuple[bytes, Any]] = [pair for pair in message["headers"] if pair[0] != b"vary"]
    names = [name.strip() for field, value in message["headers"] if field == b"vary" for name in value.split(b",")]
    if names:
        fields.append((b"vary", b", ".join(dict.fromkeys(names))))
    return {**message, "headers": fields}
