"""Who a client is: the address that a connection comes from, or that a proxy which is believed names."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from cachetools import LRUCache

Network = IPv4Network | IPv6Network

REMEMBERED = 65_536
"""Hosts whose reading is kept."""
WHOLE_SITE = 64
"""Bits of an IPv6 address that tell clients apart: the rest is theirs to choose, and to change with every request."""


class Addresses:
    """Reads addresses, with the networks of proxies that are believed."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._read: LRUCache[str, tuple[str, bool, bool]] = LRUCache(REMEMBERED)

    def client(self, peer: str | None, fields: Iterable[tuple[bytes, bytes]]) -> str:
        """The name under which the client of a request is counted; empty for one that is not: a proxy of ours itself.

        Of the addresses in X-Forwarded-For the rightmost is taken that is no proxy of ours: whatever stands to its left
        was written by the client. Where our own proxy passes on something else than an address, that is the client.
        """
        if peer is None:
            return ""
        name, trusted, _ = self._known(peer)
        if not trusted:
            return name
        named = [part for field, value in fields if field == b"x-forwarded-for" for part in value.split(b",")]
        for part in reversed(named):
            host = _bare(part.strip().decode("latin-1"))
            name, trusted, _ = self._known(host)
            if not trusted:
                return name
        return ""

    def uncounted(self, peer: str) -> bool:
        """Whether a connection from there is one of many that are none of its own: a proxy, or this machine."""
        _, trusted, local = self._known(peer)
        return trusted or local

    def name(self, host: str) -> str:
        """The name under which a host is counted: itself, or the /64 that it is in."""
        return self._known(host)[0]

    def _known(self, host: str) -> tuple[str, bool, bool]:
        known = self._read.get(host)
        if known is None:
            known = self._read[host] = self._look_at(host)
        return known

    def _look_at(self, host: str) -> tuple[str, bool, bool]:
        address = _read(host)
        if address is None:
            return "unknown", False, False
        trusted = any(address.version == network.version and address in network for network in self._trusted)
        if isinstance(address, IPv6Address):
            site = IPv6Network((int(address), WHOLE_SITE), strict=False)
            return str(site), trusted, address.is_loopback
        return str(address), trusted, address.is_loopback


def is_private(host: str) -> bool:
    """Whether it is an address that only a network of one's own has, as proxies often do."""
    address = _read(host)
    return address is not None and address.is_private


def _bare(text: str) -> str:
    """The address without a port and brackets, both of which some proxies write."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _read(host: str) -> IPv4Address | IPv6Address | None:
    """An address; one of IPv4 that is written in IPv6 is that of IPv4."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
