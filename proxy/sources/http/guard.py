"""Which addresses on the web originals are fetched from, told before anything is asked of the network."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Self
from urllib.parse import unquote, urljoin

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}

_LONGEST = 8192
_address = re.compile(r"(https?)://([^/?#]+)(/[^?#]*)?(\?[^#]*)?")
_with_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_authority = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:@]+)(?::([0-9]{1,5}))?")
_not_in_urls = re.compile(r"[^!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]|%(?![0-9A-Fa-f]{2})")
_label = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_number = re.compile(r"[0-9]+|0x[0-9a-f]*")
_climbs = re.compile(r"(?:^|[/\\])\.\.?(?:[/\\]|$)|[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Target:
    """An address on the web in its one spelling."""

    scheme: str
    host: str
    """In ASCII and lower case; of IPv6 without brackets."""
    port: int
    path: str
    """With the query behind it, escaped as it is sent."""

    @classmethod
    def read(cls, url: str) -> Self:
        """Raises ValueError, saying what is wrong, for everything that could be read in two ways."""
        if len(url) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} characters")
        parts = _address.fullmatch(url)
        if not parts:
            raise ValueError("https://host/path was expected, without a fragment")
        scheme, authority, path, query = parts.groups()
        if bad := _not_in_urls.search(f"{path or ''}{query or ''}"):
            raise ValueError(f"{bad.group()!r} has to be escaped")
        if climbs(unquote(path or "", "latin-1")):
            raise ValueError("its path has a control character, or a segment `.` or `..`")
        host, port = _read_authority(authority)
        return cls(scheme, host, DEFAULT_PORTS[scheme] if port is None else port, (path or "/") + (query or ""))

    def joined(self, location: str) -> Self:
        """Where a redirect from here leads. Raises ValueError as `read` does, and where it leads to cleartext."""
        location = location.partition("#")[0]
        # One with a scheme is whole: `https:/path` and `https:///path` are no ways to say `/path`.
        target = self.read(location if _with_scheme.match(location) else urljoin(str(self), location))
        if self.scheme == "https" and target.scheme != "https":
            raise ValueError("it leads from https to http")
        return target

    def beside(self, other: "Target") -> bool:
        """Whether both are on one server: scheme, host and port are the same."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)

    @property
    def authority(self) -> str:
        """Host and port as the field Host has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True)
class Listed:
    """Hosts that originals may come from: one by its name, or all below a name; with its usual ports or one other."""

    host: str
    below: bool = False
    port: int | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ValueError."""
        below = text.startswith("*.")
        try:
            host, port = _read_authority(text.removeprefix("*."))
        except ValueError as error:
            raise ValueError(f"a host such as example.com, *.example.com or example.com:8080: {error}") from None
        if below and ("." not in host or _is_number(host)):
            raise ValueError("a host such as example.com, *.example.com or example.com:8080: * stands for too much")
        return cls(host, below, port)

    def __contains__(self, target: Target) -> bool:
        same = target.host.endswith(f".{self.host}") if self.below else target.host == self.host
        return same and target.port == (DEFAULT_PORTS[target.scheme] if self.port is None else self.port)


def climbs(path: str) -> bool:
    """Whether a path without escapes has what some server would take for a way up, or for the end of a line."""
    return _climbs.search(path) is not None


def is_listed(target: Target, hosts: Sequence[Listed]) -> bool:
    """Whether one of the entries names the host and the port of an address."""
    return any(target in entry for entry in hosts)


def _read_authority(text: str) -> tuple[str, int | None]:
    """Host and port. Raises ValueError for a host that a resolver could take for another."""
    try:
        ascii_text = text if text.isascii() else _to_ascii(text)
    except idna.IDNAError:
        raise ValueError("the host is no name that a domain can have") from None
    parts = _authority.fullmatch(ascii_text.lower())
    if not parts:
        raise ValueError("the host is followed by a port at most, and nothing stands before it")
    host, port = parts[1], parts[2]
    if port is not None and not (0 < int(port) < 65536 and str(int(port)) == port):
        raise ValueError("the port is a number from 1 to 65535")
    return _read_host(host), None if port is None else int(port)


def _to_ascii(text: str) -> str:
    host, colon, port = text.partition(":")
    # Strictly: a host with signs that merely stand for others (full-width digits, circled letters) is refused.
    return idna.encode(host, strict=True).decode("ascii") + colon + port


def _read_host(host: str) -> str:
    if host.startswith("["):
        try:
            address = IPv6Address(host[1:-1])
        except AddressValueError:
            raise ValueError("the host is no address of IPv6") from None
        if str(address) != host[1:-1]:
            raise ValueError(f"the address has another usual spelling: [{address}]")
        return str(address)
    if _is_number(host):
        try:
            return str(IPv4Address(host))  # which takes four decimal numbers without leading zeros alone
        except AddressValueError:
            raise ValueError("the host is a number, but not an address as a.b.c.d") from None
    if len(host) > 253 or not all(_label.fullmatch(label) for label in host.split(".")):
        raise ValueError("the host is no name that a domain can have")
    return host


def _is_number(host: str) -> bool:
    """Whether a host ends in a number, which makes all of it an address to a resolver (WHATWG URL, 3.5)."""
    return _number.fullmatch(host.rpartition(".")[2]) is not None
