"""What HTTP, queue and cache cost: the server beside a loop over the very work of its workers."""

from contextlib import ExitStack

from bench.cold import CLIENTS, WIDTH
from bench.inputs import fresh
from bench.peers import OURS, Wish
from bench.peers.darkroom import own_loop
from bench.results import Comparison, Row, Target
from bench.rounds import WARM, Setting, cold_turn, interleaved

WANTED = 0.93
LOOP = "our own loop"


async def compare(setting: Setting) -> Comparison:
    """Cold pictures of 12 MP over HTTP, and in a process to a core without a server."""
    original, wish = setting.inputs["12mp"], Wish(WIDTH, "jpg", 80)
    with ExitStack() as stack:
        names = stack.enter_context(fresh(setting.out))
        servers = {
            OURS.name: stack.enter_context(OURS.start(setting.out, names.folder)),
            LOOP: stack.enter_context(own_loop(names.folder)),
        }
        for server in servers.values():
            await cold_turn(server, wish, original, names, CLIENTS, WARM)()
        plays = {
            name: cold_turn(server, wish, original, names, CLIENTS, setting.seconds) for name, server in servers.items()
        }
        turns = await interleaved(plays, setting, "HTTP")
    rates = {name: tuple(turn.rate for turn in taken) for name, taken in turns.items()}
    row = Row("12 MP JPEG to JPEG, with HTTP", "pictures/s", rates[OURS.name], LOOP, rates[LOOP], Target(WANTED))
    return Comparison("loop", (row,), tuple(turn.foreign for taken in turns.values() for turn in taken))
