"""The chunks that a stream yields: a closed union of eight small frozen classes.

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
    "FinishReason",
    "Finished",
    "Raw",
    "ReasoningDelta",
    "Seam",
    "Standing",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "other"]
Certainty: TypeAlias = Literal["exact", "estimated", "unknown"]
Standing: TypeAlias = Literal["content", "doubt", "extra"]


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer's text. The pieces come in order; joined, they are the answer."""

    type: ClassVar[Literal["text_delta"]] = "text_delta"
    content: ClassVar[bool] = True
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's visible reasoning, which is never part of the answer's text.

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
    """A fragment of a tool call, for live display only: act on `ToolCall`. `arguments` is a piece of JSON text."""

    type: ClassVar[Literal["tool_call_delta"]] = "tool_call_delta"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    index: int
    id: str
    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    """A whole tool call. `parsed` has its arguments as an object, or None when the call must not be run.

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


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts as the provider reports them. They are cumulative: the last `Usage` of a stream stands alone.

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
    """A piece of an answer that has no chunk class, as decoded JSON: a citation, a picture, a tool that the provider
    ran.

    `event` is the provider's own name for it. `standing` says what the piece is. "content" is a part of the answer and
    always comes. "doubt" is a field or event that this version does not know: it may be content and always comes, but
    an answer of nothing else is no answer. "extra" is not content and comes only with `raw=True` on the target.
    `Transcript.unmodelled` counts the first two.
    """

    type: ClassVar[Literal["raw"]] = "raw"
    text: ClassVar[str] = ""
    provider: str
    event: str
    data: Any
    standing: Standing = "content"

    @property
    def content(self) -> bool:
        """Whether the piece is certainly a part of the answer."""
        return self.standing == "content"


Chunk: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | ToolCall | Usage | Finished | Seam | Raw
