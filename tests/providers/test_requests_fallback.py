"""One hard conversation, sent to every provider as a fallback would send it: none is known to refuse anything in it."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from resilient_stream import FunctionCall, ImagePart, Message, ReasoningPart, Target, TextPart, Tool
from resilient_stream.contract import HttpRequest, Request
from resilient_stream.fitting.features import unsupported
from resilient_stream.fitting.signatures import for_its_target
from resilient_stream.fitting.tool_names import names_for, renamed
from resilient_stream.providers import adapter_for, families_of
from resilient_stream.providers.openai.hosts import HOSTS
from tests import dialect_rules
from tests.test_history import ENDPOINTS, WAYS
from tests.test_history import Endpoint as At

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
NAME = "mcp/files.read all"
TOOLS = (Tool(name=NAME, description="Reads."),)
TARGETS = [*{target.name: target for target in (*WAYS, *(Target(f"{name}:some-model") for name in HOSTS))}.values()]


def conversation(*, pictures: bool) -> tuple[Message, ...]:
    """A developer, two turns of the user, DeepSeek's turn with its thought and calls, results, and two more turns."""
    calls = tuple(FunctionCall(id=f"functions.read:{number}", name=NAME) for number in range(2))
    thought = ReasoningPart(text="I should look.", signed_by="deepseek:deepseek-v4-pro")
    picture = (ImagePart(url=f"data:image/jpg;base64,{PNG}"),) if pictures else ()
    return (
        Message(role="developer", content="Be brief."),
        Message(role="user", content="Hi"),
        Message(role="user", content="What is there?"),
        Message(role="assistant", content=(thought, TextPart(text="I look.")), tool_calls=calls),
        Message(role="tool", tool_call_id=calls[0].id, content=(TextPart(text="a file"), *picture)),
        Message(role="tool", tool_call_id=calls[1].id, content="nothing"),
        Message(role="user", content="And?"),
        Message(role="user", content="Well?"),
    )


def sent(target: Target, *, pictures: bool) -> HttpRequest | None:
    """What leaves for this target; None where it is refused before."""
    adapter = adapter_for(target.provider)
    request = Request(
        messages=conversation(pictures=pictures), target=target, tools=TOOLS, temperature=0.7, top_p=0.9, max_tokens=99
    )
    if unsupported(request, adapter.capabilities(request.model)) is not None:
        return None
    place = ENDPOINTS.get(target.provider) or At(base_url=adapter.base_url or "http://localhost", api_key="key")
    names = names_for(request, adapter.capabilities(target.model).tool_names)
    outgoing = adapter.encode(renamed(for_its_target(request, families_of), names), place)
    assert isinstance(outgoing, HttpRequest)
    return outgoing


def strings(value: Any) -> list[str]:
    """All texts in a body."""
    if isinstance(value, dict | list):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in strings(each)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_provider_takes_it_and_nothing_is_lost(target: Target) -> None:
    """Held to the rules of its API; every word is there; no role, name or media type that it does not know."""
    outgoing = sent(target, pictures=True) or sent(target, pictures=False)
    if outgoing is None or target.options.get("api") == "invoke":
        pytest.skip("it takes no tools, and says so before")
    dialect_rules.check(outgoing.url, outgoing.body)
    body = json.loads(outgoing.body)
    said = "\n".join(strings(body))
    for words in ("Be brief.", "Hi", "What is there?", "I look.", "a file", "nothing", "And?", "Well?"):
        assert words in said, words
    assert NAME not in said
    assert "image/jpg" not in said
    if target.provider not in ("openai", "openai-responses", "azure", "azure-responses"):
        assert "developer" not in said


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_gets_the_columns_of_its_row(name: str) -> None:
    """Joined turns alternate, a result is text, and a thought stands in the host's field or in none."""
    host = HOSTS[name]
    outgoing = sent(Target(f"{name}:some-model"), pictures=not host.sees)
    assert outgoing is not None
    turns = json.loads(outgoing.body)["messages"]
    roles = [turn["role"] for turn in turns if turn["role"] != "tool"]
    if host.joins != "no":
        assert all(one != other for one, other in pairwise(roles))
    assert all(isinstance(turn["content"], str) for turn in turns if turn["role"] == "tool")
    fields = {key for turn in turns for key in turn if key.startswith("reasoning")}
    demanded = {"reasoning_content"} if name == "deepseek" else set()
    assert fields == demanded
    allowed = re.compile(host.tool_names)
    assert all(allowed.fullmatch(call["function"]["name"]) for turn in turns for call in turn.get("tool_calls", ()))
