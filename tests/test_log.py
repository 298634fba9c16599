"""The log is one line per event, tells no secrets and never holds up a request."""

import http.client
import json
import logging
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from proxy.log import LONGEST_TEXT, MOST_WAITING, Log, OnceAMinute, configure, request_id


class Pipe:
    """A pipe that a log writes to, and what came out of it."""

    def __init__(self) -> None:
        self.out, self.fd = os.pipe()
        self.log: Log | None = None

    def configure(self, level: str = "info", form: str = "json", **more: Any) -> Log:
        self.log = configure(level, form, fd=self.fd, **more)
        return self.log

    def text(self) -> str:
        """Everything logged so far; the log is closed by it."""
        assert self.log
        self.log.close()
        os.set_blocking(self.out, False)
        parts = []
        while True:
            try:
                parts.append(os.read(self.out, 1 << 16))
            except BlockingIOError:
                return b"".join(parts).decode()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    root = logging.getLogger()
    level = root.level
    made = Pipe()
    yield made
    structlog.contextvars.clear_contextvars()
    if made.log:
        made.log.close()
    root.setLevel(level)
    # A writer that still waits for a reader would write into whatever gets its descriptor's number next.
    os.close(made.out)
    for writer in [thread for thread in threading.enumerate() if thread.name == "log"]:
        writer.join(5)
    os.close(made.fd)


def test_an_event_is_one_json_line(pipe: Pipe) -> None:
    pipe.configure()
    structlog.get_logger("proxy.x").info("rendition made", width=600, ratio=0.5, tags=("a", "b"), cold=True, none=None)
    (line,) = pipe.text().splitlines()
    event = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", event.pop("time"))
    assert event == {
        "level": "info",
        "logger": "proxy.x",
        "event": "rendition made",
        "width": 600,
        "ratio": 0.5,
        "tags": ["a", "b"],
        "cold": True,
        "none": None,
    }


def test_the_id_of_the_request_is_in_all_its_lines(pipe: Pipe) -> None:
    pipe.configure()
    with structlog.contextvars.bound_contextvars(request_id="req-12345"):
        structlog.get_logger().info("ours")
        logging.getLogger("library").warning("theirs: %d", 5)
    structlog.get_logger().info("later")
    events = pipe.events()
    assert [(event["event"], event.get("request_id")) for event in events] == [
        ("ours", "req-12345"),
        ("theirs: 5", "req-12345"),
        ("later", None),
    ]


def test_a_traceback_is_part_of_its_line(pipe: Pipe) -> None:
    pipe.configure()
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        structlog.get_logger().exception("failed")
        logging.getLogger("library").exception("failed too")
    ours, theirs = pipe.events()
    for event in (ours, theirs):
        assert event["exception"].startswith("Traceback (most recent call last):\n")
        assert event["exception"].endswith("RuntimeError: first\nsecond")
        assert event["level"] == "error"


def test_less_grave_events_are_not_logged(pipe: Pipe) -> None:
    pipe.configure("warning")
    structlog.get_logger().info("no")
    logging.getLogger("library").info("no")
    structlog.get_logger().warning("yes")
    assert [event["event"] for event in pipe.events()] == ["yes"]


def test_libraries_that_tell_every_request_are_quiet(pipe: Pipe) -> None:
    pipe.configure("debug")
    logging.getLogger("httpx").info("HTTP Request: GET ...")
    logging.getLogger("botocore.auth").debug("CanonicalRequest: ...")
    logging.getLogger("httpx").warning("strange")
    assert [event["event"] for event in pipe.events()] == ["strange"]


def test_warnings_of_python_are_events(pipe: Pipe) -> None:
    pipe.configure()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    (event,) = pipe.events()
    assert "old ways" in event["event"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/sig_kQ3-x_9,exp_1767225600/w_600/cats/1.jpg", "/sig_***,exp_1767225600/w_600/cats/1.jpg"),
        ("/exp_1767225600,sig_kQ3-x_9/w_600/a.jpg", "/exp_1767225600,sig_***/w_600/a.jpg"),
        ("/%73ig%5FkQ3%2Cexp_1/a.jpg", "/%73ig%5F***/a.jpg"),
        ("GET '/SIG_kQ3' failed", "GET '/SIG_***' failed"),
        ("Authorization: Bearer abc/def+g==", "Authorization: Bearer ***"),
        ("{'authorization': 'Basic dTpw'}", "{'authorization': 'Basic ***'}"),
        ("redis://:hunter2@cache:6379/0", "redis://***@cache:6379/0"),
        ("https://s3/x?X-Amz-Signature=abc123&X-Amz-Date=1", "https://s3/x?X-Amz-Signature=***&X-Amz-Date=1"),
        ("https://example.com/a@2x.jpg", "https://example.com/a@2x.jpg"),
        ("a design_sketch.jpg", "a design_sketch.jpg"),
    ],
)
def test_signatures_and_credentials_are_hidden(pipe: Pipe, text: str, shown: str) -> None:
    pipe.configure()
    structlog.get_logger().info("served", path=text, raw=text.encode(), deep={"list": [text]})
    logging.getLogger("library").info("%s", text)
    try:
        raise ValueError(text)
    except ValueError as error:
        structlog.get_logger().warning("failed", error=error, exc_info=True)
    ours, theirs, failed = pipe.events()
    assert (ours["path"], ours["raw"], ours["deep"]) == (shown, shown, {"list": [shown]})
    assert theirs["event"] == shown
    assert failed["exception"].endswith(f"ValueError: {shown}")
    assert shown in failed["error"].replace("\\'", "'")


def test_fields_that_hold_secrets_are_hidden_by_their_name(pipe: Pipe) -> None:
    pipe.configure()
    structlog.get_logger().info(
        "settings", keys=["k1"], admin_token="t", nested={"Authorization": "x", "key": "cats/1"}
    )
    (event,) = pipe.events()
    assert (event["keys"], event["admin_token"]) == ("***", "***")
    assert event["nested"] == {"Authorization": "***", "key": "cats/1"}


@pytest.mark.parametrize("form", ["json", "console"])
def test_known_secrets_are_hidden_wherever_they_come_up(pipe: Pipe, form: str) -> None:
    log = pipe.configure(form=form, secrets=["correct horse battery", "correct horse", "no"])
    structlog.get_logger().info("key 'correct horse battery' and [correct horse]", other="correct horse battery.")
    log.hide(["another secret"])
    structlog.get_logger().info("after a reload: another secret, nothing else")
    text = pipe.text()
    assert "horse" not in text
    assert "battery" not in text
    assert "another secret" not in text
    assert "nothing else" in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_control_characters_are_escaped(pipe: Pipe, form: str) -> None:
    pipe.configure(form=form)
    nasty = "/a\r\nlevel=error\x1b[2J\x00\u202e\u2028\x85\ud800.jpg"
    structlog.get_logger().info(nasty, path=nasty, raw=nasty.encode("utf-8", "surrogatepass"))
    text = pipe.text()
    assert text.count("\n") == 1
    shown = json.loads(text)["path"] if form == "json" else text.removesuffix("\n")
    assert shown.isprintable()
    assert r"/a\r\nlevel=error\x1b[2J\x00\u202e\u2028\x85\ud800.jpg" in shown


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=30) | st.binary(max_size=30), max_size=3))
def test_every_event_is_one_line_of_json(fields: dict[str, str | bytes]) -> None:
    pipe = Pipe()
    try:
        pipe.configure()
        structlog.get_logger().info("event", **{f"f{name}": value for name, value in fields.items()})
        (event,) = pipe.events()
        assert event["event"] == "event"
    finally:
        os.close(pipe.out)
        os.close(pipe.fd)


def test_long_values_lose_their_middle(pipe: Pipe) -> None:
    pipe.configure()
    structlog.get_logger().info("long", path="a" * 100_000 + "end")
    (event,) = pipe.events()
    assert len(event["path"]) <= LONGEST_TEXT + 10
    assert event["path"].startswith("aaa")
    assert event["path"].endswith("end")


def test_numbers_that_json_has_not_are_text(pipe: Pipe) -> None:
    pipe.configure()
    structlog.get_logger().info("x", ratio=float("nan"), most=float("inf"))
    (event,) = pipe.events()
    assert (event["ratio"], event["most"]) == ("nan", "inf")


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_what_cannot_be_logged_fails_nothing(pipe: Pipe) -> None:
    log = pipe.configure()
    structlog.get_logger().info("x", value=Unspeakable())
    structlog.get_logger().info("y")
    assert [event["event"] for event in pipe.events()] == ["y"]
    assert log.dropped == 1


def test_a_reader_that_stands_still_holds_up_nobody(pipe: Pipe) -> None:
    log = pipe.configure()
    logger = structlog.get_logger()
    began = time.monotonic()
    for number in range(MOST_WAITING + 3000):
        logger.info("line", number=number, padding="x" * 100)
    assert time.monotonic() - began < 10
    assert log.dropped > 0
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 5


def test_a_reader_that_is_gone_holds_up_nobody() -> None:
    pipe = Pipe()
    log = pipe.configure()
    os.close(pipe.out)
    structlog.get_logger().info("to nobody")
    log.close()
    os.close(pipe.fd)
    assert log.dropped == 1


def test_a_pipe_that_never_blocks_gets_every_line(pipe: Pipe) -> None:
    os.set_blocking(pipe.fd, False)
    log = pipe.configure()
    for number in range(1500):
        structlog.get_logger().info("line", number=number, padding="x" * 100)
    read = b""
    while read.count(b"\n") < 1500:
        read += os.read(pipe.out, 1 << 16)
    assert [json.loads(line)["number"] for line in read.splitlines()] == list(range(1500))
    assert log.dropped == 0


def test_a_terminal_gets_readable_lines() -> None:
    ours, theirs = pty.openpty()
    pipe = Pipe()
    log = configure("info", "auto", fd=theirs)
    try:
        structlog.get_logger().info("rendition made", width=600)
        log.close()
        shown = re.sub(r"\x1b\[\d*m", "", os.read(ours, 4096).decode())
        assert "rendition made" in shown
        assert "width=600" in shown
    finally:
        for fd in (ours, theirs, pipe.out, pipe.fd):
            os.close(fd)


def test_a_traceback_on_the_console_shows_no_local_variables(pipe: Pipe) -> None:
    pipe.configure(form="console")
    hidden = "hunter2"
    try:
        raise RuntimeError(f"{len(hidden)} characters")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    text = pipe.text()
    assert "\nRuntimeError: 7 characters" in text
    assert "hunter2" not in text


SERVER = """
import uvicorn
from proxy.log import configure

log = configure("info", "auto")

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/broken":
        raise RuntimeError("sig_abcdef")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})

uvicorn.run(application, port=0, log_config=None)
log.close()
"""


def test_uvicorn_logs_in_the_same_form_and_no_request() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        lines = []
        port = None
        while port is None:
            lines.append(server.stderr.readline())
            assert lines[-1], lines
            port = re.search(r"http://127.0.0.1:(\d+)", lines[-1])
        for path, status in (("/fine", 200), ("/broken", 500)):
            connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=10)
            connection.request("GET", path)
            assert connection.getresponse().status == status
            connection.close()
        server.send_signal(signal.SIGTERM)
        lines += server.stderr.readlines()
    events = [json.loads(line) for line in lines]
    assert {event["logger"] for event in events} == {"uvicorn.error"}
    (broken,) = [event for event in events if event["level"] == "error"]
    assert broken["event"] == "Exception in ASGI application"
    assert broken["exception"].endswith("RuntimeError: sig_***")
    assert not any("/fine" in line for line in lines)


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)


def test_an_unclosed_log_is_written_at_the_end_of_the_process() -> None:
    ended = run('import structlog, proxy.log as log; log.configure("info", "json"); structlog.get_logger().info("bye")')
    assert json.loads(ended.stderr)["event"] == "bye"


def test_importing_the_log_configures_nothing() -> None:
    ended = run(
        "import logging, structlog, threading, proxy.log\n"
        "print(logging.getLogger().handlers, structlog.is_configured(), threading.active_count())"
    )
    assert ended.stdout == "[] False 1\n"


# Repeated warnings


def test_a_warning_that_repeats_is_logged_once_a_minute() -> None:
    now = 1000.0
    once_a_minute = OnceAMinute(clock=lambda: now)
    assert once_a_minute("query string on cats/1.jpg")
    assert not once_a_minute("query string on cats/1.jpg")
    assert once_a_minute("query string on cats/2.jpg")
    now += 59.9
    assert not once_a_minute("query string on cats/1.jpg")
    now += 0.1
    assert once_a_minute("query string on cats/1.jpg")
    assert not once_a_minute("query string on cats/1.jpg")


def test_however_many_warnings_there_are_a_minute_has_so_many_lines() -> None:
    now = 0.0
    once_a_minute = OnceAMinute(clock=lambda: now, most=10)
    assert sum(once_a_minute(number) for number in range(1000)) == 10
    now = 60.0
    assert sum(once_a_minute(number) for number in range(1000)) == 10


# Request ids


@pytest.mark.parametrize("header", [b"abcdefgh", b"A" * 64, b"0-9._-Zz", b"3f2504e0-4f89-11d3-9a0c-0305e82c3301"])
def test_an_id_that_comes_with_the_request_is_kept(header: bytes) -> None:
    assert request_id(header) == header.decode()


@pytest.mark.parametrize(
    "header", [None, b"", b"short", b"A" * 65, b"with space", b'a"quote"', b"new\nline!", b"abcdefgh\n", b"\xe4" * 8]
)
def test_any_other_id_is_made_anew(header: bytes | None) -> None:
    made = request_id(header)
    assert re.fullmatch("[0-9a-f]{16}", made)


def test_no_two_ids_are_alike() -> None:
    assert len({request_id(None) for _ in range(10_000)}) == 10_000
