"""What the paths of the server itself have in common: every method comes to them, and errors have the form of all."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from proxy.errors import code, problem
from proxy.failures import MethodNotAllowed

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class EveryMethod:
    """The endpoint of a route that is asked whatever the method is; of a function, the framework refuses some."""

    answer: Callable[[Request], Awaitable[Response]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.answer(Request(scope, receive, send))
        await response(scope, receive, send)


def check_method(method: str, served: str) -> None:
    """Raises MethodNotAllowed for another method than the one that is served; what can be got has a head."""
    allowed = "GET, HEAD" if served == "GET" else served
    if method not in allowed.split(", "):
        raise MethodNotAllowed(f"This path is for {allowed}", allowed=allowed)


def refused(error: Exception, identity: str) -> Response:
    """The answer to an error; one that nobody foresaw goes into the log."""
    if code(error) == "internal":
        log.error("a request failed", exc_info=error, request_id=identity)
    told = problem(error, identity)
    return Response(told.body, told.status, {name.decode(): value.decode() for name, value in told.headers})
