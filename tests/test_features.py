"""What a target cannot do is said before anything is sent."""

from __future__ import annotations

import subprocess
from typing import Any

import msgspec
import pytest

from resilient_stream import Client, InvalidRequest
from resilient_stream.contract import Capabilities, Request
from resilient_stream.errors import ErrorKind, error_for
from resilient_stream.fitting.features import FEATURES, OPTIONS, unsupported
from resilient_stream.fitting.files import ALL_FILES
from resilient_stream.messages import FilePart, ImagePart, Message, Tool
from resilient_stream.providers import adapter_for
from resilient_stream.providers.shared.words import knowing
from resilient_stream.target import Target

ASKING: dict[str, dict[str, Any]] = {
    "tools": {"tools": (Tool(name="look"),)},
    "images": {"messages": (Message(role="user", content=(ImagePart(url="https://example.com/a.png"),)),)},
    "output": {"output": {"type": "object"}},
    "whole": {"stream": False},
    "image_links": {"messages": (Message(role="user", content=(ImagePart(url="https://example.com/a.png"),)),)},
    "forced_tools": {"tool_choice": "required"},
    "stop": {"stop": ("END",)},
    "citations": {"messages": (Message(role="user", content=(FilePart(id="f", citations=True),)),)},
    "top_k": {"top_k": 40},
    "presence_penalty": {"presence_penalty": 0.0},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "user": {"user": "u-1"},
    "headers": {"headers": {"x-tenant": "a"}},
}


def request(**fields: Any) -> Request:
    """A request with these fields."""
    return Request(**{"messages": (Message(role="user", content="Hi"),), "target": Target("openai:gpt"), **fields})


def without(*capabilities: str) -> Capabilities:
    """All capabilities but these."""
    return msgspec.structs.replace(Capabilities(), **dict.fromkeys(capabilities, False))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda row: row.capability)
def test_a_feature_that_is_lacking_is_named(feature: Any) -> None:
    """What is asked for and cannot be done is an unsupported_feature whose message names it."""
    failure = unsupported(request(**ASKING[feature.capability]), without(feature.capability))
    assert failure is not None
    assert failure.kind is ErrorKind.UNSUPPORTED_FEATURE
    assert feature.name in error_for(failure).message


@pytest.mark.parametrize("feature", FEATURES, ids=lambda row: row.capability)
def test_a_feature_that_is_there_or_not_asked_for_is_no_failure(feature: Any) -> None:
    """Neither a capable model nor a plain question is refused."""
    able = knowing(OPTIONS, Capabilities(whole=True, citations=True, files=ALL_FILES))
    assert unsupported(request(**ASKING[feature.capability]), able) is None
    assert unsupported(request(), without(*(row.capability for row in FEATURES))) is None


PICTURE = Message(role="user", content=[ImagePart(url="data:image/png;base64,aGk=")])


@pytest.mark.parametrize("name", ["local:smollm2", "claude-code:default"])
async def test_a_picture_is_refused_before_anything_starts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small local model and Claude Code have no eyes: said at once, and no server or program is started."""
    monkeypatch.setattr(subprocess, "Popen", None)
    async with Client(name) as client:
        with pytest.raises(InvalidRequest, match="does not support images") as caught:
            await client.complete([PICTURE])
    assert not caught.value.billed_maybe


@pytest.mark.parametrize(
    ("provider", "lacking"),
    [
        ("local", {"images", "reasoning"}),
        (
            "claude-code",
            {"tools", "images", "image_links", "forced_tools", "reasoning", "stop", "whole", *OPTIONS},
        ),
        ("ollama", {"image_links", "forced_tools", "user"}),
        ("anthropic", {"presence_penalty", "frequency_penalty"}),
        ("gemini", {"user"}),
        ("gemini-interactions", {"top_k", "presence_penalty", "frequency_penalty", "user"}),
        ("cohere", {"user"}),
        ("groq", {"top_k"}),
        ("mistral", {"user", "reasoning"}),
        ("cerebras", {"top_k", "presence_penalty", "frequency_penalty"}),
        ("vllm", set()),
        ("groq-responses", {"stop", "top_k", "presence_penalty", "frequency_penalty"}),
    ],
)
def test_what_a_provider_lacks_is_said(provider: str, lacking: set[str]) -> None:
    """The columns that `features` and the command `providers` read tell the truth."""
    able = adapter_for(provider).capabilities("some-model")
    columns = {"reasoning", *(row.capability for row in FEATURES)}
    cites = {"citations"} if provider != "anthropic" else set()  # documents, which few can
    assert {name for name in columns if not getattr(able, name)} == lacking | cites
