"""The command line: what people type, and what they are told."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy.__main__ import app
from proxy.greeting import greeting
from proxy.settings import load
from signing import new_secret
from tests import pictures
from tests.serving import Server, environment, originals, serving
from transforms.samples import SAMPLES

COMMANDS = ("serve", "warm", "sign", "key", "options", "settings", "doctor", "samples")
SECRET = new_secret()


def run(*arguments: str, **settings: object) -> Result:
    """A command in this process, with these settings and no others."""
    others = {name: None for name in os.environ if name.startswith("DARKROOM_")}
    plain = {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, arguments, env={**others, **environment(**settings), **plain})


def typed(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as people start it."""
    return subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parent.parent,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def signed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(folder, tmp_path_factory.mktemp("server"), keys=[SECRET], presets={"card": "w_50"}) as running:
        yield running


# Help


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    told = run("--help").output
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b +[A-Z].+\.", told), command
    assert "darkroom serve ~/Pictures" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command: str) -> None:
    told = run(command, "--help")
    assert told.exit_code == 0
    assert f"darkroom {command}" in told.output or f"root {command}" in told.output
    # Nothing of Python, of markup or of the terminal's own language shows.
    assert not re.search(r"\[/?dim\]|None|Optional|\x1b|Annotated", told.output)
    for line in told.output.splitlines():
        assert not line.strip().startswith("anew")
    helps = re.findall(r"│ +(?:\*? *)?(--\w+|[A-Z]+) .*", told.output)
    assert "--help" in helps


def test_without_a_command_help_is_shown() -> None:
    told = run()
    assert "Usage" in told.output
    assert "serve" in told.output


# Bad settings


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (("{folder}",), {"port": "many"}, r"port: expected a whole number, got 'many' \(DARKROOM_PORT\)"),
        (("{folder}",), {"wrokers": 3}, "DARKROOM_WROKERS: there is no such setting; did you mean DARKROOM_WORKERS"),
        (("{folder}",), {"freshness__provisional_max_age": 10}, "freshness.provisional_max_age: expected 60 or more"),
        (("{folder}",), {"freshness__max_age": "-1"}, "freshness.max_age: expected "),
        (("{folder}",), {"keys": "short"}, r"keys.0: A key is weak: it has 5 bytes, fewer than 32 \(DARKROOM_KEYS\)"),
        (("{folder}",), {"presets": {"card": "w_6oo"}}, r"presets.card: w_: .* “6oo” came \(DARKROOM_PRESETS\)"),
        (("{folder}",), {"presets__card": "t_crad"}, "there is no preset “crad”; did you mean t_card.*PRESETS__CARD"),
        (("{folder}",), {"keys": [SECRET, SECRET]}, "the same secret is there twice"),
        (("{folder}", "--host", "0.0.0.0"), {}, "other machines reach 0.0.0.0, and there is no key"),
        (("{folder}", "--config", "/nowhere.toml"), {}, "config: '/nowhere.toml' cannot be read"),
        (("/nowhere/at/all",), {}, "^mounts./: /nowhere/at/all: there is no such folder"),
        ((), {"mounts": {"a": "/tmp", "b": "/nowhere"}}, "^mounts.b: /nowhere: there is no such folder"),
        ((__file__,), {}, "^mounts./: /.*: Not a directory"),
        ((), {}, "There is nothing to serve: name a folder"),
        (("{folder}",), {"worker_memory": "2TB"}, "the memory does not suffice"),
        ((), {"mounts": {"w_5": "/tmp"}}, "'w_5' cannot name a mount"),
        ((), {"mounts": {"a": {"url": "/tmp", "policy": "public"}}}, "a public mount needs presets or a ladder"),
        ((), {"mounts": {"a": "ftp://bucket"}}, "mounts.a.url: ftp: addresses cannot be mounted; a folder "),
        ((), {"mounts": {"a": "s3://"}}, "mounts.a: a bucket is named, as s3://bucket/prefix"),
        ((), {"mounts": {"a": "https://exa mple.org/"}}, "mounts.a.url: "),
        ((), {"remote": {"hosts": []}}, "remote.hosts: expected 1 members or more, got a list"),
        (("{folder}",), {"remote": {"hosts": "*"}}, r"remote.hosts: '\*': "),
        (("{folder}",), {"keys": [{"secret": SECRET, "policy": {"presets": ["crad"]}}], "presets": {"card": "w_1"}},
         "there is no preset 'crad'; did you mean 'card'"),
        (("{folder}", "--port", "99999"), {}, "port: expected 65535 or less"),
    ],
)  # fmt: skip
def test_a_bad_setting_ends_with_one_clear_line(
    folder: Path, arguments: tuple[str, ...], settings: dict[str, object], said: str
) -> None:
    told = run("serve", *(argument.format(folder=folder) for argument in arguments), **{"port": 0, **settings})
    assert told.exit_code == 2
    assert re.search(said, told.output), told.output
    assert "Traceback" not in told.output
    assert SECRET not in told.output
    if "memory" not in said:  # there the sum is shown line by line
        assert len(told.output.strip().splitlines()) == 1


def test_other_commands_refuse_what_serving_would(tmp_path: Path) -> None:
    file = tmp_path / "darkroom.toml"
    file.write_text(f'keys = ["{SECRET}", "short"]\n[presets]\ncard = "w_6oo"\nbig = "w_900"\n')
    told = typed("settings", "--config", str(file))
    assert told.returncode == 2
    assert [line.split(":")[0] for line in told.stderr.splitlines()] == ["presets.card", "keys.1"]
    assert all(line.endswith(f"({file})") for line in told.stderr.splitlines())
    assert SECRET not in told.stderr


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        told = typed("serve", str(folder), "--port", str(port), "--cache", "off")
    assert told.returncode == 2
    assert told.stderr.strip().endswith(f"127.0.0.1:{port}: Address already in use")
    assert not told.stdout


# Serve


def greeted(server: Server) -> list[str]:
    """The URLs of the greeting, after its first line."""
    assert server.process.stdout
    lines = list(server.greeting)
    while sum("http://" in line for line in lines) < 4:
        lines.append(server.process.stdout.readline())
    assert lines[0].startswith("Darkroom serves ")
    return [line.strip() for line in lines[1:] if "http://" in line]


def fetched(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url, timeout=20) as reply:
        return reply.headers["content-type"], reply.read()


def test_it_greets_with_three_urls_that_work(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, workers=1) as server:
        urls = greeted(server)
        assert [fetched(url)[0] for url in urls] == ["image/jpeg", "image/webp", "application/json"]
        assert all(f"127.0.0.1:{server.port}/" in url for url in urls)


def test_with_a_key_the_three_urls_are_signed(signed: Server) -> None:
    urls = greeted(signed)
    assert all("/sig_" in url for url in urls)
    assert [fetched(url)[0] for url in urls] == ["image/jpeg", "image/webp", "application/json"]


def test_films_and_sounds_are_greeted_with_what_suits_them(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.flac", "c.jpg", "notes.txt"):
        (tmp_path / name).touch()
    told = greeting(load({"mounts": str(tmp_path)}, None, {}), 8300)
    tries = [line.rpartition("8300/")[2] for line in told.splitlines()[-6:]]
    assert tries[0] == "w_600/c.jpg"
    assert tries[3:] == ["f_webp,so_auto,w_600/a.mp4", "f_hls/a.mp4", "f_mp3/b.flac"]


def test_a_folder_without_pictures_is_served_as_well(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with serving(tmp_path / "empty", tmp_path / "server", workers=1) as server:
        assert server.ask("/w_60/a.jpg").status == 404
        (tmp_path / "empty/a.jpg").write_bytes(pictures.encoded(pictures.flat(), "jpg"))
        assert server.ask("/w_20/a.jpg").status == 200


def test_a_file_of_settings_is_found_and_relative_to_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "darkroom.toml").write_text(f'workers = 1\ncache = "kept"\n[mounts]\nphotos = "{folder}"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "serve", "--port", "0"],
        env=environment() | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout
        line = process.stdout.readline()
        assert "under /photos" in line
        base = re.findall(r"http://\S+", line)[0]
        assert fetched(f"{base}/w_60/photos/cats/1.jpg")[0] == "image/jpeg"
        with pytest.raises(urllib.error.HTTPError, match="404") as missed:
            fetched(f"{base}/wdith_60/photos/cats/1.jpg")
        assert "did you mean w_60?" in missed.value.read().decode()
        missed.value.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert (tmp_path / "kept/results").is_dir()


# Sign


@pytest.mark.parametrize(
    "arguments",
    [
        ("cats/1.jpg", "w_60,f_webp"),
        ("cats/1.jpg",),
        ("cats/new cat.jpg", "w_60/e_grayscale"),
        ("ab_2024/a.jpg", "w_60", "--expires", "60"),
        ("cats/what?.jpg", "t_card"),
    ],
)
def test_what_it_signs_the_server_takes(signed: Server, arguments: tuple[str, ...]) -> None:
    told = run("sign", *arguments, keys=[SECRET], presets={"card": "w_50"})
    assert told.exit_code == 0
    assert signed.ask(told.stdout.strip()).status == 200


def test_a_signed_url_can_be_whole(signed: Server) -> None:
    base = f"http://127.0.0.1:{signed.port}"
    told = run("sign", "cats/1.jpg", "w_60", "--base", base, keys=[SECRET])
    assert told.stdout.startswith(f"{base}/sig_")
    assert fetched(told.stdout.strip())[0] == "image/jpeg"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cats/1.jpg", "w_wide"), "“wide” came"),
        (("cats/1.jpg", "t_none"), "there is no preset “none”"),
        (("cats/1.jpg", "w_6", "--base", "media.example.com"), "such as https://media.example.com was expected"),
        (("", "w_6"), "There is no source"),
        (("cats/../../x",), "such as|segment|source"),
    ],
)
def test_what_could_not_be_read_is_not_signed(arguments: tuple[str, ...], said: str) -> None:
    told = run("sign", *arguments, keys=[SECRET])
    if told.exit_code:
        assert told.exit_code == 2
        assert re.search(said, told.output)
        assert len(told.output.strip().splitlines()) == 1
    else:
        assert "b64:" in told.output  # such a key can only be written so


def test_without_a_key_it_says_how_to_get_one() -> None:
    told = run("sign", "cats/1.jpg")
    assert told.exit_code == 2
    assert "`darkroom key` makes one" in told.output


def test_a_new_key_is_fit_to_sign_with() -> None:
    key = run("key").stdout.strip()
    assert run("key").stdout.strip() != key
    assert run("sign", "cats/1.jpg", keys=key).exit_code == 0


# The rest


@pytest.mark.parametrize("name", ["w", "w_", "e_blur", "f", "c", "q"])
def test_one_option_is_explained(name: str) -> None:
    told = run("options", name)
    assert told.exit_code == 0
    assert "Example" in told.output
    assert len(told.output) < 6000


def test_all_options_are_listed_and_none_other_exists() -> None:
    told = run("options").output
    for name in ("e_blur", "e_sepia", "fl_lossless", "r_", "a_", "bo_"):
        assert name in told
    wrong = run("options", "zz")
    assert wrong.exit_code == 2
    assert "there is no option 'zz'" in wrong.output


def test_settings_say_what_is_set_and_hide_secrets() -> None:
    told = run("settings", keys=[SECRET], admin_token="a token of sixteen or more", workers=7, presets={"card": "w_60"})
    assert told.exit_code == 0
    assert re.search(r"workers +7 ", told.output)
    assert "a token of sixteen" not in told.output
    assert SECRET not in told.output


def test_the_doctor_finds_what_is_wrong_and_how_to_mend_it(folder: Path, tmp_path: Path) -> None:
    well = run("doctor", mounts=str(folder), keys=[SECRET], cache=str(tmp_path))
    assert well.exit_code == 0, well.output
    assert "✗" not in well.output
    assert "libvips" in well.output
    ill = run(
        "doctor", mounts=str(tmp_path / "nowhere"), keys=["weak"], cache=str(tmp_path), presets={"card": "w_wide"}
    )
    assert ill.exit_code == 1
    assert ill.output.count("✗") >= 3
    named = run("doctor", str(folder), keys=[SECRET], cache=str(tmp_path))
    assert (named.exit_code, "[mounts]" in named.output) == (0, False), named.output
    assert run("doctor", str(folder), "--url", "http://127.0.0.1:1").exit_code == 2
    none = run("doctor", cache=str(tmp_path))
    assert "[mounts]" in none.output


def test_samples_are_drawn_where_they_are_missing(tmp_path: Path) -> None:
    """The others take long to draw, and have tests of their own."""
    for name in SAMPLES.keys() - {"icon.svg"}:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("here already")
    assert run("samples", str(tmp_path)).output == "icon.svg is drawn\n"
    assert (tmp_path / "icon.svg").read_text().startswith("<svg")
    assert (tmp_path / "flower.png").read_text() == "here already"
    assert run("samples", str(tmp_path)).output == ""


@pytest.mark.parametrize(
    ("place", "said"), [("README.md", "README.md: Not a directory"), ("/proc/x", "/proc/x: No such file or directory")]
)
def test_samples_that_have_no_place_are_told_in_one_line(place: str, said: str) -> None:
    told = typed("samples", place)
    assert (told.returncode, told.stderr.strip()) == (2, said)
