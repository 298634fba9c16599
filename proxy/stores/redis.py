"""Results in Redis: small ones, for a while."""

import asyncio
import json
import time
from collections.abc import Collection
from dataclasses import replace

from proxy.redis import NotAnswering, RedisClient, Refused
from proxy.stores.disk_entry import Damaged, Tail, digest, read_tail, write_tail
from proxy.stores.notices import Notices
from proxy.stores.result import FileBody, Result, Scratch, Stats, checked

BODIES = 256 << 10
"""Bytes of the largest body that is kept."""
TTL = 86_400.0
"""Seconds that a result is kept."""

_TAIL, _BODY, _TAGS = "tail", "body", "tags"
_AT_ONCE = 200

# Some of those that bear a tag, as many as are done before anybody waits for them.
_FORGET = """
local keys = redis.call('ZRANGE', KEYS[1], 0, ARGV[3] - 1)
local gone = 0
for _, key in ipairs(keys) do
  local tags = redis.pcall('HGET', ARGV[1] .. key, 'tags')
  if type(tags) == 'string' and string.find(tags, ARGV[2], 1, true) then
    gone = gone + redis.call('DEL', ARGV[1] .. key)
  end
  redis.call('ZREM', KEYS[1], key)
end
return {#keys, gone}
"""


class RedisStore:
    """Results as hashes of a tail and a body, the tail as on disk: sealed, and with the digest of the body.

    Every read is checked, so that what is damaged, or was not meant for a result, is none; it is dropped. That tells
    nothing of who wrote it. Each tag is a set of keys by the times at which they expire.
    """

    name = "redis"

    def __init__(self, client: RedisClient, prefix: str, bodies: int = BODIES, ttl: float = TTL) -> None:
        """`bodies` is the largest body in bytes, `ttl` in seconds how long each is kept."""
        self._client, self._bodies, self._ttl = client, bodies, int(ttl * 1000)
        self._results, self._tagged = f"{prefix}result:", f"{prefix}tag:"
        self._trouble, self._damage = Notices(__name__), Notices(__name__)
        self._hits = self._misses = 0

    async def get(self, key: str) -> Result | None:
        name = self._results + checked(key)
        try:
            tail, body = await self._client.ask("HMGET", name, _TAIL, _BODY)
            if tail is not None and body is not None:
                found = _read(key, tail, body)
                self._hits += 1
                return replace(found, tier=self.name)
        except NotAnswering as error:
            self._trouble.trouble("A result in Redis cannot be read", error)
        except (Refused, Damaged) as error:
            self._damage.trouble("A result in Redis is damaged and dropped", error)
            await self._drop(key)
        self._misses += 1
        return None

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        checked(key)
        given = await asyncio.to_thread(result.held, tags) if isinstance(result, Scratch) else result.tagged(tags)
        if (len(given.body) if isinstance(given.body, bytes) else given.body.length) > self._bodies:
            await self._drop(key)
            return given
        body = await asyncio.to_thread(given.body.read) if isinstance(given.body, FileBody) else given.body
        try:
            await self._client.ask_all(*self._putting(key, given, body))
        except NotAnswering as error:
            self._trouble.trouble("A result is not kept in Redis", error)
            return given
        except Refused as error:
            # Neither the old one nor one that a purge would not find.
            self._trouble.trouble("A result is not kept in Redis", error)
            await self._drop(key)
            return given
        return replace(given, tier=self.name)

    async def delete(self, key: str) -> None:
        """Forget a result; raises OSError when Redis does not say that it is gone."""
        await self._client.ask("DEL", self._results + checked(key))

    async def delete_tagged(self, tag: str) -> int:
        """How many results were forgotten; raises OSError when some may still be there."""
        forgotten, seen = 0, _AT_ONCE
        while seen == _AT_ONCE:
            seen, gone = await self._client.run(_FORGET, (self._tagged + tag,), self._results, _line(tag), _AT_ONCE)
            forgotten += gone
        return forgotten

    async def ping(self) -> None:
        """Raises OSError when Redis does not answer."""
        await self._client.ask("PING")

    def stats(self) -> Stats:
        """What Redis holds is shared with others, and not counted here."""
        return Stats(self._hits, self._misses, corrupt=self._damage.errors, errors=self._trouble.errors)

    def _putting(self, key: str, result: Result, body: bytes) -> list[tuple[str | bytes | int, ...]]:
        name, now = self._results + key, int(time.time() * 1000)
        tail = write_tail(key, Tail(result.meta, result.tags, len(body), digest(body)))
        lines = "".join(_line(tag) for tag in result.tags)
        commands: list[tuple[str | bytes | int, ...]] = [
            ("DEL", name),
            ("HSET", name, _TAIL, tail, _BODY, body, _TAGS, lines),
            ("PEXPIRE", name, self._ttl),
        ]
        for tag in result.tags:
            keys = self._tagged + tag
            commands += [
                ("ZREMRANGEBYSCORE", keys, "-inf", now),
                ("ZADD", keys, now + self._ttl, key),
                ("PEXPIRE", keys, self._ttl),
            ]
        return commands

    async def _drop(self, key: str) -> None:
        try:
            await self.delete(key)
        except OSError as error:
            self._trouble.trouble("A result in Redis cannot be removed", error)


def _line(tag: str) -> str:
    """A tag between quotes and a line's ends, which no other tag contains."""
    return f"{json.dumps(tag)}\n"


def _read(key: str, tail: bytes, body: bytes) -> Result:
    """The result of a tail and a body; raises Damaged."""
    read = read_tail(key, len(tail) + len(body), tail)
    if digest(body) != read.digest:
        raise Damaged("the body has changed")
    return Result(read.meta, body, read.tags)
