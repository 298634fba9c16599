"""What is asked for by many is made once: found, or made by this front or by another."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from proxy.flights import Flights
from proxy.herd import Make
from proxy.stores.result import Result
from proxy.stores.tiered import TieredStore


class Together(Protocol):
    """Has the work of a key done by this front or by another, and says whether it was this one."""

    async def __call__(self, key: str, make: Make, patience: float | None = None) -> tuple[Result, bool]:
        """`patience` is seconds after which who waits for another does it himself, where not as usual."""


async def _nothing_yet() -> None:
    return None


@dataclass(frozen=True)
class Once:
    """Makes what was looked for in vain."""

    store: TieredStore
    flights: Flights
    together: Together
    patience: float | None = None

    def __contains__(self, key: str) -> bool:
        """Whether this is just being made here; who shares the work of another costs none."""
        return key in self.flights

    def with_patience(self, patience: float) -> "Once":
        """The same for work that takes longer, by seconds."""
        return replace(self, patience=patience)

    async def shared(self, key: str, make: Make) -> tuple[Result, bool]:
        """What this front makes, or another one has made, and whether it was this one."""
        return await self.together(key, make, self.patience)

    async def made(
        self,
        key: str,
        make: Make,
        usable: Callable[[Result], bool],
        early: Callable[[], Awaitable[Result | None]] = _nothing_yet,
    ) -> tuple[Result, bool]:
        """A result, and whether it was made for this request alone. Raises what `make` raises.

        `usable` says of what is kept whether it is one, since others write into shared stores too; `early` may have it
        in the making.
        """

        async def work() -> tuple[Result, bool]:
            if begun := await early():
                return begun, False
            # To look in a store that machines share takes a while, in which somebody else may have made it.
            if (found := await self.store.get_near(key)) and usable(found):
                return found, False
            return await self.shared(key, make)

        (result, here), led = await self.flights.share(key, work)
        return result, here and led
