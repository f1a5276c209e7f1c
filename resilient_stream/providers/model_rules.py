"""What single models refuse of a request that others take, for the dialects of OpenAI's shape.

The one rule: a rule is data, and holds by the model's name, since a model refuses the same at whichever host.
Must never: guess. A name that no row fits is a model that takes everything.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Literal, NamedTuple, TypeAlias

from ..contract import Request
from .told import left_out

__all__ = ["ModelRule", "rule_for", "sampling_of"]

Sampling: TypeAlias = Literal["free", "unthinking", "fixed"]


class ModelRule(NamedTuple):
    """One row. models: found in the model's name. hosts: titles of those where it holds; empty for all.

    sampling: whether `temperature` and `top_p` are taken; "unthinking": where no reasoning is asked for. stop: whether
    stop sequences are. max_tokens: the name of that field, where it is not the host's. thoughts: the turns that are
    refused without what the model thought: those with calls, or every one of a conversation with calls.
    """

    models: str
    hosts: tuple[str, ...] = ()
    sampling: Sampling = "free"
    stop: bool = True
    max_tokens: str | None = None
    thoughts: Literal["", "calls", "all"] = ""


_NAME = r"(^|[/.:]|openai-|databricks-)"
_DEPLOYMENT = r"(?<![a-z0-9])"
_AZURE = ("Azure OpenAI",)
_NEW_NAME = "max_completion_tokens"

# Sources, by the name of the document. OpenAI: "Reasoning models" and "Using GPT-5.2", parameter compatibility (5.1 and
# newer take both while their effort is none, which is their default up to 5.4); `stop` in the API reference of chat
# completions. Moonshot: "Kimi K2.5 quickstart", parameters that differ. xAI: "Reasoning" (`stop` is an error).
# DeepSeek: "Thinking Mode". Moonshot: "Use Kimi K2 Thinking Model".
RULES: tuple[ModelRule, ...] = (
    ModelRule(r"gpt-?5[^/]*chat|gpt-oss"),
    ModelRule(_DEPLOYMENT + r"gpt-?5\.[1-4](?!\d|.*(pro|codex))", sampling="unthinking", max_tokens=_NEW_NAME),
    ModelRule(_DEPLOYMENT + r"(gpt-?([5-9]|1\d)(?!\d)|codex)", sampling="fixed", stop=False, max_tokens=_NEW_NAME),
    ModelRule(_NAME + r"o(3-mini|1)(?![a-z0-9])", sampling="fixed", max_tokens=_NEW_NAME),
    ModelRule(_NAME + r"o[34](?![a-z0-9])", sampling="fixed", stop=False, max_tokens=_NEW_NAME),
    ModelRule(_DEPLOYMENT + r"o(3-mini|1)(?![a-z0-9])", _AZURE, sampling="fixed", max_tokens=_NEW_NAME),
    ModelRule(_DEPLOYMENT + r"o[34](?![a-z0-9])", _AZURE, sampling="fixed", stop=False, max_tokens=_NEW_NAME),
    ModelRule(r"kimi-k(2\.[5-9]|[3-9])", ("Moonshot",), sampling="fixed", thoughts="calls"),
    ModelRule(r"(?i)kimi-?(k2-?thinking|k2[.p][5-9]|k[3-9]|for-coding)|^k2p[5-9]", thoughts="calls"),
    ModelRule(r"(?i)deepseek[-_]?(reasoner|v3\.2(?!.*chat)|v[4-9])", thoughts="all"),
    ModelRule(r"grok-(3-mini|4|code|build)(?!.*non-reasoning)", ("xAI",), stop=False),
)
"""The first row that fits."""

_FREE = ModelRule("")
_THOUGHTLESS = (None, "none", 0)


@functools.lru_cache(maxsize=1024)
def rule_for(host: str, model: str) -> ModelRule:
    """What holds for a model at a host, by the host's title."""
    fits = (rule for rule in RULES if (not rule.hosts or host in rule.hosts) and re.search(rule.models, model))
    return next(fits, _FREE)


def sampling_of(request: Request, host: str) -> dict[str, Any]:
    """temperature and top_p, where the model takes them; what it does not take is said in the log, once."""
    given = {"temperature": request.temperature, "top_p": request.top_p}
    rule = rule_for(host, request.model)
    if rule.sampling == "free" or (rule.sampling == "unthinking" and request.reasoning in _THOUGHTLESS):
        return given
    for name, value in given.items():
        if value is not None and value != 1:
            left_out(request.target.name, name, "this model does not let it be chosen")
    return {}
