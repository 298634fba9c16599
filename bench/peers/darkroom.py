"""Ourselves: the server as it is started by default, and the work of its workers in a loop."""

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.caches import empty_cache
from bench.load import Http, Line
from bench.machine import cores
from bench.peers.libvips import loop
from bench.peers.peer import Running, Wish
from bench.serving import darkroom_process
from proxy.workers.process import worker_environment

_TOKENS = itertools.count(1)


class Darkroom:
    """`darkroom serve` with a cache folder that is empty at first."""

    name = "Darkroom"
    about = "as it comes, with an empty cache folder; only that nobody is refused for waiting (`queue_seconds` is 60)"
    measure = "q_"

    def install(self, out: Path) -> str:
        """It is here."""
        return "this checkout"

    @contextmanager
    def start(self, out: Path, folder: Path) -> Iterator[Running]:
        """The server over a folder."""
        settings = {"DARKROOM_QUEUE_SECONDS": "60", "DARKROOM_UNSIGNED": "true"}
        with darkroom_process(folder, "--cache", empty_cache(out), settings=settings) as (pid, port):
            yield Running(pid, lambda _: Http.open(port), darkroom_path)


def darkroom_path(wish: Wish, name: str) -> str:
    """`/f_webp,q_80,v_7,w_600/name`; a version that was never asked for makes each path a new one."""
    return f"/{steps(wish)},v_{next(_TOKENS)}/{name}"


def steps(wish: Wish) -> str:
    """What a wish is in our steps."""
    quality = f",q_{wish.quality}" if wish.quality is not None else ""
    return f"f_{wish.format}{quality},w_{wish.width}"


@contextmanager
def own_loop(folder: Path) -> Iterator[Running]:
    """The work of our workers, in as many processes as there are cores, in the environment of workers."""
    with ExitStack() as stack:
        loops = [stack.enter_context(loop("darkroom", lambda: worker_environment(os.environ))) for _ in range(cores())]

        def line(wish: Wish, name: str) -> str:
            return json.dumps({"path": str(folder / name), "plan": steps(wish), "format": wish.format})

        yield Running(
            os.getpid(), lambda number: Line.open(loops[number % len(loops)][1]), line, most_clients=len(loops)
        )
