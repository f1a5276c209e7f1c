"""A conversation, as it is seen: one call for each turn, and the prompt to a person as a fallback."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from resilient_stream import Client
from resilient_stream.testing import CallTool, End, FakeProvider, Text

from .seen import QUICK, Seen

pytestmark = pytest.mark.usefixtures("nothing_left")


class Wine(BaseModel):
    """What must be handed in."""

    name: str


async def test_turns_are_calls_and_a_prompt_is_a_fallback(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is added for the conversation itself, and the SDK has nothing to complain about."""
    scripts = [Text("Which?"), End()], [CallTool("submit_Wine", {"name": "x"}), End()]
    async with FakeProvider(*scripts) as provider:
        async with Client(provider.target("openai"), retry=QUICK, telemetry=seen.telemetry()) as client:
            await client.converse("hi", outputs=[Wine], on_incomplete=lambda _: "Any.").collect()
    assert len(seen.calls) == len(seen.requests) == 2
    labels = [labels for labels, _ in seen.points("llm.fallback.triggered")]
    assert [label["fallback_type"] for label in labels] == ["interactive"]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
