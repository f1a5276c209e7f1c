"""Defines the types of a call's options, for whoever passes them on, and the reply to an option that does not exist.

They are the options of `Client.stream`, by name and type; a test compares them. No option is ever ignored: an unknown
one is refused before anything is sent, and the complaint names the one that was meant.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, TypeVar, cast

from .failures import StreamMisused
from .given.nearest import did_you_mean
from .messages import ToolLike
from .outcome.transcript import Transcript
from .policy import Recovery, Timeouts
from .target import Target

__all__ = ["Schema", "StreamOptions", "TurnOptions", "checks_options", "plain_function"]

Schema: TypeAlias = object
"""What `output=` takes: a type, as pydantic's TypeAdapter takes it (a model, a dataclass, `list[Model]`, a union, an
Annotated …), or a JSON schema as a dict. Type checkers have no name for all of these; anything else is refused in words
when the call is made."""
MethodT = TypeVar("MethodT", bound=Callable[..., Any])
OnEndT = TypeVar("OnEndT")


class TurnOptions(TypedDict, total=False):
    """Lists the options of each turn of `Client.converse`: those of `Client.stream` that `converse` does not define
    itself."""

    system: str | None
    """Instructions, which are put in front of the messages."""
    tool_choice: str | Mapping[str, Any] | None
    """`"auto"`, `"none"`, `"required"`, or the name of the tool that must be called."""
    output: Schema | None
    """What the answer has to be: a pydantic model, a dataclass, a TypedDict, `list[Model]` …, or a JSON schema. The
    object is `transcript.output`; an answer that is none fails as `model_output_invalid`."""
    max_tokens: int | None
    """Output tokens at most, under each provider's own name for it. An answer cut by it is complete, and
    `transcript.finish_kind` says `output_truncated`."""
    temperature: float | None
    """How freely words are chosen: 0 takes the likeliest, 1 is as trained. Not sent to models that refuse it."""
    top_p: float | None
    """Choose only among the likeliest words, up to this total probability. Not sent to models that refuse it."""
    top_k: int | None
    """Choose only among so many of the likeliest words. A target whose dialect has no field for it is not asked; it is
    not sent to models that refuse it."""
    presence_penalty: float | None
    """Makes words less likely that were used: above 0 they are avoided, below 0 preferred. As with `top_k`, a target
    without such a field is not asked."""
    frequency_penalty: float | None
    """Like `presence_penalty`, but a word is made less likely the more often it was used."""
    stop: str | Sequence[str] | None
    """One or more strings at which the answer ends. A target that cannot do this is not asked."""
    seed: int | None
    """A number that makes the answer repeatable, where the provider can do that. Elsewhere it is not sent."""
    reasoning: str | int | None
    """An effort (`"low"`, `"medium"`, `"high"`) or a budget in tokens. Not sent to models that do not reason."""
    user: str | None
    """Your own name for the end user, such as a hash of an account's number, by which the provider can tell abusers
    apart. A target whose dialect has no field for it is not asked."""
    headers: Mapping[str, str] | None
    """Headers of this call. They take precedence over the target's, and are never shown."""
    extra: Mapping[str, Any] | None
    """Fields that are put into the provider's request body last, over all others. None removes a field."""
    to: str | Target | Sequence[str | Target] | None
    """Targets for this call, in place of the client's."""
    deadline: float | None
    """Seconds for everything: attempts, waits, fallbacks, continuations."""
    timeouts: Timeouts | None
    """A `Timeouts` that takes precedence over the client's and the targets'."""
    recovery: Recovery | None
    """A `Recovery` that takes precedence over the client's."""
    drain: float | None
    """Seconds for which an answer that you leave is read on in the background, only to learn what it used; over the
    client's. 0 closes it at once."""
    metadata: Mapping[str, Any] | None
    """Values of your own for middlewares. They are never sent. `{"conversation_id": …}` is the conversation's id in
    telemetry."""


class StreamOptions(TurnOptions, total=False):
    """Lists the options of `Client.stream`, `Client.complete` and `Scope.stream`. Their meaning is documented at
    `stream`."""

    tools: Iterable[ToolLike] | None
    """What the model may use: `Tool` objects and functions, whose calls you answer (`converse` does it for you);
    `HostedTool("web_search")` and a provider's own dicts, which run at the provider."""
    on_end: Callable[[Transcript], object] | None
    """Called exactly once with the final transcript, whatever ends the stream. A plain function that does not block."""


OTHERS_NAMES: Mapping[str, str] = {
    "response_format": "output= takes a type, such as a pydantic model, or a JSON schema",
    "response_model": "output= takes a type, such as a pydantic model, or a JSON schema",
    "json_schema": "output= takes a type, such as a pydantic model, or a JSON schema",
    "timeout": "deadline= is seconds for everything, timeouts=Timeouts(…) are those of each step",
    "max_completion_tokens": "max_tokens= is the limit at every provider",
    "max_output_tokens": "max_tokens= is the limit at every provider",
    "messages": "the messages are the first argument, without a name",
    "input": "the messages are the first argument, without a name",
    "contents": "the messages are the first argument, without a name",
    "model": 'the model is part of a target: Client("openai:gpt-5-mini"), or to="openai:gpt-5-mini" for one call',
    "models": "targets are given to Client(…), or by to=[…] for one call",
    "target": "targets are given to Client(…), or by to= for one call",
    "targets": "targets are given to Client(…), or by to=[…] for one call",
    "fallbacks": "further targets of Client(…) are the fallbacks, or of to=[…] for one call",
    "instructions": "system= is put in front of the messages",
    "system_instruction": "system= is put in front of the messages",
    "system_prompt": "system= is put in front of the messages",
    "functions": "tools= takes them",
    "function_call": "tool_choice= takes auto, none, required, or a tool's name",
    "stop_sequences": "stop= takes one or more strings",
    "reasoning_effort": 'reasoning= takes an effort, like "low", or a number of tokens',
    "thinking": 'reasoning= takes an effort, like "low", or a number of tokens',
    "thinking_budget": 'reasoning= takes an effort, like "low", or a number of tokens',
    "extra_body": "extra= is merged into the request's body",
    "extra_headers": "headers= takes those of one call, Target(…, headers={…}) those of all calls",
    "stream": "every answer is streamed; Target(…, stream=False) asks for it in one piece",
    "safety_identifier": "user= is your own name for the end user",
    "user_id": "user= is your own name for the end user",
    "n": "each call gives one answer; start several calls for several answers",
    "retry": "retries are the client's: Client(…, retry=RetryPolicy(…))",
    "max_retries": "retries are the client's: Client(…, retry=RetryPolicy(attempts=…))",
    "num_retries": "retries are the client's: Client(…, retry=RetryPolicy(attempts=…))",
    "api_key": "keys belong to a target: Target(…, api_key=…)",
    "base_url": "addresses belong to a target: Target(…, base_url=…)",
    "api_base": "addresses belong to a target: Target(…, base_url=…)",
}
"""Names that other libraries use for an option, and what to write here instead."""

IN_THE_BODY = (
    "logit_bias", "logprobs", "top_logprobs", "store", "service_tier", "parallel_tool_calls", "modalities",
    "prediction", "verbosity", "safety_settings",
)  # fmt: skip
"""Fields of providers' requests for which there is no option here."""


def checks_options(*unpacked: type[Any]) -> Callable[[MethodT], MethodT]:
    """Decorate a method so that an unknown option is refused with its name and the name that was meant.

    unpacked: the TypedDicts that its `**options` are made of.
    """
    return functools.partial(_checked, frozenset().union(*(each.__annotations__ for each in unpacked)))


def plain_function(on_end: OnEndT) -> OnEndT:
    """Return an `on_end` unchanged. A coroutine function is a StreamMisused, because nobody would await it."""
    if on_end is not None and inspect.iscoroutinefunction(on_end):
        raise StreamMisused("on_end must be a plain function: it is called while a stream is torn down")
    return on_end


def _checked(more: frozenset[str], method: MethodT) -> MethodT:
    code = method.__code__
    known = more.union(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])

    def check(given: Mapping[str, Any]) -> None:
        if not known.issuperset(given):
            raise StreamMisused(_unknown(method.__name__, next(name for name in given if name not in known), known))

    @functools.wraps(method)
    def called(*values: Any, **options: Any) -> Any:
        check(options)
        return method(*values, **options)

    @functools.wraps(method)
    async def awaited(*values: Any, **options: Any) -> Any:
        check(options)
        return await method(*values, **options)

    return cast(MethodT, awaited if inspect.iscoroutinefunction(method) else called)


def _unknown(method: str, name: str, known: frozenset[str]) -> str:
    said = f"{method}() has no option {name!r}"
    if name in OTHERS_NAMES:
        return f"{said}: {OTHERS_NAMES[name]}"
    if name in IN_THE_BODY:
        return f"{said}: extra={{{name!r}: …}} puts it into the request's body as it is"
    return said + (did_you_mean(name, known) or f". It has {', '.join(sorted(known))}")
