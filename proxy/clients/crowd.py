"""How many connections each client has open, and who is turned away or given up."""

from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.clients.addresses import Addresses

Dropped = Callable[[str, str], None]
"""Told why a connection was given up, and whose it was."""


@dataclass
class Crowd:
    """Counts the connections of each client: those of this machine and of proxies are many clients' at once."""

    most: int
    addresses: Addresses = field(default_factory=Addresses)
    """Both are replaced by others when the settings are read anew."""
    dropped: Dropped = lambda reason, client: None
    _open: dict[str, int] = field(default_factory=dict)
    total: int = 0

    def enter(self, peer: str) -> str:
        """Count a connection; returns the name that it counts under. Raises Crowded for one too many."""
        name = "" if self.addresses.uncounted(peer) else self.addresses.name(peer)
        number = self._open.get(name, 0)
        if name and number >= self.most:
            raise Crowded(name)
        self._open[name] = number + 1
        self.total += 1
        return name

    def leave(self, name: str) -> None:
        """Count a connection no more, by the name that `enter` gave it."""
        self.total -= 1
        if self._open[name] == 1:
            del self._open[name]
        else:
            self._open[name] -= 1


class Crowded(Exception):
    """A client has as many connections as it may have."""
