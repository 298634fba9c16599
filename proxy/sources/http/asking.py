"""One request to the web, start to finish: attempts, redirects, and what each host is spared."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from cachetools import LRUCache, TTLCache

from proxy.breaker import BreakerOpen
from proxy.failures import OriginFailed, OriginTimedOut
from proxy.sources.http.guard import Target
from proxy.sources.http.host import Host
from proxy.sources.http.pinned import Connections
from proxy.sources.http.place import HttpPlace
from proxy.sources.http.response import Response, Unreachable

log = structlog.get_logger(__name__)

FIELDS: Final = {"user-agent": "darkroom", "accept": "*/*", "accept-encoding": "identity", "via": "1.1 darkroom"}

_MOST_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_LASTING = (501, 505, 508)
"""Statuses of errors that are the same the next time: no such method, no such protocol, a circle."""
_KNOWN_HOSTS = 1000
_PAUSE = 0.05

_UNREACHABLE = "The original cannot be reached."
_LATE = "The original could not be reached in time."

T = TypeVar("T")


@dataclass(frozen=True)
class _Question(Generic[T]):
    method: str
    fields: Mapping[str, str]
    use: Callable[[Response], Awaitable[T]]
    deadline: float


@dataclass(frozen=True)
class _Moved:
    location: str


class _Failed(Exception):
    """A failure that may be over in a moment; `refusal` is what is said of it if it is not."""

    def __init__(self, refusal: OriginFailed | OriginTimedOut) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


class _Trouble(_Failed):
    """A failure that the host has with whatever it is asked for."""


class Asking:
    """Asks the hosts of one place, each no more at once, and no more often in vain, than it can bear."""

    def __init__(self, place: HttpPlace, connections: Connections) -> None:
        self._place, self._connections = place, connections
        self._hosts: LRUCache[tuple[str, int], Host] = LRUCache(_KNOWN_HOSTS)
        self._told: TTLCache[tuple[str, str], bool] = TTLCache(_KNOWN_HOSTS, 60)

    async def close(self) -> None:
        await self._connections.close()

    async def ask(
        self, method: str, target: Target, fields: Mapping[str, str], use: Callable[[Response], Awaitable[T]]
    ) -> T:
        """What `use` makes of an answer, of the second or third attempt where the first ones fail."""
        clock, host = asyncio.get_running_loop().time, self.host(target)
        question = _Question(method, fields, use, clock() + self._place.patience.total)
        host.earn()
        for left in range(self._place.retries, -1, -1):
            try:
                return await self._follow(target, question)
            except _Failed as failed:
                pause = random.uniform(0.5, 1.5) * _PAUSE * 2 ** (self._place.retries - left)
                in_vain = not left or clock() + pause >= question.deadline or host.breaker.state == "open"
                if in_vain or not host.spend():
                    raise failed.refusal from failed
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _follow(self, target: Target, question: _Question[T]) -> T:
        """Ask where redirects lead, each of which is judged like the first address."""
        for _ in range(_MOST_REDIRECTS + 1):
            found = await self._spared(target, question)
            if not isinstance(found, _Moved):
                return found
            try:
                target = self._place.redirected(target, found.location)
            except ValueError as error:
                self._tell(target, f"a redirect is not followed: {error}")
                raise OriginFailed(_UNREACHABLE) from None
        raise OriginFailed("The origin redirects too often.")

    async def _spared(self, target: Target, question: _Question[T]) -> T | _Moved:
        """Ask a host, unless it fails again and again, or answers so many already."""
        host = self.host(target)
        left = question.deadline - asyncio.get_running_loop().time()
        try:
            if host.breaker.state == "open":
                raise BreakerOpen
            async with host.seat(min(self._place.patience.first_byte, left)):
                with host.breaker.attempt(_Trouble):
                    return await self._answered(target, question)
        except BreakerOpen:
            raise OriginFailed("The origin fails again and again; it is not asked for a moment.") from None
        except TimeoutError:
            raise OriginTimedOut("Too many wait for the same origin.") from None
        except Unreachable as error:
            self._tell(target, str(error))
            raise OriginFailed(_UNREACHABLE) from None

    async def _answered(self, target: Target, question: _Question[T]) -> T | _Moved:
        own = {name.lower(): value for name, value in self._place.headers_for(target)}
        asked = self._connections.ask(question.method, target, {**FIELDS, **own, **question.fields})
        try:
            async with asyncio.timeout_at(question.deadline), asked as response:
                if response.status in _REDIRECTS and "location" in response.fields:
                    return _Moved(response.fields["location"])
                if response.status >= 500 and response.status not in _LASTING:
                    raise _Trouble(OriginFailed("The origin is in trouble."))
                try:
                    return await question.use(response)
                except ConnectionError as error:
                    # One original that does not come whole says nothing of the others.
                    raise _Failed(OriginFailed("The origin did not send the original as it said.")) from error
        except TimeoutError:
            raise _Trouble(OriginTimedOut(_LATE)) from None
        except ConnectionError as error:
            raise _Trouble(OriginFailed(_UNREACHABLE)) from error

    def host(self, target: Target) -> Host:
        name = (target.host, target.port)
        if name not in self._hosts:
            self._hosts[name] = Host(self._place.connections)
        return self._hosts[name]

    def _tell(self, target: Target, why: str) -> None:
        """Say once a minute in the log what a client does not learn."""
        if (target.host, why) not in self._told:
            self._told[target.host, why] = True
            log.warning("an origin is refused", host=target.authority, why=why)
