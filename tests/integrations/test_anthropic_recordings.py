"""Recorded answers of many vendors, written over Anthropic's API and read again: nothing is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from resilient_stream.chunks import (
    Chunk,
    ReasoningDelta,
    ServerToolCall,
    ServerToolResult,
    TextDelta,
    ToolCall,
    Usage,
)
from resilient_stream.contract import Request
from resilient_stream.formats.writer import About, Ending
from resilient_stream.integrations.anthropic import MessagesWriter, Refused, read_request
from resilient_stream.integrations.anthropic.proofs import unwrapped
from resilient_stream.integrations.anthropic.writer import message_of
from resilient_stream.messages import Message, ReasoningPart
from resilient_stream.outcome.errors import StreamError
from resilient_stream.outcome.transcript import Transcript
from resilient_stream.providers import adapter_for
from resilient_stream.target import Target
from tests.shared_files import shared_or_none

FOLDERS = {
    "anthropic-messages": "anthropic:claude-opus-4-5", "openai-chat": "openai:gpt-5", "deepseek-chat": "deepseek:r1",
    "gemini": "gemini:gemini-2.5-pro", "openai-responses": "openai-responses:gpt-5", "groq-chat": "groq:x",
    "mistral-chat": "mistral:x", "perplexity-chat": "perplexity:sonar", "openrouter-chat": "openrouter:x/y",
}  # fmt: skip


def recordings() -> list[Any]:
    """All recorded streams of these vendors."""
    found = ((shared_or_none(f"recordings/{folder}"), target) for folder, target in FOLDERS.items())
    files = [(file, target) for root, target in found if root is not None for file in sorted(root.glob("*.sse"))]
    return [pytest.param(file, target, id=f"{file.parent.name}/{file.stem}"[:80]) for file, target in files]


def complete(file: Path, target: str) -> list[Chunk]:
    """The chunks of a recording that is a whole answer; a test of another is skipped."""
    asked = Request(messages=(Message(role="user", content="Hi"),), target=Target(target))
    decoder = adapter_for(asked.target.provider).decoder(asked)
    try:
        chunks = [*decoder.feed(file.read_bytes()), *decoder.finish()]
    except StreamError:
        pytest.skip("the recording is no whole answer")
    if not decoder.done or decoder.failure is not None:
        pytest.skip("the recording is no whole answer")
    return chunks


def transcript_of(chunks: list[Chunk], target: str) -> Transcript:
    """The transcript of a good answer."""
    made = Transcript()
    made._receive(chunks)
    made.target = target
    return made


def frames_of(chunks: list[Chunk], target: str) -> list[bytes]:
    """The answer, written."""
    made = transcript_of(chunks, target)
    writer = MessagesWriter()
    ending = Ending("complete", None, made.finish_reason, made.usage, target=target)
    about = About("abc", 1, "claude", target)
    return [*writer.begin(about), *(each for chunk in chunks for each in writer.write([chunk])), *writer.end(ending)]


def read(frames: Iterable[bytes]) -> list[Chunk]:
    """What our own decoder makes of it."""
    asked = Request(messages=(Message(role="user", content="Hi"),), target=Target("anthropic:claude"))
    decoder = adapter_for("anthropic").decoder(asked)
    chunks = [*decoder.feed(b"".join(frames)), *decoder.finish()]
    assert decoder.failure is None
    assert decoder.done
    return chunks


def said(chunks: list[Chunk]) -> dict[str, Any]:
    """What an answer says, however it was cut into pieces."""
    calls = [chunk for chunk in chunks if type(chunk) is ToolCall]
    ran = [chunk for chunk in chunks if type(chunk) in (ServerToolCall, ServerToolResult)]
    return {
        "reasoning": "".join(chunk.reasoning for chunk in chunks if type(chunk) is ReasoningDelta),
        "calls": [(call.name, call.parsed) for call in calls],
        "ran": [chunk.native for chunk in ran if _is_anthropics(chunk.native)],
    }


def _is_anthropics(native: Any) -> bool:
    return isinstance(native, dict) and str(native.get("type")).endswith(("tool_use", "_tool_result"))


@pytest.mark.parametrize(("file", "target"), recordings())
def test_a_recorded_answer_says_the_same_over_anthropics_api(file: Path, target: str) -> None:
    """Text, reasoning, calls, Anthropic's own tools; streamed and whole alike, with blocks in order."""
    chunks = complete(file, target)
    if any(call.parsed is None or call.error for call in chunks if type(call) is ToolCall):
        pytest.skip("the model's call is not valid")
    frames = frames_of(chunks, target)
    again = read(frames)
    assert said(again) == said(chunks)
    text = "".join(chunk.text for chunk in chunks if type(chunk) is TextDelta)
    written = "".join(chunk.text for chunk in again if type(chunk) is TextDelta)
    assert written.startswith(text) or text in written
    message = message_of(transcript_of(chunks, target), About("abc", 1, "claude", target))
    assert message["content"] == accumulated(frames)
    if target.startswith("anthropic:"):
        assert [chunk for chunk in again if type(chunk) is Usage][-1:] == [c for c in chunks if type(c) is Usage][-1:]
        assert signatures(again) == signatures(chunks)


def signatures(chunks: list[Chunk]) -> list[Any]:
    """All proofs of thoughts."""
    thoughts = [chunk for chunk in chunks if type(chunk) is ReasoningDelta]
    proofs = [(each.signature, each.redacted) for each in thoughts if each.signature or each.redacted]
    return [proof for proof in proofs if unwrapped(proof[1] or "") is None]  # those of calls are ours


def accumulated(frames: list[bytes]) -> list[Any]:
    """What a simple client makes of the stream."""
    content: list[Any] = []
    pieces: dict[int, str] = {}
    open_blocks: set[int] = set()
    for frame in frames:
        event = json.loads(frame.split(b"data: ", 1)[1])
        if event["type"] == "content_block_start":
            assert event["index"] == len(content)
            content.append(event["content_block"])
            open_blocks.add(event["index"])
        elif event["type"] == "content_block_delta":
            block, delta = content[event["index"]], event["delta"]
            assert open_blocks == {event["index"]}
            match delta["type"]:
                case "text_delta":
                    block["text"] += delta["text"]
                case "thinking_delta":
                    block["thinking"] += delta["thinking"]
                case "signature_delta":
                    block["signature"] = delta["signature"]
                case "citations_delta":
                    block.setdefault("citations", []).append(delta["citation"])
                case "input_json_delta":
                    pieces[event["index"]] = pieces.get(event["index"], "") + delta["partial_json"]
        elif event["type"] == "content_block_stop":
            open_blocks.remove(event["index"])
    assert not open_blocks
    for index, piece in pieces.items():
        content[index]["input"] = json.loads(piece)
    return content


@pytest.mark.parametrize(("file", "target"), recordings())
def test_a_recorded_answer_can_be_sent_back(file: Path, target: str) -> None:
    """A client that sends the message back is understood, and who made a thought is known."""
    chunks = complete(file, target)
    try:
        message = message_of(transcript_of(chunks, target), About("abc", 1, "claude", target))
    except Refused as refused:
        pytest.skip(refused.message)
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": message["content"] or "…"},
        {"role": "user", "content": results or "Go on."},
    ]
    messages, _ = read_request(json.dumps({"model": "m", "max_tokens": 5, "messages": turns}).encode())
    thoughts = [part for part in messages[1].parts if isinstance(part, ReasoningPart)]
    family = "anthropic:claude" if target.startswith("anthropic:") else target
    assert {part.signed_by for part in thoughts} <= {family, target}
    assert not any(unwrapped(part.signature or "") for part in thoughts)
