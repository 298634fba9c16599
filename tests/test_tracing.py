"""Spans: of a request, of the work behind it, in the trace that it names; and nothing of it where nobody asked."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.tracing import Off, open_telemetry
from signing import Signer, new_secret
from tests.collector import Collector, Seen, collecting
from tests.serving import Server, environment, originals, serving, wait_until

KEY = new_secret()
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARTS = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.trace.propagation.tracecontext")
SERVER = 2
"""The kind of a span that answers somebody else."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def server(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.serving.environment", with_variables)
        with serving(
            originals(place / "originals"), place, "--unsigned", keys=[KEY], otel_endpoint=collector.url, workers=1
        ) as running:
            yield running


def with_variables(**settings: object) -> dict[str, str]:
    """The environment of a server that sends its spans at once: it sends every five seconds otherwise."""
    more = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    return {**environment(**settings), **more}


def traced(server: Server, collector: Collector, path: str, number: int, *names: str) -> tuple[str, dict[str, Seen]]:
    """Ask within a trace of our own, and wait for its spans."""
    trace = f"{number:032x}"
    server.ask(path, traceparent=f"00-{trace}-{PARENT}-01")
    wait_until(lambda: set(names) <= set(collector.of(trace)), 30)
    return trace, collector.of(trace)


def test_a_request_goes_on_with_the_trace_that_it_names(server: Server, collector: Collector) -> None:
    reply = server.ask("/w_60/cats/1.jpg", traceparent=f"00-{TRACE}-{PARENT}-01", x_request_id="a-request-of-mine")
    assert reply.status == 200
    wait_until(lambda: {"GET", "fetch", "queue", "work", "store put"} <= set(collector.of(TRACE)), 30)
    spans = collector.of(TRACE)
    root = spans.pop("GET")
    assert (root.parent, root.kind) == (PARENT, SERVER)
    assert root.facts["http.request.method"] == "GET"
    assert root.facts["http.response.status_code"] == 200
    assert root.facts["url.path"] == "/w_60/cats/1.jpg"
    assert root.facts["darkroom.outcome"] == "made"
    # What was done for it lies within it.
    for span in spans.values():
        assert span.parent == root.identity, span
        assert root.start - 5_000_000 <= span.start <= span.end <= root.end + 5_000_000, span
    assert spans["queue"].end <= spans["work"].start + 5_000_000
    assert {"darkroom.decode", "darkroom.transform", "darkroom.encode"} <= set(spans["work"].facts)
    assert spans["fetch"].facts["darkroom.original.size"] > 1000
    line = next(event for event in server.log() if event.get("request_id") == "a-request-of-mine")
    assert line["trace_id"] == TRACE


def test_the_server_says_what_it_is(server: Server, collector: Collector) -> None:
    server.ask("/w_61/cats/1.jpg")
    wait_until(lambda: bool(collector.resources), 30)
    facts = collector.resources[-1]
    assert facts["service.name"] == "darkroom"
    assert facts["service.version"]
    assert facts["deployment.environment.name"] == "test"
    assert collector.fields[-1]["content-type"] == "application/x-protobuf"


def test_a_refusal_says_why_and_an_error_of_ours_is_one(server: Server, collector: Collector) -> None:
    _, spans = traced(server, collector, "/w_60/nothing.jpg", 7, "GET")
    assert spans["GET"].facts["darkroom.outcome"] == "no_such_original"
    assert spans["GET"].facts["http.response.status_code"] == 404


def test_a_trace_that_is_none_begins_another(server: Server, collector: Collector) -> None:
    before = len(collector.spans)
    assert server.ask("/w_62/cats/1.jpg", traceparent="nonsense").status == 200
    wait_until(lambda: any(span.name == "GET" and not span.parent for span in collector.spans[before:]), 30)


def test_hits_have_no_spans(server: Server, collector: Collector) -> None:
    trace = f"{99:032x}"
    for _ in range(5):
        server.ask("/w_60/cats/1.jpg")
    server.ask("/w_60/cats/1.jpg", traceparent=f"00-{trace}-{PARENT}-01")
    traced(server, collector, "/w_63/cats/1.jpg", 100, "GET")
    assert not collector.of(trace)


def test_no_signature_leaves_with_a_span(server: Server, collector: Collector) -> None:
    path = Signer(KEY).url("cats/2.jpg", w=60)
    _, spans = traced(server, collector, path, 8, "GET")
    assert spans["GET"].facts["url.path"] == "/sig_***/w_60/cats/2.jpg"


def test_without_a_collector_nothing_is_imported_and_nothing_done(tmp_path: Path) -> None:
    # A library that we use looks for OpenTelemetry by itself.
    code = f"import sys, proxy.app, proxy.server; print([name for name in sys.modules if name.startswith({PARTS})])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
    off = Off()
    with off.request("GET", b"/", {}) as span, off.span("x"):
        span.tell({"a": 1})
        span.failed("x")
        assert span.trace_id == ""


def test_a_collector_that_is_away_costs_nothing_but_its_spans(tmp_path: Path) -> None:
    with serving(
        originals(tmp_path / "o"), tmp_path, otel_endpoint="http://127.0.0.1:9/v1/traces", workers=1
    ) as server:
        assert [server.ask(f"/w_{width}/cats/1.jpg").status for width in range(60, 70)] == [200] * 10
    # It stopped in time, with spans still to send.
    assert len([event for event in server.log() if "opentelemetry" in str(event.get("logger"))]) <= 2


def test_what_was_sent_waits_for_the_end() -> None:
    with collecting() as collector:
        tracing = open_telemetry(collector.url, "1.2.3")
        with tracing.request("GET", b"/", {}) as span:
            tracing.was("work", 0.5)
            assert len(span.trace_id) == 32
        tracing.close()
        assert {span.name for span in collector.spans} == {"GET", "work"}
