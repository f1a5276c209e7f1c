"""Defines the chunks that a stream yields: a closed union of small frozen classes.

A chunk is a value. It never changes, and it holds no reference to the stream, so an application may keep, compare,
pickle or send it. No class is for one provider: what has no class here is a `Raw`.

Chunks are msgspec structs because one is made for every token: making one takes 50 ns, against 250 ns for a frozen
dataclass (docs/decisions/0001-msgspec-chunks.md). `gc=False` keeps the garbage collector from visiting the chunks of a
long answer.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

__all__ = [
    "Certainty",
    "Chunk",
    "File",
    "FinishReason",
    "Finished",
    "Logprobs",
    "Raw",
    "ReasoningDelta",
    "Seam",
    "ServerToolCall",
    "ServerToolResult",
    "Source",
    "Standing",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "other"]
Certainty: TypeAlias = Literal["exact", "estimated", "unknown"]
Standing: TypeAlias = Literal["content", "block", "doubt", "extra"]


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """Carries a piece of the answer's text. The pieces come in order; joined, they are the answer."""

    type: ClassVar[Literal["text_delta"]] = "text_delta"
    content: ClassVar[bool] = True
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """Carries a piece of the model's visible reasoning, which is never part of the answer's text.

    `signature` is the provider's proof of a whole reasoning block (Anthropic, Gemini). It comes in a delta of its own,
    without text. A block without its signature may not be sent back, see `Transcript.as_history`. `redacted` is a whole
    block in the provider's encrypted form. It has no text and is sent back unchanged.
    """

    type: ClassVar[Literal["reasoning_delta"]] = "reasoning_delta"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    reasoning: str
    signature: str | None = None
    redacted: str | None = None


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """Carries a fragment of a tool call, for live display only: act on `ToolCall`. `arguments` is a piece of JSON
    text."""

    type: ClassVar[Literal["tool_call_delta"]] = "tool_call_delta"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    index: int
    id: str
    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    """Carries a whole tool call. `parsed` has its arguments as an object, or None when the call must not be run.

    A call that must not be run does not end the stream. `arguments` has the text as it came. `error` says why a call is
    not trusted although its arguments are an object: it has no name, its pieces contradict each other, or it has no
    arguments in an answer where some arguments belonged to no call. Empty arguments count as `{}`, however they are
    written: Anthropic sends no text at all for a tool without parameters, others send `null`.
    """

    type: ClassVar[Literal["tool_call"]] = "tool_call"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    index: int
    id: str
    name: str
    arguments: str
    parsed: dict[str, Any] | None = None
    signature: str | None = None
    error: str | None = None


class Source(msgspec.Struct, frozen=True):
    """Says what a passage of the answer rests on: a web page, a document, a place in a file.

    url, title, quote: the page or document, and its words; "" where the provider does not say. start, end: the passage,
    as code points of `transcript.text`; None where the provider does not say. id: the provider's name for it. native:
    the citation as its provider gave it, where it wants it back.
    """

    type: ClassVar[Literal["source"]] = "source"
    content: ClassVar[bool] = False
    text: ClassVar[str] = ""
    url: str = ""
    title: str = ""
    quote: str = ""
    start: int | None = None
    end: int | None = None
    id: str = ""
    native: Any = None


class File(msgspec.Struct, frozen=True):
    """Carries a whole picture, recording or document that the model made.

    A recording that is streamed comes as several files, in order; their bytes joined are the recording.

    data: its bytes; None where the provider gave only a `url` or an `id` to fetch it by. text: the words of a
    recording, which are part of the answer's text. native: the piece as its provider gave it, which `as_history()`
    sends back; None where another block has it, as the result of the program that wrote it.
    """

    type: ClassVar[Literal["file"]] = "file"
    content: ClassVar[bool] = True
    media_type: str
    data: bytes | None = None
    url: str = ""
    id: str = ""
    text: str = ""
    native: Any = None


class ServerToolCall(msgspec.Struct, frozen=True):
    """Tells of a tool that the provider runs itself: a web search, code, an MCP server's tool. It comes before its
    result.

    name: the provider's own name for the tool. arguments: JSON text, or program code, as it came. parsed: the arguments
    as an object, or None. native: the block as its provider gave it, which `as_history()` sends back; None where the
    block of its result has the call, too. waits: the tool has not run, since the provider asks for approval first.
    """

    type: ClassVar[Literal["server_tool_call"]] = "server_tool_call"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    id: str
    name: str
    arguments: str = ""
    parsed: dict[str, Any] | None = None
    native: Any = None
    waits: bool = False


class ServerToolResult(msgspec.Struct, frozen=True):
    """Tells what a tool gave that the provider ran. `id` is that of its `ServerToolCall`.

    result: decoded JSON in the provider's own form. is_error: the tool failed, and the model was told so. native: as in
    `ServerToolCall`; None where call and result are one block, which the call has.
    """

    type: ClassVar[Literal["server_tool_result"]] = "server_tool_result"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    id: str
    name: str
    result: Any = None
    is_error: bool = False
    native: Any = None


class Logprobs(msgspec.Struct, frozen=True):
    """Says how probable the tokens of the answer were; it comes only where the request asked for it.

    tokens: an object for each token, in order, in the provider's own form: its text, the logarithm of its probability,
    and what else was likely.
    """

    type: ClassVar[Literal["logprobs"]] = "logprobs"
    content: ClassVar[bool] = False
    text: ClassVar[str] = ""
    tokens: tuple[Any, ...]


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Counts tokens as the provider reports them. The counts are cumulative: the last `Usage` of a stream stands alone.

    Providers count differently: Anthropic's input leaves out cached tokens, Gemini's output leaves out reasoning
    (docs/decisions/0007-what-is-counted.md). None means that the provider did not report the number.
    """

    type: ClassVar[Literal["usage"]] = "usage"
    content: ClassVar[bool] = False
    text: ClassVar[str] = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    certainty: Certainty = "exact"


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The model stopped for this reason. `raw_reason` is the provider's own word for it.

    `kind` is set when the answer is not a whole one: `output_truncated`, `refusal` or `content_filtered` (names of
    `ErrorKind`). `explanation` has the provider's words about the end, outside the answer's text: OpenAI's refusal,
    Gemini's finish message.
    """

    type: ClassVar[Literal["finished"]] = "finished"
    content: ClassVar[bool] = False
    text: ClassVar[str] = ""
    reason: FinishReason
    raw_reason: str
    kind: str | None = None
    explanation: str = ""


class Seam(msgspec.Struct, frozen=True, gc=False):
    """From here on, the answer comes from another request: `source` broke off, and `target` goes on by `method`.

    `overlap` is the number of characters that were recognised as already delivered, and dropped. `restart=True` asks
    the consumer to throw away what it has.
    """

    type: ClassVar[Literal["seam"]] = "seam"
    content: ClassVar[bool] = False
    text: ClassVar[str] = ""
    source: str
    target: str
    method: str
    overlap: int = 0
    restart: bool = False


class Raw(msgspec.Struct, frozen=True):
    """Carries a piece of an answer that has no chunk class, as decoded JSON.

    `event` is the provider's own name for it. `standing` says what the piece is. "content" is a part of the answer and
    always comes. So is "block": a whole one in its provider's own form, which `as_history()` sends back. "doubt" is a
    field or event that this version does not know: it may be content and always comes, but an answer of nothing else is
    no answer. "extra" is not content and comes only with `raw=True` on the target. `Transcript.unmodelled` counts all
    but "extra".
    """

    type: ClassVar[Literal["raw"]] = "raw"
    text: ClassVar[str] = ""
    provider: str
    event: str
    data: Any
    standing: Standing = "content"

    @property
    def content(self) -> bool:
        """Return whether the piece is certainly a part of the answer."""
        return self.standing in ("content", "block")


Chunk: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | ToolCall
    | Source
    | File
    | ServerToolCall
    | ServerToolResult
    | Logprobs
    | Usage
    | Finished
    | Seam
    | Raw
)
