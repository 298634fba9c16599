"""HTTP/1.1 with a short way for answers that are ready: they are written before anything is made of the request.

A task, a scope and the messages between them cost uvicorn more than such an answer itself.
"""

from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.wire import Headers, Peer, Ready


class ReadyAnswers(Protocol):
    """Where answers come from that are ready; None is one that is not."""

    def at_once(self, method: str, path: bytes, fields: Headers, peer: Peer, head: bytes) -> Ready | None:
        """The answer to a request without a body. `head` are its bytes, empty where others came with them."""

    def again(self, head: bytes, peer: Peer) -> Ready | None:
        """The answer to a request that is just these bytes, as far as nothing has to be read for it."""


UNUSUAL = frozenset((b"content-length", b"transfer-encoding", b"expect", b"range"))
"""Header fields of requests that always go their ordinary way."""


class ReadyProtocol(HttpToolsProtocol):
    """uvicorn's protocol that asks for an answer at once.

    Where there is none, where another is still being sent, or where anything is unusual, uvicorn does what it does.
    """

    answers: ReadyAnswers | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ready: Ready | None = None
        """The answer to the request that is just being read."""
        self.read = b""
        """What came in the read that is looked at, if a request begins with it."""
        self._answered = 0.0
        """When the last such answer went out, by the loop's clock."""
        self._unusual = False
        self._shared: tuple[object, bytes] = (None, b"")
        """Header fields that all answers have, the date above all, as uvicorn has them and as they go over the wire."""

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue, self._unusual = b"", [], False, False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in UNUSUAL:
            self._unusual = True
            self.expect_100_continue |= name == b"expect" and value.lower() == b"100-continue"
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.ready = self._answer()
        if self.ready is None:
            self._begin()

    def on_message_complete(self) -> None:
        if self.ready is None:
            super().on_message_complete()
        else:
            self._write(*self.ready)

    def answer_again(self, data: bytes) -> bool:
        """Answer what came between two requests if it is one that needs not be read; it must not go on elsewhere."""
        if self.answers is None or not self._is_free() or (ready := self.answers.again(data, self.client)) is None:
            return False
        self._write(*ready)
        return True

    def timeout_keep_alive_handler(self) -> None:
        # To set it anew for each answer costs as much as to find one.
        left = self._answered + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            self.leave_idle()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    def leave_idle(self) -> None:
        """Close a connection on which nothing was asked for a while."""
        super().timeout_keep_alive_handler()

    def owes(self) -> bool:
        """Whether a request waits for the end of its answer."""
        return self.cycle is not None and not self.cycle.response_complete

    def _answer(self) -> Ready | None:
        if self.answers is None or self._unusual or not self._is_free():
            return None
        method = self.parser.get_method()
        usual = (
            (method == b"GET" or method == b"HEAD")
            and self.url[:1] == b"/"
            and b"?" not in self.url
            and b"#" not in self.url
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )
        return self.answers.at_once(method.decode(), self.url, self.headers, self.client, self.read) if usual else None

    def _is_free(self) -> bool:
        """Whether an answer may go out now."""
        return (
            not self.owes()
            and not self.flow.write_paused
            and (self.limit_concurrency is None or len(self.connections) < self.limit_concurrency)
        )

    def _begin(self) -> None:
        """Start what uvicorn starts for a request."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        # It runs since an answer that went out in the middle of this read.
        self._unset_keepalive_if_required()
        self.scope["headers"] = headers
        super().on_headers_complete()

    def _write(self, head: bytes, body: bytes) -> None:
        """Send an answer, and wait for the next request."""
        self.ready = None
        fields, lines = self._shared
        if fields is not self.server_state.default_headers:  # another second
            fields = self.server_state.default_headers
            self._shared = fields, (lines := b"".join(b"%b: %b\r\n" % pair for pair in fields))
        # One write: a second one would wake the client up for the head alone.
        self.transport.write(b"%b%b\r\n%b" % (head, lines, body))
        self.server_state.total_requests += 1
        self._answered = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
