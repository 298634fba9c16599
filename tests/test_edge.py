"""The hot path: what was just given is given again, for as long as it is right and no longer."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.answer import Answer
from proxy.caching import Lifetime
from proxy.edge import Edge
from proxy.metrics import Metrics
from proxy.negotiation import Bucket
from proxy.recent import LARGEST, MOST_PURGES, RECHECKED_AFTER, RecentAnswers
from tests import pictures
from tests.serving import Server, hammer, originals, percentile, serving

PLAIN = Bucket()
NOTHING: Mapping[str, str] = {}
A_MINUTE_IN = "Thu, 01 Jan 1970 00:01:00 GMT"
PATH = b"/w_60/cats/1.jpg"
HEADERS = [(b"etag", b'W/"x.final"'), (b"content-type", b"image/jpeg"), (b"content-length", b"3"), (b"vary", b"Accept")]


class Clock:
    """Time that a test sets."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Behind:
    """What stands behind the edge: counts who comes through, and gives and renews what a test wants."""

    def __init__(self, recent: RecentAnswers) -> None:
        self.recent, self.seen, self.renewed = recent, 0, 0
        self.edge = Edge(self.app, recent, self.renew)
        self.renewal: Callable[[], Awaitable[bool]] | None = None

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen += 1
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def renew(self, path: bytes, accept: bytes) -> bool:
        self.renewed += 1
        return await self.renewal() if self.renewal else True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(clock: Clock) -> RecentAnswers:
    return RecentAnswers(1 << 20, Metrics(), clock)


@pytest.fixture
def behind(recent: RecentAnswers) -> Behind:
    return Behind(recent)


def answer(body: bytes = b"one", seconds: int = 100, **more: Any) -> Answer:
    return Answer(Lifetime(seconds, ""), body, "image/jpeg", etag='W/"x.final"', modified=10.0, format="jpg", **more)


def keep(recent: RecentAnswers, given: Answer, path: bytes = PATH, taken: Bucket = PLAIN) -> None:
    recent.remember(path, taken, given, HEADERS, recent.generation)


async def ask(
    behind: Behind, method: str = "GET", fields: Mapping[str, str] = NOTHING
) -> tuple[int, dict[str, str], bytes]:
    """Through the edge: status, header fields and body."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    scope = {"type": "http", "method": method, "raw_path": PATH, "headers": headers}
    await behind.edge(scope, receive, send)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    said = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], said, b"".join(message.get("body", b"") for message in sent[1:])


pytestmark = pytest.mark.anyio


async def test_a_hit_reaches_nobody_behind(behind: Behind, recent: RecentAnswers) -> None:
    assert (await ask(behind))[0] == 299
    keep(recent, answer())
    status, fields, body = await ask(behind)
    assert (status, body, behind.seen) == (200, b"one", 1)
    assert fields["cache-status"] == "darkroom; hit; detail=memory"
    assert fields["x-request-id"]
    status, fields, body = await ask(behind, "HEAD", {"x-request-id": "my-own-id"})
    assert (status, body, fields["content-length"], fields["x-request-id"]) == (200, b"", "3", "my-own-id")


async def test_a_copy_that_is_right_is_confirmed_here(behind: Behind, recent: RecentAnswers) -> None:
    keep(recent, answer())
    confirmed = [("if-none-match", '"x.final"'), ("if-none-match", "*"), ("if-modified-since", A_MINUTE_IN)]
    for field in confirmed:
        status, said, body = await ask(behind, fields=dict([field]))
        assert (status, body) == (304, b"")
        assert said["etag"]
        assert said["vary"] == "Accept"
        assert not {"content-length", "content-type"} & set(said)
    assert (await ask(behind, fields={"if-none-match": '"y"', "if-modified-since": A_MINUTE_IN}))[0] == 200
    assert behind.seen == 0


@pytest.mark.parametrize(
    ("method", "fields"),
    [("GET", {"range": "bytes=0-1"}), ("HEAD", {"range": "bytes=0-1"}), ("POST", {}), ("OPTIONS", {})],
)
async def test_parts_and_other_methods_pass_by(
    behind: Behind, recent: RecentAnswers, method: str, fields: dict[str, str]
) -> None:
    keep(recent, answer())
    assert (await ask(behind, method, fields))[0] == 299


async def test_each_bucket_has_its_own(behind: Behind, recent: RecentAnswers) -> None:
    keep(recent, answer(b"webp"), taken=Bucket(webp=True))
    assert (await ask(behind, fields={"accept": "image/webp,*/*"}))[2] == b"webp"
    assert (await ask(behind, fields={"accept": "image/avif,image/webp"}))[0] == 299
    assert (await ask(behind))[0] == 299


async def test_it_lives_as_long_as_it_says(behind: Behind, recent: RecentAnswers, clock: Clock) -> None:
    keep(recent, answer(seconds=5))
    clock.now += 4.9
    assert (await ask(behind))[0] == 200
    clock.now += 0.2
    assert (await ask(behind))[0] == 299


async def test_with_an_expiry_it_lives_until_the_next_second(
    behind: Behind, recent: RecentAnswers, clock: Clock
) -> None:
    clock.now += 0.4
    keep(recent, answer(expires=clock.now + 2000))
    clock.now += 0.5
    assert (await ask(behind))[0] == 200
    clock.now += 0.2
    assert (await ask(behind))[0] == 299


def test_a_purge_forgets_what_bears_its_tags_and_nothing_else(recent: RecentAnswers) -> None:
    paths = {b"/a": ("source:a", "mount:/"), b"/b": ("source:b", "mount:/"), b"/c": ("source:c", "mount:c")}
    begun = recent.generation
    for path, tags in paths.items():
        keep(recent, answer(tags=tags), path)
    recent.forget_tagged(["source:a"])
    recent.forget_tagged(["source:z", "preset:z"])
    assert [recent.get(path, PLAIN) is not None for path in paths] == [False, True, True]
    # What was begun before, and ends now.
    for path, tags in paths.items():
        recent.remember(path, PLAIN, answer(tags=tags), HEADERS, begun)
    assert [recent.get(path, PLAIN) is not None for path in paths] == [False, True, True]
    recent.forget_tagged(["mount:/"])
    assert [recent.get(path, PLAIN) is not None for path in paths] == [False, False, True]
    recent.forget()
    for path, tags in paths.items():
        recent.remember(path, PLAIN, answer(tags=tags), HEADERS, begun)
    assert not any(recent.get(path, PLAIN) for path in paths)


def test_an_answer_that_has_missed_more_purges_than_are_known_is_not_given(recent: RecentAnswers) -> None:
    for path in (b"/a", b"/b"):
        keep(recent, answer(tags=("source:a",)), path)
    for number in range(MOST_PURGES + 1):
        assert recent.get(b"/a", PLAIN), "it misses one at a time"
        recent.forget_tagged([f"source:{number}"])
    assert recent.get(b"/a", PLAIN)
    assert recent.get(b"/b", PLAIN) is None


async def test_a_new_generation_forgets_all_and_what_is_just_being_made(behind: Behind, recent: RecentAnswers) -> None:
    keep(recent, answer())
    before = recent.generation
    recent.forget()
    assert (await ask(behind))[0] == 299
    recent.remember(PATH, Bucket(), answer(), HEADERS, before)
    assert (await ask(behind))[0] == 299
    keep(recent, answer())
    assert (await ask(behind))[0] == 200


async def test_it_is_asked_for_anew_behind_one_clients_back(
    behind: Behind, recent: RecentAnswers, clock: Clock
) -> None:
    keep(recent, answer())
    clock.now += RECHECKED_AFTER + 0.1

    async def renewal() -> bool:
        await asyncio.sleep(0.01)
        keep(recent, answer(b"two"))
        return True

    behind.renewal = renewal
    edge = [await ask(behind) for _ in range(3)]
    assert [body for _, _, body in edge] == [b"one"] * 3
    assert behind.renewed == 1
    await asyncio.sleep(0.05)
    assert (await ask(behind))[2] == b"two"
    assert (behind.seen, behind.renewed) == (0, 1)


async def test_what_has_become_wrong_is_given_once_more_at_most(
    behind: Behind, recent: RecentAnswers, clock: Clock
) -> None:
    async def gone() -> bool:
        return False

    keep(recent, answer())
    clock.now += RECHECKED_AFTER + 0.1
    behind.renewal = gone
    assert (await ask(behind))[0] == 200
    assert (await ask(behind))[0] == 299


async def test_while_there_is_trouble_it_is_given_on(behind: Behind, recent: RecentAnswers, clock: Clock) -> None:
    keep(recent, answer())
    for _ in range(3):
        clock.now += RECHECKED_AFTER + 0.1
        assert [(await ask(behind))[0] for _ in range(3)] == [200] * 3
    assert behind.renewed == 3


@pytest.mark.parametrize(
    "given",
    [answer(b"x" * (LARGEST + 1)), answer(seconds=0), answer(degraded="larger")],
    ids=["large", "brief", "degraded"],
)
async def test_what_cannot_be_given_again_is_not_kept(behind: Behind, recent: RecentAnswers, given: Answer) -> None:
    keep(recent, given)
    assert (await ask(behind))[0] == 299
    keep(recent, answer())
    keep(recent, given)
    # A substitute leaves what was there; any other answer takes its place.
    assert (await ask(behind))[0] == (200 if given.degraded else 299)


async def test_memory_is_bounded(behind: Behind, clock: Clock) -> None:
    recent = RecentAnswers(400_000, Metrics(), clock)
    for number in range(300):
        keep(recent, answer(bytes(10_000)), b"/%d" % number)
    assert 20 < sum(recent.get(b"/%d" % number, Bucket()) is not None for number in range(300)) < 40
    assert recent.get(b"/299", Bucket())
    keep(recent, answer(bytes(60_000)), b"/large")
    assert recent.get(b"/large", Bucket()) is None


# With a server behind it


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("edge")
    with serving(originals(place / "originals"), place / "server", first="final") as running:
        yield running


async def test_hits_do_not_reach_the_router(server: Server) -> None:
    for _ in range(5):
        server.ask("/w_60/cats/1.jpg")
    assert server.count("darkroom_requests_total", outcome="made", status="2xx") == 1
    assert server.count("darkroom_requests_total", outcome="memory", status="2xx") == 4
    assert server.count("darkroom_store_hits_total", tier="memory") == 0


async def test_a_deleted_original_stops_being_served(server: Server, tmp_path: Path) -> None:
    folder = server.log_file.parent.parent / "originals"
    place = folder / "brief.jpg"
    place.write_bytes(pictures.encoded(pictures.flat(), "jpg"))
    paths = (
        "/w_20/brief.jpg",
        "/f_auto,w_20/brief.jpg",
        "/d_missing.jpg,w_20/brief.jpg",
        "/fl_attachment,w_20/brief.jpg",
    )
    assert [server.ask(path).status for path in paths] == [200] * 4
    place.unlink()
    started = time.monotonic()
    await asyncio.to_thread(server.until, lambda: [server.ask(path).status for path in paths] == [404] * 4)
    assert time.monotonic() - started < 4 * RECHECKED_AFTER


async def test_a_hit_costs_a_fraction_of_a_millisecond(server: Server) -> None:
    over = asyncio.Event()
    clients = [asyncio.create_task(hammer(server.port, "/w_60/cats/1.jpg", over)) for _ in range(4)]
    await asyncio.sleep(1)
    over.set()
    told = [one for client in clients for one in await client]
    assert {status for status, _ in told} == {200}
    seconds = [taken for _, taken in told]
    inside = server.ask("/metrics").body.decode()
    spent = float(
        next(
            line for line in inside.splitlines() if line.startswith('darkroom_request_seconds_sum{outcome="memory"}')
        ).split()[1]
    )
    mean = spent / server.count("darkroom_request_seconds_count", outcome="memory")
    print(
        f"\nhits: {len(told)} in a second from 4 clients beside the test; "
        f"median {statistics.median(seconds) * 1000:.2f} ms, p99 {percentile(seconds, 0.99) * 1000:.2f} ms; "
        f"inside {mean * 1e6:.0f} µs"
    )
    assert mean < 0.001
