"""How the server is: for load balancers, for monitoring."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.edge import header_fields
from proxy.failures import InsidersOnly
from proxy.handlers.own import refused
from proxy.handlers.visitors import Visitors
from proxy.log import request_id
from proxy.metrics import Metrics
from proxy.wire import Manners


@dataclass
class Status:
    """The routes `/health`, `/ready` and `/metrics`."""

    metrics: Metrics
    visitors: Visitors
    manners: Manners
    """Both are replaced by others when the settings are read anew."""
    ready_now: Callable[[], dict[str, object]]
    """Facts on whether requests should be sent here; `ready` is the answer."""

    async def health(self, request: Request) -> Response:
        """That the event loop turns, and no more."""
        return Response("ok\n", headers=self._headers(request), media_type="text/plain")

    async def ready(self, request: Request) -> Response:
        """Whether requests should come here; details are for insiders."""
        facts = self.ready_now()
        shown = facts if self._inside(request) else {"ready": facts["ready"]}
        return JSONResponse(shown, 200 if facts["ready"] else 503, headers=self._headers(request))

    async def prometheus(self, request: Request) -> Response:
        """All that was counted, for insiders."""
        if not self._inside(request):
            headers = self._headers(request)
            response = refused(InsidersOnly("Figures are for clients on this machine"), headers["x-request-id"])
            response.headers.update(headers)
            return response
        body, media_type = self.metrics.render()
        return Response(body, headers={**self._headers(request), "content-type": media_type})

    def _headers(self, request: Request) -> dict[str, str]:
        identity = request_id(header_fields(request.scope["headers"]).get(b"x-request-id"))
        manners = {name.decode(): value.decode() for name, value in self.manners.safe()}
        return {"cache-control": "no-store", "x-request-id": identity, **manners}

    def _inside(self, request: Request) -> bool:
        return self.visitors.inside(request.scope, header_fields(request.scope["headers"]))
