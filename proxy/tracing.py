"""Spans of requests and of the work behind them, for whoever collects them by OpenTelemetry.

Off, nothing of it is imported, and a request that is no hit pays for one empty `with`. Hits that the connection's
protocol answers have no spans: the metrics count them, and a span costs more than they do.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from proxy.log import OnceAMinute, without_secrets

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

Facts = Mapping[str, str | int | float | bool]

CARRIED = ("traceparent", "tracestate")
"""Fields by which a request names the trace that it belongs to (W3C Trace Context)."""
GOODBYE = 2.0
"""Seconds that spans may take to be sent when the server ends."""


class Span(Protocol):
    """What is told of a piece of work while it goes on."""

    @property
    def trace_id(self) -> str:
        """The id of the whole trace in hexadecimal; empty where there is none."""
        ...

    def tell(self, facts: Facts) -> None: ...

    def failed(self, code: str) -> None: ...


class Tracing(Protocol):
    """Begins spans."""

    def request(self, method: str, path: bytes, fields: Mapping[bytes, bytes]) -> AbstractContextManager[Span]:
        """The span of a request, which goes on with the trace that its `traceparent` names."""
        ...

    def span(self, name: str) -> AbstractContextManager[Span]:
        """A span within the one that is open here."""
        ...

    def was(self, name: str, seconds: float, ended: float = 0.0, facts: Facts | None = None) -> None:
        """A span within the one that is open here, of work that is over: it ended `ended` seconds ago."""
        ...

    def close(self) -> None:
        """Send what waits, and end."""
        ...


class _NoSpan:
    trace_id = ""

    def tell(self, facts: Facts) -> None:
        pass

    def failed(self, code: str) -> None:
        pass


class Off:
    """No spans at all."""

    def __init__(self) -> None:
        self._nothing: AbstractContextManager[Span] = nullcontext(_NoSpan())

    def request(self, method: str, path: bytes, fields: Mapping[bytes, bytes]) -> AbstractContextManager[Span]:
        return self._nothing

    def span(self, name: str) -> AbstractContextManager[Span]:
        return self._nothing

    def was(self, name: str, seconds: float, ended: float = 0.0, facts: Facts | None = None) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class _OpenSpan:
    span: Any

    @property
    def trace_id(self) -> str:
        return format(self.span.get_span_context().trace_id, "032x")

    def tell(self, facts: Facts) -> None:
        self.span.set_attributes(facts)

    def failed(self, code: str) -> None:
        from opentelemetry.trace import StatusCode

        self.span.set_attribute("error.type", code)
        self.span.set_status(StatusCode.ERROR)


class OpenTelemetry:
    """Spans by the SDK of OpenTelemetry, which sends them from a thread of its own and drops what nobody takes."""

    def __init__(self, tracer: "Tracer", close: Callable[[], None]) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer, self._close, self._propagator = tracer, close, TraceContextTextMapPropagator()

    @contextmanager
    def request(self, method: str, path: bytes, fields: Mapping[bytes, bytes]) -> Iterator[Span]:
        from opentelemetry.trace import SpanKind

        context = self._propagator.extract(
            {name: fields[name.encode()].decode("latin-1") for name in CARRIED if name.encode() in fields}
        )
        facts = {"http.request.method": method, "url.path": without_secrets(path.decode("latin-1"))}
        with self._tracer.start_as_current_span(method, context, SpanKind.SERVER, facts) as span:
            yield _OpenSpan(span)

    @contextmanager
    def span(self, name: str) -> Iterator[Span]:
        with self._tracer.start_as_current_span(name) as span:
            yield _OpenSpan(span)

    def was(self, name: str, seconds: float, ended: float = 0.0, facts: Facts | None = None) -> None:
        end = time.time_ns() - int(ended * 1e9)
        span = self._tracer.start_span(name, attributes=facts, start_time=end - int(seconds * 1e9))
        span.end(end)

    def close(self) -> None:
        self._close()


def open_telemetry(endpoint: str, version: str) -> Tracing:
    """Spans that go to the collector at this address. Raises ImportError where the extra `otel` is not installed.

    What the standard's own variables say holds as well: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
    OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_*.
    """
    from opentelemetry.exporter.otlp.proto.http import trace_exporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # A collector that is away is told of once a minute, not with every batch.
    once = OnceAMinute()
    logging.getLogger(trace_exporter.__name__).addFilter(lambda record: once(record.levelno))
    ours = Resource({"service.name": "darkroom", "service.version": version})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(trace_exporter.OTLPSpanExporter(endpoint=endpoint)))

    def close() -> None:
        # In a thread that nobody waits for: a collector that hangs must not hold up the end of the server.
        ending = threading.Thread(target=provider.shutdown, name="spans", daemon=True)
        ending.start()
        ending.join(GOODBYE)

    return OpenTelemetry(provider.get_tracer("darkroom", version), close)
