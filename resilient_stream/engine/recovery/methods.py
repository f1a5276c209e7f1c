"""Lists the methods of recovery: where each can be used, what is asked, and how the answer is checked.

A method is a row of the table; `Recovery.methods` names them in the order in which they are tried. Nothing is sent but
the user's own words, the delivered part of the answer, and `GO_ON`, so the model answers what the user has asked.

What each makes of a request's fields: *native* and *replay* send it as it was. *prefill* and *instruct* put the
delivered text behind its messages (behind the caller's own unfinished turn, if there is one, in the same turn) and
take what it cost off max_tokens, down to 1: the provider itself then says that the limit is reached. Under a JSON
schema neither is used: constrained decoding begins the object anew. Where only reasoning was delivered, the answer to a
*replay* may reason anew: no model does so twice in the same words, and nothing of the answer is contradicted. *restart*
sends it as it was, and its answer takes the place of the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from ...contract import Capabilities, Request
from ...messages import Message, TextPart
from ...policy import RecoveryMethod
from .joins import split_end
from .matchers import Instructed, Matcher, Prefilled, Replayed, Restarted, Resumed, Rethought
from .partial import Partial

__all__ = ["GO_ON", "METHODS", "Method"]

GO_ON = (
    "Your last message was cut off. Send the rest of it, and nothing else: begin with its last words, {words!r}, "
    "letter by letter, and go on from there. No introduction, no apology, no summary, no new code fence."
)
"""What *instruct* asks. The last words make the reply one that can be checked, in any language."""

LAST_WORDS = 6
LONGEST = 80
"""Characters of them, for scripts without spaces."""


class Method(NamedTuple):
    """Says where one method can be used, what it asks, and what checks the answer.

    matcher: is made from what was delivered, and whether the provider is known to send that again. stays: the method is
    used only at the target that died.
    """

    can: Callable[[Request, Partial, Capabilities], bool]
    ask: Callable[[Request, Partial], Request]
    matcher: Callable[[Partial, bool], Matcher]
    stays: bool = False


def _can_resume(request: Request, partial: Partial, able: Capabilities) -> bool:
    return able.native_resume and partial.resume is not None


def _can_prefill(request: Request, partial: Partial, able: Capabilities) -> bool:
    return able.prefill and _can_instruct(request, partial, able)


def _can_instruct(request: Request, partial: Partial, able: Capabilities) -> bool:
    return _is_comparable(partial) and partial.speaks and bool(_sent_text(partial)) and request.output is None


def _can_replay(request: Request, partial: Partial, able: Capabilities) -> bool:
    return partial.thinks or _is_comparable(partial)


def _is_comparable(partial: Partial) -> bool:
    """Return whether all of the delivered part is known, and can be found in another answer."""
    return partial.whole and not partial.fixed


def _can_restart(request: Request, partial: Partial, able: Capabilities) -> bool:
    return partial.thinks or not partial.fixed


def _resume(request: Request, partial: Partial) -> Request:
    return replace(request, resume=partial.resume)


def _prefill(request: Request, partial: Partial) -> Request:
    return replace(request, messages=_with_turn(request, partial), max_tokens=_remaining_tokens(request, partial))


def _instruct(request: Request, partial: Partial) -> Request:
    line = _sent_text(partial).rpartition("\n")[2][-LONGEST:]
    words = " ".join(line.split(" ")[-LAST_WORDS:])
    order = Message(role="user", content=GO_ON.format(words=words))
    return replace(
        request, messages=(*_with_turn(request, partial), order), max_tokens=_remaining_tokens(request, partial)
    )


def _unchanged(request: Request, partial: Partial) -> Request:
    return request


def _sent_text(partial: Partial) -> str:
    return split_end(partial.text)[0]


def _with_turn(request: Request, partial: Partial) -> tuple[Message, ...]:
    """Return the conversation with the unfinished turn at its end: some servers refuse two in a row (llama.cpp)."""
    text, messages = _sent_text(partial), request.messages
    last = messages[-1] if messages else None
    if last is None or last.role != "assistant" or last.tool_calls:
        return (*messages, Message(role="assistant", content=text))
    content = last.content + text if isinstance(last.content, str) else (*last.content, TextPart(text=text))
    return (*messages[:-1], last.model_copy(update={"content": content}))


def _remaining_tokens(request: Request, partial: Partial) -> int | None:
    """Return the output tokens that are left to a continuation. The end of the text that is kept back is said again,
    which costs a token a second time."""
    again = _sent_text(partial) != partial.text
    return None if request.max_tokens is None else max(1, request.max_tokens - partial.tokens + again)


def _replay_matcher(partial: Partial, echoes: bool) -> Matcher:
    """Return what compares another answer, which has to begin with what was delivered; where that is reasoning alone,
    it may begin it anew."""
    if not partial.thinks:
        return Replayed(partial)
    return Rethought(partial) if _is_comparable(partial) else Restarted()


METHODS: Mapping[RecoveryMethod, Method] = {
    "native": Method(_can_resume, _resume, lambda partial, echoes: Resumed(), stays=True),
    "prefill": Method(_can_prefill, _prefill, lambda partial, echoes: Prefilled(partial, echoes=echoes)),
    "replay": Method(_can_replay, _unchanged, _replay_matcher),
    "instruct": Method(_can_instruct, _instruct, lambda partial, echoes: Instructed(partial)),
    "restart": Method(_can_restart, _unchanged, lambda partial, echoes: Restarted()),
}
