"""No original is fetched from this machine, from a network that is not public, or from a host that is not listed."""

import asyncio
import io
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from proxy.failures import Forbidden, OriginFailed
from proxy.sources.http.guard import Listed, Target
from proxy.sources.http.networks import is_public, may_be_reached
from proxy.sources.http.pinned import Connections
from proxy.sources.http.place import HttpPlace
from proxy.sources.http.source import HttpSource
from signing.address import Address
from signing.errors import BadAddress
from signing.escapes import b64
from tests.origin_stub import Origin, Script, origin
from tests.spellings import ADDRESSES, CARRIED, LITERALS, ODD

pytestmark = pytest.mark.anyio

OPEN = "127.0.0.9"
"""An address of this machine that stands for a public one: the only one that is allowed."""
SECONDS = 1.0

SPELLINGS = [*LITERALS, *ODD, "localhost", "LOCALHOST", "private.example.com"]

connected: list[object] = []
"""Where this process has begun to connect to, whatever came of it."""


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        connected.append(arguments[1])


sys.addaudithook(_hear)


@dataclass
class Names:
    """Names and the addresses that they have, one answer after the other, the last for ever."""

    answers: dict[str, list[list[str]]] = field(default_factory=dict)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if host not in self.answers:
            raise OSError(-2, "Name or service not known")
        left = self.answers[host]
        return left.pop(0) if len(left) > 1 else left[0]


@dataclass
class Ground:
    """A site that may be asked, a canary that must not be, and a source that could ask both if it were not guarded."""

    site: Origin
    canary: Origin
    names: Names
    place: Callable[..., HttpSource]

    @property
    def hosts(self) -> list[str]:
        """Every host is listed that can be, so that nothing but the guard stands before its address."""
        literals = [f"{text}:{self.canary.port}" for text in LITERALS]
        return [*literals, f"localhost:{self.canary.port}", f"*.example.com:{self.canary.port}", self.own]

    @property
    def own(self) -> str:
        return f"photos.example.com:{self.site.port}"

    def url(self, spelling: str, scheme: str = "http") -> str:
        return f"{scheme}://{spelling}:{self.canary.port}/x"


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    made: list[HttpSource] = []

    def place(url: str = "", hosts: Sequence[str] = (), networks: Sequence[str] = (OPEN,)) -> HttpSource:
        found = HttpPlace.read(url, hosts=hosts, private_networks=networks)
        made.append(HttpSource(found, Connections(found.patience, found.private_networks, names)))
        return made[-1]

    with origin(OPEN) as site, origin("127.0.0.1", "127.0.0.2", "127.255.255.254", "::1") as canary:
        names = Names(
            {
                "photos.example.com": [[OPEN]],
                "localhost": [["127.0.0.1", "::1"]],
                "private.example.com": [["127.0.0.1"]],
            }
        )
        canary.scripts["/x"] = site.scripts["/x"] = Script(b"bytes", fields={"ETag": '"1"', "Connection": "close"})
        connected.clear()
        yield Ground(site, canary, names, place)
        for source in made:
            await source.close()


Told = tuple[str, str, str, str]


async def refused(ask: Callable[[], Awaitable[object]]) -> Told:
    """What a client is told, at once; fails where it is told nothing."""
    try:
        async with asyncio.timeout(SECONDS):
            came = await ask()
    except (Forbidden, OriginFailed) as refusal:
        return type(refusal).__name__, refusal.detail, refusal.part, refusal.expected
    except BadAddress:
        return "BadAddress", "", "", ""
    raise AssertionError(f"it was fetched: {came!r}")


def read_plain(ground: Ground, spelling: str) -> str:
    return Address.read(f"w_100/{ground.url(spelling, 'https')}").source


def read_encoded(ground: Ground, spelling: str) -> str:
    return Address.read(f"w_100/{b64(ground.url(spelling))}").source


WAYS = {
    "https": lambda ground, spelling: ground.url(spelling, "https"),
    "http": lambda ground, spelling: ground.url(spelling),
    "a path": read_plain,
    "a path with b64:": read_encoded,
}


def summary(door: str, tried: int, canary: Origin) -> None:
    print(f"{door}: {tried} refused, {canary.connections} connections to the canary")


async def test_without_the_guard_the_canary_is_reached(ground: Ground) -> None:
    source = ground.place(hosts=ground.hosts, networks=["0.0.0.0/0", "::/0"])
    for spelling in ("127.0.0.1", "127.0.0.2", "[::1]", "localhost", "private.example.com"):
        assert (await source.stat(ground.url(spelling))).size == 5
    assert ground.canary.connections == 5


async def test_a_connection_that_leads_to_another_address_than_was_judged_is_not_used(ground: Ground) -> None:
    source = ground.place(hosts=ground.hosts, networks=["0.0.0.0/32"])
    assert (await refused(lambda: source.stat(ground.url("0.0.0.0"))))[0] == "OriginFailed"
    assert ground.canary.asked == []


async def test_there_are_enough_spellings() -> None:
    assert len(set(SPELLINGS)) >= 200
    assert all(not is_public(ip_address(address)) for address in ADDRESSES)


@pytest.mark.parametrize("way", WAYS)
async def test_no_spelling_of_an_address_reaches_what_is_not_public(ground: Ground, way: str) -> None:
    source = ground.place(hosts=ground.hosts)
    unlisted = await refused(lambda: source.stat("https://nothing.example.org/x"))
    missing = await refused(lambda: source.stat(ground.url("missing.example.com")))
    assert unlisted != missing
    for spelling in SPELLINGS:
        for call in (source.stat, lambda key: source.fetch(key, io.BytesIO()), lambda key: source.read(key, "", 0, 9)):

            async def ask(spelling: str = spelling, call: Callable[[str], Awaitable[object]] = call) -> object:
                return await call(WAYS[way](ground, spelling))

            told = await refused(ask)
            if spelling in ODD:
                assert told in (unlisted, ("BadAddress", "", "", "")), spelling
            else:
                assert told == missing, spelling
    assert ground.canary.connections == 0
    assert connected == []
    summary(way, 3 * len(SPELLINGS), ground.canary)


@pytest.mark.parametrize("mounted", [False, True], ids=["whole addresses", "a mount"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_to_what_is_not_public(ground: Ground, mounted: bool, status: int) -> None:
    below = f"http://{ground.own}/"
    source = ground.place(below if mounted else "", ground.hosts)
    prefix = "" if mounted else below
    whole = ground.place(hosts=ground.hosts)
    missing = await refused(lambda: whole.stat(ground.url("missing.example.com")))
    forms = ("http://{}:{}/x", "//{}:{}/x", "https://{}:{}/x")
    tried = 0
    for spelling in SPELLINGS:
        if not spelling.isprintable() and not spelling.isascii():
            continue
        location = forms[tried % 3].format(spelling, ground.canary.port).encode().decode("latin-1")
        if any(sign in location for sign in "\n\0"):
            continue  # which a field of a header cannot hold
        ground.site.scripts["/to"] = Script(b"", status, {"Location": location})
        told = await refused(lambda: source.stat(f"{prefix}to"))
        assert told == missing, spelling
        tried += 1
    assert ground.canary.connections == 0
    assert set(connected) == {(OPEN, ground.site.port)}
    assert tried >= 200
    summary(f"{status} of {'a mount' if mounted else 'a whole address'}", tried, ground.canary)


@pytest.mark.parametrize(
    "answers",
    [
        lambda address: [[address]],
        lambda address: [[OPEN, address]],
        lambda address: [[address, OPEN]],
        lambda address: [[OPEN, OPEN, OPEN, address]],
    ],
    ids=["alone", "behind a public one", "before a public one", "last of four"],
)
async def test_no_name_leads_to_what_is_not_public(ground: Ground, answers: Callable[[str], list[list[str]]]) -> None:
    source = ground.place(hosts=ground.hosts)
    missing = await refused(lambda: source.stat(ground.url("missing.example.com")))
    for address in ADDRESSES:
        ground.names.answers["a.example.com"] = answers(address)
        assert await refused(lambda: source.stat(ground.url("a.example.com"))) == missing, address
    assert ground.canary.connections == 0
    assert connected == []
    summary("names", len(ADDRESSES), ground.canary)


async def test_a_name_that_changes_is_judged_by_the_address_that_is_connected_to(ground: Ground) -> None:
    """Each look-up gives another address; a second one between judging and connecting would reach the canary."""
    source = ground.place(hosts=[f"*.example.com:{ground.site.port}", *ground.hosts])
    with origin("127.0.0.1", port=ground.site.port) as other:
        for address in ("127.0.0.1", "::1", "::ffff:7f00:1"):
            ground.names.answers["a.example.com"] = [[OPEN], [address]] * 20
            for _ in range(10):
                assert (await source.stat(f"http://a.example.com:{ground.site.port}/x")).size == 5
                await refused(lambda: source.stat(f"http://a.example.com:{ground.site.port}/x"))
        assert other.connections == 0
    assert set(connected) == {(OPEN, ground.site.port)}


async def test_of_several_addresses_one_that_answers_is_enough(ground: Ground) -> None:
    source = ground.place(hosts=[ground.own], networks=[OPEN, "127.0.0.10", "127.0.0.11", "::1"])
    with socket.create_server(("127.0.0.10", ground.site.port), backlog=0) as silent, ExitStack() as crowd:
        for _ in range(3):  # as many as it takes for the next one to get no answer
            client = crowd.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(silent.getsockname())
        # Nobody listens at 127.0.0.11, and there is no way to fd00::1.
        for others in (
            ["127.0.0.11"],
            ["127.0.0.10"],
            ["127.0.0.11", "127.0.0.10"],
            ["fd00::1", "fd00::1", "127.0.0.11"],
        ):
            ground.names.answers["photos.example.com"] = [[*others, OPEN]]
            assert (await source.stat(f"http://{ground.own}/x")).size == 5, others


async def test_a_redirect_never_leads_from_https_to_http() -> None:
    target = Target.read("https://photos.example.com/a/b")
    assert str(target.joined("../c")) == "https://photos.example.com/c"
    with pytest.raises(ValueError, match="https to http"):
        target.joined("http://photos.example.com/c")
    assert target.joined("//photos.example.com/c").scheme == "https"


ELSEWHERE = [
    *("file:///etc/passwd", "ftp://photos.example.com/x", "gopher://photos.example.com/", "unix:/run/x", "data:,x"),
    *("javascript:x", "http:/x", "http:///x", "http:x", "\\\\127.0.0.1\\x", "/\\127.0.0.1/x", "", "http://", "//"),
    *("http://[", "//[::1", "/%2e%2e/x"),
]


@pytest.mark.parametrize("location", ELSEWHERE)
async def test_a_redirect_to_something_else_is_not_followed(ground: Ground, location: str) -> None:
    ground.site.scripts["/to"] = Script(b"", 302, {"Location": location})
    source = ground.place(hosts=ground.hosts)
    assert (await refused(lambda: source.stat(f"http://{ground.own}/to")))[0] == "OriginFailed"
    assert set(connected) == {(OPEN, ground.site.port)}


# Which hosts are listed


@pytest.mark.parametrize(
    ("entry", "url", "listed"),
    [
        ("example.com", "https://example.com/x", True),
        ("example.com", "http://example.com/x", True),
        ("example.com", "https://example.com:443/x", True),
        ("example.com", "https://EXAMPLE.com/x", True),
        ("EXAMPLE.com", "https://example.com/x", True),
        ("example.com", "https://example.com:80/x", False),
        ("example.com", "http://example.com:443/x", False),
        ("example.com", "https://example.com:8443/x", False),
        ("example.com:8443", "https://example.com:8443/x", True),
        ("example.com:8443", "https://example.com/x", False),
        ("example.com:443", "https://example.com/x", True),
        ("example.com", "https://www.example.com/x", False),
        ("example.com", "https://example.com.evil.test/x", False),
        ("example.com", "https://evilexample.com/x", False),
        ("*.example.com", "https://a.example.com/x", True),
        ("*.example.com", "https://a.b.example.com/x", True),
        ("*.example.com", "https://example.com/x", False),
        ("*.example.com", "https://evilexample.com/x", False),
        ("*.example.com", "https://a.example.com.evil.test/x", False),
        ("*.example.com:8080", "http://a.example.com:8080/x", True),
        ("*.example.com:8080", "http://a.example.com/x", False),
        ("bücher.example", "https://xn--bcher-kva.example/x", True),
        ("xn--bcher-kva.example", "https://bücher.example/x", True),
        ("8.8.8.8", "https://8.8.8.8/x", True),
        ("[2606:4700::1111]:8080", "http://[2606:4700::1111]:8080/x", True),
    ],
)
async def test_an_entry_names_a_host_and_never_the_beginning_of_one(entry: str, url: str, listed: bool) -> None:
    assert (Target.read(url) in Listed.read(entry)) == listed


NO_ENTRIES = [
    *("", "*", "*.", "*.com", "*.*.com", "a.*.com", "*example.com", "https://example.com", "example.com/", "127.1"),
    *("example.com/photos", "user@example.com", "example.com:0", "example.com:x", "example.com:99999", "*.1.2.3.4"),
    *("2130706433", "::1", "[::1", "exa mple.com", ".example.com", "example.com.", "①.example.com"),
]


@pytest.mark.parametrize("entry", NO_ENTRIES)
async def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^hosts: .*a host such as example\.com"):
        HttpPlace.read(hosts=[entry])


NO_PLACES: list[tuple[dict[str, object], str]] = [
    ({}, "hosts: "),
    ({"url": "ftp://example.com/"}, "url: "),
    ({"url": "https://user:secret@example.com/"}, "url: "),
    ({"url": "https://example.com/?a=b"}, "url: "),
    ({"url": "https://example.com/#a"}, "url: "),
    ({"url": "https://example.com/../a"}, "url: "),
    ({"hosts": ["example.com"], "headers": {"A": "b"}}, "headers: "),
    ({"url": "https://example.com/", "headers": {"A b": "c"}}, "headers: "),
    ({"url": "https://example.com/", "headers": {"A": "secret\r\nB: c"}}, "headers: "),
    ({"url": "https://example.com/", "headers": {"Host": "secret"}}, "headers: "),
    ({"url": "https://example.com/", "headers": {"a": "sécret"}}, "headers: "),
    ({"url": "https://example.com/", "private_networks": ["10.0.0.1/8"]}, "private_networks: "),
    ({"url": "https://example.com/", "private_networks": ["localhost"]}, "private_networks: "),
]


@pytest.mark.parametrize(("settings", "where"), NO_PLACES)
async def test_a_place_that_cannot_be_is_refused_without_its_secrets(settings: dict[str, object], where: str) -> None:
    with pytest.raises(ValueError, match=f"^{where}") as told:
        HttpPlace.read(**settings)  # type: ignore[arg-type]
    assert "secret" not in str(told.value)
    assert "secret" not in repr(HttpPlace.read("https://example.com", headers={"a": "secret"}))


# Which addresses are public


PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255"),
    *("172.32.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111"),
    *("2a00:1450:4001:811::200e", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
    "2606:4700::5efe:808:808",
]


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


async def test_a_network_that_is_allowed_is_allowed_in_its_own_words_alone(ground: Ground) -> None:
    networks = HttpPlace.read("https://a.example.com", private_networks=["127.0.0.0/8", "fd00::/8"]).private_networks
    allowed = {text for text in ADDRESSES if may_be_reached(ip_address(text), networks)}
    assert allowed == {
        *(text for text in ADDRESSES if text.startswith(("127.", "fd"))),
        "::ffff:7f00:1",  # as a socket of IPv6 says it
    }
    assert not allowed & {text for text in CARRIED if text != "::ffff:7f00:1"}
