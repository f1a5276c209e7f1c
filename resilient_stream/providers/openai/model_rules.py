"""Holds rules about requests that single models refuse and others take, for the dialects of OpenAI's shape.

A rule is data and depends on the model's name, since a model refuses the same at every host. A model that no row
matches takes everything.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from ...contract import OutputWay, Request
from ...fitting.told import without
from ..shared.words import own_words

__all__ = ["ModelRule", "output_way", "rule_for", "sampling_of"]

Sampling: TypeAlias = Literal["free", "unthinking", "fixed"]


class ModelRule(NamedTuple):
    """Describes what the models of one row refuse. models: found in the model's name. title: of them, for people.
    hosts: titles of those where it holds; empty for all.

    sampling: whether `temperature`, `top_p`, `top_k` and the penalties are taken; "unthinking": where no reasoning is
    asked for. penalties: whether those are, where the rest is free. stop: whether stop sequences are. max_tokens: the
    name of that field, where it is not the host's. thoughts: the turns that are refused without what the model thought:
    those with calls, or every one of a conversation with calls.
    bridged: a user's turn right behind a tool's result is refused. output: how an object is asked for.
    """

    models: str
    title: str = ""
    hosts: tuple[str, ...] = ()
    sampling: Sampling = "free"
    stop: bool = True
    penalties: bool = True
    max_tokens: str | None = None
    thoughts: Literal["", "calls", "all"] = ""
    bridged: bool = False
    output: OutputWay = "schema"


_NAME = r"(^|[/.:]|openai-|databricks-)"
_DEPLOYMENT = r"(?<![a-z0-9])"
_AZURE = ("Azure OpenAI",)
_NEW_NAME = "max_completion_tokens"

# Sources, by the name of the document. OpenAI: "Reasoning models" and "Using GPT-5.2", parameter compatibility (5.1 and
# newer take both while their effort is none, which is their default up to 5.4); `stop` in the API reference of chat
# completions. Moonshot: "Kimi K2.5 quickstart", parameters that differ. xAI: "Reasoning" (`stop` and the
# penalties are errors).
# Mistral's error 3230, "Unexpected role 'user' after role 'tool'", which its chat templates raise at other hosts, too.
# DeepSeek: "Thinking Mode". Moonshot: "Use Kimi K2 Thinking Model". OpenAI: "Structured model outputs" (a schema from
# GPT-4o of August 2024 on; before it JSON mode, from GPT-4 Turbo on).
RULES: tuple[ModelRule, ...] = (
    ModelRule(r"gpt-?5[^/]*chat|gpt-oss", "GPT-5 Chat, gpt-oss"),
    ModelRule(r"gpt-?3[.]?5|gpt-?4-(turbo|1106|0125|vision)|gpt-?4o-2024-05-13", "GPT-3.5, GPT-4 Turbo", output="json"),
    ModelRule(_NAME + r"gpt-4(-0\d{3}|-32k.*)?$", "GPT-4", output="tool"),
    ModelRule(
        _DEPLOYMENT + r"gpt-?5\.[1-4](?!\d|.*(pro|codex))",
        "GPT-5.1 to 5.4",
        sampling="unthinking",
        max_tokens=_NEW_NAME,
    ),
    ModelRule(
        _DEPLOYMENT + r"(gpt-?([5-9]|1\d)(?!\d)|codex)",
        "GPT-5 and newer",
        sampling="fixed",
        stop=False,
        max_tokens=_NEW_NAME,
    ),
    ModelRule(_NAME + r"o(3-mini|1)(?![a-z0-9])", "o1, o3-mini", sampling="fixed", max_tokens=_NEW_NAME),
    ModelRule(_NAME + r"o[34](?![a-z0-9])", "o3, o4-mini", sampling="fixed", stop=False, max_tokens=_NEW_NAME),
    ModelRule(
        _DEPLOYMENT + r"o(3-mini|1)(?![a-z0-9])",
        "a deployment of o1 or o3-mini, by its name",
        _AZURE,
        sampling="fixed",
        max_tokens=_NEW_NAME,
    ),
    ModelRule(
        _DEPLOYMENT + r"o[34](?![a-z0-9])",
        "a deployment of o3 or o4-mini, by its name",
        _AZURE,
        sampling="fixed",
        stop=False,
        max_tokens=_NEW_NAME,
    ),
    ModelRule(r"kimi-k(2\.[5-9]|[3-9])", "Kimi K2.5 and newer", ("Moonshot",), sampling="fixed", thoughts="calls"),
    ModelRule(
        r"(?i)kimi-?(k2-?thinking|k2[.p][5-9]|k[3-9]|for-coding)|^k2p[5-9]", "Kimi that thinks", thoughts="calls"
    ),
    ModelRule(r"(?i)deepseek[-_]?(reasoner|v3\.2(?!.*chat)|v[4-9])", "DeepSeek that thinks", thoughts="all"),
    ModelRule("", "all", ("Mistral",), bridged=True),
    ModelRule(r"(?i)mi[sx]tral|(dev|mag|minis|codes)tral|pixtral", "Mistral's models", bridged=True),
    ModelRule(
        r"grok-(3-mini|4|code|build)(?!.*non-reasoning)", "Grok that reasons", ("xAI",), stop=False, penalties=False
    ),
)
"""The rules; the first row that fits a model is used."""

# Sources, by the name of the document. DeepSeek: "JSON Output". Groq: "Structured Outputs", supported models. Moonshot:
# "JSON Mode". Z.ai: "Structured Output". Alibaba Cloud: "Structured output".
JSON_MODE: Mapping[str, str] = {
    "DeepSeek": "", "Moonshot": "", "Z.ai": "", "Alibaba Cloud": "", "Groq": r"^(?!.*(gpt-oss|kimi-k2|llama-4))",
}  # fmt: skip
"""The chat hosts that enforce no schema but answer in JSON, and a pattern of the models for which that holds."""

_FREE = ModelRule("")
_PENALTIES = ("presence_penalty", "frequency_penalty")
_MORE = ("top_k", *_PENALTIES)
_THOUGHTLESS = (None, "none", 0)


@functools.lru_cache(maxsize=256)
def rule_for(host: str, model: str) -> ModelRule:
    """Return the rules for a model at a host, by the host's title."""
    fits = (rule for rule in RULES if (not rule.hosts or host in rule.hosts) and re.search(rule.models, model))
    return next(fits, _FREE)


def output_way(host: str, model: str) -> OutputWay:
    """Return how a model at a host, by its title, is asked for an object: by the host's way, else by its own rule."""
    only_json = JSON_MODE.get(host)
    return "json" if only_json is not None and re.search(only_json, model) else rule_for(host, model).output


def sampling_of(request: Request, host: str, words: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of sampling that the model takes; one that it does not take is logged once.

    words: the host's words for what only some hosts have. Raises StreamError for an option that is not there.
    """
    given = {"temperature": request.temperature, "top_p": request.top_p, **own_words(request, words, _MORE)}
    rule = rule_for(host, request.model)
    if rule.sampling == "free" or (rule.sampling == "unthinking" and request.reasoning in _THOUGHTLESS):
        return given if rule.penalties else without(request.target.name, given, _PENALTIES, "this model has none")
    return without(request.target.name, given, tuple(given), "this model does not let it be chosen")
