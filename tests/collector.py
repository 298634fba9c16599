"""A collector of spans for tests: OTLP over HTTP, kept in memory as they were sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # type: ignore[attr-defined]
    ExportTraceServiceRequest,
)


@dataclass(frozen=True)
class Seen:
    """One span as it came over the wire."""

    name: str
    trace: str
    identity: str
    parent: str
    start: int
    end: int
    facts: dict[str, Any]
    kind: int


@dataclass
class Collector:
    """What was collected so far, and what the requests said that brought it."""

    port: int
    spans: list[Seen] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    fields: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def of(self, trace: str) -> dict[str, Seen]:
        """The spans of a trace by name."""
        return {span.name: span for span in self.spans if span.trace == trace}


def _facts(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            sent = ExportTraceServiceRequest.FromString(body)
            collector.fields.append({name.lower(): value for name, value in self.headers.items()})
            for resource in sent.resource_spans:
                collector.resources.append(_facts(resource.resource.attributes))
                for scope in resource.scope_spans:
                    collector.spans.extend(
                        Seen(
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.start_time_unix_nano,
                            span.end_time_unix_nano,
                            _facts(span.attributes),
                            span.kind,
                        )
                        for span in scope.spans
                    )
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
