"""The options of a call, as types for whoever passes them on, and the answer to an option that does not exist.

The one rule: these are the options of `Client.stream`, name by name and type by type; a test compares them.
Must never: ignore an option. One that is unknown is refused, with the name that was meant, before anything is sent.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, TypeVar, cast

from pydantic import BaseModel

from .failures import StreamMisused
from .given.nearest import did_you_mean
from .messages import Tool
from .outcome.transcript import Transcript
from .policy import Recovery, Timeouts
from .target import Target

__all__ = ["Schema", "StreamOptions", "TurnOptions", "checks_options", "plain_function"]

Schema: TypeAlias = Mapping[str, Any] | type[BaseModel]
MethodT = TypeVar("MethodT", bound=Callable[..., Any])
OnEndT = TypeVar("OnEndT")


class TurnOptions(TypedDict, total=False):
    """Options of each turn of `Client.converse`: those of `Client.stream` that it has no own meaning for."""

    system: str | None
    """Instructions, put in front of the messages."""
    tool_choice: str | Mapping[str, Any] | None
    """`"auto"`, `"none"`, `"required"`, or the name of the tool that must be called."""
    output: Schema | None
    """What the answer must be: a pydantic model class or a JSON schema. The answer is its text, to be read by you."""
    max_tokens: int | None
    """Output tokens at most, under each provider's own name for it. An answer cut by it is complete, and
    `transcript.finish_kind` says `output_truncated`."""
    temperature: float | None
    """How freely words are chosen: 0 for the likeliest, 1 as trained. Left out for models that refuse it."""
    top_p: float | None
    """Only the likeliest words that together have this probability. Left out for models that refuse it."""
    stop: str | Sequence[str] | None
    """One or more strings at which the answer ends. A target that has no such thing is passed over."""
    seed: int | None
    """For the same answer again, where a provider has it; else left out."""
    reasoning: str | int | None
    """An effort (`"low"`, `"medium"`, `"high"`) or a budget in tokens, where the model reasons; else left out."""
    extra: Mapping[str, Any] | None
    """Fields merged into the provider's request body last, over everything else; None there takes a field out."""
    to: str | Target | Sequence[str | Target] | None
    """Targets for this call, in place of the client's."""
    deadline: float | None
    """Seconds for everything: attempts, waits, fallbacks, continuations."""
    timeouts: Timeouts | None
    """A `Timeouts` over the client's and the targets'."""
    recovery: Recovery | None
    """A `Recovery` over the client's."""
    metadata: Mapping[str, Any] | None
    """Yours: kept on the request for middlewares, never sent."""


class StreamOptions(TurnOptions, total=False):
    """The options of `Client.stream`, `Client.complete` and `Scope.stream`; what each means is said at `stream`."""

    tools: Iterable[Tool | Mapping[str, Any]] | None
    """`Tool` objects or dicts in OpenAI's shape. Functions that are called for you: `converse`."""
    on_end: Callable[[Transcript], object] | None
    """Called exactly once with the final transcript, whatever ends the stream. A plain function that does not block."""


OTHERS_NAMES: Mapping[str, str] = {
    "response_format": "output= takes a pydantic model class or a JSON schema",
    "response_model": "output= takes a pydantic model class or a JSON schema",
    "json_schema": "output= takes a pydantic model class or a JSON schema",
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
    "extra_headers": "headers belong to a target: Target(…, headers={…})",
    "stream": "every answer is streamed; Target(…, stream=False) asks for it in one piece",
    "n": "each call gives one answer; start several calls for several answers",
    "retry": "retries are the client's: Client(…, retry=RetryPolicy(…))",
    "max_retries": "retries are the client's: Client(…, retry=RetryPolicy(attempts=…))",
    "num_retries": "retries are the client's: Client(…, retry=RetryPolicy(attempts=…))",
    "api_key": "keys belong to a target: Target(…, api_key=…)",
    "base_url": "addresses belong to a target: Target(…, base_url=…)",
    "api_base": "addresses belong to a target: Target(…, base_url=…)",
}
"""What other libraries call it, and what to write here."""

IN_THE_BODY = (
    "user", "top_k", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "store",
    "service_tier", "parallel_tool_calls", "modalities", "prediction", "verbosity", "safety_settings",
)  # fmt: skip
"""Fields of providers' requests that have no name of their own here."""


def checks_options(*unpacked: type[Any]) -> Callable[[MethodT], MethodT]:
    """A method that answers an option it does not have with its own name, and with the name that was meant.

    unpacked: the TypedDicts that its `**options` are made of.
    """
    return functools.partial(_checked, frozenset().union(*(each.__annotations__ for each in unpacked)))


def plain_function(on_end: OnEndT) -> OnEndT:
    """An `on_end` as it is, or StreamMisused for a coroutine function, which nobody would await."""
    if inspect.iscoroutinefunction(on_end):
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
