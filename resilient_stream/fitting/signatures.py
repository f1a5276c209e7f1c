"""Decides which signed reasoning, and which blocks of a provider's own, may be sent to which target.

A signature goes back to the family of models that made it, wherever it is served. A stranger's signature is refused
with a 400, and a conversation that moved to another target would be stuck. Reasoning that nobody signed goes back to
models of the family that thought it. What a relay made of its upstream's reasoning (`reasoning_details`, a list) goes
back to that relay, for models of that vendor. Which family a target belongs to is asked of whoever knows the providers.

A block that only its provider understands, and citations, go back to that provider. For others the block's text stands
in its place, and no signed reasoning of that turn is sent, since it was signed with the block beside it.
What the model said is not changed: a call stays a call, and only its proof is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from ..contract import Request
from ..messages import FunctionCall, Message, OpaquePart, Part, ReasoningPart, TextPart
from .pairing import in_order
from .refused_parts import without_refused

__all__ = ["GO_ON", "Families", "FamiliesOf", "for_its_target"]

GO_ON = "Please go on."
"""The user's turn that asks for the rest, where an unfinished assistant's turn cannot simply be continued."""

_FOREIGN = ("a block of another provider", "only that provider can read it")


class Families(NamedTuple):
    """Names the families of a target's model. signed: whose signatures it takes. plain: whose reasoning in plain
    text."""

    signed: str
    plain: str


FamiliesOf: TypeAlias = Callable[[str], Families]
"""Gives the families of a target by its name, "provider:model"."""


def for_its_target(request: Request, families_of: FamiliesOf) -> Request:
    """Return the request with its results in order and without signatures that its target would refuse; the same object
    when nothing changes."""
    messages = in_order(request.messages)
    reader = _Reader(request.target.name, families_of)
    if any(map(reader.refuses_of, messages)):
        asked = (Message(role="user", content=GO_ON),) if reader.cannot_go_on(messages[-1]) else ()
        read = [(message, reader.without_foreign(message)) for message in messages]
        # An approval of what another provider asked leaves nothing of its turn.
        messages = (*(made for message, made in read if made is message or made.content or made.tool_calls), *asked)
    return request if messages is request.messages else replace(request, messages=messages)


def _relay(target: str) -> str:
    return target.partition("/")[0]


class _Reader(NamedTuple):
    """Describes the target that will read the messages. target: its name."""

    target: str
    families_of: FamiliesOf

    def refuses_of(self, message: Message) -> bool:
        """Return whether the target would refuse something in a message."""
        if isinstance(message.content, str) and not message.tool_calls:
            return False
        return any(map(self._is_refused, (*message.parts, *message.tool_calls)))

    def cannot_go_on(self, message: Message) -> bool:
        """Return whether a message is a turn that its provider paused, and that this target cannot continue."""
        return message.role == "assistant" and any(
            isinstance(part, OpaquePart) and self._is_refused(part) for part in message.parts
        )

    def without_foreign(self, message: Message) -> Message:
        """Return the message without what would be refused."""
        if not self.refuses_of(message):
            return message
        made = without_refused(message, self._is_refused, self.target, _FOREIGN)
        return made.model_copy(update={"tool_calls": tuple(map(self._without_proof, made.tool_calls))})

    def _is_refused(self, part: Part | FunctionCall) -> bool:
        if isinstance(part, OpaquePart):
            return part.provider != self._provider
        if isinstance(part, TextPart):
            return part.cited_by not in (None, self._provider)
        if not isinstance(part, ReasoningPart | FunctionCall) or part.signed_by in (None, self.target):
            return False
        origin = self._origin_of(part)
        return origin(part.signed_by) != origin(self.target)

    @property
    def _provider(self) -> str:
        return self.target.partition(":")[0]

    def _origin_of(self, part: ReasoningPart | FunctionCall) -> Callable[[str], str]:
        """Return a function for what two targets must have in common, by the form of the proof."""
        if isinstance(part, ReasoningPart) and part.signature is None and part.redacted is None:
            return lambda target: self.families_of(target).plain
        if (part.signature or "").startswith("[{"):
            return _relay
        return lambda target: self.families_of(target).signed

    def _without_proof(self, call: FunctionCall) -> FunctionCall:
        return call.model_copy(update={"signature": None, "signed_by": None}) if self._is_refused(call) else call
