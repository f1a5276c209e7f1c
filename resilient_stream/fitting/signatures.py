"""Which model may be sent whose signed reasoning.

A signature goes back to the family of models that made it, wherever it is served: Claude's are the same at Anthropic,
Bedrock and Vertex, Gemini's the same at Google and Vertex. An API with a form of its own (Responses, Interactions)
keeps its own. Others stay at their provider, and at their model where a provider serves those of many vendors. A
stranger's signature is refused with a 400, and a conversation that moved to another target would be stuck. Reasoning
that nobody signed goes back to models of the family that thought it. What a relay made of its upstream's reasoning
(`reasoning_details`, a list) goes back to that relay, for models of that vendor. This module must never change what the
model said. A call stays a call; only its proof is left out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..contract import Request
from ..messages import FunctionCall, Message, Part, ReasoningPart
from .pairing import in_order

__all__ = ["FAMILIES", "for_its_target"]

FAMILIES = ("claude", "gemini")
"""Found in the name of a model, at whichever provider."""

_MANY_VENDORS = ("bedrock",)


OPEN_FAMILIES = re.compile(r"deepseek|kimi|glm|qwen|qwq|minimax|gpt-oss|grok|magistral|nemotron|mimo", re.IGNORECASE)
"""Models that give their reasoning as plain text, at whichever provider."""


def for_its_target(request: Request) -> Request:
    """The request with its results in order and without the signatures that its target would refuse; the same object
    when there is nothing to do."""
    target = request.target.name
    messages = in_order(request.messages)
    if any(_is_foreign(message, target) for message in messages):
        messages = tuple(_without_foreign(message, target) for message in messages)
    return request if messages is request.messages else replace(request, messages=messages)


def _family(target: str) -> str:
    provider = target.partition(":")[0]
    if provider.endswith(("-responses", "-interactions")):  # a form of its own, whoever's model it is
        return provider
    own = target if provider in _MANY_VENDORS else provider
    return next((family for family in FAMILIES if family in target), own)


def _open_family(target: str) -> str:
    found = OPEN_FAMILIES.search(target)
    return found[0].lower() if found else _family(target)


def _relay(target: str) -> str:
    return target.partition("/")[0]


def _foreign(part: Part | FunctionCall, target: str) -> bool:
    if not isinstance(part, ReasoningPart | FunctionCall) or part.signed_by in (None, target):
        return False
    of = _origin_of(part)
    return of(part.signed_by) != of(target)


def _origin_of(part: ReasoningPart | FunctionCall) -> Callable[[str], str]:
    """What has to be the same of two targets, by the form of the proof."""
    if isinstance(part, ReasoningPart) and part.signature is None and part.redacted is None:
        return _open_family
    return _relay if (part.signature or "").startswith("[{") else _family


def _is_foreign(message: Message, target: str) -> bool:
    if message.role != "assistant" or (isinstance(message.content, str) and not message.tool_calls):
        return False
    return any(_foreign(part, target) for part in (*message.parts, *message.tool_calls))


def _without_foreign(message: Message, target: str) -> Message:
    if not _is_foreign(message, target):
        return message
    kept = [not _foreign(part, target) for part in message.parts]
    parts = tuple(itertools.compress(message.parts, kept))
    calls = tuple(_without_proof(call, target, kept) for call in message.tool_calls)
    return message.model_copy(update={"content": parts, "tool_calls": calls})


def _without_proof(call: FunctionCall, target: str, kept: Sequence[bool]) -> FunctionCall:
    """A call whose place is counted among the parts that are kept."""
    place = None if call.place is None else sum(kept[: call.place])
    proof = {"signature": None, "signed_by": None} if _foreign(call, target) else {}
    return call.model_copy(update={"place": place, **proof})
