"""What flows out of a stream: a closed union of eight small frozen classes.

The one rule: a chunk is a value. It never changes after it was handed out, and it holds no reference to
the stream, so an application may keep, compare, pickle or send it anywhere.
Must never: grow a class per provider. What we do not model leaves as `Raw`.

They are msgspec structs and not dataclasses because one is made for every token: 50 ns against 250 ns for
a frozen dataclass (docs/decisions/0001-msgspec-chunks.md), and `gc=False` keeps a long answer out of the
garbage collector's rounds.
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
    """A piece of the answer's text, in order; joined, the pieces are the answer."""

    type: ClassVar[Literal["text_delta"]] = "text_delta"
    content: ClassVar[bool] = True
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's visible reasoning (never part of the answer's text).

    `signature` is the provider's proof of a whole reasoning block (Anthropic, Gemini); it arrives on a delta
    of its own with no text. Without it the block may not be sent back, see `Transcript.as_history`.
    `redacted` is a whole block in the provider's encrypted form: there is no text, and it goes back as it came.
    """

    type: ClassVar[Literal["reasoning_delta"]] = "reasoning_delta"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    reasoning: str
    signature: str | None = None
    redacted: str | None = None


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """A fragment of a tool call; `arguments` is a piece of JSON text. For live display only: act on `ToolCall`."""

    type: ClassVar[Literal["tool_call_delta"]] = "tool_call_delta"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    index: int
    id: str
    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    """A whole tool call. `parsed` is the arguments as an object, or None when the call must not be run.

    That is an error on this call, not the end of the stream: `arguments` has the text as it came. Where that is an
    object all the same, `error` says why it is not trusted: no name, pieces that contradict each other, or no arguments
    in an answer in which some had no place.
    Nothing in any spelling counts as `{}`: Anthropic sends no text at all for a tool without parameters, others `null`.
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
    """Tokens as the provider counts them, cumulative: the last one of a stream stands, they are never added up.

    What includes what differs: Anthropic's input leaves out cached tokens, Gemini's output leaves out reasoning
    (docs/decisions/0007-what-is-counted.md). None: not reported.
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
    """The model stopped, and why. `raw_reason` is the provider's own word.

    `kind` is set when the answer is one, but not a whole one: `output_truncated`, `refusal` or
    `content_filtered` (the names of `ErrorKind`). `explanation`: the provider's words about it, outside the
    answer's text: OpenAI's refusal, Gemini's finish message.
    """

    type: ClassVar[Literal["finished"]] = "finished"
    content: ClassVar[bool] = False
    text: ClassVar[str] = ""
    reason: FinishReason
    raw_reason: str
    kind: str | None = None
    explanation: str = ""


class Seam(msgspec.Struct, frozen=True, gc=False):
    """From here on the answer comes from another request: `source` died, `target` goes on by `method`.

    `overlap` characters were recognised as already delivered and dropped. `restart=True` asks the consumer
    to throw away what it has.
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
    """A piece of an answer that has no class here, as decoded JSON: a citation, a picture, a tool run by the provider.

    `event` is the provider's own name for it. `standing`: "content" for what is a part of the answer, which comes
    always; "doubt" for what may be one, since nobody here knows the field or event, and which comes always, too, but
    makes no answer by itself; "extra" for what is none, which comes with `raw=True` on the target only.
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
        """Whether it is certainly a part of the answer."""
        return self.standing == "content"


Chunk: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | ToolCall | Usage | Finished | Seam | Raw
