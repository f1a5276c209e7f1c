"""Defines what is asked: one call as the user meant it, for one target, and where it is to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..messages import Hosted, Message, Tool
from ..target import Target
from ..text.harmless import safe_url

if TYPE_CHECKING:
    from .transport import Sending

__all__ = ["Endpoint", "Meter", "Request", "ResumePoint", "Silence"]


class Meter(Protocol):
    """Counts what the requests of a link cost. Both methods are synchronous."""

    def begins(self, sending: Sending) -> None:
        """Note that an attempt is made of the request; `sending` says how far it comes, and its record what it
        costs."""

    def answered(self, sending: Sending) -> None:
        """Note that the head of its answer is there: the record has the headers."""


class Silence(Protocol):
    """Is told when a streamed request gives no content for long. The request goes on all the same."""

    seconds: float
    """How long a silence lasts: from the start to the first content, and from one piece of content that is waited for
    to the next."""

    def noticed(self) -> None:
        """Note that the request has been silent for so long: called once at most for each attempt, synchronously."""


class ResumePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Says where a provider's own resume takes a broken stream up again: after event `sequence`, a number or a name, of
    `response_id`.

    state: what else the next decoder has to know, in its adapter's own form: tool calls that had begun.
    """

    response_id: str
    sequence: int | str
    state: Any = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Request:
    """Describes one call as the user meant it, checked, for one target. Adapters encode it; middlewares `replace` it.

    hosted: tools that run at the provider, by name or in its own words.
    tool_choice: "auto", "none", "required" or a tool's name. output: a JSON schema the answer must follow. reasoning:
    an effort ("none", "minimal", "low", "medium", "high") or a budget in tokens. user: the end user's name at the
    application. headers: of this call, over the target's. extra: merged into the provider's body last; a None there
    takes a field out. max_event_bytes: the decoder's bound on one event, and on what it holds back.
    attempt: which one at this target, from 1. targets: all that may be tried, in order; `target` is the one at hand.
    hedge: it runs beside another request of the call, and the first content wins.
    resume: take this broken stream up again instead of asking anew; only where the adapter's capabilities have
    native_resume. stream: False asks for the answer in one piece; only where they have `whole`. without: options that
    the target refused in an earlier attempt (`Failure.leave_out`). meter: is told of each attempt that is made of it.
    silence: is told when an attempt gives no content for long.
    """

    messages: tuple[Message, ...]
    target: Target
    targets: tuple[Target, ...] = ()
    tools: tuple[Tool, ...] = ()
    hosted: tuple[Hosted, ...] = ()
    tool_choice: str | None = None
    output: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning: str | int | None = None
    user: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    max_event_bytes: int = 8 * 1024 * 1024
    attempt: int = 1
    resume: ResumePoint | None = None
    stream: bool = True
    without: frozenset[str] = frozenset()
    hedge: bool = False
    meter: Meter | None = None
    silence: Silence | None = None

    def __repr__(self) -> str:
        return f"Request({self.target.name}, {len(self.messages)} messages)"

    @property
    def model(self) -> str:
        """Return the model's name at the provider."""
        return self.target.model

    def option(self, name: str, default: Any = None) -> Any:
        """Return one of the target's options, which only some providers know."""
        return self.target.options.get(name, default)

    @property
    def may_cite(self) -> bool:
        """Return whether the answer may have citations: more than texts and functions was given, as a search or a
        document."""
        if self.extra or self.hosted:
            return True
        return any(map(_has_document, self.messages))

    @property
    def decoding(self) -> dict[str, Any]:
        """Return what every decoder is made with: its bound, and the target's options `raw` and `terminal="eof_ok"`."""
        return {
            "max_event_bytes": self.max_event_bytes,
            "raw": bool(self.option("raw")),
            "eof_ok": self.option("terminal") == "eof_ok",
        }


_UNCITED = frozenset({"text", "image_url", "reasoning"})
"""The parts of a message that nothing can be cited from."""


def _has_document(message: Message) -> bool:
    return not isinstance(message.content, str) and any(part.type not in _UNCITED for part in message.content)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Says where to send, resolved for one attempt: the environment is read, the key is fetched. Its repr has no key.

    credentials: what a provider needs beyond one key, as its own resolver made it (a signing key, a project).
    """

    base_url: str
    api_key: str | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    credentials: Any = None

    def __repr__(self) -> str:
        return f"Endpoint({safe_url(self.base_url)!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("base_url", safe_url(self.base_url))]
