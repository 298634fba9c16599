"""`darkroom purge`, as people and scripts run it."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.purging import SECRET, TOKENS, draw
from tests.serving import Server, environment, serving

HERE = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("originals")
    draw(folder / "cats/1.jpg", 1)
    draw(folder / "cats/two cats.jpg", 2)
    place = tmp_path_factory.mktemp("server")
    mounts = {"": str(folder), "photos": str(folder)}
    with serving(None, place, mounts=mounts, presets={"card": "w_40"}, tokens=TOKENS) as running:
        yield running


def run(server: Server | str, *arguments: str, token: str = SECRET) -> subprocess.CompletedProcess[str]:
    address = server if isinstance(server, str) else f"http://127.0.0.1:{server.port}"
    return subprocess.run(
        [sys.executable, "-m", "proxy", "purge", "--server", address, *arguments],
        env=environment() | ({"DARKROOM_TOKEN": token} if token else {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=HERE,
    )


def test_it_says_what_is_purged_in_plain_lines(server: Server) -> None:
    paths = ("/w_50/cats/1.jpg", "/w_50/cats/two%20cats.jpg", "/t_card/photos/cats/1.jpg")
    before = [server.ask(path)["etag"] for path in paths]
    done = run(server, "--source", "cats/1.jpg", "--source", "cats/two cats.jpg", "--preset", "card")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "✓ source cats/1.jpg is purged", "✓ source cats/two cats.jpg is purged", "✓ preset card is purged"
    ]  # fmt: skip
    assert lines[3].startswith("results removed: 3 in disk, 3 in memory")
    assert not set(before) & {server.ask(path)["etag"] for path in paths}


def test_every_kind_can_be_named(server: Server) -> None:
    kinds = {"prefix": "cats/", "mount": "/", "preset": "card", "overlay": "cats/1.jpg", "tag": "mount:photos"}
    done = run(server, *(part for kind, name in kinds.items() for part in (f"--{kind}", name)))
    assert done.returncode == 0
    assert done.stdout.count("is purged") == 5


def test_on_a_terminal_it_shows_how_far_it_is(server: Server) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "proxy", "purge", "--server", f"http://127.0.0.1:{server.port}", "--mount", "/"]
    variables = environment() | {"DARKROOM_TOKEN": SECRET, "TERM": "xterm"}
    with subprocess.Popen(command, env=variables, stdout=theirs, stderr=theirs, cwd=HERE) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += (part := os.read(ours, 1 << 16))
            except OSError:  # the other side is closed
                break
            if not part:
                break
        assert process.wait(30) == 0
    os.close(ours)
    assert b"results removed" in shown
    assert "✓".encode() in shown


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        ((), SECRET, "What shall be purged?"),
        (("--source", "cats/1.jpg"), "", "There is no token: set DARKROOM_TOKEN"),
        (("--source", "cats/1.jpg"), "wrong", "A token is needed: There is no such token"),
        (("--source", "cats/1.jpg"), "gültig", "A token is one of letters"),
        (("--prefix", "cats"), SECRET, "A prefix is a folder: [0].prefix: a slash at its end alone: cats/"),
        (("--preset", "cord"), SECRET, "There is no preset 'cord'"),
        (("--mount", "/"), SECRET[::-1], "The token does not open this"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: tuple[str, ...], token: str, said: str, server: Server
) -> None:
    done = run(server, *arguments, token=token)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert SECRET not in done.stderr


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "nonsense", "http://[", "ftp://127.0.0.1/"])
def test_a_server_that_is_not_there_is_said_in_one_line(address: str) -> None:
    done = run(address, "--mount", "/")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_purge_that_does_not_reach_everybody_ends_with_one(tmp_path: Path) -> None:
    draw(tmp_path / "originals/a.jpg", 1)
    with serving(tmp_path / "originals", tmp_path, tokens=TOKENS[:1], cache="off") as server:
        done = run(server, "--source", "a.jpg")
    assert done.returncode == 1
    assert "! not reached: this server after a restart" in done.stdout


def test_a_token_in_the_environment_is_no_setting() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "settings"], env=environment() | {"DARKROOM_TOKEN": SECRET},
        capture_output=True, text=True, timeout=60, check=False, cwd=HERE,
    )  # fmt: skip
    assert (done.returncode, SECRET in done.stdout) == (0, False)
