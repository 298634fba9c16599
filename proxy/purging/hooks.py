"""Those who are told of every purge: a CDN's API, or what speaks to one."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from proxy.purging.asking import Client
from proxy.purging.delivered import Place

AT_MOST: Final = 1000
"""URLs in one message."""
PAUSES: Final = (1.0, 5.0, 30.0, 120.0)

Told = Callable[[Literal["told", "failed"]], None]


@dataclass(frozen=True)
class Hook:
    """Where to, and the field that says who we are."""

    url: str
    header: bytes = b"authorization"
    secret: bytes | None = None


@dataclass(frozen=True)
class Hooks:
    """Told of tags and paths as JSON, by POST, again where they do not answer well."""

    client: Client
    hooks: Sequence[Hook]
    told: Told
    pauses: Sequence[float] = PAUSES

    async def tell(self, tags: Sequence[str], places: Sequence[Place]) -> int:
        """Tell all of them; how many messages were given up."""
        bodies = list(_bodies(tags, [place.public.decode("latin-1") for place in places]))
        done = await asyncio.gather(*(self._delivered(hook, body) for hook in self.hooks for body in bodies))
        return done.count(False)

    async def _delivered(self, hook: Hook, body: bytes) -> bool:
        for pause in (*self.pauses, None):
            done = await self._asked(hook, body)
            self.told("told" if done else "failed")
            if done or pause is None:
                break
            await asyncio.sleep(pause)
        return done

    async def _asked(self, hook: Hook, body: bytes) -> bool:
        fields = [(b"content-type", b"application/json")]
        if hook.secret is not None:
            fields.append((hook.header, hook.secret))
        status = await self.client.status("POST", hook.url, fields=fields, body=body)
        return status is not None and 200 <= status < 300


def _bodies(tags: Sequence[str], urls: Sequence[str]) -> Iterator[bytes]:
    """Messages with at most so many URLs; the tags are in each, so that each can be heard by itself."""
    rest = iter(urls)
    part = list(islice(rest, AT_MOST))
    while True:
        yield json.dumps({"tags": list(tags), "urls": part}).encode()
        if not (part := list(islice(rest, AT_MOST))):
            return
