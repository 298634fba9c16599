"""Films over HTTP: sent while they are made, kept, asked for in parts, promised as jobs; and what ends them early."""

import asyncio
import io
import os
import re
import socket
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.counted import boxes, counted, lively, shown
from tests.serving import LOCAL, PATIENCE, Reply, Server, fetch, request, serving

SECONDS = 8
"""That the film lasts of which others take seconds to make."""
MANY = "w_640,c_scale,h_360,fps_60,br_4m"
"""Options that make it take them."""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    counted(folder / "short.mp4", frames=30)
    lively(folder / "long.mp4", seconds=SECONDS, fps=30)
    (folder / "damaged.mp4").write_bytes((folder / "short.mp4").read_bytes()[:600])
    return folder


@pytest.fixture(scope="module")
def server(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    moving = {"workers": 2, "job_seconds": 60}
    with serving(films, tmp_path_factory.mktemp("scratch"), "--unsigned", moving=moving) as running:
        yield running


@pytest.fixture
def promising(films: Path, tmp_path: Path) -> Iterator[Server]:
    """A server to which every film that takes half a second is a job."""
    with serving(films, tmp_path / "scratch", "--unsigned", moving={"workers": 2, "job_seconds": 0.5}) as running:
        yield running


def parted(data: bytes) -> tuple[Reply, bytes, bool]:
    """An answer in chunks: its head, its body, and whether its last chunk came (RFC 9112, 7.1)."""
    reply, body = Reply.read(data), b""
    rest = reply.body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return reply, body, True
        body += rest[:length]
        rest = rest[length + 2 :]
    return reply, body, False


def frames(data: bytes) -> int:
    """How many frames can be decoded of what has come so far."""
    count = 0
    try:
        with av.open(io.BytesIO(data)) as film:
            for _ in film.decode(video=0):
                count += 1
    except (av.FFmpegError, EOFError):
        pass
    return count


class Viewer:
    """A client that takes an answer a bit at a time."""

    def __init__(self, server: Server, path: str) -> None:
        self._sock = socket.create_connection((LOCAL, server.port), PATIENCE)
        self._sock.sendall(request(path, {}))
        self.data = b""

    def until(self, size: int) -> None:
        """Take so many bytes, or all."""
        while len(self.data) < size and (part := self._sock.recv(1 << 14)):
            self.data += part

    def all(self) -> bytes:
        self.until(1 << 40)
        self.leave()
        return self.data

    def leave(self) -> None:
        self._sock.close()


def stored(server: Server, path: str) -> Reply:
    """The finished film, as soon as it is kept."""
    server.until(lambda: server.ask(path, "HEAD").get("content-length") is not None)
    return server.ask(path)


@pytest.mark.parametrize("form", ["mp4", "webm"])
def test_a_film_is_sent_while_it_is_made_and_whole_when_it_is_done(server: Server, tmp_path: Path, form: str) -> None:
    path = f"/{MANY},f_{form}/long.mp4"
    viewer = Viewer(server, path)
    viewer.until(200_000)
    head, body, _ = parted(viewer.data)
    assert frames(body) > 5, "it plays while it grows"
    assert head.status == 200
    assert head["transfer-encoding"] == "chunked"
    assert (head["accept-ranges"], head["cache-control"]) == ("none", "no-store")
    assert not {"content-length", "etag", "last-modified"} & head.fields.keys()

    joined = Viewer(server, path)
    told = server.ask(path, "HEAD")
    assert told.get("content-length") is None, "it is still being made"
    assert told["accept-ranges"] == "none"
    assert server.ask(path, range="bytes=0-9", if_range='"x"').status == 200, "there are no parts yet"

    _, first, complete = parted(viewer.all())
    _, second, complete_too = parted(joined.all())
    assert complete
    assert complete_too
    assert first == second, "who joins has it from the start"
    assert frames(first) == SECONDS * 60

    done = stored(server, path)
    (tmp_path / "done").write_bytes(done.body)
    assert len(shown(tmp_path / "done")) == SECONDS * 60
    assert done["etag"].startswith('"')
    assert len(done.body) == int(done["content-length"])
    if form == "mp4":
        assert boxes(done.body).index("moov") < boxes(done.body).index("mdat")


def test_a_finished_film_is_sent_in_parts(server: Server) -> None:
    path = "/w_96,f_mp4/short.mp4"
    whole = stored_or_sent(server, path)
    part = server.ask(path, range="bytes=100-199")
    assert (part.status, part.body) == (206, whole.body[100:200])
    assert part["content-range"] == f"bytes 100-199/{len(whole.body)}"
    assert server.ask(path, range="bytes=0-9", if_range=whole["etag"]).status == 206
    assert server.ask(path, range="bytes=0-9", if_range='"other"').status == 200
    assert server.ask(path, range=f"bytes={len(whole.body)}-").code == "range_not_satisfiable"
    assert server.ask(path, if_none_match=whole["etag"]).status == 304


def stored_or_sent(server: Server, path: str) -> Reply:
    server.ask(path)
    return stored(server, path)


def test_a_small_film_is_waited_for_and_sent_whole(server: Server) -> None:
    reply = server.ask("/w_64,du_0.2,f_mp4/short.mp4")
    assert reply.status == 200
    assert reply["etag"]
    assert reply["accept-ranges"] == "bytes"
    assert frames(reply.body) == 6


def test_head_waits_for_nothing_and_begins_nothing(server: Server) -> None:
    path = f"/{MANY},so_1,f_mp4/long.mp4"
    reply = server.ask(path, "HEAD")
    assert reply.status == 200
    assert reply.get("content-length") is None
    assert server.ask("/ready").json["pools"]["moving"]["busy"] == 0


def test_the_work_goes_on_when_the_client_leaves(server: Server) -> None:
    path = f"/{MANY},so_2,f_mp4/long.mp4"
    viewer = Viewer(server, path)
    viewer.until(50_000)
    viewer.leave()
    done = stored(server, path)
    assert frames(done.body) == (SECONDS - 2) * 60
    assert server.ask("/health").status == 200


def test_a_worker_that_is_killed_ends_the_answer_and_leaves_nothing(server: Server, films: Path) -> None:
    path = f"/{MANY},so_3,f_mp4/long.mp4"
    viewer = Viewer(server, path)
    viewer.until(100_000)
    (busy,) = (worker for worker in server.workers() if str(films / "long.mp4") in opened_by(worker.pid))
    busy.kill()
    _, body, complete = parted(viewer.all())
    assert not complete, "the connection is closed in the middle"
    assert body
    # What is lost from outside is done once more by another worker, for those who come then.
    assert frames(stored(server, path).body) == (SECONDS - 3) * 60


def opened_by(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield os.readlink(link)
        except OSError:
            continue


def test_a_film_that_takes_long_is_a_job_whose_address_has_it_when_it_is_done(promising: Server) -> None:
    path = f"/{MANY},f_mp4/long.mp4"
    first = promising.ask(path)
    assert first.status == 202
    assert first["content-type"] == "application/json"
    assert first["cache-control"] == "no-store"
    assert int(first["retry-after"]) == first.json["retry_after"] >= 1
    assert first.json["url"] == path
    assert promising.ask(path, "HEAD").status == 202
    seen = []

    def working() -> bool:
        reply = promising.ask(path)
        seen.append(reply)
        return reply.status == 202 and reply.json["progress"] > 0

    promising.until(working)
    assert seen[-1].json["status"] == "working"
    promising.until(lambda: promising.ask(path, "HEAD").status == 200)
    done = promising.ask(path)
    assert frames(done.body) == SECONDS * 60


def test_many_who_ask_for_a_job_share_it(promising: Server) -> None:
    path = f"/{MANY},du_6,f_mp4/long.mp4"

    async def ask() -> list[Reply]:
        return await asyncio.gather(*(fetch(promising.port, path) for _ in range(5)))

    assert {reply.status for reply in asyncio.run(ask())} == {202}
    assert promising.ask("/ready").json["pools"]["moving"]["busy"] <= 1
    assert promising.ask("/ready").json["pools"]["moving"]["queued"] == 0
    promising.until(lambda: promising.ask(path, "HEAD").status == 200)


def test_work_without_end_is_refused(films: Path, tmp_path: Path) -> None:
    moving = {"workers": 1, "longest_seconds": 0.5, "result_bytes": 100_000}
    with serving(films, tmp_path / "scratch", "--unsigned", moving=moving) as server:
        reply = server.ask(f"/{MANY},f_mp4/long.mp4")
        assert (reply.status, reply.code) == (422, "too_long")
        reply = server.ask("/w_1920,h_1080,c_scale,du_0.2,br_20m,q_100,f_mp4/short.mp4")
        assert reply.status in (200, 400)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/f_mp4,a_30/short.mp4", 400, "not_supported"),
        ("/f_mp4,vc_copy,w_64/short.mp4", 400, "conflicting_options"),
        ("/f_webm,vc_copy/short.mp4", 400, "not_supported"),
        ("/f_webm,vc_h264/short.mp4", 400, "conflicting_options"),
        ("/f_mp4,so_99/short.mp4", 422, "no_such_moment"),
        ("/f_mp4,e_blur/short.mp4", 400, "conflicting_options"),
        ("/f_mp4,c_fill,g_auto,w_60,h_60/short.mp4", 400, "not_supported"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_reason(server: Server, path: str, status: int, code: str) -> None:
    reply = server.ask(path)
    assert (reply.status, reply.code) == (status, code)


def test_a_damaged_film_is_no_failure_of_ours(server: Server) -> None:
    assert server.ask("/f_mp4,w_64/damaged.mp4").status == 422


def test_no_encoder_makes_its_worker_a_real_time_process(server: Server) -> None:
    assert frames(server.ask("/f_webm,vc_av1,w_128,h_72/short.mp4").body) == 30
    tasks = [int(task.name) for worker in server.workers() for task in Path(f"/proc/{worker.pid}/task").iterdir()]
    assert {os.sched_getscheduler(task) for task in tasks} == {os.SCHED_OTHER}


def test_nothing_went_wrong(server: Server) -> None:
    assert not [event for event in server.log() if re.search("Traceback|a request failed", str(event))]
    assert Fraction(server.count("darkroom_responses_total", status="500")) == 0
