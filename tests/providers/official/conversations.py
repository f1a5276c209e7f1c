"""The conversations that both sides are asked to send, as a user of this library writes them.

Each is written once, for us; the row of each SDK (`sdks.py`) says the same in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from resilient_stream import FunctionCall, HostedTool, Message, Tool
from resilient_stream.messages import FilePart, ImagePart, TextPart

__all__ = [
    "CONVERSATIONS", "LINK", "PDF", "PDF_LINK", "PIXEL", "SCHEMA", "WAV", "WEATHER", "Answer", "City",
]  # fmt: skip

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel."""

LINK = "https://example.com/a.png"

PDF = b"%PDF-1.4 "
PDF_LINK = "https://example.com/a.pdf"
WAV = b"RIFF\x04\0\0\0WAVE"


class City(BaseModel):
    """A part of the answer."""

    name: str
    river: str | None = None


class Answer(BaseModel):
    """The answer's shape."""

    capital: City
    others: list[City]


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"place": {"type": "string", "description": "A city."}},
    "required": ["place"],
}
"""The parameters of the tool."""

WEATHER = Tool(name="weather", description="The weather at a place.", parameters=SCHEMA)

_CALLS = (
    FunctionCall(id="call_1", name="weather", arguments='{"place":"Bern"}'),
    FunctionCall(id="call_2", name="weather", arguments='{"place":"Rome"}'),
)

CONVERSATIONS: Mapping[str, Mapping[str, Any]] = {
    "text": {"prompt": "Why is the sky blue?"},
    "system and sampling": {
        "prompt": "Hi.", "system": "Be brief.", "max_tokens": 64, "temperature": 0.5, "top_p": 0.9,
        "stop": ["END"], "seed": 7,
    },
    "more options": {
        "prompt": "Hi.", "top_k": 40, "presence_penalty": 0.5, "frequency_penalty": 0.25, "user": "customer-42",
    },
    "turns": {
        "prompt": [
            Message(role="user", content="Hi."),
            Message(role="assistant", content="Hello."),
            Message(role="user", content="And?"),
        ],
    },
    "image": {
        "prompt": Message(
            role="user",
            content=(TextPart(text="What is it?"), ImagePart(url=f"data:image/png;base64,{PIXEL}")),
        ),
    },
    "image by link": {"prompt": Message(role="user", content=(TextPart(text="And?"), ImagePart(url=LINK)))},
    "a PDF": {"prompt": Message(role="user", content=(TextPart(text="Sum up."), FilePart(data=PDF, name="a.pdf")))},
    "a PDF by link": {
        "prompt": Message(role="user", content=(TextPart(text="Sum up."), FilePart(url=PDF_LINK, name="a.pdf"))),
    },
    "an uploaded file": {
        "prompt": Message(
            role="user",
            content=(TextPart(text="Sum up."), FilePart(id="files/f-1", media_type="application/pdf")),
        ),
    },
    "audio": {
        "prompt": Message(role="user", content=(TextPart(text="Listen."), FilePart(data=WAV, media_type="audio/wav"))),
    },
    "a text file": {
        "prompt": Message(role="user", content=(TextPart(text="Read."), FilePart(data=b"Hello.", name="a.txt"))),
    },
    "cache marks": {
        "prompt": [
            Message(role="system", content=(TextPart(text="A handbook.", cache="1h"),)),
            Message(role="user", content=(FilePart(data=PDF, cache=True), TextPart(text="Sum up."))),
        ],
        "tools": [WEATHER.model_copy(update={"cache": "1h"})],
    },
    "a hosted tool": {"prompt": "News?", "tools": [HostedTool("web_search")]},
    "tools": {"prompt": "Weather in Bern?", "tools": [WEATHER], "tool_choice": "auto"},
    "a tool demanded": {"prompt": "Weather in Bern?", "tools": [WEATHER], "tool_choice": "weather"},
    "any tool demanded": {"prompt": "Weather in Bern?", "tools": [WEATHER], "tool_choice": "required"},
    "tool results": {
        "prompt": [
            Message(role="user", content="Weather in Bern and Rome?"),
            Message(role="assistant", content="Let me see.", tool_calls=_CALLS),
            Message(role="tool", content="rain", tool_call_id="call_1"),
            Message(role="tool", content="sun", tool_call_id="call_2"),
        ],
        "tools": [WEATHER],
    },
    "schema": {"prompt": "Capitals?", "output": Answer},
    "reasoning": {"prompt": "Think.", "reasoning": "low"},
}  # fmt: skip
"""Fields of `client.stream`, by name."""
