"""A Redis that is asked within a budget of time, and left alone for a while when it does not answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.client import PubSub
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from proxy.addresses import RedisAddress
from proxy.breaker import Breaker, BreakerOpen

BUDGET = 0.075
"""Seconds that one command may take, connecting included."""
HURRY = 5
"""What the budget is divided by after a command without an answer."""
LATE, EXTENSIONS = 0.005, 10
"""Seconds by which a clock of an idle event loop is never late; how often a busy one is given as much again."""
CONNECTIONS = 64

_TROUBLE = (OSError, RedisConnectionError, RedisTimeoutError)


class NotAnswering(OSError):
    """Redis did not answer in time, or was not asked because it has not answered before."""


class Refused(OSError):
    """Redis answers, but not with what was asked for: it is full, or something else stands under the key."""


class RedisClient:
    """Commands to one Redis, each within the budget; belongs to one event loop.

    After one that had no answer the next ones have a fifth of the budget. After five in a row nothing is sent for two
    seconds at a time, and whoever asks is told so at once.
    """

    def __init__(self, address: RedisAddress, budget: float = BUDGET, breaker: Breaker | None = None) -> None:
        self.breaker = breaker or Breaker()
        self._budget = budget
        self.commands = 0
        pool = BlockingConnectionPool(
            connection_class=SSLConnection if address.encrypted else Connection,
            max_connections=CONNECTIONS,
            # What waits for a connection waits within the budget of its command.
            timeout=None,
            host=address.host,
            port=address.port,
            db=address.db,
            username=address.username,
            password=address.password,
            # One answer to a greeting less on every new connection.
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=max(budget, 1.0),
        )
        self._redis = Redis(connection_pool=pool)
        # Answers as they come, whatever their command.
        self._redis.response_callbacks.clear()

    async def ask(self, *command: str | bytes | int) -> Any:
        """What Redis answers, in bytes, numbers and lists. Raises NotAnswering and Refused."""
        return await self._within(lambda: self._redis.execute_command(*command))  # type: ignore[no-untyped-call]

    async def ask_all(self, *commands: tuple[str | bytes | int, ...]) -> list[Any]:
        """Several commands as one: all of them are done, or none. Raises like `ask`."""

        async def run() -> list[Any]:
            async with self._redis.pipeline(transaction=True) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                return list(await pipe.execute())

        return list(await self._within(run))

    async def run(self, script: str, keys: tuple[str, ...], *values: str | bytes | int) -> Any:
        """Run a script on some keys. Raises like `ask`."""
        return await self.ask("EVAL", script, len(keys), *keys, *values)

    def subscription(self) -> PubSub:
        """A connection of its own for messages; whoever takes it closes it, and no budget holds there."""
        return self._redis.pubsub()

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    async def _within(self, act: Callable[[], Awaitable[Any]]) -> Any:
        self.commands += 1
        try:
            with self.breaker.attempt(*_TROUBLE):
                # One request asks several times: that shall not cost it several budgets.
                async with _patience(self._budget / HURRY if self.breaker.doubtful else self._budget):
                    return await act()
        except (BreakerOpen, *_TROUBLE) as error:
            raise NotAnswering(f"Redis does not answer: {type(error).__name__}") from error
        except RedisError as error:
            raise Refused(f"Redis refuses a command: {type(error).__name__}") from error


@asynccontextmanager
async def _patience(seconds: float) -> AsyncIterator[None]:
    """Like `asyncio.timeout`, but the time for which this event loop itself stood still is not Redis' fault.

    An answer may have come meanwhile, and a loop that is late looks at clocks before anybody has read it.
    """
    loop = asyncio.get_running_loop()
    due, left = loop.time() + seconds, EXTENSIONS
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal due, left, timer
        late = loop.time() - due
        if late > LATE and left:
            due, left = loop.time() + late, left - 1
            timer = loop.call_at(due, look)
        else:
            limit.reschedule(loop.time())

    timer = loop.call_at(due, look)
    try:
        async with asyncio.timeout(None) as limit:
            yield
    finally:
        timer.cancel()
