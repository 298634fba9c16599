"""How the server is: for load balancers, for monitoring."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.edge import header_fields
from proxy.handlers.visitors import Visitors
from proxy.metrics import Metrics

NEVER_KEPT = {"cache-control": "no-store"}


@dataclass(frozen=True)
class Status:
    """The routes `/health`, `/ready` and `/metrics`."""

    metrics: Metrics
    visitors: Visitors
    ready_now: Callable[[], dict[str, object]]
    """Facts on whether requests should be sent here; `ready` is the answer."""

    async def health(self, request: Request) -> Response:
        """That the event loop turns, and no more."""
        return Response("ok\n", media_type="text/plain", headers=NEVER_KEPT)

    async def ready(self, request: Request) -> Response:
        """Whether requests should come here; details are for insiders."""
        facts = self.ready_now()
        shown = facts if self._inside(request) else {"ready": facts["ready"]}
        return JSONResponse(shown, 200 if facts["ready"] else 503, headers=NEVER_KEPT)

    async def prometheus(self, request: Request) -> Response:
        """All that was counted, for insiders."""
        if not self._inside(request):
            return Response("not for clients from elsewhere without the admin token\n", 403, headers=NEVER_KEPT)
        body, media_type = self.metrics.render()
        return Response(body, headers={**NEVER_KEPT, "content-type": media_type})

    def _inside(self, request: Request) -> bool:
        return self.visitors.inside(request.scope, header_fields(request.scope["headers"]))
