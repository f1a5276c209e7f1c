"""Reads requests of OpenAI's chat completions: messages for `client.stream`, and options.

`CHAT_FIELDS` says for each field of the API what becomes of it; docs/integrations.md has the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...fitting.pairing import check_results
from ...given.checks import check_depth, json_object
from ...messages import Message, to_messages
from ...options import StreamOptions
from ..body import MAX_BODY, body_of
from ..refused import Refused, flag, known_only, object_with
from .fields import Asked, Row, Table, is_flag, option, read_fields
from .tools import tool_choice, tools

__all__ = ["CHAT_FIELDS", "read_chat", "read_request", "schema_of"]


def read_request(body: bytes) -> tuple[tuple[Message, ...], StreamOptions]:
    """Read the body of a chat completion request: `client.stream(messages, **options)` asks the same.

    Pure. Fields that only this API has are in `extra`, which is sent to every target of the call; `for_targets` leaves
    only those that have them. Raises Refused.
    """
    asked = read_chat(body)
    return asked.messages, asked.options


def read_chat(data: bytes, limit: int = MAX_BODY) -> Asked:
    """Read the body of a chat completion request, with what the answer's form depends on. Raises Refused."""
    body = body_of(data, limit)
    for name, kind in (("model", str), ("messages", list)):
        if not isinstance(body.get(name), kind):
            raise Refused(f"{name}: a request needs this field, and it is a {_KINDS[kind]}", name)
    options = read_fields(body, CHAT_FIELDS, "chat")
    usage = options.pop("include_usage", False)
    messages = options.pop("messages", ())
    return Asked(
        messages=messages, options=options, model=body["model"],  # type: ignore[arg-type]
        stream=bool(body.get("stream")), include_usage=usage, body=body,
    )  # fmt: skip


_KINDS: Mapping[type, str] = {str: "text", list: "list"}


def _messages(value: Any) -> dict[str, Any]:
    check_depth("messages", value, 200)
    messages = to_messages([_without_parsed(each) for each in value])
    check_results(messages)
    return {"messages": messages}


def _without_parsed(message: Any) -> Any:
    """Return a message without what the SDK's helpers have put into it: they send back what they parsed themselves."""
    if not isinstance(message, dict):
        return message
    kept = {name: value for name, value in message.items() if name != "parsed"}
    if isinstance(kept.get("tool_calls"), list):
        kept["tool_calls"] = [_call_without_parsed(call) for call in kept["tool_calls"]]
    return kept


def _call_without_parsed(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or "parsed_arguments" not in function:
        return call
    return {**call, "function": {name: value for name, value in function.items() if name != "parsed_arguments"}}


def _stream_options(value: Any) -> dict[str, Any]:
    given = object_with("stream_options", value, ("include_usage", "include_obfuscation"))
    return {"include_usage": flag("stream_options.include_usage", given.get("include_usage") or False)}


def _tool_choice(value: Any) -> dict[str, Any]:
    return tool_choice(value, "function.name")


def _response_format(value: Any) -> dict[str, Any]:
    given = json_object("response_format", value)
    kind = given.get("type")
    if kind in ("json_schema", "json_object", "text"):
        known_only("response_format", given, ("type", *(("json_schema",) if kind == "json_schema" else ())))
    if kind == "json_schema":
        return {"output": schema_of(given.get("json_schema"), "response_format.json_schema")}
    if kind == "json_object":
        return {"output": {"type": "object"}}
    if kind == "text":
        return {}
    return {"extra": {"response_format": given}}  # a grammar, or a format that only some host has


def schema_of(value: Any, place: str) -> dict[str, Any]:
    """Return the schema of an answer's format, which has its name and what it is for, too."""
    given = object_with(place, value, ("type", "name", "description", "schema", "strict"))
    schema = json_object(f"{place}.schema", given.get("schema"))
    about = {"title": given.get("name"), "description": given.get("description")}
    return {**{name: said for name, said in about.items() if isinstance(said, str)}, **schema}


CHAT_FIELDS: Table = {
    "messages": Row("option", "the messages", read=_messages),
    "model": Row("answer", "chooses the targets, where `models` has a row for it"),
    "stream": Row("answer", "whether the answer comes piece by piece", read=is_flag("stream")),
    "stream_options": Row("answer", "`include_usage` ends the stream with token counts", read=_stream_options),
    "temperature": Row("option", "`temperature`", read=option("temperature")),
    "top_p": Row("option", "`top_p`", read=option("top_p")),
    "presence_penalty": Row("option", "`presence_penalty`", (0,), option("presence_penalty")),
    "frequency_penalty": Row("option", "`frequency_penalty`", (0,), option("frequency_penalty")),
    "max_tokens": Row("option", "`max_tokens`", read=option("max_tokens")),
    "max_completion_tokens": Row("option", "`max_tokens`", read=option("max_tokens")),
    "stop": Row("option", "`stop`", ([],), option("stop")),
    "seed": Row("option", "`seed`", read=option("seed")),
    "reasoning_effort": Row("option", "`reasoning`", read=option("reasoning")),
    "user": Row("option", "`user`", ("",), option("user")),
    "safety_identifier": Row("option", "`user`", ("",), option("user")),
    "tools": Row("option", "`tools`: functions, and tools that run at a provider; not the type `custom`", ([],), tools),
    "tool_choice": Row(
        "option", "`tool_choice`; `allowed_tools` and `custom` go only to targets with the same API", read=_tool_choice
    ),
    "response_format": Row(
        "option", "`output`: the schema, or any object for `json_object`; the answer is checked", read=_response_format
    ),
    "n": Row("refused", "a call gives one answer; send several requests side by side", (1,)),
    "functions": Row("refused", "give them as tools=", ([],)),
    "function_call": Row("refused", "give tool_choice="),
    "audio": Row("passed", "how a recording of the answer is made"),
    "logit_bias": Row("passed", "likelier and less likely tokens", ({},)),
    "logprobs": Row("passed", "how probable the tokens are", (False,)),
    "metadata": Row("hint", "names for a stored answer", ({},)),
    "modalities": Row("passed", "text, or a recording as well", (["text"],)),
    "moderation": Row("passed", "a check of the request and the answer"),
    "parallel_tool_calls": Row("passed", "at most one call a turn", (True,)),
    "prediction": Row("hint", "text that the answer probably repeats"),
    "prompt_cache_key": Row("hint", "which requests have a beginning in common"),
    "prompt_cache_options": Row("hint", "how the prompt is cached"),
    "prompt_cache_retention": Row("hint", "how long the prompt is cached"),
    "service_tier": Row("hint", "how fast, and for which price", ("auto",)),
    "store": Row("hint", "keeping the answer at the provider", (False,)),
    "top_logprobs": Row("passed", "how probable other tokens were", (0,)),
    "verbosity": Row("hint", "how much is said"),
    "web_search_options": Row("passed", "a search of the web by the model"),
}
"""Every field of the API. One without a row is passed as well."""
