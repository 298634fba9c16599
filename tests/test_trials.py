"""The commands that try faults and loads: what they print, and what they put into the manual."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.faults.__main__ import FAULTS
from bench.faults.disk import damaged
from bench.load import Http
from bench.loads.__main__ import LOADS
from bench.loads.memory import grown
from bench.trials.bystanders import Tally, bystanders
from bench.trials.finding import Finding
from bench.trials.ground import Ground
from bench.trials.run import BEGIN, END, put
from bench.wrk import read
from tests.markdown import ROOT
from tests.serving import LOCAL, originals

pytestmark = pytest.mark.anyio

WELL = Finding("F1 a", "none", "none", True)


async def test_a_trial_says_what_came(tmp_path: Path) -> None:
    finding = await damaged(Ground(tmp_path, 0.01, print, originals(tmp_path / "samples")))
    assert finding.passed, finding
    assert finding.happened.startswith("3 files")


@pytest.mark.parametrize("program", ["bench.faults", "bench.loads"])
def test_a_trial_that_is_not_there_is_refused(program: str) -> None:
    said = subprocess.run([sys.executable, "-m", program, "F99"], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 2
    assert "there is no F99" in said.stderr


@pytest.mark.parametrize(("page", "trials"), [("faults.md", FAULTS), ("loads.md", LOADS)])
def test_a_page_has_a_place_for_the_table_and_tells_of_every_trial(page: str, trials: dict[str, object]) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert text.index(BEGIN) < text.index(END)
    assert all(f"\n| {name} |" in text.partition(END)[2] for name in trials)


def test_rows_take_the_place_of_those_of_the_same_trials(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    put(page, [Finding("F2 a", "none", "none", True), Finding("F10 c", "none", "none", True), WELL])
    put(page, [Finding("F2 b", "some", "more", False)])
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    rows = [
        f"| {WELL.what} |",
        "| F2 b | some | more | **failed** |",
        f"| F10 c | none | none | passed |\n{END}\nafter\n",
    ]
    places = [text.index(row) for row in rows]
    assert places == sorted(places)
    assert "F2 a" not in text


def test_times_are_those_of_the_spans_that_are_asked_for() -> None:
    tally = Tally([(0.0, 200, 0.1), (1.0, 200, 0.2), (2.0, 503, 0.4)])
    assert tally.within(1.0, [(0, 0.5), (2, 3)]) == pytest.approx(400)
    assert tally.latency(0.5, 1, 2) == pytest.approx(200)
    assert tally.failed == 1


def test_growth_is_that_of_the_nearest_line() -> None:
    assert grown([(0.0, 100.0), (60.0, 103.0), (120.0, 106.0)]) == pytest.approx(3)
    assert grown([(0.0, 100.0)]) == 0


def test_connections_that_broke_are_read() -> None:
    text = "  Latency Distribution\n     50%  812.00us\n     99%    3.21ms\nRequests/sec:  12345.67\n"
    assert read(text + "  Socket errors: connect 1, read 2, write 3, timeout 4\n").errors == 10


@dataclass
class Rude:
    """A server that answers once, then ends the connection on the next request: before an answer, or in it."""

    third: asyncio.Event
    """Set when a third connection has come."""
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.connections == 3:
            self.third.set()
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            if path == b"/half":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("path", "again", "failed"),
    [("/", True, False), ("/", False, True), ("/half", True, True)],
    ids=["a browser", "one that does not", "in the middle"],
)
async def test_who_asks_again_does_so_where_nothing_had_come(path: str, again: bool, failed: bool) -> None:
    rude = Rude(asyncio.Event())
    server = await asyncio.start_server(rude.serve, LOCAL, 0)
    async with server, bystanders(server.sockets[0].getsockname()[1], [path], 1, 0.0, again=again) as tally:
        await rude.third.wait()
    assert (tally.failed > 0) is failed
    assert (tally.again > 0) is (again and not failed)


async def test_a_connection_knows_whether_an_answer_has_begun() -> None:
    async with await asyncio.start_server(Rude(asyncio.Event()).serve, LOCAL, 0) as server:
        connection = await Http.open(server.sockets[0].getsockname()[1])
        assert (await connection.ask("/")).body == b"ok"
        with pytest.raises(asyncio.IncompleteReadError):
            await connection.ask("/half")
        assert connection.begun
        connection.close()
