"""The dashboard and the alerts use the metrics and labels that the code has, and the alerts fire."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs import dashboard, prometheus
from resilient_stream import policy
from resilient_stream.engine.middleware.concurrency import IN_THE_LINE
from resilient_stream.events import FallbackType, State
from resilient_stream.fleet import beginnings, circuit, pool
from resilient_stream.kinds import ErrorCategory, ErrorKind
from resilient_stream.stores import redis
from resilient_stream.telemetry.metrics import MOST_TENANTS, REFUSALS
from resilient_stream.telemetry.names import METRICS

FOLDER = Path(dashboard.__file__).parent / "operations"
ALERTS = FOLDER / "alerts.yml"
promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian's package prometheus has it)"
)
FUNCTIONS = frozenset(
    [
        "sum",
        "avg",
        "max",
        "topk",
        "bool",
        "by",
        "rate",
        "increase",
        "histogram_quantile",
        "on",
        "group_left",
        "or",
        "unless",
        "offset",
        "le",
        "label_values",
    ]
)
VALUES = {
    "error_type": set(ErrorKind),
    "error_category": set(ErrorCategory),
    "fallback_type": set(FallbackType.__args__),
    "phase": {"connect", "stream", "total"},
    "reason": {*REFUSALS, IN_THE_LINE},
    "state": set(State.__args__),
}


def expressions() -> list[str]:
    """Every query of the dashboard and of the alerts."""
    panels = dashboard.dashboard()["panels"]
    text = re.sub(r"(?m)^ *#.*\n", "", ALERTS.read_text())
    alerts = re.findall(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)", text)
    variables = [item["query"] for item in dashboard.dashboard()["templating"]["list"][1:]]
    return [
        *(target["expr"] for panel in panels for target in panel.get("targets", ())),
        *("".join(pair) for pair in alerts),
        *variables,
    ]


def unknown(expression: str) -> list[str]:
    """Metrics, labels and values in a query that the code does not have."""
    series = prometheus.series()
    bare = re.sub(r'"[^"]*"|\[[^]]*\]', "", expression)
    used = [
        name
        for name in re.findall(r"[a-z_:]{3,}", bare)
        if name in series or name.startswith(("llm_", "gen_ai_client"))
    ]
    labels = set().union(*(prometheus.labels_of(series[name]) for name in used if name in series))
    words = set(re.findall(r"\b[a-z][a-z_]+\b", re.sub(r"\$\w+", "", bare))) - FUNCTIONS
    wrong = [name for name in used if name not in series] + sorted(words - labels - set(used))
    for name, value in re.findall(r'(\w+)=~?"([^"$]+)"', expression):
        wrong += [part for part in value.split("|") if name in VALUES and part not in VALUES[name]]
    return wrong


@pytest.mark.parametrize("expression", expressions())
def test_a_query_knows_its_metric(expression):
    """Each metric, label and value is one that the code emits."""
    assert unknown(expression) == []


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum by (provider) (rate(llm_request_retries[5m]))", ["llm_request_retries", "provider"]),
        ("sum by (phase) (rate(llm_request_retries_total[5m]))", ["phase"]),
        ('llm_streaming_errors_total{error_category="permanant"}', ["permanant"]),
        ('llm_request_retries_total{error_type=~"conflict|nothing"}', ["nothing"]),
    ],
)
def test_the_check_is_not_blind(expression, wrong):
    """It names a metric without its suffix, a label of another metric, a misspelt value."""
    assert unknown(expression) == wrong


def test_every_metric_is_on_the_dashboard():
    """A metric that nobody looks at is not worth its cost."""
    shown = json.dumps(dashboard.dashboard())
    assert [name for name, row in METRICS.items() if prometheus.metric(row) not in shown] == []


def test_the_dashboard_is_the_one_in_the_folder():
    """`python -m docs.dashboard` was run after the last change; ids and places are distinct."""
    document = dashboard.dashboard()
    assert json.loads(dashboard.FILE.read_text()) == document
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in document["panels"]}
    assert len(places) == len(document["panels"]) == sum(1 + len(panels) for panels in dashboard.ROWS.values())


def test_every_alert_is_in_the_manual():
    """Whoever is woken by one finds what it means."""
    manual = (FOLDER.parent / "operator-manual.md").read_text()
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    assert alerts
    assert [name for name in alerts if f"**{name}**" not in manual] == []
    tested = (FOLDER / "alerts.test.yml").read_text()
    assert [name for name in alerts if f"alertname: {name}\n" not in tested] == []


def test_the_figures_of_the_manual_are_those_of_the_code():
    """Whoever changes one of them reads the chapters about a fleet again."""
    known, allowed = policy.Breaker(), policy.RetryBudget()
    assert (known.failure_rate, known.min_calls, known.window, known.open_for) == (0.5, 10, 30, 30)
    assert (circuit.ROW, circuit.LONGEST, circuit.JITTER) == (3, 4, 0.1)
    assert (allowed.ratio, allowed.reserve) == (0.2, 20)
    assert (beginnings.USUAL, beginnings.ENOUGH) == (2, 20)
    assert (redis.PATIENCE, redis.RETRY_AFTER, pool.PERIOD_LASTS) == (0.05, 0.5, 2 * 86_400)
    assert MOST_TENANTS == 100


@promtool
@pytest.mark.parametrize("command", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")])
def test_prometheus_accepts_the_rules(command):
    """Prometheus' own tool reads them, and they fire on made-up failures and on nothing else."""
    done = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_are_those_of_the_exporter():
    """OpenTelemetry's own exporter makes the same names and labels of the table."""
    exporter = pytest.importorskip(
        "opentelemetry.exporter.prometheus", reason="opentelemetry-exporter-prometheus is missing"
    )
    metrics = pytest.importorskip("opentelemetry.sdk.metrics")
    client = pytest.importorskip("prometheus_client")
    metrics_api = pytest.importorskip("opentelemetry.metrics")
    reader = exporter.PrometheusMetricReader()
    provider = metrics.MeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("test")
    for row in METRICS.values():
        labels = dict.fromkeys(row.labels, "x")
        if row.instrument == "counter":
            meter.create_counter(row.name, row.unit, row.meaning).add(1, labels)
        elif row.instrument == "updowncounter":
            meter.create_up_down_counter(row.name, row.unit, row.meaning).add(1, labels)
        elif row.instrument == "gauge":
            meter.create_observable_gauge(
                row.name, [lambda _, labels=labels: [metrics_api.Observation(1, labels)]], row.unit, row.meaning
            )
        else:
            meter.create_histogram(row.name, row.unit, row.meaning).record(1, labels)
    page = client.generate_latest().decode()
    provider.shutdown()
    made = dict(re.findall(r"(?m)^((?:llm|gen_ai)\w+){([^}]*)}", page))
    assert set(made) == set(prometheus.series())
    for name, row in prometheus.series().items():
        assert set(re.findall(r"(\w+)=", made[name])) - {
            "otel_scope_name",
            "otel_scope_version",
            "otel_scope_schema_url",
        } <= (prometheus.labels_of(row))
