"""Items that go back to the Responses API, held to the input types of the official SDK."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from resilient_stream import Message
from tests.providers.recordings import Recording, recordings
from tests.providers.test_responses_content import APPROVE, SCREEN, history, sent

# What the SDK warns about among its own modules is not ours.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

OPAQUE = ("_call", "_output", "mcp_", "program", "compaction", "reasoning", "message")


def _accepts(item: dict[str, Any]) -> None:
    """Raises ValidationError for an item that the SDK's types do not take; those take any further field."""
    params = pytest.importorskip("openai.types.responses.response_input_item_param", reason="needs the extra: sdks")
    found = [kind for kind in params.ResponseInputItemParam.__args__ if _is_of(kind, item)]
    assert found, f"no input item of the type {item.get('type')}"
    for kind in found:
        assert item.keys() <= set(kind.__annotations__), f"{item.keys() - set(kind.__annotations__)} in {item['type']}"
    TypeAdapter(params.ResponseInputItemParam).validate_python(item)


def _is_of(kind: Any, item: dict[str, Any]) -> bool:
    return f"'{item['type']}'" in str(kind.__annotations__.get("type")).replace('"', "'")


@pytest.mark.parametrize("recording", recordings("openai-responses"), ids=lambda recording: recording.name)
def test_the_sdk_takes_what_we_send_again(recording: Recording) -> None:
    """Every field of each item of its own tools is one that the SDK's input type has."""
    decoder = recording.decoder()
    chunks = decoder.feed(recording.body) + decoder.finish()
    turn = history(chunks, f"{recording.provider}:gpt-5-mini")
    answers = [Message(role="user", content=[part.model_copy(update={"provider": recording.provider})])
               for part in (APPROVE, SCREEN)]  # fmt: skip
    calls = [call for message in turn for call in message.tool_calls]
    results = [Message(role="tool", tool_call_id=call.id, content="1") for call in calls]
    body = sent([Message(role="user", content="hi"), *turn, *results, *answers], f"{recording.provider}:gpt-5-mini")
    for item in body["input"]:
        if item.get("type", "message") not in ("message", "function_call_output"):
            _accepts(item)
