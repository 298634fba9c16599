"""Results made in this process, into the cache on disk."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.commands.warm.running import Shown, shown
from proxy.commands.warm.wishes import Wishes, signed_by
from proxy.console import failed, secrets

if TYPE_CHECKING:
    from proxy.settings import Settings
    from proxy.sources.source import Source

MOST = 10_000_000
"""Originals of a mount that are listed."""
ALL_THE_TIME = 86_400.0
"""Seconds that work may wait for a worker here: nobody waits for it."""
NICE = 5
"""How much its workers yield to those of a server on the same machine."""


def check_cache(cache: Path | None) -> None:
    """The command's end, where there is nothing to write results into."""
    if cache is None:
        raise failed("There is no disk cache to fill: say --cache DIR, or set cache in darkroom.toml.")
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    if not os.access(cache, os.W_OK | os.X_OK):
        raise failed(f"{cache}: the cache cannot be written")


def run_here(settings: "Settings", wishes: Wishes, dry: bool) -> int:
    """Make all of it; returns the exit status."""
    from proxy import log
    from proxy.app import build
    from proxy.budget import BudgetError
    from proxy.warming.making import Warmed, Warming
    from proxy.warming.making import shown as shown_path
    from proxy.warming.streams import Unfolding
    from signing import BadKey, SigningError, Unsigned
    from transforms.errors import Refusal
    from transforms.worker import keep_private

    keep_private()
    os.nice(NICE)
    logging = log.configure("error", settings.log_form, secrets=secrets(settings))
    # All that is asked for waits its turn; results are looked for on disk, where a server finds them.
    # What caches in front were given, the server tells them.
    changed = {"queue_seconds": ALL_THE_TIME, "memory_bytes": 0, "purge_urls": (), "purge_hooks": ()}
    patient = settings.model_copy(update=changed)
    sign = signed_by(settings)

    def asked(path: bytes) -> bytes:
        """As anybody may ask for it, else as the holder of the newest key does."""
        try:
            application.media.delivery.reader.read(path)
        except Unsigned:
            return sign(path)
        except (SigningError, Refusal):
            return path  # told when its turn comes
        return path

    async def go(told: Shown) -> bool:
        warming = Warming(
            application.media.delivery,
            parallel=2 * application.budget.workers,
            rehearsal=dry,
            listed=wishes.mount is not None,
            sign=sign,
            told=told.tally.add,
            read=told.read,
        )

        def failed(path: bytes, why: str) -> None:
            told.tally.add(Warmed(shown_path(path), "failed", why))
            told.read()

        warming.unfolding = Unfolding(settings.presets, warming.playlist, wishes.segments, told.more, failed)

        async def work() -> None:
            async with application.running():
                listed = await _listed(application.origins.named(settings), wishes.mount)
                told.total(wishes.total(len(listed)))
                await warming.run(wishes.each(listed, asked))

        return await told.until_stopped(warming, work)

    try:
        application = build(patient, reserve=0)
        with shown(wishes.left_out) as told:
            interrupted = True
            with suppress(asyncio.CancelledError):
                interrupted = asyncio.run(go(told))
    except (BudgetError, BadKey, SigningError, Refusal, OSError, ValueError) as error:
        raise failed(str(error)) from None
    finally:
        logging.close()
    evicted = sum(tier.stats().evictions for tier in getattr(application.media.delivery.once.store, "tiers", ()))
    return told.end(interrupted, evicted)


async def _listed(sources: "Mapping[str, Source]", mount: str | None) -> list[str]:
    """The originals of a mount as URLs name them. Raises OriginFailed where its place cannot tell."""
    from proxy.failures import OriginFailed
    from proxy.sources.source import Named

    if mount is None:
        return []
    source = sources[mount]
    if not isinstance(source, Named):
        raise OriginFailed(f"The originals of {mount or '/'} cannot be listed: name them, or say --urls.")
    return [f"{mount}/{key}" if mount else key for key in await source.names("", MOST)]
