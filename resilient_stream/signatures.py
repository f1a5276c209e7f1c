"""Which model may be sent whose signed reasoning.

The one rule: a signature goes back to the family of models that made it, wherever it is served: Claude's are the
same at Anthropic, Bedrock and Vertex, Gemini's the same at Google and Vertex. An API with a form of its own (Responses,
Interactions) keeps its own. Others stay at their provider, and at their model where a provider serves those of many
vendors. A stranger's signature is refused with a 400, and a conversation that moved to another target would be stuck.
Must never: change what the model said. A call stays a call; only its proof is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from .contract import Request
from .messages import FunctionCall, Message, Part, ReasoningPart
from .pairing import in_order

__all__ = ["FAMILIES", "for_its_target"]

FAMILIES = ("claude", "gemini")
"""Found in the name of a model, at whichever provider."""

_MANY_VENDORS = ("bedrock",)


def for_its_target(request: Request) -> Request:
    """The request with its results in order and without the signatures that its target would refuse; the same object
    when there is nothing to do."""
    family = _family(request.target.name)
    messages = in_order(request.messages)
    if any(_is_foreign(message, family) for message in messages):
        messages = tuple(_without_foreign(message, family) for message in messages)
    return request if messages is request.messages else replace(request, messages=messages)


def _family(target: str) -> str:
    provider = target.partition(":")[0]
    if provider.endswith(("-responses", "-interactions")):  # a form of its own, whoever's model it is
        return provider
    own = target if provider in _MANY_VENDORS else provider
    return next((family for family in FAMILIES if family in target), own)


def _foreign(part: Part | FunctionCall, family: str) -> bool:
    signer = part.signed_by if isinstance(part, ReasoningPart | FunctionCall) else None
    return signer is not None and _family(signer) != family


def _is_foreign(message: Message, family: str) -> bool:
    if message.role != "assistant" or (isinstance(message.content, str) and not message.tool_calls):
        return False
    return any(_foreign(part, family) for part in (*message.parts, *message.tool_calls))


def _without_foreign(message: Message, family: str) -> Message:
    if not _is_foreign(message, family):
        return message
    kept = [not _foreign(part, family) for part in message.parts]
    parts = tuple(itertools.compress(message.parts, kept))
    calls = tuple(_without_proof(call, family, kept) for call in message.tool_calls)
    return message.model_copy(update={"content": parts, "tool_calls": calls})


def _without_proof(call: FunctionCall, family: str, kept: Sequence[bool]) -> FunctionCall:
    """A call whose place is counted among the parts that are kept."""
    place = None if call.place is None else sum(kept[: call.place])
    proof = {"signature": None, "signed_by": None} if _foreign(call, family) else {}
    return call.model_copy(update={"place": place, **proof})
