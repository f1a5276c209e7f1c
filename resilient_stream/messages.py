"""Defines the messages, message parts and tools that a user gives to a call.

All of them also accept OpenAI's chat shape as plain dicts. They are checked when they are made, and a complaint names
the place (`messages[2].content`). Nothing here knows a provider: an adapter turns these into its own dialect.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .failures import StreamMisused
from .given.api_shapes import call_fields, dumped, message_fields, part_fields, split_results, tool_fields
from .given.checks import Unfit, json_object, plain, text, whole_text
from .given.nearest import did_you_mean
from .given.pictures import canonical
from .text.harmless import safe_name

if TYPE_CHECKING:
    from .given.files import FileKind

__all__ = [
    "Cache",
    "FilePart",
    "FunctionCall",
    "History",
    "Hosted",
    "HostedTool",
    "ImagePart",
    "Message",
    "OpaquePart",
    "Part",
    "Prompt",
    "ReasoningPart",
    "TextPart",
    "Tool",
    "ToolLike",
    "to_hosted",
    "to_messages",
    "to_tool",
    "to_tools",
]


Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
Detail: TypeAlias = Literal["auto", "low", "high"]
Cache: TypeAlias = Literal[True, False, "5m", "1h"]
"""A mark up to which a provider should keep a prompt: for its usual time, for 5 minutes or for an hour."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, hide_input_in_errors=True)

    if not TYPE_CHECKING:  # type checkers know the fields, each with its own type

        def __init__(self, /, *given: Any, **values: Any) -> None:
            if given:
                raise StreamMisused(_by_name(type(self), len(given)))
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise StreamMisused(complaint(error, type(self))) from None

        # pydantic's own marker: what stands inside of another model is checked without this, so that the place is said.
        __init__.__pydantic_base_init__ = True

    @model_validator(mode="before")
    @classmethod
    def _from_outside(cls, value: Any) -> Any:
        """Read an SDK's object, or a dict of its shape, as our fields, with texts that can be sent."""
        given = value if isinstance(value, _Frozen) else dumped(value)
        if not isinstance(given, Mapping):
            return given
        fields = cls._fields(given)
        return {name: text(item) if isinstance(item, str) else item for name, item in fields.items()}

    @classmethod
    def _fields(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return value


class TextPart(_Frozen):
    """Holds a piece of text in a message of several parts.

    `citations` are what it rests on, as the provider `cited_by` gave them ("anthropic"). They go back to that provider
    only; for others it is text like any other. `cache` marks the end of what its provider should keep for further
    calls: True for the provider's usual time, "5m" or "1h". Where a provider keeps prompts by itself, nothing is sent.
    """

    type: Literal["text"] = "text"
    text: str
    citations: tuple[Any, ...] = ()
    cited_by: str | None = None
    cache: Cache | None = None

    @field_validator("citations", mode="before")
    @classmethod
    def _plain_values(cls, value: Any) -> Any:
        return plain(value, ".citations")


class ImagePart(_Frozen):
    """Holds a picture, given as an https URL, a data URL (`data:image/png;base64,…`) or base64 text alone.

    `url` becomes a link, or a data URL of a media type that providers know (see `given/pictures.py`).
    """

    type: Literal["image_url"] = "image_url"
    url: str
    detail: Detail | None = None
    cache: Cache | None = None

    @classmethod
    def _fields(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return part_fields({"type": "image_url", **value}, {}) if "image_url" in value else value

    @field_validator("url")
    @classmethod
    def _in_one_form(cls, value: str) -> str:
        return canonical(value)

    @classmethod
    def of(cls, data: bytes, media_type: str | None = None, *, detail: Detail | None = None) -> ImagePart:
        """Return a picture of these bytes. Their beginning tells which of PNG, JPEG, GIF and WebP it is; others need
        the media type, such as "image/heic"."""
        from .given.files import as_base64, type_of

        try:
            body = as_base64(data)
        except ValueError as error:
            raise StreamMisused(f"ImagePart.of: {error}") from None
        kind = type_of(None, None, body) or media_type
        if kind is None:
            raise StreamMisused("ImagePart.of: say what it is, such as media_type='image/png'")
        return cls(url=f"data:{kind};base64,{body}", detail=detail)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, detail: Detail | None = None) -> ImagePart:
        """Read a picture of up to 100 MiB now. Raises StreamMisused for a file that is missing, too large, or none."""
        from .given.files import name_of, read, type_of

        return cls.of(read(path, "ImagePart.from_file"), type_of(name_of(path), None, None), detail=detail)

    def data(self) -> tuple[str, str] | None:
        """Return the media type and the base64 text of a data URL; None for a link."""
        if not self.url.startswith("data:"):
            return None
        head, _, body = self.url[5:].partition(",")
        return head.removesuffix(";base64"), body


class FilePart(_Frozen):
    """Holds a file of any other kind (a PDF, audio, video, text, an office document), given by exactly one of `url`,
    `data` and `id`.

    data: bytes, or their base64 text, which is what is kept. id: of an upload at the provider that is asked. media_type
    is found from the first bytes, the name or the address, and has to be given where none of them shows it. name: what
    the model is told, with its ending. citations: the answer has to say which passages of the document it rests on, as
    `Source`s; a provider that cannot is not asked. See `given/files.py`.
    """

    type: Literal["file"] = "file"
    url: str | None = None
    data: str | None = Field(default=None, repr=False)
    id: str | None = None
    media_type: str | None = None
    name: str | None = None
    cache: Cache | None = None
    citations: bool = False

    if TYPE_CHECKING:  # a type checker is told all that is accepted, which is more than what is kept

        def __init__(
            self,
            *,
            url: str | None = None,
            data: bytes | str | None = None,
            id: str | None = None,
            media_type: str | None = None,
            name: str | None = None,
            cache: Cache | None = None,
            citations: bool = False,
        ) -> None: ...

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        media_type: str | None = None,
        *,
        cache: Cache | None = None,
        citations: bool = False,
    ) -> FilePart:
        """Read a file of up to 100 MiB now. Raises StreamMisused for one that is missing, too large, or a pipe."""
        from .given.files import name_of, read  # imported late, since most calls have no file

        data = read(path, "FilePart.from_file")
        return cls(data=data, media_type=media_type, name=name_of(path), cache=cache, citations=citations)

    @classmethod
    def _fields(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        from .given.files import as_base64, data_of_url, known_type, type_of

        fields = dict(part_fields({"type": "file", **value}, {})) if "file" in value else dict(value)
        if not fields.keys() <= cls.model_fields.keys():
            return fields  # unchanged, so that an unknown field is complained of first
        if sum(fields.get(name) is not None for name in ("url", "data", "id")) != 1:
            raise ValueError("give exactly one of url, data and id")
        url, data, declared = fields.get("url"), fields.get("data"), fields.get("media_type")
        if isinstance(url, str) and (inside := data_of_url(url)):
            fields["url"], (data, found) = None, inside
            declared = declared or found
        elif isinstance(data, str) and (inside := data_of_url(data)):
            data, declared = inside[0], declared or inside[1]
        elif isinstance(data, str | bytes | bytearray | memoryview):
            data = as_base64(data)
        elif data is not None:
            raise ValueError(f"data: give bytes or base64 text, not {type(data).__name__}")
        made = known_type(declared) if isinstance(declared, str) else type_of(fields.get("name"), url, data)
        if made is None and fields.get("id") is None:
            raise ValueError("say what it is: media_type='application/pdf', or a name with its ending, name='a.pdf'")
        return {**fields, "data": data, "media_type": made}

    @property
    def way(self) -> Literal["data", "url", "id"]:
        """Return how the file is given."""
        return "data" if self.data is not None else "url" if self.url is not None else "id"

    @property
    def kind(self) -> FileKind:
        """Return which kind of file it is: pdf, text, office, audio, video, image or other."""
        from .given.files import kind_of

        return kind_of(self.media_type)

    @property
    def plain_text(self) -> str | None:
        """Return the text of a file whose content is here and is a text; None for any other."""
        if self.data is None or self.kind != "text":
            return None
        return base64.b64decode(self.data).decode("utf-8-sig", "replace")


class ReasoningPart(_Frozen):
    """Holds reasoning of an earlier answer, to be sent back to the provider that it came from.

    `signature` is the provider's proof of it. `redacted` is its encrypted form when the text is hidden. Reasoning that
    has neither is sent only to hosts that take reasoning as plain text (DeepSeek, Moonshot, vLLM, Ollama, …).
    `signed_by` is the target it came from, "provider:model". It is not sent to a model of another family
    (`fitting/signatures.py`). None means that whoever made the message knows that it fits.
    """

    type: Literal["reasoning"] = "reasoning"
    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    signed_by: str | None = None


class OpaquePart(_Frozen):
    """Holds a block of an assistant's turn that only its provider understands: a web search, its encrypted results, a
    picture with the provider's mark on it.

    `data` is the block as its provider gave it, and goes back to `provider` ("anthropic") unchanged, in its place. For
    any other provider `text` stands there in its place. If that is empty, the block is left out, together with all
    signed reasoning of the turn, which is refused when a block beside it is missing.
    """

    type: Literal["opaque"] = "opaque"
    provider: str
    data: Any
    text: str = ""

    @field_validator("data")
    @classmethod
    def _plain_values(cls, value: Any) -> Any:
        return plain(value, ".data")


Part: TypeAlias = TextPart | ImagePart | FilePart | ReasoningPart | OpaquePart


class FunctionCall(_Frozen):
    """Holds a tool call that the model made in an earlier turn. `arguments` is JSON text.

    `signature` and `signed_by` are as in `ReasoningPart`; only Gemini signs calls. `place` is the number of content
    parts of the message that came before the call; None means all of them. `cache` is as in `TextPart`.
    """

    id: str
    name: str = Field(min_length=1)
    arguments: str = "{}"
    signature: str | None = None
    signed_by: str | None = None
    place: int | None = None
    cache: Cache | None = None

    @classmethod
    def _fields(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return call_fields(value, cls.model_fields)


class Message(_Frozen):
    """Holds one message of a conversation. It has the field names of OpenAI's chat shape and accepts the same dicts.

    A `tool` message answers the call `tool_call_id`; `is_error` says that the tool failed, to providers that have a
    field for it. `content` is a string or a list of parts.
    """

    role: Role
    content: str | tuple[Part, ...] = ""
    tool_calls: tuple[FunctionCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    is_error: bool = False

    if TYPE_CHECKING:  # a type checker is told all that is accepted, which is more than what is kept

        def __init__(
            self,
            *,
            role: Role,
            content: str | Sequence[Part | Mapping[str, Any]] | None = "",
            tool_calls: Sequence[FunctionCall | Mapping[str, Any]] | None = (),
            tool_call_id: str | None = None,
            name: str | None = None,
            is_error: bool = False,
        ) -> None: ...

    @classmethod
    def _fields(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        fields = message_fields(value, cls.model_fields)
        content = fields.get("content", "")
        return fields if isinstance(content, str) else {**fields, "content": _parts(content)}

    @model_validator(mode="after")
    def _tool_answers_a_call(self) -> Message:
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a message with role 'tool' needs the tool_call_id of the call that it answers")
        return self

    @property
    def text(self) -> str:
        """Return the text of the message, all text parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def blocks(self) -> tuple[Part | FunctionCall, ...]:
        """Return the message's parts and calls in the order in which the model made them."""
        if all(call.place is None for call in self.tool_calls):
            return (*self.parts, *self.tool_calls)
        made: list[Part | FunctionCall] = []
        waiting = list(self.tool_calls)
        for count, part in enumerate(self.parts):
            while waiting and waiting[0].place is not None and waiting[0].place <= count:
                made.append(waiting.pop(0))
            made.append(part)
        return (*made, *waiting)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the content as parts. A plain string is one text part; an empty string has none."""
        if isinstance(self.content, str):
            return (TextPart(text=self.content),) if self.content else ()
        return self.content


class Tool(_Frozen):
    """Describes a function the model may call: its name, what it is for, and a JSON schema of its parameters.

    cache: as in `TextPart`; the mark is behind this tool.
    """

    name: str = Field(min_length=1)
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None
    cache: Cache | None = None

    @classmethod
    def _fields(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        fields = tool_fields(value, cls.model_fields)
        return fields | {"parameters": plain(fields["parameters"], ".parameters")} if "parameters" in fields else fields


class HostedTool(_Frozen):
    """Names a tool that runs at the provider: `HostedTool("web_search")`.

    Each provider's own word for the name is sent; docs/hosted-tools.md lists who has which. options: fields of the
    tool, as the provider that is asked has them.
    """

    name: str = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict, repr=False)  # an MCP server's key may be among them

    if not TYPE_CHECKING:

        def __init__(self, name: str, /, **options: Any) -> None:
            super().__init__(name=name, options=json_object(f"HostedTool({name!r})", options))

    else:

        def __init__(self, name: str, /, **options: Any) -> None: ...


Hosted: TypeAlias = HostedTool | dict[str, Any]
"""A tool that runs at the provider, or one in its provider's own words, which only that provider is sent."""


def to_hosted(value: Any, place: str) -> Hosted | None:
    """Return a tool that runs at the provider; None for a function, whose type is "function", "custom" or none."""
    if isinstance(value, HostedTool):
        return value
    given = dumped(value)
    if not isinstance(given, Mapping) or isinstance(value, Tool):
        return None
    kind = given.get("type")
    functional = kind in ("function", "custom") if kind is not None else not _is_googles(given)
    return None if functional else json_object(place, {name: item for name, item in given.items() if item is not None})


def _is_googles(given: Mapping[str, Any]) -> bool:
    """Tell Google's own tools, and Bedrock's: objects with one field that has an object, `{"googleSearch": {}}`."""
    fields = [item for item in given.values() if item is not None]
    return bool(fields) and all(isinstance(item, Mapping) for item in fields) and "function" not in given


ToolLike: TypeAlias = Tool | HostedTool | Mapping[str, Any] | Callable[..., Any]
"""What the option `tools` takes: tools, dicts in the shape of any API, and functions, which are only described."""

ModelT = TypeVar("ModelT", bound=BaseModel)
Prompt: TypeAlias = str | Message | Sequence[Message | Mapping[str, Any]]
"""The type of a call's first argument."""
History: TypeAlias = list[Message | dict[str, Any]]
"""A conversation that grows: messages and dicts together, in a list that the application owns."""


def to_messages(prompt: Prompt, system: str | None = None) -> tuple[Message, ...]:
    """Read a prompt of any accepted form as messages, with `system` in front.

    Raises StreamMisused, which says what is wrong and where.
    """
    messages = _turns(prompt)
    if not messages:
        raise StreamMisused("messages is empty: give at least one message, or a string")
    if system is not None:
        messages = (Message(role="system", content=whole_text("system", system)), *messages)
    return messages


_PLAIN: dict[str, Any] = Message.model_construct(role="user", content="").__getstate__()


def _plain_prompt(words: str) -> Message:
    """Return a text as the user's message. Pydantic's own ways look at each field, and make a set for each message."""
    made = Message.__new__(Message)
    made.__setstate__({**_PLAIN, "__dict__": {**_PLAIN["__dict__"], "content": words}})
    return made


def _turns(prompt: Any) -> tuple[Message, ...]:
    if isinstance(prompt, str):
        return (_plain_prompt(text(prompt)),)
    if isinstance(prompt, Message | Mapping) or hasattr(prompt, "model_dump"):
        prompt = [prompt]
    if isinstance(prompt, bytes | bytearray) or not isinstance(prompt, Iterable):
        raise StreamMisused(f"messages: give a string, a Message, or a list of messages, not {type(prompt).__name__}")
    return tuple(_checked(Message, each, f"messages[{place}]") for place, each in enumerate(split_results(prompt)))


def to_tools(tools: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """Read tools of any accepted form. Raises StreamMisused, which says what is wrong and where."""
    if tools is None:
        return ()
    if isinstance(tools, str | bytes | Mapping | Tool) or not isinstance(tools, Iterable):
        raise StreamMisused(f"tools: give a list of tools, not {type(tools).__name__}")
    return tuple(to_tool(each, f"tools[{place}]") for place, each in enumerate(tools))


def to_tool(tool: Tool | Mapping[str, Any], place: str) -> Tool:
    """Read one tool of any accepted form."""
    return _checked(Tool, tool, place)


def _checked(model: type[ModelT], value: Any, name: str) -> ModelT:
    if not isinstance(value, model | Mapping) and not hasattr(value, "model_dump"):
        raise StreamMisused(f"{name}: give a {model.__name__} or a dict, not {type(value).__name__}")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # Without the cause, which has the values; they may be private.
        raise StreamMisused(describe(error, name)) from None


def _parts(content: Any) -> tuple[Part, ...]:
    """Read the parts of a message. Raises Unfit, which says what is wrong in which part."""
    if not isinstance(content, Iterable) or isinstance(content, bytes | bytearray | Mapping):
        raise Unfit(f".content: give a text or a list of parts, not {type(content).__name__}")
    return tuple(_part(each, f".content[{place}]") for place, each in enumerate(content))


def _part(value: Any, place: str) -> Part:
    if isinstance(value, TextPart | ImagePart | ReasoningPart | OpaquePart):
        return value
    if isinstance(value, FilePart):
        return _as_picture(value)
    given = dumped(value)
    if not isinstance(given, Mapping):
        raise Unfit(f"{place}: give a part, like a TextPart or a dict with its type, not {type(value).__name__}")
    try:
        fields = part_fields(given, _OWN)
        made = _PARTS[fields["type"]].model_validate(fields)
        return _as_picture(made) if isinstance(made, FilePart) else made
    except Unfit as error:
        raise Unfit(f"{place}{error}") from None
    except ValidationError as error:
        raise Unfit(describe(error, place)) from None


def _as_picture(part: FilePart) -> FilePart | ImagePart:
    """Return a picture that was given as a file as what it is. One that was uploaded has no other form than its id."""
    if part.kind != "image" or part.id is not None:
        return part
    return ImagePart(url=part.url or f"data:{part.media_type};base64,{part.data}", cache=part.cache)


_PARTS: Mapping[str, type[TextPart | ImagePart | FilePart | ReasoningPart | OpaquePart]] = {
    "text": TextPart, "image_url": ImagePart, "file": FilePart, "reasoning": ReasoningPart, "opaque": OpaquePart,
}  # fmt: skip
_OWN: Mapping[str, Collection[str]] = {"reasoning": ReasoningPart.model_fields, "opaque": OpaquePart.model_fields}
"""The parts that are ours alone, with their fields."""


def _by_name(model: type[BaseModel], count: int) -> str:
    """Say how a model is made whose fields were given without their names."""
    names = [name for name in model.model_fields if name != "type"][:count]
    fields = ", ".join(f'{name}="user"' if name == "role" else f'{name}="…"' for name in names)
    return f"{model.__name__}: give its fields by name: {model.__name__}({fields})"


def complaint(error: ValidationError, model: type[BaseModel]) -> str:
    """Say what is wrong with which field of a model. For an unknown field, name the one that was meant."""
    extra = (each["loc"] for each in error.errors(include_input=False) if each["type"] == "extra_forbidden")
    unknown = next((place[0] for place in extra if len(place) == 1), None)
    if unknown is None:
        return describe(error, model.__name__)
    meant = did_you_mean(str(unknown), model.model_fields) or f". It has {', '.join(model.model_fields)}"
    return f"{model.__name__} has no field {safe_name(str(unknown))!r}{meant}"


def describe(error: ValidationError, name: str, most: int = 3) -> str:
    """Describe pydantic's first complaints as `messages[1].role: …`, without the values, which may be private."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{name}{_place(item['loc'])}{_after_its_place(item['msg'])}" for item in found[:most]]
    if len(found) > most:
        said.append(f"and {len(found) - most} more")
    return "; ".join(said)


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{safe_name(step)}" for step in location)


def _after_its_place(message: str) -> str:
    """Return a complaint as it follows the name of its place. Our own complaints begin with the rest of that place."""
    said = message.removeprefix("Value error, ")
    return said if said.startswith((".", "[")) else f": {said}"
