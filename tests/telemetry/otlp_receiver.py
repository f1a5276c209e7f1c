"""A collector in a process of its own: takes OTLP over HTTP, decodes it with OpenTelemetry's own classes.

    python -m tests.telemetry.otlp_receiver        prints its port; GET /received gives all of it as JSON

It knows nothing of this library, so it gets what any collector would get.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.request import urlopen

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Json: TypeAlias = dict[str, Any]

RECEIVED: dict[str, list[Json]] = {"spans": [], "metrics": [], "logs": []}


def plain(value: Any) -> Any:
    """An attribute's value."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


def named(attributes: Iterable[Any]) -> Json:
    """Attributes by name."""
    return {each.key: plain(each.value) for each in attributes}


def spans(body: bytes) -> Iterator[Json]:
    """What is in a request to /v1/traces."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                    "scope": scope.scope.name, "name": span.name, "kind": span.kind, "status": span.status.code,
                    "message": span.status.message, "attributes": named(span.attributes),
                    "begin": span.start_time_unix_nano, "end": span.end_time_unix_nano,
                    "events": [{"name": each.name, "attributes": named(each.attributes)} for each in span.events],
                }  # fmt: skip


def metrics(body: bytes) -> Iterator[Json]:
    """What is in a request to /v1/metrics."""
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = getattr(metric, metric.WhichOneof("data")).data_points
                yield {
                    "scope": scope.scope.name, "name": metric.name, "unit": metric.unit,
                    "kind": metric.WhichOneof("data"), "points": [named(point.attributes) for point in points],
                }  # fmt: skip


def logs(body: bytes) -> Iterator[Json]:
    """What is in a request to /v1/logs."""
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield {
                    "scope": scope.scope.name, "trace": record.trace_id.hex(), "span": record.span_id.hex(),
                    "level": record.severity_text, "body": plain(record.body), "time": record.time_unix_nano,
                    "attributes": named(record.attributes),
                }  # fmt: skip


PATHS = {"/v1/traces": ("spans", spans), "/v1/metrics": ("metrics", metrics), "/v1/logs": ("logs", logs)}


class Collector(BaseHTTPRequestHandler):
    """Takes what is sent, and gives it back."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        signal, decode = PATHS[self.path]
        RECEIVED[signal] += decode(body)
        self._answer(b"", "application/x-protobuf")

    def do_GET(self) -> None:
        self._answer(json.dumps(RECEIVED).encode(), "application/json")

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def collector() -> Iterator[str]:
    """A collector's process; gives its URL."""
    command = [sys.executable, "-m", "tests.telemetry.otlp_receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def received(url: str) -> dict[str, list[Json]]:
    """All that a collector got so far."""
    with urlopen(f"{url}/received") as answer:
        found: dict[str, list[Json]] = json.load(answer)
    return found


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    print(server.server_port, flush=True)
    server.serve_forever()
