"""Results made by a server that is asked for them, and kept by what stands before it."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from proxy.commands.warm.running import Shown, shown
from proxy.commands.warm.wishes import Wishes, signed_by
from proxy.console import failed

if TYPE_CHECKING:
    from proxy.settings import Settings

AT_ONCE = 8
"""Requests that may wait for their answers together."""


def run_through(server: str, settings: "Settings", wishes: Wishes, rate: float) -> int:
    """Ask for all of it, at most `rate` requests a second; returns the exit status."""
    from proxy.warming.asking import Asking, Pace
    from signing import SigningError
    from transforms.errors import Refusal

    plain = signed_by(settings)

    def sign(path: bytes) -> bytes:
        try:
            return plain(path)
        except (SigningError, Refusal):
            return path  # the server says what is wrong with it

    async def go(told: Shown) -> bool:
        asking = Asking(
            *(server, AT_ONCE, Pace(rate), sign, told.tally.add, told.read),
            presets=settings.presets,
            segments=wishes.segments,
            more=told.more,
        )
        told.total(wishes.total())
        return await told.until_stopped(asking, lambda: asking.run(wishes.each([], sign)))

    if not server.startswith(("http://", "https://")):
        raise failed(f"{server}: an address such as http://127.0.0.1:8300 was expected")
    with shown(wishes.left_out) as told:
        interrupted = True
        with suppress(asyncio.CancelledError):
            interrupted = asyncio.run(go(told))
    return told.end(interrupted)
