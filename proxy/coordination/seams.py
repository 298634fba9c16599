"""What several fronts do together, and what each of them does alone where nothing joins them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

RECONNECTED: Final = "reconnected"
"""The topic that is heard after a gap in which messages may have been missed; nobody publishes it."""


class Unreachable(Exception):
    """What joins the fronts does not answer; no request may fail for that."""


class Bus(Protocol):
    """Words to every front, this one included; best effort, so that whoever listens can do without."""

    async def publish(self, topic: str, text: str) -> None:
        """Tell all who listen; never raises."""

    def listen(self, topic: str, hear: Callable[[str], None]) -> None:
        """Have `hear` called with each text of a topic, on the event loop; it returns at once."""


class Table(Protocol):
    """Small maps that all fronts share. Everything raises Unreachable where they cannot be asked."""

    async def read(self, name: str) -> Mapping[str, str]:
        """All of a map; one that was never written is empty."""

    async def get(self, name: str, field: str) -> str | None: ...

    async def set(self, name: str, field: str, value: str) -> None: ...

    async def add(self, name: str, field: str, by: int = 1) -> int:
        """Count on, from nothing if need be; returns the new number."""


class Locks(Protocol):
    """Hints on who does what: at worst work is done twice, never not at all."""

    def held(self, key: str, seconds: float) -> AbstractAsyncContextManager[bool]:
        """True: it is ours until the block ends. False: somebody else had it and has let go.

        After False look for what was made, and if there is nothing ask again or do the work without. A front that dies
        keeps a lock for `seconds` at most, and then one of those who wait has it; a front that lives keeps it for as
        long as it works. Never raises.
        """
