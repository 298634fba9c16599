"""One place on the web that originals come from: which hosts, with which fields, how long and how much."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Self, TypeVar
from urllib.parse import quote

from proxy.failures import Forbidden, NoSuchOriginal
from proxy.sources.http.guard import DEFAULT_PORTS, Listed, Target, climbs, is_listed
from proxy.sources.http.networks import Network

T = TypeVar("T")

_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_value = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_OURS = (
    *("host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "expect", "trailer", "via"),
    *("accept-encoding", "range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
)


@dataclass(frozen=True)
class Patience:
    """How long an origin may take, in seconds, and how slowly it may send, in bytes per second."""

    connect: float = 1.0
    first_byte: float = 3.0
    """From the request to the header of the answer, and from each part of the body to the next."""
    total: float = 10.0
    """All attempts and redirects together."""
    slowest: int = 4096
    """Held against each `first_byte` seconds."""


@dataclass(frozen=True)
class HttpPlace:
    """Originals below one address, or, without one, by their whole addresses on the hosts that are listed."""

    prefix: Target | None
    hosts: tuple[Listed, ...]
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent to the server of `prefix` and nowhere else."""
    private_networks: tuple[Network, ...] = ()
    largest: int = 100_000_000
    """Most bytes of an original."""
    patience: Patience = Patience()
    retries: int = 2
    connections: int = 16
    """Most requests at once to one host."""

    @classmethod
    def read(
        cls,
        url: str = "",
        *,
        hosts: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        private_networks: Iterable[str] = (),
        largest: int = 100_000_000,
        patience: Patience | None = None,
    ) -> Self:
        """The place that settings describe; `url` is `https://host/prefix/`, or empty for whole addresses.

        `hosts` are where originals, and redirects, may lead: `example.com`, `*.example.com`, `example.com:8080`. The
        host of `url` needs not be listed. Raises ValueError in words for who wrote the settings.
        """
        headers = headers or {}
        prefix = _read_prefix(url) if url else None
        listed = [_said(f"hosts: {text!r}", Listed.read, text) for text in hosts]
        networks = [_said(f"private_networks: {text!r}", _read_network, text) for text in private_networks]
        if prefix:
            usual = prefix.port == DEFAULT_PORTS[prefix.scheme]
            listed.insert(0, Listed(prefix.host, port=None if usual else prefix.port))
        if not listed:
            raise ValueError("hosts: there are none that originals could come from")
        if headers and not prefix:
            raise ValueError("headers: they are for the one host of a mount, not for every host that is listed")
        for name, value in headers.items():
            _check_header(name, value)
        fields = tuple(headers.items())
        return cls(prefix, tuple(listed), fields, tuple(networks), largest, patience or Patience())

    def target(self, key: str) -> Target:
        """Where an original is. Raises Forbidden for a whole address that is not served, NoSuchOriginal for a key."""
        if self.prefix is None:
            try:
                target = Target.read(key)
            except ValueError:
                raise _forbidden() from None
            if not is_listed(target, self.hosts):
                raise _forbidden()
            return target
        if not key or climbs(key):
            raise NoSuchOriginal("There is no such original.")
        try:
            return Target.read(f"{self.prefix}{quote(key)}")
        except ValueError:  # surrogates, and what is too long
            raise NoSuchOriginal("There is no such original.") from None

    def redirected(self, target: Target, location: str) -> Target:
        """Where a redirect leads. Raises ValueError where it leads to what is not served."""
        found = target.joined(location)
        if not is_listed(found, self.hosts):
            raise ValueError("it leads to a host that is not listed")
        return found

    def headers_for(self, target: Target) -> tuple[tuple[str, str], ...]:
        """The fields that this server, and no other, may see."""
        return self.headers if self.prefix and target.beside(self.prefix) else ()


def _read_prefix(url: str) -> Target:
    prefix = _said("url", Target.read, url)
    if "?" in prefix.path:
        raise ValueError("url: an address with a query cannot have originals below it")
    path = prefix.path if prefix.path.endswith("/") else f"{prefix.path}/"
    return Target(prefix.scheme, prefix.host, prefix.port, path)


def _read_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError("a network such as 10.0.0.0/8 or fd00::/8") from None


def _check_header(name: str, value: str) -> None:
    # Neither is repeated in full: a value may be a secret.
    if not _token.fullmatch(name):
        raise ValueError(f"headers: {name!r} is no name of a field")
    if name.lower() in _OURS:
        raise ValueError(f"headers: {name} is set by the server itself")
    if not _value.fullmatch(value):
        raise ValueError(f"headers: the value of {name} is not one line of visible ASCII")


def _said(where: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _forbidden() -> Forbidden:
    # One sentence for whatever is wrong with an address, so that nobody can ask which hosts are listed one by one.
    return Forbidden(
        "Originals are not fetched from this address.",
        expected="https://host/path in its usual spelling, with a host that the server lists",
    )
