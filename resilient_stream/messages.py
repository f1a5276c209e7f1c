"""What goes in: messages, their parts, and tools, as a user writes them.

The one rule: everything here also accepts OpenAI's chat shape as plain dicts, and is checked when it is made;
what is wrong is said with its place (`messages[2].content`).
Must never: know a provider. An adapter turns these into its own dialect.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from .errors import StreamMisused

__all__ = [
    "FunctionCall",
    "History",
    "ImagePart",
    "Message",
    "Part",
    "Prompt",
    "ReasoningPart",
    "TextPart",
    "Tool",
    "to_messages",
    "to_tools",
]


Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TextPart(_Frozen):
    """A piece of text in a message of several parts."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(_Frozen):
    """A picture: an https URL, or a data URL (`data:image/png;base64,…`)."""

    type: Literal["image_url"] = "image_url"
    url: str
    detail: Literal["auto", "low", "high"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("image_url"), Mapping | str):
            image = value["image_url"]
            inner = {"url": image} if isinstance(image, str) else dict(image)
            return {"type": "image_url", **inner}
        return value

    def data(self) -> tuple[str, str] | None:
        """(media type, base64 text) of a data URL; None for a link."""
        if not self.url.startswith("data:"):
            return None
        head, _, body = self.url[5:].partition(",")
        return head.removesuffix(";base64") or "image/png", body


class ReasoningPart(_Frozen):
    """Reasoning of an earlier answer, to be sent back to the provider that signed it.

    `signature` is that provider's proof; `redacted` its encrypted form when the text is hidden. `signed_by`: the
    target it came from, "provider:model"; to a model of another family it is not sent (see `signatures.py`). None:
    whoever wrote this knows that it fits.
    """

    type: Literal["reasoning"] = "reasoning"
    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    signed_by: str | None = None


Part: TypeAlias = TextPart | ImagePart | ReasoningPart


class FunctionCall(_Frozen):
    """A tool call that the model made in an earlier turn; `arguments` is JSON text.

    `signature` and `signed_by`: as in `ReasoningPart`; only Gemini signs calls.
    """

    id: str
    name: str
    arguments: str = "{}"
    signature: str | None = None
    signed_by: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
            return {"id": value.get("id", ""), **value["function"]}
        return value


class Message(_Frozen):
    """One turn. Same field names as OpenAI's chat shape, and the same dicts are accepted.

    A `tool` message answers the call `tool_call_id`. `content` is a string or a list of parts.
    """

    role: Role
    content: str | tuple[Part, ...] = ""
    tool_calls: tuple[FunctionCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None

    if TYPE_CHECKING:  # what is accepted is more than what is kept

        def __init__(
            self,
            *,
            role: Role,
            content: str | Sequence[Part | Mapping[str, Any]] | None = "",
            tool_calls: Sequence[FunctionCall | Mapping[str, Any]] | None = (),
            tool_call_id: str | None = None,
            name: str | None = None,
        ) -> None: ...

    @field_validator("content", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("tool_calls", mode="before")
    @classmethod
    def _none_is_no_call(cls, value: Any) -> Any:
        return () if value is None else value

    @model_validator(mode="after")
    def _tool_answers_a_call(self) -> Message:
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a message with role 'tool' needs the tool_call_id of the call that it answers")
        return self

    @property
    def text(self) -> str:
        """The text of the message, all text parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The content as parts, a plain string being one text part; empty for an empty string."""
        if isinstance(self.content, str):
            return (TextPart(text=self.content),) if self.content else ()
        return self.content


class Tool(_Frozen):
    """A function the model may call: its name, what it is for, and a JSON schema of its parameters."""

    name: str = Field(min_length=1)
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
            return dict(value["function"])
        return value


ModelT = TypeVar("ModelT", bound=BaseModel)
Prompt: TypeAlias = str | Message | Sequence[Message | Mapping[str, Any]]
"""What a call takes as its first argument."""
History: TypeAlias = list[Message | dict[str, Any]]
"""A conversation that is kept and grows: messages and dicts side by side, in a list of your own."""


def to_messages(prompt: Prompt, system: str | None = None) -> tuple[Message, ...]:
    """A prompt in any accepted form as messages, `system` in front. StreamMisused says what is wrong and where."""
    if isinstance(prompt, str):
        messages: tuple[Message, ...] = (Message.model_construct(role="user", content=prompt),)
    else:
        messages = _check(Message, [prompt] if isinstance(prompt, Message | Mapping) else prompt, "messages")
    if not messages:
        raise StreamMisused("messages is empty: give at least one message, or a string")
    if system is not None:
        messages = (Message(role="system", content=system), *messages)
    return messages


def to_tools(tools: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """Tools in any accepted form. StreamMisused says what is wrong and where."""
    return _check(Tool, list(tools), "tools") if tools else ()


@functools.cache
def _adapter(model: type[ModelT]) -> TypeAdapter[tuple[ModelT, ...]]:
    """Made when first needed: each costs milliseconds, which the import should not."""
    return TypeAdapter(tuple[model, ...])  # type: ignore[valid-type]


def _check(model: type[ModelT], value: Any, name: str) -> tuple[ModelT, ...]:
    try:
        return _adapter(model).validate_python(value)
    except ValidationError as error:
        raise StreamMisused(describe(error, name)) from None  # it has the values, which may be private


def describe(error: ValidationError, name: str, most: int = 3) -> str:
    """The first complaints of pydantic as `messages[1].role: …`; never the values, they may be private."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{name}{_place(item['loc'])}: {item['msg']}" for item in found[:most]]
    if len(found) > most:
        said.append(f"and {len(found) - most} more")
    return "; ".join(said)


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
