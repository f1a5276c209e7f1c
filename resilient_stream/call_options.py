"""Reads the options of a call as the user gave them: prompt, targets, tools, numbers and texts.

Whatever cannot be sent is refused here with StreamMisused, before anything is sent: the message names the option, its
place, and what to give instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .failures import StreamMisused
from .fitting.pairing import check_results
from .given.checks import header_values, json_object, number, one_answer, text, whole_text
from .given.target_options import refuse_unknown
from .messages import Hosted, HostedTool, Message, Prompt, Tool, to_hosted, to_messages, to_tool
from .options import Schema
from .providers import SUGGESTED, adapter_for
from .target import Target
from .text.harmless import is_secret_name, safe_name

if TYPE_CHECKING:
    from .objects.form import Form

__all__ = [
    "at_least",
    "checked_messages",
    "checked_targets",
    "choice_of_tool",
    "extra_fields",
    "form_for_turns",
    "form_of_output",
    "headers_of_call",
    "no_target",
    "reasoning_effort",
    "stop_texts",
    "tools_of_call",
    "tools_of_conversation",
]


def headers_of_call(headers: Mapping[str, str], targets: Sequence[Target]) -> dict[str, str]:
    """Return the headers of a call. One with a key in it would be sent to each provider that the call falls back to."""
    given = header_values("headers", headers)
    secret = next((name for name in given if is_secret_name(name)), None)
    if secret is not None and len({target.provider for target in targets}) > 1:
        raise StreamMisused(
            f"headers[{safe_name(secret)!r}]: it would go to every provider that this call may fall back to; "
            "give a key to its target: Target(…, api_key=…), or Target(…, headers={…})"
        )
    return given


def checked_targets(targets: Iterable[str | Target]) -> tuple[Target, ...]:
    """Return targets as objects with a known provider and a model, before anything is sent.

    A single list is accepted, too, because people often have their targets in one.
    """
    given: tuple[Any, ...] = tuple(targets)
    if len(given) == 1 and isinstance(given[0], list | tuple):
        given = tuple(given[0])
    return tuple(_with_its_model(Target.of(target)) for target in given)


def _with_its_model(target: Target) -> Target:
    adapter = adapter_for(target.provider)
    known = getattr(adapter, "options", None)
    if target.options and known is not None:  # a third party's adapter may take whatever comes
        refuse_unknown(target.name, target.options, known)
    default = adapter.default_model
    if target.model:
        return target
    if default is None:
        raise StreamMisused(f'{target.provider!r} names no model: write "{target.provider}:model"')
    return target.model_copy(update={"model": default})


def no_target() -> str:
    """Return a sentence that says which variables are set, and how to name a target."""
    keys = {name: adapter_for(name).key_variables[0] for name in SUGGESTED}
    found = [f"{name} ({variable} is set)" for name, variable in keys.items() if os.environ.get(variable)]
    known = f"keys found for: {', '.join(found)}" if found else f"set one of {', '.join(keys.values())}"
    return (
        'no target: give one to Client("openai:gpt-5-mini") or to stream(to=…); '
        f'{known}; or use "local", the small built-in model, which needs no key'
    )


def tools_of_call(tools: Any) -> tuple[tuple[Tool, ...], tuple[Hosted, ...]]:
    """Return the functions that the model may call, and the tools that run at the provider."""
    if tools is None:
        return (), ()
    if isinstance(tools, str | bytes | Mapping | Tool | HostedTool) or not isinstance(tools, Iterable):
        raise StreamMisused(f"tools: give a list of tools, not {type(tools).__name__}")
    functions: list[Tool] = []
    hosted: list[Hosted] = []
    for place, each in enumerate(tools):
        if (own := to_hosted(each, f"tools[{place}]")) is not None:
            hosted.append(own)
        else:
            functions.append(_declared(each, f"tools[{place}]"))
    return tuple(functions), tuple(hosted)


def tools_of_conversation(tools: Any) -> tuple[Any, tuple[Hosted, ...]]:
    """Return the tools of a conversation: those that are run here, and those that run at the provider."""
    if isinstance(tools, str | bytes | Mapping | Tool) or not isinstance(tools, Iterable):
        return tools, ()  # the toolbox says what to give
    given = list(tools)
    found = [to_hosted(each, f"tools[{place}]") for place, each in enumerate(given)]
    functions = [each for each, own in zip(given, found, strict=True) if own is None]
    return functions, tuple(own for own in found if own is not None)


def _declared(tool: Any, place: str) -> Tool:
    """Return a tool as the model sees it; a function is only described, never called."""
    if not callable(tool) and not isinstance(tool, tuple):
        return to_tool(tool, place)
    from .conversation.tools import tool_of  # most tools of a stream are no functions

    made = tool_of(tool, place)
    return made if isinstance(made, Tool) else made.tool


def choice_of_tool(choice: str | Mapping[str, Any] | None) -> str | None:
    """Return auto, none, required or a tool's name, also from a dict in the shape of another API."""
    if isinstance(choice, Mapping):
        inner = choice.get("function")
        name = (inner if isinstance(inner, Mapping) else choice).get("name")
        if not name:
            raise StreamMisused("tool_choice: give auto, none, required, or a tool's name")
        return whole_text("tool_choice", name)
    return None if choice is None else whole_text("tool_choice", choice)


def form_of_output(output: Schema | None) -> Form | None:
    """Return what the answer is read as. What that needs is imported only here."""
    if output is None:
        return None
    from .objects.form import form_of

    return form_of(output)


def form_for_turns(form: Form) -> Form:
    """Return a form that the turns of a conversation are asked for: only the conversation knows which is the last."""
    from .objects.form import unread

    return unread(form)


def extra_fields(extra: Any) -> dict[str, Any]:
    """Return the fields that are merged into the request's body. One that asks for several answers is refused."""
    made = json_object("extra", extra)
    one_answer("extra", made)
    return made


def checked_messages(prompt: Prompt, system: str | None) -> tuple[Message, ...]:
    """Return the messages with `system` in front, after checking that each call in them has a result."""
    messages = to_messages(prompt)
    check_results(messages)
    return messages if system is None else (Message(role="system", content=whole_text("system", system)), *messages)


def stop_texts(stop: Any) -> tuple[str, ...]:
    """Return the strings to stop at, from one or from several."""
    if stop is None:
        return ()
    given = (stop,) if isinstance(stop, str) else stop or ()
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise StreamMisused("stop: give a text or a list of texts")
    return tuple(whole_text(f"stop[{place}]", each) for place, each in enumerate(given))


def reasoning_effort(reasoning: Any) -> str | int | None:
    """Return an effort, or a budget in tokens."""
    if reasoning is None or isinstance(reasoning, str):
        return None if reasoning is None else text(reasoning)
    budget: int = number("reasoning", reasoning, 0, whole=True)
    return budget


def at_least(name: str, value: Any, least: float) -> Any:
    """Return a number if it is in range; otherwise raise an error that names it. NaN is in no range."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= least):
        raise StreamMisused(f"{name} must be a number of at least {least:g}, not {value!r}")
    return value
