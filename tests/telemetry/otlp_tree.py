"""What a collector got, as a tree that a person can read: spans, their events, and the log lines that belong to them.

python -m tests.telemetry.otlp_tree        plays the scenarios against a collector and prints it
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Iterator, Sequence

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from resilient_stream import Client, Telemetry
from resilient_stream.testing import FakeProvider

from .endings import ENDINGS, converse
from .otlp_receiver import Json, collector, received
from .seen import QUICK

SCENARIOS = ("success", "retry then success", "fallback", "cancel while waiting", "deadline", "break")
CONVERSATION = "conversation"
STATUS = {0: "", 1: "OK", 2: "ERROR"}
SHOWN = ("gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "http.response.status_code",
         "resilient_stream.target", "resilient_stream.outcome", "resilient_stream.attempt", "resilient_stream.attempts",
         "resilient_stream.source", "resilient_stream.how", "resilient_stream.wait", "error.type")  # fmt: skip


def play(url: str, scenarios: Sequence[str] = SCENARIOS) -> None:
    """Each scenario and a conversation under a span of an application, exported to `url` by the SDK's own exporters."""
    resource = Resource({"service.name": "show"})
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"))
    meters = MeterProvider([reader], resource, shutdown_on_exit=False)
    loggers = LoggerProvider(resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # moved to an instrumentation package, the same code
        handler = LoggingHandler(logger_provider=loggers)
    logger = logging.getLogger("resilient_stream")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    telemetry = Telemetry(tracer_provider=tracers, meter_provider=meters)

    async def run() -> None:
        for scenario in scenarios:
            ending = ENDINGS[scenario]
            async with FakeProvider() as provider, ending.client(provider, retry=QUICK, telemetry=telemetry) as client:
                with tracers.get_tracer("application").start_as_current_span(scenario):
                    await ending.play(provider, client)
        async with FakeProvider() as provider, Client(provider.target("openai"), telemetry=telemetry) as client:
            with tracers.get_tracer("application").start_as_current_span(CONVERSATION):
                await converse(client, provider)

    try:
        asyncio.run(run())
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        for provider in (tracers, meters, loggers):
            provider.shutdown()


def tree(found: dict[str, list[Json]]) -> Iterator[str]:
    """One line for each span, event and log record."""
    for root in sorted((span for span in found["spans"] if not span["parent"]), key=_begin):
        yield from _branch(root, found, "")


def children(span: Json, found: dict[str, list[Json]]) -> list[Json]:
    """The spans under one, in the order in which they began."""
    return sorted((each for each in found["spans"] if each["parent"] == span["id"]), key=_begin)


def _begin(span: Json) -> int:
    begin: int = span["begin"]
    return begin


def _branch(span: Json, found: dict[str, list[Json]], indent: str) -> Iterator[str]:
    took = (span["end"] - span["begin"]) / 1e6
    status = " ".join(part for part in (STATUS[span["status"]], span["message"]) if part)
    yield f"{indent}{span['name']}  {took:.1f} ms  {status}".rstrip()
    if facts := _facts(span["attributes"]):
        yield f"{indent}  | {facts}"
    for event in span["events"]:
        yield f"{indent}  * {event['name']}: {_facts(event['attributes'])}"
    for record in sorted(found["logs"], key=lambda each: each["time"]):
        if record["span"] == span["id"]:
            yield f"{indent}  > {record['level']} {record['body']}"
    for child in children(span, found):
        yield from _branch(child, found, indent + "    ")


def _facts(attributes: Json) -> str:
    shown = {name.rpartition("resilient_stream.")[2]: attributes[name] for name in SHOWN if name in attributes}
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in shown.items()
    )


def main() -> None:
    """Play, and print what arrived."""
    with collector() as url:
        play(url)
        found = received(url)
    print("\n".join(tree(found)))
    for metric in sorted(found["metrics"], key=lambda each: str(each["name"])):
        print(f"{metric['kind']:<10} {metric['name']} [{metric['unit']}]  points: {len(metric['points'])}")


if __name__ == "__main__":
    main()
