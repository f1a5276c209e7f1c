"""What the tests of recording and replay share: a session that is recorded, and played back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from resilient_stream import Client, RetryPolicy, StreamError, Target, Transcript

__all__ = ["QUICK", "asked", "exchange", "lines_in", "played", "said", "write"]

QUICK = RetryPolicy(initial=0, jitter=0, attempts=2)


async def asked(client: Client, prompt: Any, **options: Any) -> Transcript:
    """The transcript, however it ended."""
    stream = client.stream(prompt, **options)
    try:
        return await stream.collect()
    except StreamError:
        return stream.transcript


def lines_in(file: Path) -> list[dict[str, Any]]:
    """The exchanges of a recording."""
    return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def played(file: Path, **options: Any) -> Target:
    """The target that plays it back, without waiting."""
    return Target(f"replay:{file}", **{"speed": 0, **options})


def said(transcript: Transcript) -> dict[str, Any]:
    """Everything that has to be the same when it is played back."""
    error = transcript.error
    history = [_unsigned(message.model_dump()) for message in transcript.as_history()]
    return {
        "text": transcript.text,
        "reasoning": transcript.reasoning,
        "tool_calls": transcript.tool_calls,
        "usage": transcript.usage,
        "finish": (transcript.finish_reason, transcript.raw_finish_reason, transcript.finish_kind),
        "outcome": transcript.outcome,
        "history": history,
        "attempts": [(attempt.status, attempt.error and attempt.error.kind) for attempt in transcript.attempts],
        "error": error and (type(error), error.kind, error.category, error.phase, error.status, error.title,
                            error.message, error.resolution, error.retry_after, error.billed_maybe),
    }  # fmt: skip


def _unsigned(value: Any) -> Any:
    """Without the name of who signed or made a block: that is the recording, when it is played back."""
    if isinstance(value, dict):
        who = {"signed_by", "cited_by"} | ({"provider"} if value.get("type") == "opaque" else set())
        return {name: _unsigned(item) for name, item in value.items() if name not in who}
    return [_unsigned(item) for item in value] if isinstance(value, list | tuple) else value


DONE = 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def delta(text: str) -> str:
    """A piece of text in OpenAI's dialect."""
    event = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    return f"data: {json.dumps(event)}\n\n"


def exchange(*texts: str, prompt: Any = "hi", gap: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A recorded answer of OpenAI's, written by hand: its pieces come `gap` seconds apart."""
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    pieces = [[gap * number, delta(text)] for number, text in enumerate(texts, 1)]
    end = gap * (len(texts) + 1)
    return {
        "version": 1,
        "target": "openai:m",
        "messages": messages,
        "status": 200,
        "headers": {"content-type": "text/event-stream"},
        "head_after": 0.0,
        "pieces": [*pieces, [end, DONE]],
        "ended": {"how": "end", "after": end},
        **changes,
    }


def write(file: Path, *exchanges: Any) -> Path:
    """A recording of these."""
    file.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in exchanges))
    return file
