"""The verdict on a URL, for a cache in front; `proxy/ready.py` answers nearly all of them before they get here."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from proxy.gate import Gate, fields_of


@dataclass(frozen=True)
class Verdicts:
    """The route `/api/v1/auth`."""

    gate: Gate

    async def auth(self, request: Request) -> Response:
        """204 with what belongs to the answer, or 403."""
        verdict = self.gate.verdict(request.scope["headers"])
        return Response(status_code=verdict.status, headers=fields_of(verdict))
