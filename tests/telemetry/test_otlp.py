"""Over the wire: spans, metrics and logs as a collector in another process gets them by OTLP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resilient_stream.telemetry.log_fields import FIELDS
from resilient_stream.telemetry.names import METRICS

from .endings import ENDINGS
from .otlp_receiver import Json, collector, received
from .otlp_tree import CONVERSATION, SCENARIOS, children, play, tree

ERROR = 2
EVENTS = {"retry then success": ["retry"], "fallback": ["fallback"]}


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, list[Json]]]:
    """What arrived of the scenarios."""
    with collector() as url:
        play(url)
        yield received(url)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_tree_arrives(scenario: str, found: dict[str, list[Json]]) -> None:
    """The application's span, the call under it, its requests under that; status, outcome and events of each."""
    ending = ENDINGS[scenario]
    (root,) = (span for span in found["spans"] if span["name"] == scenario)
    (call,) = children(root, found)
    assert (call["name"], call["scope"]) == ("chat model-openai", "resilient_stream")
    assert call["attributes"]["resilient_stream.outcome"] == ending.outcome
    assert (call["status"] == ERROR) is (ending.error is not None)
    assert [event["name"] for event in call["events"]] == EVENTS.get(scenario, [])
    requests = children(call, found)
    assert [each["attributes"].get("error.type") for each in requests] == list(ending.failed)
    assert [each["status"] == ERROR for each in requests] == [kind is not None for kind in ending.failed]
    assert {span["trace"] for span in (call, *requests)} == {root["trace"]}


def test_a_conversation_arrives(found: dict[str, list[Json]]) -> None:
    """The application's span, the conversation under it, and under that its turns and its tool in their order."""
    (root,) = (span for span in found["spans"] if span["name"] == CONVERSATION)
    (agent,) = children(root, found)
    below = children(agent, found)
    assert [span["name"] for span in (agent, *below)] == [
        "invoke_agent", "chat fake-model", "execute_tool tool", "chat fake-model",
    ]  # fmt: skip
    assert [span["status"] == ERROR for span in below] == [False, True, False]
    assert {span["attributes"]["gen_ai.conversation.id"] for span in below} == {
        agent["attributes"]["gen_ai.conversation.id"]
    }


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_log_arrives_with_its_trace(scenario: str, found: dict[str, list[Json]]) -> None:
    """Each record is in its call's trace, at one of its spans, and says the same ids in its fields."""
    (root,) = (span for span in found["spans"] if span["name"] == scenario)
    ids = {span["id"] for span in found["spans"] if span["trace"] == root["trace"]} - {root["id"]}
    records = [record for record in found["logs"] if record["trace"] == root["trace"]]
    assert len(records) >= 2
    for record in records:
        ours = {name: value for name, value in record["attributes"].items() if not name.startswith("code.")}
        assert record["span"] in ids
        assert set(ours) <= set(FIELDS)
        assert (ours["trace_id"], ours["span_id"]) == (record["trace"], record["span"])


def test_the_metrics_arrive(found: dict[str, list[Json]]) -> None:
    """All rows of the table, by name and unit, but for what this application does not do: it has no fleet and no
    limits, asks no two targets at once, and computes no prices."""
    ours = {metric["name"]: metric["unit"] for metric in found["metrics"] if metric["scope"] == "resilient_stream"}
    fleet = ("llm.request.hedges", "llm.request.refused", "llm.cost")
    groups = ("llm.hedge.", "llm.breaker.", "llm.budget.", "llm.store.", "llm.tenant.", "llm.queue.")
    assert ours == {name: row.unit for name, row in METRICS.items() if not name.startswith((*fleet, *groups))}


def test_the_tree_can_be_read(found: dict[str, list[Json]]) -> None:
    """Every span is in it, under its parent."""
    lines = list(tree(found))
    assert sum("  chat model-openai" in f"  {line.strip()}" for line in lines) == len(SCENARIOS)
    assert [line for line in lines if line.startswith("fallback")]
    assert any(line.strip().startswith("* fallback: target=anthropic:model-anthropic") for line in lines)
