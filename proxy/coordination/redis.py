"""Coordination of several fronts by one Redis, none of which needs it to answer."""

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from proxy.coordination.local import LocalBus
from proxy.coordination.seams import RECONNECTED, Unreachable
from proxy.redis import NotAnswering, RedisClient, Refused

log = logging.getLogger(__name__)

QUIET = 2.0
"""Seconds without a word after which the connection is asked whether it still is one, and as long for the answer."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between tries to connect anew."""


class RedisBus:
    """Words to all fronts by pub/sub; those of this front are heard at once, whether or not Redis is there.

    After each connection, the first one too, `reconnected` is heard: what was said before it may have been missed.
    """

    def __init__(self, client: RedisClient, prefix: str) -> None:
        self._client, self._prefix = client, f"{prefix}bus:"
        self._local = LocalBus()
        self._name = secrets.token_hex(8)
        self._listening: asyncio.Task[None] | None = None
        self.connected = False

    def listen(self, topic: str, hear: Callable[[str], None]) -> None:
        self._local.listen(topic, hear)

    async def publish(self, topic: str, text: str) -> None:
        self._local.hear(topic, text)
        with suppress(NotAnswering, Refused):
            await self._client.ask("PUBLISH", self.channel(topic), self.enveloped(text))

    def channel(self, topic: str) -> str:
        return self._prefix + topic

    def enveloped(self, text: str) -> str:
        """The text and who says it, so that this front does not hear its own words twice."""
        return f"{self._name}\n{text}"

    def start(self) -> None:
        """Listen from now on; connecting goes on behind."""
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        if self._listening:
            self._listening.cancel()
            await asyncio.wait((self._listening,))

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            messages = self._client.subscription()
            try:
                await messages.psubscribe(f"{self._prefix}*")
                async for message in _messages(messages):
                    if message["type"] == "psubscribe":
                        self.connected, pause = True, FIRST_PAUSE
                        self._local.hear(RECONNECTED, "")
                    elif message["type"] == "pmessage":
                        self._heard(message["channel"], message["data"])
            except (OSError, RedisError) as error:
                if self.connected:
                    log.warning("Other fronts are not heard until Redis answers: %s", type(error).__name__)
            except Exception:
                log.exception("Listening to other fronts failed")
            finally:
                self.connected = False
                with suppress(OSError, RedisError):
                    await messages.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _heard(self, channel: bytes, data: bytes) -> None:
        sender, _, text = data.decode(errors="replace").partition("\n")
        if sender != self._name:
            self._local.hear(channel.decode(errors="replace").removeprefix(self._prefix), text)


async def _messages(messages: PubSub) -> AsyncIterator[dict[str, Any]]:
    """What comes; raises TimeoutError when the other side is silent although it was asked to speak."""
    asked = False
    while True:
        message = await messages.get_message(timeout=QUIET)
        if message is not None:
            asked = False
            yield message
        elif asked:
            raise TimeoutError
        else:
            async with asyncio.timeout(QUIET):
                await messages.ping()
            asked = True


class RedisTable:
    """Maps in hashes of Redis."""

    def __init__(self, client: RedisClient, prefix: str) -> None:
        self._client, self._prefix = client, f"{prefix}table:"

    async def read(self, name: str) -> Mapping[str, str]:
        flat = await self._ask("HGETALL", name)
        texts = [text.decode(errors="replace") for text in flat]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    async def get(self, name: str, field: str) -> str | None:
        value = await self._ask("HGET", name, field)
        return None if value is None else value.decode(errors="replace")

    async def set(self, name: str, field: str, value: str) -> None:
        await self._ask("HSET", name, field, value)

    async def add(self, name: str, field: str, by: int = 1) -> int:
        return int(await self._ask("HINCRBY", name, field, by))

    async def _ask(self, command: str, name: str, *values: str | int) -> Any:
        try:
            return await self._client.ask(command, self._prefix + name, *values)
        except (NotAnswering, Refused) as error:
            raise Unreachable(str(error)) from error
