"""An actor of `contrib.ray` without a cluster: how many answers it has at a time, and what it leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import Client, StreamMisused
from resilient_stream.testing import End, FakeProvider, ReceivedRequest, Sleep, Status, Text
from resilient_stream.testing.steps import Script

pytest.importorskip("ray.data")

import pyarrow as pa

from resilient_stream.contrib import ray
from resilient_stream.contrib.parts import Parts


def echo(request: ReceivedRequest) -> Script:
    """Repeat the question, or fail."""
    assert request.json is not None
    asked = request.json["messages"][-1]["content"]
    return [Status(400)] if asked == "bad" else [Sleep(0.002), Text(f"{asked}!"), End()]


def begin(provider: FakeProvider, parts: Parts, streams: int = 8) -> ray._Actor:
    """An actor of a run."""
    return ray._Actor(lambda: Client(provider.target("openai")), parts.folder, parts.mark, streams, {})


async def ask(actor: ray._Actor, *rows: dict[str, Any]) -> list[Mapping[str, list[Any]]]:
    """Give it rows."""
    try:
        return [each async for each in actor(pa.Table.from_pylist(list(rows)))]
    finally:
        await actor._client.aclose()


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """The folder of a run that has begun."""
    parts = Parts.of_new_run(str(tmp_path))
    parts.survey(False)
    return parts


def results(folder: Path) -> dict[Any, dict[str, Any]]:
    """What a reader finds, by id."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    found = {each.get("id"): each for each in map(json.loads, lines)}
    assert len(found) == len(lines)
    return found


async def test_each_row_has_a_result(fake_provider: FakeProvider, parts: Parts, tmp_path: Path) -> None:
    """Answered, failed or unusable; a row that comes twice is asked once, and counted twice."""
    fake_provider.play(echo)
    rows = ({"id": "a", "prompt": "A"}, {"id": "b", "prompt": "bad"}, {"id": "c"}, {"id": "a", "prompt": "A"})
    (told,) = await ask(begin(fake_provider, parts), *rows)
    assert told["why"] == ["", "invalid_request", "unusable", ""]
    assert told["tokens_in"][0] > 0
    assert told["tokens_out"][0] > 0
    found = results(tmp_path)
    assert {name: each.get("text") for name, each in found.items()} == {"a": "A!", "b": "", "c": None}
    assert len(fake_provider.requests) == 2


async def test_so_many_answers_at_a_time(fake_provider: FakeProvider, parts: Parts) -> None:
    """Whatever the number of rows."""
    most = 0

    def count(request: ReceivedRequest) -> Script:
        nonlocal most
        most = max(most, fake_provider.open)
        return echo(request)

    fake_provider.play(count)
    await ask(begin(fake_provider, parts, streams=3), *({"id": number, "prompt": "A"} for number in range(20)))
    assert 3 <= most < 20 // 2  # the provider notices an end a little later


async def test_rows_of_a_dead_actor_are_not_asked_again(
    fake_provider: FakeProvider, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray gives them to another one, which asks what is left of them, and tells of all."""
    fake_provider.play(echo)
    rows = [{"id": number, "prompt": str(number)} for number in range(4)]

    with monkeypatch.context() as patched:
        patched.setattr(ray, "ask_row", dying(ray.ask_row, 2))
        with pytest.raises(ExceptionGroup):
            await ask(begin(fake_provider, parts, streams=1), *rows)
    assert results(tmp_path) == {}
    (told,) = await ask(begin(fake_provider, parts), *rows)
    assert told["why"] == [""] * 4
    assert len(results(tmp_path)) == len(fake_provider.requests) == 4


def dying(ask_row: Any, after: int) -> Any:
    """Ask some rows, and then no more."""
    asked = 0

    async def ask(*given: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked > after:
            raise RuntimeError("the machine is gone")
        return await ask_row(*given)

    return ask


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"streams": 0}, "answer(): streams must be an integer of at least 1, not 0"),
        ({"actors": "4"}, "answer(): actors must be an integer of at least 1, not a value of type str"),
        ({"actors": 8.0}, "answer(): actors must be an integer of at least 1, not 8.0"),
        ({"rows_per_file": None}, "answer(): rows_per_file must be a number, not None; without it there is a default"),
        ({"cpus": "1"}, "answer(): cpus must be a number of at least 0, not a value of type str"),
        ({"max_token": 5}, "answer() has no option 'max_token': did you mean max_tokens?"),
        ({"client": "openai:m"}, "answer(): client is a function that makes one, such as"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    """Before Ray begins, and not once for each row: what is wrong, where, and what it should be."""
    given.setdefault("client", lambda: Client("openai:m"))
    with pytest.raises(StreamMisused) as caught:
        ray.answer(object(), folder=str(tmp_path), **given)
    assert str(caught.value).startswith(said)
    assert list(tmp_path.iterdir()) == []
