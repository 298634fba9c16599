"""The log: one line per event on stderr, uvicorn's included, without secrets and without ever blocking a request."""

import json
import logging
import os
import queue
import re
import select
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from math import isfinite
from random import getrandbits
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

STDERR: Final = 2
MOST_WAITING: Final = 2_000  # lines that wait for a slow reader of the log; more are dropped
LONGEST_TEXT: Final = 8_000  # characters of one value
SHORTEST_SECRET: Final = 8  # hiding shorter ones would hide ordinary words
GOODBYE: Final = 1.0  # seconds that closing waits for the reader

_FIRST: Final = ("time", "level", "logger", "event", "request_id")
_SEVERAL_LINES: Final = frozenset({"exception", "stack"})
_QUIET: Final = ("httpx", "httpcore", "urllib3", "botocore", "boto3", "asyncio")  # at `info` they tell every request

_SECRET_FIELDS: Final = frozenset({"keys", "secret", "secrets", "token", "admin_token", "password", "authorization"})
_SECRET_TEXT: Final = tuple(
    re.compile(f"({before}){secret}", re.IGNORECASE)
    for before, secret in (
        ("(?:s|%73)(?:i|%69)(?:g|%67)(?:_|%5f)", r"[^\s,/&\"']+"),  # letters of a URL may come percent-encoded
        (r"authorization\W{1,4}\w+ |\bbearer ", r"[^\s\"']+"),
        ("x-amz-(?:signature|credential|security-token)=", r"[^\s&\"']+"),
        ("://", r"[^\s/@\"']+(?=@)"),
    )
)


def without_secrets(text: str) -> str:
    """The text with `***` for signatures, tokens and passwords, wherever they look like it."""
    for secret in _SECRET_TEXT:
        text = secret.sub(r"\1***", text)
    return text


class Log:
    """The log of this process as `configure` set it up."""

    def __init__(self, lines: "_Lines", clean: "_Clean") -> None:
        self._lines = lines
        self._clean = clean

    @property
    def dropped(self) -> int:
        """How many lines nobody read in time."""
        return self._lines.dropped

    def hide(self, secrets: Iterable[str]) -> None:
        """Show `***` wherever one of these comes up, in place of those hidden before."""
        self._clean.hide(secrets)

    def close(self) -> None:
        """Write what waits, for at most a second, and end."""
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self._lines)
        structlog.reset_defaults()
        self._lines.close()


def configure(level: str, form: str, *, fd: int = STDERR, secrets: Iterable[str] = ()) -> Log:
    """Send the events of this process, those of other libraries too, to `fd` until the log is closed.

    `level` is the least grave one that is logged: debug, info, warning or error. `form` is json, console, or auto,
    which is console where `fd` is a terminal. What `structlog.contextvars.bind_contextvars(request_id=...)` binds is
    part of every line of its request.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    clean = _Clean(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    lines = _Lines(fd)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, clean, _renderer(form, fd)],
        )
    )
    root = logging.getLogger()
    root.addHandler(lines)
    root.setLevel(number)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
    return Log(lines, clean)


def _renderer(form: str, fd: int) -> Processor:
    terminal = os.isatty(fd)
    if form == "console" or (form == "auto" and terminal):
        # Rich's tracebacks would show the values of local variables, keys among them.
        return structlog.dev.ConsoleRenderer(
            colors=terminal and "NO_COLOR" not in os.environ,
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    return structlog.processors.JSONRenderer(json.dumps, separators=(",", ":"))


class _Clean:
    """Hides secrets, escapes control characters and cuts what is too long, in every value of an event."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        ordered = {name: event[name] for name in _FIRST if name in event} | dict(event)
        return {name: self._field(name, value) for name, value in ordered.items()}

    def _field(self, name: str, value: Any) -> Any:
        return "***" if name.lower() in _SECRET_FIELDS else self._value(value, "\n\t" if name in _SEVERAL_LINES else "")

    def _value(self, value: Any, kept: str = "") -> Any:
        match value:
            case None | bool() | int():
                return value
            case float() if isfinite(value):  # JSON has no word for the others
                return value
            case dict():
                return {str(name): self._field(str(name), inner) for name, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._value(inner) for inner in value]
            case bytes():
                return self._text(value.decode("utf-8", "backslashreplace"), kept)
            case BaseException():
                return self._text(repr(value), kept)
            case _:
                return self._text(str(value), kept)

    def _text(self, text: str, kept: str) -> str:
        if self._known:
            text = self._known.sub("***", text)
        text = without_secrets(text)
        if len(text) > LONGEST_TEXT:
            text = f"{text[: LONGEST_TEXT // 2]} ... {text[-LONGEST_TEXT // 2 :]}"
        if text.isprintable():
            return text
        return "".join(
            c if c.isprintable() or c in kept else c.encode("unicode_escape").decode("ascii") for c in text.strip("\n")
        )


class _Lines(logging.Handler):
    """Writes lines in a thread of its own: a reader of the log that stands still holds up nobody."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.dropped = 0
        self._fd = fd
        self._ended = False
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.put_nowait(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except Exception:
            # What cannot be logged must not fail the work that it tells about.
            self.dropped += 1

    def close(self) -> None:
        super().close()
        if self._ended:
            return
        self._ended = True
        end = time.monotonic() + GOODBYE
        with suppress(queue.Full):
            self._waiting.put(None, timeout=GOODBYE)
            self._thread.join(max(end - time.monotonic(), 0))

    def _write_all(self) -> None:
        while (line := self._waiting.get()) is not None:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[self._write(rest) :]
            except OSError:
                self.dropped += 1

    def _write(self, line: memoryview) -> int:
        # Not through sys.stderr: a thread that waits inside it would keep the interpreter from ending.
        try:
            return os.write(self._fd, line)
        except BlockingIOError:
            select.select([], [self._fd], [])
            return 0


class OnceAMinute:
    """Says for each key whether it was silent for a minute, so that a warning that repeats is logged once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = 1_000) -> None:
        self._clock = clock
        self._most = most
        self._last: dict[Hashable, float] = {}

    def __call__(self, key: Hashable) -> bool:
        """Say whether to log this now; of more keys a minute than `most`, the newest stay silent too."""
        now = self._clock()
        while self._last and now - next(iter(self._last.values())) >= 60:
            del self._last[next(iter(self._last))]
        if key in self._last or len(self._last) >= self._most:
            return False
        self._last[key] = now
        return True


_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")


def request_id(header: bytes | None) -> str:
    """Take over the id that a request came with, when it is one (8 to 64 of `A-Za-z0-9._-`), or make one.

    Ids tell requests apart and protect nothing, so they need no system call for true randomness.
    """
    if header is not None and _REQUEST_ID.fullmatch(header):
        return header.decode("ascii")
    return f"{getrandbits(64):016x}"
