"""Reads what a page with Vercel's `useChat` sends as our messages: the other way of the format `ai-sdk`.

A page's user can write all of it, the assistant's turns included, so it is the history of a chat and nothing to trust.
Instructions come from the server: a system message of a page is refused unless it is asked for. Each type of part has
a row that says what becomes of it; one without is refused by its name and place, and never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from ..conversation.turns import NO_RESULT
from ..failures import StreamMisused
from ..messages import FilePart, FunctionCall, ImagePart, Message, OpaquePart, ReasoningPart, TextPart
from ..outcome.archive import read
from ..text.harmless import safe_name

__all__ = ["ReadData", "UiRequest", "read_ui_messages", "read_ui_request"]

Content: TypeAlias = TextPart | ImagePart | FilePart | ReasoningPart | OpaquePart
ReadData: TypeAlias = Mapping[str, Callable[[Any], str | Content | None]]
"""What becomes of an application's own `data-…` parts, by name: a text, a part, or None for nothing."""

PAGE = "ai-sdk"
"""The provider of blocks that only the page has; no target has this name, so none is sent one."""


class UiRequest(msgspec.Struct, frozen=True):
    """Holds what a page asks.

    id: of the chat. trigger: `submit-message` or `regenerate-message`. message_id: of the message to make anew.
    continues: the id of the assistant's message that the answer goes on with, for `AiSdkWriter(message_id)`. body: all
    fields of the request, with those that the application added.
    """

    id: str
    messages: list[Message]
    trigger: str = "submit-message"
    message_id: str | None = None
    continues: str | None = None
    body: Mapping[str, Any] = {}


def read_ui_messages(
    body: bytes | str | Mapping[str, Any], *, data: ReadData | None = None, system: bool = False
) -> list[Message]:
    """Return the messages of a request, see `read_ui_request`."""
    return read_ui_request(body, data=data, system=system).messages


def read_ui_request(
    body: bytes | str | Mapping[str, Any], *, data: ReadData | None = None, system: bool = False
) -> UiRequest:
    """Read the body of a request of `useChat`. Raises StreamMisused, which names what is wrong: that is a 400.

    data: how the application's own data parts are read. system: take system messages, too.
    """
    values = _decoded(body)
    request = read(_Request, values, "body")
    if not request.messages:
        raise StreamMisused("body.messages: Expected at least one message")
    messages = [
        made
        for place, each in enumerate(request.messages)
        for made in _messages(each, f"messages[{place}]", data or {}, system)
    ]
    last = request.messages[-1]
    continues = last.id or None if last.role == "assistant" and request.trigger != "regenerate-message" else None
    return UiRequest(request.id, messages, request.trigger, request.messageId, continues, values)


class _Message(msgspec.Struct):
    role: Literal["system", "user", "assistant"]
    parts: list[dict[str, Any]]
    id: str = ""


class _Request(msgspec.Struct):
    messages: list[_Message]
    id: str = ""
    trigger: str = "submit-message"
    messageId: str | None = None


def _decoded(body: bytes | str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(body, Mapping):
        return dict(body)
    try:
        values = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise StreamMisused(f"body: not JSON: {error}") from None
    if not isinstance(values, dict):
        raise StreamMisused("body: Expected an object")
    return values


def _messages(given: _Message, place: str, data: ReadData, system: bool) -> list[Message]:
    if given.role == "system" and not system:
        raise StreamMisused(f"{place}.role: a page may not send a system message; instructions are the server's")
    if given.role != "assistant" and not given.parts:
        raise StreamMisused(f"{place}.parts: Expected at least one part")
    turn = _Turn(data)
    for number, part in enumerate(given.parts):
        turn.take(part, f"{place}.parts[{number}]", given.role)
    if given.role != "assistant":
        return [Message(role=given.role, content=turn.content)]
    return [message for step in [*turn.steps, turn] for message in step.messages()]


# -- parts --------------------------------------------------------------------------------------


class _Text(msgspec.Struct):
    text: str


class _File(msgspec.Struct):
    mediaType: str
    url: str
    filename: str | None = None


class _Data(msgspec.Struct):
    type: str
    data: Any


class _Approval(msgspec.Struct):
    approved: bool | None = None
    reason: str = ""


class _Call(msgspec.Struct):
    type: str
    toolCallId: str
    state: Literal[
        "input-streaming", "input-available", "approval-requested", "approval-responded", "output-available",
        "output-error", "output-denied",
    ]  # fmt: skip
    toolName: str = ""
    input: Any = None
    output: Any = None
    errorText: str = ""
    preliminary: bool | None = None
    providerExecuted: bool | None = None
    approval: _Approval | None = None

    @property
    def name(self) -> str:
        """Return the name of the tool; a part of a tool that the page knows has it in its type."""
        return self.toolName if self.type == "dynamic-tool" else self.type.removeprefix("tool-")


class _Turn:
    """Collects one step of a message: what the model said in it, its calls and their results. steps: those before
    it."""

    def __init__(self, data: ReadData) -> None:
        self.steps: list[_Turn] = []
        self.content: list[Content] = []
        self._data = data
        self._calls: list[FunctionCall] = []
        self._results: list[Message] = []

    def take(self, part: dict[str, Any], place: str, role: str) -> None:
        """Read one part."""
        kind = part.get("type")
        if not isinstance(kind, str):
            raise StreamMisused(f"{place}.type: Expected `str`")
        known = _READ.get(_family(kind))
        if known is None:
            raise StreamMisused(f"{place}.type: no reading for {safe_name(kind)!r}")
        roles, reading = known
        if role not in roles:
            raise StreamMisused(f"{place}.type: {safe_name(kind)!r} stands in no message of the role {role!r}")
        try:
            reading(self, part, place)
        except StreamMisused as error:  # the part's own check does not know its place
            said = str(error)
            raise error if said.startswith(place) else StreamMisused(f"{place}: {said}") from None

    def messages(self) -> list[Message]:
        """Return the step as messages: each call has a result, since no provider takes one without."""
        if not self.content and not self._calls:
            return []
        return [Message(role="assistant", content=self.content, tool_calls=self._calls), *self._results]

    def left_out(self, part: dict[str, Any], place: str) -> None:
        """Leave out what is for the page alone."""

    def said(self, part: dict[str, Any], place: str) -> None:
        """Read a text."""
        if text := read(_Text, part, place).text:
            self.content.append(TextPart(text=text))

    def thought(self, part: dict[str, Any], place: str) -> None:
        """Read reasoning, which goes back only to hosts that take it without its provider's proof."""
        if text := read(_Text, part, place).text:
            self.content.append(ReasoningPart(text=text))

    def file(self, part: dict[str, Any], place: str) -> None:
        """Read a file or a picture."""
        file = read(_File, part, place)
        if not file.url.startswith(("data:", "https://", "http://")):
            raise StreamMisused(f"{place}.url: Expected a data URL or a web address")
        if file.mediaType.startswith("image/"):
            self.content.append(ImagePart(url=file.url))
        else:
            self.content.append(FilePart(url=file.url, media_type=file.mediaType, name=file.filename))

    def step(self, part: dict[str, Any], place: str) -> None:
        """Begin the next step; what is behind a result is another turn."""
        ended = _Turn(self._data)
        ended.content, ended._calls, ended._results = self.content, self._calls, self._results
        self.steps.append(ended)
        self.content, self._calls, self._results = [], [], []

    def data(self, part: dict[str, Any], place: str) -> None:
        """Read a data part: ours by our own rows, others as the application says."""
        value = read(_Data, part, place)
        name = value.type.removeprefix("data-")
        if (reading := self._data.get(name)) is not None:
            made = reading(value.data)
            self.content += [] if made is None else [TextPart(text=made) if isinstance(made, str) else made]
        elif name == "seam":
            self._seam(value.data)
        elif name not in OUR_DATA:
            raise StreamMisused(f"{place}.type: no reading for {safe_name(value.type)!r}; give one in data=")

    def _seam(self, seam: Any) -> None:
        """Take a seam. A recovery that began anew made the step before the seam void; the seam stands behind that step,
        or in its place."""
        if isinstance(seam, dict) and seam.get("restart") is True:
            self.content, self._calls, self._results = [], [], []

    def called(self, part: dict[str, Any], place: str) -> None:
        """Read a call with its result."""
        call = read(_Call, part, place)
        if not call.name or not call.toolCallId:
            raise StreamMisused(f"{place}: a call needs a name and an id")
        if call.state == "approval-responded" and call.approval is not None and call.approval.approved:
            raise StreamMisused(
                f"{place}: the call is approved and has no output; run it at the server, and put it here"
            )
        if call.providerExecuted:  # only its provider's own form could be sent back, and the page has none
            self.content.append(OpaquePart(provider=PAGE, data=part))
        elif call.state != "input-streaming":
            arguments = call.input if isinstance(call.input, dict) else {}
            text = msgspec.json.encode(arguments).decode()
            made = FunctionCall(id=call.toolCallId, name=call.name, arguments=text, place=len(self.content))
            self._calls.append(made)
            self._results.append(Message(role="tool", tool_call_id=call.toolCallId, content=_result(call)))


def _result(call: _Call) -> str | list[Any]:
    """Return what the model is told of a call. One that was given up has a result that says so."""
    if call.state == "output-available" and not call.preliminary:
        return _output(call.output)
    if call.state == "output-error":
        return call.errorText
    if call.approval is not None and call.approval.approved is False:
        return call.approval.reason or "The user did not allow this call."
    return NO_RESULT


def _output(output: Any) -> str | list[Any]:
    """Return a tool's output: text, message parts as `AiSdkWriter` writes them, or anything else as JSON text."""
    if isinstance(output, str):
        return output
    if isinstance(output, list) and output and all(_is_part(each) for each in output):
        return output
    return msgspec.json.encode(output).decode()


def _is_part(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") in ("text", "image_url", "file")


def _family(kind: str) -> str:
    """Return the type, or for a tool's and an application's own part what all of them begin with."""
    return next((begin for begin in ("tool-", "data-") if kind.startswith(begin)), kind)


OUR_DATA = ("seam", "raw", "file", "item", "logprobs")
"""Data parts that `AiSdkWriter` makes. They say how the answer came about, and a model is not sent that."""

_ANY = ("user", "assistant", "system")
_MODEL = ("assistant",)

_READ: Mapping[str, tuple[tuple[str, ...], Callable[[_Turn, dict[str, Any], str], None]]] = {
    "text": (_ANY, _Turn.said),
    "reasoning": (_MODEL, _Turn.thought),
    "file": (("user", "assistant"), _Turn.file),
    "source-url": (_MODEL, _Turn.left_out),
    "source-document": (_MODEL, _Turn.left_out),
    "step-start": (_MODEL, _Turn.step),
    "tool-": (_MODEL, _Turn.called),
    "dynamic-tool": (_MODEL, _Turn.called),
    "data-": (("user", "assistant"), _Turn.data),
}
"""In which roles each part may stand, and what is made of it."""
