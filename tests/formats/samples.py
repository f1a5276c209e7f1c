"""Items of every class, and answers of them, for the tests of all formats."""

from __future__ import annotations

from typing import Any, get_args

from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from resilient_stream.conversation.conversation import ConversationChunk
from resilient_stream.conversation.progress import ToolProgress
from resilient_stream.conversation.turns import ToolResult, TurnStarted
from resilient_stream.errors import Failure, StreamError, error_for
from resilient_stream.formats.writer import About, Ending, Item, Writer
from resilient_stream.kinds import ErrorKind
from resilient_stream.messages import FilePart, ImagePart, TextPart

PIXEL = "data:image/png;base64,iVBORw0KGgo="

SAMPLES: dict[type[Any], tuple[Item, ...]] = {
    TextDelta: (TextDelta("Hel"), TextDelta(""), TextDelta('lo\n\r\n"\\\u2028 😀\x00')),
    ReasoningDelta: (ReasoningDelta("hm"), ReasoningDelta("", "sig"), ReasoningDelta("", None, "xx==")),
    ToolCallDelta: (ToolCallDelta(0, "c1", "add", '{"a":'), ToolCallDelta(0, "c1", "add", "1}")),
    ToolCall: (
        ToolCall(0, "c1", "add", '{"a":1}', {"a": 1}),
        ToolCall(1, "", "add", '{"a":', None, "sig", "its pieces contradict each other"),
    ),
    Source: (Source("https://a.test/", "A", "quoted", 0, 3, "s1", {"k": [1]}), Source(quote="from a document")),
    File: (
        File("image/png", b"\x89PNG\xff\x00"),
        File("audio/wav", None, "https://a.test/b.wav", text="spoken"),
        File("application/pdf", None, "", "file_1", native={"id": "file_1"}),
    ),
    ServerToolCall: (
        ServerToolCall("w1", "web_search", '{"q":"x"}', {"q": "x"}, {"type": "server_tool_use"}),
        ServerToolCall("w2", "shell", "ls -l", waits=True),
    ),
    ServerToolResult: (
        ServerToolResult("w1", "web_search", [{"url": "https://a.test"}], native={"type": "result"}),
        ServerToolResult("w9", "shell", {"code": 1}, True),
    ),
    Logprobs: (Logprobs(({"token": "Hel", "logprob": -0.5},)),),
    Usage: (Usage(3, 2, cached_input_tokens=1), Usage(certainty="unknown")),
    Finished: (Finished("stop", "end_turn"), Finished("refusal", "refusal", "refusal", "I cannot help with that.")),
    Seam: (Seam("openai:a", "anthropic:b", "prefill", 4), Seam("openai:a", "anthropic:b", "restart", 0, True)),
    Raw: (
        Raw("openai", "response.new_thing", {"n": 2**70, "deep": [[None]]}),
        Raw("openai", "extra", [1.5, True], "extra"),
    ),
    TurnStarted: (TurnStarted(2),),
    ToolProgress: (ToolProgress("c1", "add", "half", 1, 2.5), ToolProgress("c9", "add")),
    ToolResult: (
        ToolResult("c1", "add", '{"sum": 2}', False, 0.25),
        ToolResult("c9", "add", "No such tool", True, 0.0),
        ToolResult(
            "c1", "draw", "two", False, 1.5,
            (TextPart(text="two"), ImagePart(url=PIXEL), FilePart(data=b"%PDF-1.7", media_type="application/pdf")),
        ),
    ),
}  # fmt: skip
"""Of each class that a stream or a conversation yields, objects with and without what may be missing."""

CLASSES: tuple[type[Any], ...] = get_args(ConversationChunk)
ITEMS = tuple(item for items in SAMPLES.values() for item in items)
ABOUT = About("id_1", 1_700_000_000, "gpt-test")
WHOLE = Ending("complete", None, "stop", Usage(3, 2))

assert set(get_args(Chunk)) < set(CLASSES)


def failure(kind: ErrorKind = ErrorKind.CONNECTION_LOST) -> StreamError:
    """An error as a stream raises it."""
    return error_for(Failure(kind=kind, retry_after=2.5), provider="openai", model="gpt-test", phase="stream")


def written(writer: Writer, items: tuple[Item, ...] | list[Item] = ITEMS, ending: Ending = WHOLE) -> list[bytes]:
    """All frames of an answer, each item in a batch of its own."""
    frames = writer.begin(ABOUT)
    for item in items:
        frames += writer.write([item])
    return frames + writer.end(ending)
