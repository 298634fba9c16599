"""The HTTP server's life: listening, draining, reloading, stopping."""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
import uvicorn

from proxy.clients.crowd import Crowd
from proxy.edge import App
from proxy.protocol import protocol_for, room_for_connections
from proxy.ready import ReadyAnswers
from proxy.settings import Settings

log = structlog.get_logger(__name__)

BACKLOG = 2048


@dataclass
class Phase:
    """What the server is about to do, for those who ask whether it is ready."""

    started: bool = False
    draining: bool = False


class Server(uvicorn.Server):
    """uvicorn that goes on accepting for a while after being told to stop: load balancers look away first."""

    def __init__(
        self,
        config: uvicorn.Config,
        phase: Phase,
        drain_seconds: float,
        announce: Callable[[], None],
        reload: Callable[[], None],
    ) -> None:
        """`announce` is called when requests can come, `reload` on SIGHUP."""
        super().__init__(config)
        self._phase, self._drain_seconds, self._announce, self._reload = phase, drain_seconds, announce, reload

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
        self._announce()

    def handle_exit(self, sig: int, frame: object) -> None:
        """The first SIGTERM drains; a second signal, or Ctrl-C, stops and finishes; another one stops at once.

        The signal is not sent again afterwards, as uvicorn does: to be stopped by one is no failure.
        """
        self.force_exit = self.should_exit
        if sig == signal.SIGTERM and not self._phase.draining and self._drain_seconds > 0:
            log.info("draining", seconds=self._drain_seconds)
            asyncio.get_running_loop().call_later(self._drain_seconds, setattr, self, "should_exit", True)
        else:
            self.should_exit = True
        self._phase.draining = True


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    host = host.strip("[]")
    return socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
    )


def server(
    settings: Settings,
    application: App,
    phase: Phase,
    replace: Callable[[], list[str]],
    announce: Callable[[], None] = lambda: None,
    larger_bodies: Mapping[tuple[bytes, bytes], int] | None = None,
    answers: ReadyAnswers | None = None,
    crowd: Crowd | None = None,
) -> Server:
    """The HTTP server of an application; `replace` goes on with the settings as they are now, or raises.

    It returns the names of those that hold only from the next start on.

    `larger_bodies` are the bytes that some requests may have, by method and path; `answers` has those that are ready;
    `crowd` counts the connections of each client.
    """

    def reload() -> None:
        try:
            waiting = replace()
        except Exception as error:
            log.error("the settings are as before: those that are there now cannot be used", why=str(error))
        else:
            log.info("what may change is that of the settings now")
            if waiting:
                log.warning("some settings hold only from the next start on", names=waiting)

    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=protocol_for(larger_bodies or {}, answers, crowd),
        limit_concurrency=room_for_connections(),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.stop_seconds),
    )
    return Server(config, phase, settings.drain_seconds, announce, reload)
