"""`run_rows`: rows side by side, each with its result, and none lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from resilient_stream import Client, RetryPolicy, StreamMisused
from resilient_stream.batch import Result, ask_row, row_of, run_rows
from resilient_stream.testing import Cut, End, FakeProvider, ReceivedRequest, Stall, Status, Text
from resilient_stream.testing.steps import Script

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Of a batch"}], "max_completion_tokens": 9}


def echo(request: ReceivedRequest) -> Script:
    """Repeat the question; one that says so fails, is cut, or never ends."""
    assert request.json is not None
    asked = request.json["messages"][-1]["content"]
    scripts: dict[str, Script] = {"bad": [Status(400)], "cut": [Text("Half"), Cut()], "hang": [Text("Half"), Stall()]}
    return scripts.get(asked, [Text(f"{asked}!"), End()])


async def results(provider: FakeProvider, rows: Any, **options: Any) -> list[dict[str, Any]]:
    """The results as in the files, in the order of the rows."""
    async with Client(provider.target("openai"), retry=RetryPolicy(attempts=1)) as client:
        found = [result.to_dict() async for result in run_rows(client, rows, **options)]
    return sorted(json.loads(json.dumps(found)), key=lambda each: each["line"])


async def test_each_row_has_its_result(fake_provider: FakeProvider) -> None:
    """Answers, failures with what had arrived, and rows that cannot be asked; own fields and ids are copied."""
    fake_provider.play(echo)
    rows = ["A", {"messages": [{"role": "user", "content": "B"}], "id": "b", "mine": 1}, "bad", "cut", {"promptt": "E"}]
    one, two, bad, cut, wrong = await results(fake_provider, rows)
    assert (one["text"], one["outcome"], one["target"], one["attempts"]) == ("A!", "complete", "openai:fake-model", 1)
    assert one["usage"]["output_tokens"] > 0
    assert one["finish_reason"] == "stop"
    assert (two["text"], two["id"], two["row"]) == ("B!", "b", {"mine": 1})
    assert bad["error"]["kind"] == "invalid_request"
    assert (cut["text"], cut["error"]["kind"]) == ("Half", "stream_interrupted")
    assert "did you mean prompt?" in wrong["error"]["message"]
    assert "text" not in wrong


async def test_a_result_has_its_cost(fake_provider: FakeProvider) -> None:
    """In US dollars, of all its requests; nothing is said where it is not known."""
    fake_provider.play(echo)
    async with Client(fake_provider.target("openai"), prices=lambda target, usage: 0.25) as client:
        assert (await ask_row(client, row_of("A", line=1), {})).to_dict()["cost"] == 0.25
    async with Client(fake_provider.target("openai")) as client:
        assert "cost" not in (await ask_row(client, row_of("A", line=1), {})).to_dict()


async def test_a_rows_options_come_before_those_of_all(fake_provider: FakeProvider) -> None:
    """`system` and the rest are for all rows, unless a row has its own; what Client refuses is the row's failure."""
    fake_provider.play(echo)
    rows = ["A", {"prompt": "B", "system": "Own", "max_tokens": 5}, {"prompt": "C", "max_tokens": 0}]
    found = await results(fake_provider, rows, system="All", max_tokens=7, concurrency=1)
    first, second = (request.json for request in fake_provider.requests)
    assert first is not None
    assert second is not None
    assert (first["messages"][0]["content"], first["max_completion_tokens"]) == ("All", 7)
    assert (second["messages"][0]["content"], second["max_completion_tokens"]) == ("Own", 5)
    assert "max_tokens must be" in found[2]["error"]["message"]


async def test_lines_of_openais_batch_format_are_asked(fake_provider: FakeProvider) -> None:
    """The body is read as the gateway reads it; a field or a path that cannot be served fails that row only."""
    fake_provider.play(echo)
    rows = [{"custom_id": "c", "body": BODY}, {"body": {**BODY, "n": 2}}, {"url": "/v1/embeddings", "body": BODY}]
    found = await results(fake_provider, rows)
    assert (found[0]["id"], found[0]["text"]) == ("c", "Of a batch!")
    assert found[1]["error"]["message"].startswith("n:")
    assert "Nothing is served at" in found[2]["error"]["message"]


async def test_objects_are_in_the_result(fake_provider: FakeProvider) -> None:
    """With a schema the object is there; an answer that is none is a failure with its text."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    fake_provider.play([Text('{"n": 3}'), End()], [Text('{"n": "x"}'), End()])
    good, bad = await results(fake_provider, ["A", "B"], output=schema, concurrency=1)
    assert good["output"] == {"n": 3}
    assert (bad["error"]["kind"], bad["text"]) == ("model_output_invalid", '{"n": "x"}')


async def test_rows_are_taken_when_there_is_room(fake_provider: FakeProvider) -> None:
    """No more rows are read than are asked: a source of any length can be given."""
    fake_provider.play(echo)
    taken = 0

    def rows() -> Iterator[str]:
        nonlocal taken
        for taken in range(1, 1_000_000):
            yield f"{taken}"

    async with (
        Client(fake_provider.target("openai")) as client,
        contextlib.aclosing(run_rows(client, rows(), concurrency=3)) as found,
    ):
        seen = 0
        async for _ in found:
            seen += 1
            assert taken <= seen + 2
            if seen == 10:
                break


async def test_leaving_early_cancels_what_runs(fake_provider: FakeProvider) -> None:
    """When the generator is closed, no request of it goes on."""
    fake_provider.play(echo)
    async with Client(fake_provider.target("openai")) as client:
        async with contextlib.aclosing(run_rows(client, ["hang", "A"], concurrency=2)) as found:
            first = await anext(found)
        assert first.row.line == 2
        assert not client.calls
        await fake_provider.wait_closed(2)


async def test_a_closed_client_stops_rows_and_fails_none(fake_provider: FakeProvider) -> None:
    """Rows that a closing client ends are marked, so that they can be asked again."""
    fake_provider.play(echo)
    client = Client(fake_provider.target("openai"))
    found: list[Result] = []

    async def rows() -> AsyncIterator[str]:
        yield "hang"
        asyncio.get_running_loop().call_later(0.01, lambda: closing.append(asyncio.create_task(client.aclose())))

    closing: list[asyncio.Task[None]] = []
    async for result in run_rows(client, rows()):
        found.append(result)
    await asyncio.gather(*closing)
    assert [(each.stopped, each.finished) for each in found] == [(True, False)]


@pytest.mark.parametrize(("rows", "concurrency", "said"), [("Hi", 1, "not a single row"), ([], 0, "at least 1")])
async def test_wrong_usage_is_said(rows: Any, concurrency: int, said: str) -> None:
    """A text is no list of rows, and nothing can be asked by nobody."""
    async with Client("openai:x") as client:
        with pytest.raises(StreamMisused, match=said):
            await anext(run_rows(client, rows, concurrency=concurrency))
