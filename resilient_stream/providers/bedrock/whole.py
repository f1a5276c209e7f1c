"""Turns Amazon Bedrock's answers in one piece into frames: those of Converse, and each vendor's own through
InvokeModel.

    {"output": {"message": {"content": […]}}, "stopReason": …}   [["contentBlockDelta", {…}], …, ["messageStop", {…}]]
    {"results": [{"outputText": …}], …}                          [["chunk", {"bytes": {"outputText": …} in base64}]]

An answer becomes the frames that would have streamed it, and the readers of streams read them. So the vendor is found
in the answer's shape, never in the model's name. Sources: AWS's model of the service for Converse, its user guide's
page of each vendor for InvokeModel. What a reason or a count means is not known here. An answer without a reason to
stop is not taken for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from ...classify import classify_error
from ...failures import Failure
from ...wire.broken import ARGUMENTS
from ...wire.json_outline import Node, paths
from ...wire.limits import few
from ..anthropic.adapter import whole_events
from ..openai.chat import whole_message
from ..shared.whole import has
from .errors import RULES
from .frames import Frame

__all__ = ["WHOLE", "PlainFrames"]

_Fields: TypeAlias = "dict[str, msgspec.Raw]"
_Event: TypeAlias = tuple[str, Any]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_PLAIN = msgspec.json.Decoder(list[tuple[str, msgspec.Raw]])

_FAILED = "exception"
_ERROR_FIELDS = frozenset({"message", "error", "__type"})


class PlainFrames:
    """Stands in for `BedrockFrames`: reads frames from a JSON list of event and payload; an exception is the
    failure."""

    __slots__ = ("failure",)

    def __init__(self) -> None:
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Return the events, up to an exception among them."""
        frames: list[Frame] = []
        for event, payload in _PLAIN.decode(data):
            if event == _FAILED:
                self.failure = classify_error(msgspec.json.decode(payload), RULES)
                break
            frames.append(Frame(event, bytes(payload)))
        return frames


def _exception(outline: bytes) -> list[_Event]:
    """Return the answer as an exception if it has the words of an error, AWS's or a vendor's; anything else is no
    event."""
    found = msgspec.json.decode(outline)
    return [(_FAILED, found)] if _ERROR_FIELDS & found.keys() else []


# -- Converse ---------------------------------------------------------------------------------

_CONVERSE_TEXTS = (
    "output.message.content.*.text",
    "output.message.content.*.reasoningContent.reasoningText.text",
    "output.message.content.*.citationsContent.content.*.text",
)


class _Message(msgspec.Struct):
    content: list[dict[str, msgspec.Raw]] | None = None


class _Output(msgspec.Struct):
    message: _Message


class _Cited(msgspec.Struct):
    content: list[dict[str, msgspec.Raw]] = []
    citations: list[msgspec.Raw] = []


_OUTPUT = msgspec.json.Decoder(_Output)
_CITED = msgspec.json.Decoder(_Cited)


def _converse(outline: bytes) -> bytes:
    answer = _FIELDS.decode(outline)
    events = list(_converse_events(answer)) if has(answer, "output") else _exception(outline)
    return msgspec.json.encode(events)


def _converse_events(answer: _Fields) -> Iterator[_Event]:
    """Return the blocks in order, then the end with its counts if there is a reason to stop."""
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(few(_OUTPUT.decode(answer["output"]).message.content or [])):
        for event, said in _block_events(block):
            yield event, {"contentBlockIndex": index, **said}
        yield "contentBlockStop", {"contentBlockIndex": index}
    if has(answer, "stopReason"):
        yield "messageStop", {name: answer[name] for name in _ENDING if name in answer}
        yield "metadata", {"usage": answer.get("usage"), "trace": answer.get("trace")}


_ENDING = ("stopReason", "additionalModelResponseFields")


def _block_events(block: _Fields) -> Iterator[_Event]:
    """Return the events of a block, which has one field. An unknown field becomes a start event, which is passed on as
    `Raw`."""
    for name in block:
        events = _BLOCKS.get(name)
        if events is None:
            yield "contentBlockStart", {"start": {name: block[name]}}
        elif has(block, name):
            yield from events(block[name])


def _delta(**delta: Any) -> _Event:
    return "contentBlockDelta", {"delta": delta}


def _tool(said: msgspec.Raw) -> Iterator[_Event]:
    """Return a tool block's events; a stream gives the arguments as text."""
    use = _FIELDS.decode(said)
    arguments = msgspec.json.decode(use.pop("input", b"{}"))
    yield "contentBlockStart", {"start": {"toolUse": use}}
    if arguments != {} or not any(has(use, place) for place in ARGUMENTS):
        yield _delta(toolUse={"input": msgspec.json.encode(arguments).decode()})


def _reasoning(said: msgspec.Raw) -> Iterator[_Event]:
    """Return a reasoning block's events; a stream has no `reasoningText` but the text and then its signature."""
    content = _FIELDS.decode(said)
    pieces = _FIELDS.decode(content["reasoningText"]) if has(content, "reasoningText") else content
    return (_delta(reasoningContent={name: value}) for name, value in pieces.items())


def _cited(said: msgspec.Raw) -> Iterator[_Event]:
    """Return the events of text with sources, which a stream gives one after the other."""
    found = _CITED.decode(said)
    yield from (_delta(text=part["text"]) for part in found.content if has(part, "text"))
    yield from (_delta(citation=citation) for citation in found.citations)


_BLOCKS: Mapping[str, Callable[[msgspec.Raw], Iterator[_Event]]] = {
    "text": lambda said: iter((_delta(text=said),)),
    "toolUse": _tool,
    "reasoningContent": _reasoning,
    "citationsContent": _cited,
}


# -- InvokeModel ------------------------------------------------------------------------------

_INVOKE_TEXTS = (
    "content.*.text", "content.*.thinking",
    "choices.0.message.content", "choices.0.message.content.*.text", "choices.0.message.reasoning_content",
    "choices.0.text", "results.0.outputText", "generation", "completion", "outputs.0.text", "generations.0.text",
    "text", "chat_history.*.message", "prompt",
)  # fmt: skip
"""The last two places repeat the question and the answer."""


def _invoke(outline: bytes) -> bytes:
    answer = _FIELDS.decode(outline)
    as_payloads = next((row for name, row in _VENDORS.items() if has(answer, name)), None)
    if as_payloads is None:
        events = _exception(outline) or [_chunk(answer)]  # if the dialect is unknown, the reader reports it
    else:
        events = [_chunk(payload) for payload in as_payloads(answer)]
    return msgspec.json.encode(events)


def _chunk(payload: Any) -> _Event:
    """Return a `chunk` event as InvokeModel frames it; msgspec writes bytes in base64."""
    return "chunk", {"bytes": msgspec.json.encode(payload)}


def _nova(answer: _Fields) -> list[Any]:
    """Return Converse's events for an answer of Nova, each in an object of its own."""
    return [{event: payload} for event, payload in _converse_events(answer)]


def _chat(answer: _Fields) -> list[Any]:
    """Return a chat answer unchanged, but with numbered calls: the reader takes `message` for `delta`."""
    return [{**answer, "choices": [_numbered(choice) for choice in _LIST.decode(answer["choices"])]}]


def _numbered(choice: _Fields) -> dict[str, Any]:
    message = whole_message(choice)
    return {**choice, "message": message} if message else choice


def _titan(answer: _Fields) -> list[Any]:
    """Return the first result, with its count renamed as in a stream."""
    first = {name: value for each in _LIST.decode(answer["results"])[:1] for name, value in each.items()}
    rest = {name: value for name, value in answer.items() if name != "results"}
    return [{**rest, **first, "totalOutputTextTokenCount": first.get("tokenCount")}]


def _command_r(answer: _Fields) -> list[Any]:
    """Return the fields that a stream has in each event."""
    return [{**answer, "is_finished": True}]


def _as_it_is(answer: _Fields) -> list[Any]:
    """Return the answer unchanged, since it reads like the only event of a stream."""
    return [answer]


_VENDORS: Mapping[str, Callable[[_Fields], list[Any]]] = {
    "content": whole_events,  # Claude
    "output": _nova,
    "choices": _chat,  # AI21, DeepSeek, Mistral, OpenAI and the rest with open weights
    "results": _titan,
    "text": _command_r,
    "generation": _as_it_is,  # Llama
    "completion": _as_it_is,  # Claude 2
    "outputs": _as_it_is,  # Mistral's text models
    "generations": _as_it_is,  # Cohere Command
}
"""How each vendor's whole answer becomes events, by a field that only this vendor's whole answers have."""


# -- both -------------------------------------------------------------------------------------

WHOLE: Mapping[str, tuple[Node, Callable[[bytes], bytes]]] = {
    "converse": (paths(*_CONVERSE_TEXTS), _converse),
    "invoke": (paths(*_CONVERSE_TEXTS, *_INVOKE_TEXTS), _invoke),
}
"""For each API, where long texts stand, and the function that turns an outline into what `PlainFrames` reads; see
`whole.WholeAnswer`."""
