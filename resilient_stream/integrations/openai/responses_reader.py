"""Reads requests of OpenAI's Responses API: messages for `client.stream`, and options.

`RESPONSES_FIELDS` says for each field what becomes of it. Nothing is kept here between two requests, so each has to
contain the whole conversation, as with `store: false` at OpenAI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...failures import StreamMisused
from ...fitting.pairing import check_results
from ...given.checks import check_depth, json_object
from ...messages import OpaquePart, to_messages
from ..body import MAX_BODY, body_of
from ..refused import Refused, known_only, misused, object_with
from .chat_reader import schema_of
from .fields import Asked, Row, Table, is_flag, option, read_fields
from .sealed import reasoning_of
from .tools import NO_CUSTOM, tool_choice, tools

__all__ = ["RESPONSES_FIELDS", "read_responses"]

PROVIDER = "openai-responses"
"""The provider whose own items a client sends back."""


def read_responses(data: bytes, limit: int = MAX_BODY) -> Asked:
    """Read the body of a request to `/responses`. Raises Refused."""
    body = body_of(data, limit)
    if not isinstance(body.get("model"), str):
        raise Refused("model: a request needs this field, and it is a text", "model")
    if not isinstance(body.get("input"), str | list):
        raise Refused("input: a request needs this field, and it is a text or a list", "input")
    options = read_fields(body, RESPONSES_FIELDS, "responses")
    messages = options.pop("messages", ())
    return Asked(
        messages=messages, options=options, model=body["model"],  # type: ignore[arg-type]
        stream=bool(body.get("stream")), include_usage=True, body=body,
    )  # fmt: skip


# -- the conversation ---------------------------------------------------------------------------


def _input(value: Any) -> dict[str, Any]:
    check_depth("input", value, 200)
    messages = _numbered_as_input(to_messages, value if isinstance(value, str) else _turns(value))
    _numbered_as_input(check_results, messages)
    return {"messages": messages}


def _numbered_as_input(read: Callable[[Any], Any], value: Any) -> Any:
    """Read messages. A complaint about one of them does not name its place, since several items may be one message."""
    try:
        return read(value)
    except StreamMisused as error:
        refused = misused(error)
        _, _, said = (refused.param or "").partition(".")
        raise Refused(f"input: {refused.message}", f"input.{said}" if said else "input") from None


def _turns(items: list[Any]) -> list[dict[str, Any]]:
    """Return items as messages: what the model made in a row is one turn of its."""
    turns: list[dict[str, Any]] = []
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            raise Refused(f"input[{place}]: give an object", f"input[{place}]")
        made = _turn(item, f"input[{place}]")
        last = turns[-1] if turns else None
        if made.get("role") == "assistant" and last is not None and last.get("role") == "assistant":
            last["content"] += made["content"]
            last["tool_calls"] += [{**call, "place": len(last["content"])} for call in made["tool_calls"]]
        else:
            turns.append(made)
    return turns


def _turn(item: dict[str, Any], place: str) -> dict[str, Any]:
    kind = item.get("type", "message")
    if not isinstance(kind, str):
        raise Refused(f"{place}.type: give a text", f"{place}.type")
    if kind in _REFUSED:
        raise Refused(f"{place}: {_REFUSED[kind]}", place)
    if kind in _ITEM_FIELDS:
        known_only(place, item, _ITEM_FIELDS[kind])
    if (read := _ITEMS.get(kind)) is not None:
        return read(item)
    part = OpaquePart(provider=PROVIDER, data=item)
    role = "user" if kind.endswith(("_output", "_response")) else "assistant"
    return {"role": role, "content": [part], "tool_calls": []}


_REFUSED: Mapping[str, str] = {
    "item_reference": "nothing is kept here; send the item itself",
    "custom_tool_call": NO_CUSTOM,
    "custom_tool_call_output": NO_CUSTOM,
}


def _message(item: dict[str, Any]) -> dict[str, Any]:
    content = item.get("content")
    if item.get("role") != "assistant":
        return item
    parts = [{"type": "output_text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list | None):
        raise StreamMisused("input: the content of a message is a text or a list of parts")
    return {**item, "content": [_without_parsed(part) for part in parts or ()], "tool_calls": []}


def _without_parsed(part: Any) -> Any:
    """Return a part without what the SDK's helper has put into it: it sends back what it parsed itself."""
    return {name: value for name, value in part.items() if name != "parsed"} if isinstance(part, dict) else part


def _call(item: dict[str, Any]) -> dict[str, Any]:
    call = {"id": item.get("call_id"), "name": item.get("name"), "arguments": item.get("arguments"), "place": 0}
    return {"role": "assistant", "content": [], "tool_calls": [call]}


def _output(item: dict[str, Any]) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}


def _reasoning(item: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": [reasoning_of(item)], "tool_calls": []}


_OF_ANY_ITEM = ("type", "id", "status", "caller")
"""Fields that only describe an item; none of them asks for anything."""

_ITEM_FIELDS: Mapping[str, tuple[str, ...]] = {
    "function_call": (*_OF_ANY_ITEM, "call_id", "name", "arguments"),
    "function_call_output": (*_OF_ANY_ITEM, "call_id", "name", "output"),
    "reasoning": (*_OF_ANY_ITEM, "summary", "content", "encrypted_content"),
}
"""All that is read of an item. A message's fields are checked where messages are read."""

_ITEMS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": _reasoning,
}
"""Items that all providers have a form for. Any other is OpenAI's own, and goes back to it only."""


# -- options ------------------------------------------------------------------------------------


def _tool_choice(value: Any) -> dict[str, Any]:
    return tool_choice(value, "name")


def _text(value: Any) -> dict[str, Any]:
    """Read the format of the answer. How much is said is a hint, and then the field is sent on whole, as it came."""
    given = json_object("text", value)
    form = given.get("format")
    kind = form.get("type") if isinstance(form, dict) else "text"
    hint = {"hint": {"text": given}} if given.keys() - {"format"} else {}
    if kind == "json_schema":
        return {"output": schema_of(form, "text.format"), **hint}
    if kind == "json_object":
        return {"output": {"type": "object"}, **hint}
    return hint if kind == "text" else {"extra": {"text": given}}


def _reasoning_options(value: Any) -> dict[str, Any]:
    """Read the effort. With one, a summary is asked for anyway; a summary of another kind, and all else, is a hint."""
    given = {name: each for name, each in json_object("reasoning", value).items() if each is not None}
    effort = {"reasoning": given["effort"]} if "effort" in given else {}
    anyway = {"effort", "summary"} if effort and given.get("summary") == "auto" else {"effort"}
    others = given.keys() - anyway
    return {**effort, **({"hint": {"reasoning": given}} if others else {})}


_GIVEN_ANYWAY = frozenset({
    "reasoning.encrypted_content", "web_search_call.action.sources", "code_interpreter_call.outputs",
    "file_search_call.results",
})  # fmt: skip
"""What an answer has beside its text wherever a provider gives it."""


def _include(value: Any) -> dict[str, Any]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise StreamMisused("include: give a list of texts")
    rest = [each for each in value if each not in _GIVEN_ANYWAY]
    if rest == ["message.output_text.logprobs"]:
        return {"extra": {"top_logprobs": 0}}
    return {"extra": {"include": value}} if rest else {}


def _stream_options(value: Any) -> dict[str, Any]:
    object_with("stream_options", value, ("include_obfuscation",))
    return {}


_NOTHING_KEPT = "nothing is kept here; send the whole conversation as input"

RESPONSES_FIELDS: Table = {
    "input": Row("option", "the messages; items of a type that only OpenAI has go back to it alone", read=_input),
    "instructions": Row("option", "`system`", read=option("system")),
    "model": Row("answer", "chooses the targets, where `models` has a row for it"),
    "stream": Row("answer", "whether the answer comes piece by piece", read=is_flag("stream")),
    "stream_options": Row("answer", "nothing is changed by it", read=_stream_options),
    "store": Row("answer", "nothing is kept here, whatever it says"),
    "include": Row(
        "answer", "proofs of reasoning and sources are always there; probabilities as `top_logprobs`", ([],), _include
    ),
    "temperature": Row("option", "`temperature`", read=option("temperature")),
    "top_p": Row("option", "`top_p`", read=option("top_p")),
    "max_output_tokens": Row("option", "`max_tokens`", read=option("max_tokens")),
    "reasoning": Row(
        "option",
        "`reasoning`: the effort, with which a summary is asked for anyway; another `summary`, and all else, is a hint",
        ({},),
        _reasoning_options,
    ),
    "text": Row("option", "`output`: the schema, or any object for `json_object`; `verbosity` is a hint", ({},), _text),
    "user": Row("option", "`user`", ("",), option("user")),
    "safety_identifier": Row("option", "`user`", ("",), option("user")),
    "tools": Row("option", "`tools`: functions, and tools that run at a provider; not the type `custom`", ([],), tools),
    "tool_choice": Row(
        "option",
        "`tool_choice`; a choice of several, or of a provider's tool, only for the same API",
        read=_tool_choice,
    ),
    "previous_response_id": Row("refused", _NOTHING_KEPT),
    "conversation": Row("refused", _NOTHING_KEPT),
    "background_options": Row("refused", "an answer is read where it was asked for"),
    "background": Row("refused", "an answer is read where it was asked for; see background=True of a target", (False,)),
    "context_management": Row("passed", "how a long conversation is made shorter"),
    "image": Row("passed", "how pictures are made"),
    "access_programs": Row("passed", "programs of access to special fields"),
    "max_tool_calls": Row("passed", "calls of a provider's tools at most"),
    "moderation": Row("passed", "a check of the request and the answer"),
    "parallel_tool_calls": Row("passed", "at most one call a turn", (True,)),
    "prompt": Row("passed", "a prompt that is kept at OpenAI"),
    "top_logprobs": Row("passed", "how probable the tokens are"),
    "truncation": Row("passed", "whether a conversation that is too long is cut", ("disabled",)),
    "metadata": Row("hint", "names for a stored answer", ({},)),
    "prompt_cache_key": Row("hint", "which requests have a beginning in common"),
    "prompt_cache_options": Row("hint", "how the prompt is cached"),
    "prompt_cache_retention": Row("hint", "how long the prompt is cached"),
    "service_tier": Row("hint", "how fast, and for which price", ("auto",)),
}
"""Every field of the API. One without a row is passed as well."""
