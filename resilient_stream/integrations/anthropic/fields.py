"""Says what becomes of each field of a Messages API request: one table, which docs/integrations.md shows.

Nothing that was asked is lost. A field is an option of ours, or it says how the answer is written, or it is sent to
Anthropic as it is, or the request is refused. Only a value that changes nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from ...failures import StreamMisused
from ...given.checks import json_object, whole_text
from ...messages import Message, ToolLike, to_hosted, to_tool
from ..refused import Refused, check_name, flag, known_only, misused, object_with
from .blocks import read_messages, system_message

__all__ = ["FIELDS", "Fate", "Reading", "Row", "read_fields"]

Fate: TypeAlias = Literal["option", "answer", "hint", "passed"]


class Reading:
    """Collects a request while it is read: its messages, our options, and what is sent to Anthropic's API only.

    hints: fields without which another target's answer is the same. passed: fields for which no other target is asked.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        self.messages: list[Message] = []
        self.options: dict[str, Any] = {}
        self.hints: dict[str, Any] = {}
        self.passed: dict[str, Any] | None = None

    def only_here(self, fields: Mapping[str, Any]) -> None:
        """Note that no other target can be asked, and the fields that are sent as they are."""
        self.passed = {**(self.passed or {}), **fields}

    @property
    def extra(self) -> dict[str, Any]:
        """Return the fields that are sent to Anthropic, as `extra=` takes them."""
        hints = {"anthropic:": self.hints} if self.hints else {}
        return hints if self.passed is None else {**hints, "anthropic!": self.passed}


Read: TypeAlias = Callable[[Reading, Any], None]


class Row(NamedTuple):
    """Says what becomes of a field.

    option: it is an option of `Client.stream`, or the messages. answer: it says how the answer is written. hint: it is
    sent as it is to Anthropic, and others are asked without it. passed: the same, but others are not asked.
    words: the option, or what it is about. usual: values that change nothing. read: puts it where it belongs.
    """

    fate: Fate
    words: str
    usual: tuple[Any, ...] = ()
    read: Read | None = None


def read_fields(body: Mapping[str, Any]) -> Reading:
    """Read all fields of a request. Raises Refused."""
    reading = Reading(body)
    for name, value in body.items():
        check_name(name)
        row = FIELDS.get(name, UNKNOWN)
        if value is None or any(value == each and type(value) is type(each) for each in row.usual):
            continue
        try:
            if row.read is not None:
                row.read(reading, value)
            elif row.fate == "hint":
                reading.hints[name] = value
            elif row.fate == "passed":
                reading.only_here({name: value})
        except StreamMisused as error:
            raise misused(error) from None
    return reading


def _option(name: str) -> Read:
    """Return a reader for a field whose value is that of an option of ours."""
    return lambda reading, value: reading.options.update({name: value})


# -- messages -----------------------------------------------------------------------------------


def _stream(reading: Reading, value: Any) -> None:
    flag("stream", value)


def _messages(reading: Reading, value: Any) -> None:
    made, only_here = read_messages(value)
    reading.messages += made
    if only_here:
        reading.only_here({})


def _system(reading: Reading, value: Any) -> None:
    reading.messages[:0] = system_message(value)


# -- tools --------------------------------------------------------------------------------------

_OURS = ("type", "name", "description", "input_schema", "strict", "cache_control")
_HINTS = ("allowed_callers", "defer_loading", "eager_input_streaming", "input_examples")
"""Fields of a function that no other API has. Others are given the function without them."""


def _tools(reading: Reading, value: Any) -> None:
    if not isinstance(value, list):
        raise StreamMisused("tools: give a list of tools")
    reading.options["tools"] = [_tool(each, f"tools[{place}]") for place, each in enumerate(value)]
    if any(tool.get(name) is not None for tool in value for name in _HINTS if _is_function(tool)):
        reading.hints["tools"] = value


def _tool(value: Any, place: str) -> ToolLike:
    if not isinstance(value, dict):
        raise Refused(f"{place}: give an object", place)
    own = None if _is_function(value) else to_hosted(value, place)
    if own is not None:
        return own
    if not isinstance(value.get("input_schema"), dict):
        raise Refused(f"{place}.input_schema: a tool needs a schema of its input", place)
    unknown = next((name for name, each in value.items() if name not in (*_OURS, *_HINTS) and each is not None), None)
    if unknown is not None:
        raise Refused(f"{place}.{unknown[:40]}: not a known field", place)
    fields = {name: each for name, each in value.items() if name in _OURS and each is not None}
    return to_tool(fields, place)


def _is_function(tool: Mapping[str, Any]) -> bool:
    return tool.get("type") in (None, "custom")


_CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}


def _tool_choice(reading: Reading, value: Any) -> None:
    given = object_with("tool_choice", value, ("type", "name", "disable_parallel_tool_use"))
    kind = given.get("type")
    if kind != "tool":
        known_only("tool_choice", given, ("type", "disable_parallel_tool_use"))
    if kind == "tool":
        reading.options["tool_choice"] = {"name": whole_text("tool_choice.name", given.get("name"))}
    elif isinstance(kind, str) and kind in _CHOICES:
        reading.options["tool_choice"] = _CHOICES[kind]
    else:
        raise StreamMisused("tool_choice.type: give one of auto, any, none, tool")
    if given.get("disable_parallel_tool_use"):
        reading.only_here({"tool_choice": given})


# -- thinking, and the form of the answer --------------------------------------------------------


def _thinking(reading: Reading, value: Any) -> None:
    given = object_with("thinking", value, ("type", "budget_tokens", "display"))
    kind = given.get("type")
    if kind == "enabled":
        if given.get("budget_tokens") is None:
            raise Refused("thinking.budget_tokens: give a number of tokens", "thinking.budget_tokens")
        reading.options["reasoning"] = given["budget_tokens"]
    elif kind == "disabled":
        reading.options["reasoning"] = "none"
    elif kind == "adaptive":
        reading.options["reasoning"] = _effort(reading.body) or "high"
    else:
        reading.only_here({"thinking": given})
    if given.get("display") == "omitted":
        reading.hints["thinking"] = given


def _effort(body: Mapping[str, Any]) -> Any:
    config = body.get("output_config")
    return config.get("effort") if isinstance(config, dict) else None


def _output_config(reading: Reading, value: Any) -> None:
    given = object_with("output_config", value, ("effort", "format", "task_budget"))
    if given.get("format") is not None:
        _output_format(reading, given["format"])
    thinking = reading.body.get("thinking")
    is_adaptive = isinstance(thinking, dict) and thinking.get("type") == "adaptive"
    if given.get("task_budget") is not None:
        reading.only_here({"output_config": given})
    elif given.get("effort") is not None and not is_adaptive:
        reading.hints["output_config"] = given


def _output_format(reading: Reading, value: Any) -> None:
    given = object_with("output_format", value, ("type", "schema"))
    if given.get("type") != "json_schema":
        raise StreamMisused("output_config.format.type: known is json_schema")
    reading.options["output"] = json_object("output_config.format.schema", given.get("schema"))


def _metadata(reading: Reading, value: Any) -> None:
    given = object_with("metadata", value, ("user_id",))
    if given.get("user_id") is not None:
        reading.options["user"] = given["user_id"]


UNKNOWN = Row("passed", "a field that is not known here")

FIELDS: Mapping[str, Row] = {
    "messages": Row("option", "the messages", read=_messages),
    "system": Row("option", "a system message in front", read=_system),
    "model": Row("answer", "chooses the targets, where `models` has a row for it"),
    "stream": Row("answer", "whether the answer comes piece by piece", read=_stream),
    "max_tokens": Row("option", "`max_tokens`", read=_option("max_tokens")),
    "stop_sequences": Row("option", "`stop`", ([],), _option("stop")),
    "temperature": Row("option", "`temperature`", read=_option("temperature")),
    "top_k": Row("option", "`top_k`", read=_option("top_k")),
    "top_p": Row("option", "`top_p`", read=_option("top_p")),
    "tools": Row(
        "option",
        "`tools`: functions; tools with a type of Anthropic's own go only there. What only it knows of a function "
        "(`defer_loading`, `input_examples` …) is a hint",
        ([],),
        _tools,
    ),
    "tool_choice": Row(
        "option", "`tool_choice`; with `disable_parallel_tool_use`, only Anthropic is asked", read=_tool_choice
    ),
    "thinking": Row("option", "`reasoning`: a budget, an effort, or `none`", read=_thinking),
    "output_config": Row(
        "option",
        "`output`: the schema, and the answer is checked; `effort` is that of adaptive thinking, else a hint; with "
        "`task_budget`, only Anthropic is asked",
        ({},),
        _output_config,
    ),
    "output_format": Row("option", "`output`, as the older API has it", read=_output_format),
    "metadata": Row("option", "`user_id` is `user`", ({},), _metadata),
    "cache_control": Row("hint", "the prompt is kept up to its end"),
    "diagnostics": Row("hint", "why a prompt was not found in the cache"),
    "service_tier": Row("hint", "how fast, and for which price", ("auto",)),
    "speed": Row("hint", "how fast, and for which price", ("standard",)),
    "billing_policy": Row("passed", "who pays"),
    "compaction": Row("passed", "a long conversation is summed up"),
    "container": Row("passed", "files and skills for code that runs there"),
    "context_management": Row("passed", "what is taken out of a long conversation"),
    "fallback_credit_token": Row("passed", "who pays when another model answers"),
    "fallbacks": Row("passed", "other models of Anthropic's"),
    "inference_geo": Row("passed", "where in the world the model runs"),
    "mcp_servers": Row("passed", "servers whose tools run there", ([],)),
    "thread": Row("passed", "a conversation that is kept there"),
}
"""Every field of the API. One without a row is passed as well."""
