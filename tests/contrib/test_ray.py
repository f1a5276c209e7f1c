"""docs/examples/ray_batch.py on a real Ray, killed in the middle and started again; and the same without Ray."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient_stream.testing import End, FakeProvider, ReceivedRequest, Sleep, Status, Text
from resilient_stream.testing.steps import Script

from ..examples.loading import EXAMPLES
from ..stores.conftest import redis_server
from ..web.redis_server import RedisServer

__all__ = ["redis_server"]

ROOT = Path(__file__).parents[2]
ROWS, FAILING = 200, 5
ACTORS, STREAMS, A_SECOND = 2, 10, 20
PATIENCE = 120
"""Seconds for what takes ten on an idle machine."""
OURS = {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""Variables of all processes of Ray. The cluster is nobody else's to use: whoever has the token can run code there."""
CLUSTER = """
import ray, sys
ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1")
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""
JOB = """
import ray, runpy, sys
ray.init(runtime_env={"worker_process_setup_hook": "tests.contrib.ray_worker.begin"})
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def row(number: int) -> dict[str, Any]:
    """A row in one of the forms that rows have; some fail."""
    prompt = f"{'fail ' * (number % (ROWS // FAILING) == 7)}Row {number}"
    message = {"role": "user", "content": prompt}
    forms: list[dict[str, Any]] = [
        {"id": str(number), "prompt": prompt, "topic": "sky"},
        {"id": str(number), "messages": [message], "max_tokens": 50},
        {"custom_id": str(number), "url": "/v1/chat/completions", "body": {"messages": [message]}},
    ]
    return forms[number % len(forms)]


def asked(request: ReceivedRequest) -> str:
    """The prompt of a request."""
    assert request.json is not None
    return str(request.json["messages"][-1]["content"])


def echo(request: ReceivedRequest) -> Script:
    """Repeat the question after a while, or fail."""
    prompt = asked(request)
    return [Status(400)] if "fail" in prompt else [Sleep(random.uniform(0.2, 0.4)), Text(f"{prompt}!"), End()]


def results(folder: Path) -> list[dict[str, Any]]:
    """What a reader of the folder finds."""
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


def processes(requests: list[ReceivedRequest]) -> set[str]:
    """Which processes have asked."""
    return {request.headers["user-agent"] for request in requests}


def most_within(seconds: float, requests: list[ReceivedRequest]) -> int:
    """The most requests that came within so many seconds."""
    times = [each.started for each in requests]
    return max(sum(start <= other < start + seconds for other in times) for start in times)


def begin(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start the example as a job."""
    command = [sys.executable, "-c", JOB, str(EXAMPLES / "ray_batch.py"), *map(str, arguments)]
    variables = {**os.environ, **OURS, "RAY_DATA_DISABLE_PROGRESS_BARS": "1", **environment}
    return subprocess.Popen(command, env=variables, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A provider that works while the test waits."""
    with FakeProvider.in_thread(echo) as provider:
        yield provider


@pytest.fixture
def cluster(provider: FakeProvider) -> Iterator[str]:
    """The address of a Ray on this machine, which outlives its jobs."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("no Ray here (pip install 'resilient-stream[ray]')")
    keys = {"OPENAI_BASE_URL": provider.base_url("openai"), "OPENAI_API_KEY": "test"}
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env={**os.environ, **OURS, **keys},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.communicate(timeout=PATIENCE)


@pytest.mark.outside
def test_a_killed_job_goes_on(tmp_path: Path, provider: FakeProvider, cluster: str, redis_server: RedisServer) -> None:
    """Each id has one result in the end; only what ran at the kill is asked again; the actors keep one limit."""
    rows, answers = tmp_path / "rows.jsonl", tmp_path / "answers"
    rows.write_text("".join(f"{json.dumps(row(number))}\n" for number in range(ROWS)))
    arguments = (
        rows, answers, "openai:gpt-5-mini", "--per-minute", 60 * A_SECOND, "--actors", ACTORS, "--streams", STREAMS,
        "--rows-per-file", 20,
    )  # fmt: skip
    environment = {"RAY_ADDRESS": cluster, "REDIS_URL": redis_server.url}

    killed = begin(*arguments, **environment)
    until = time.monotonic() + PATIENCE
    while len(provider.requests) < ROWS // 3 and time.monotonic() < until:
        time.sleep(0.01)
    killed.kill()
    first = killed.communicate()[1]
    seen = len(provider.requests)
    assert 0 < seen < ROWS, first

    second = begin(*arguments, **environment).communicate(timeout=PATIENCE)[1]
    found = results(answers)
    assert Counter(each["id"] for each in found) == {str(number): 1 for number in range(ROWS)}, second
    assert Counter(each["error"]["kind"] for each in found if "error" in each) == {"invalid_request": FAILING}
    assert "answered before" in second
    assert not list(answers.glob("*.part"))
    assert len(provider.requests) - ROWS <= ACTORS * STREAMS
    assert most_within(3, provider.requests) <= 1.1 * (3 + 1) * A_SECOND  # a second's worth may go at once
    assert len(processes(provider.requests) - processes(provider.requests[:seen])) == ACTORS


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    for name in [name for name in sys.modules if name.startswith("resilient_stream.contrib.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"resilient-stream\[ray\]"):
        importlib.import_module("resilient_stream.contrib.ray")
