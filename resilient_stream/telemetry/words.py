"""What a log line or a span says about an error: our own words, and of the provider's only what cannot quote anybody.

The one rule: no sentence of a provider gets into a record. Providers echo what they were sent, in pieces of any length
and in any notation; the application that catches the error may see that, its operators' logs may not. They have the
kind, the status, the provider's code and its id of the request.
Must never: let a text of a server end a line, or steer the terminal that a log is read in.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from msgspec import structs

from ..engine.call import Call
from ..outcome.errors import AllTargetsFailed, StreamError
from ..text.readable import one_line

__all__ = ["Words", "code_of", "quotes", "tame"]

RUN = 12
LEAST = 6
"""A text shorter than this is in every sentence."""
MAX_CODE = 80


class Words:
    """Words about the errors of one call. with_detail: the provider's sentence may be shown, as prompts may."""

    __slots__ = ("_call", "_with_detail")

    def __init__(self, call: Call, *, with_detail: bool = False) -> None:
        self._call = call
        self._with_detail = with_detail

    def about(self, error: StreamError) -> str:
        """What happened, in plain sentences."""
        return one_line((error if self._with_detail else self._discreet(error)).message)

    def advice(self, error: StreamError) -> str:
        """What to do about it."""
        return one_line(self._discreet(error).resolution)

    def _discreet(self, error: StreamError) -> StreamError:
        """The error without what the provider said, and without a fact in which a program or a server quotes the
        conversation."""
        said = list(self._said()) if any(isinstance(fact, str) for fact in error.failure.facts.values()) else []
        facts = {
            name: fact
            for name, fact in error.failure.facts.items()
            if not (isinstance(fact, str) and any(quotes(fact, text) for text in said))
        }
        facts = {name: fact for name, fact in facts.items() if (error.failure.code, name) not in FOREIGN_FACTS}
        detail = error.failure.detail if _nobody_was_asked(error) else ""
        error = copy.copy(error)
        error.failure = structs.replace(error.failure, detail=detail, facts=facts)
        if isinstance(error, AllTargetsFailed):
            error.errors = tuple(map(self._discreet, error.errors))
        return error

    def _said(self) -> Iterator[str]:
        for message in self._call.request.messages:
            yield message.text
            yield from (call.arguments for call in message.tool_calls)
        yield self._call.transcript.text


OUR_DETAILS = frozenset({"key_callable", "no_token"})
"""Codes whose detail is the name of an exception's class, where nothing had been sent."""

FOREIGN_FACTS = frozenset({("program_failed", "reason")})
"""Facts that are sentences of a program, by the code they come with."""


def _nobody_was_asked(error: StreamError) -> bool:
    return error.failure.code in OUR_DETAILS and error.phase == "connect" and error.status is None


def code_of(error: StreamError) -> str | None:
    """The provider's or our own word for the failure, where it is one word; a sentence as code may be a quotation."""
    code = error.failure.code
    return code if re.fullmatch(r"[\w.:/#-]+", code[: MAX_CODE + 1], re.ASCII) and len(code) <= MAX_CODE else None


def tame(value: Any) -> Any:
    """A value for a record: a text on one line, without escape sequences."""
    if isinstance(value, str) and not value.isprintable():
        return one_line(value)
    return value


def quotes(line: str, said: str) -> bool:
    """Whether `line` has a run of `said`: any of `2 * RUN - 1` characters, or all of it when it is shorter.

    Every twelfth slice of what was said is looked for at every place of the line, which is the short one.
    """
    line, said = " ".join(line.split()), " ".join(said.split())
    if len(said) < 2 * RUN - 1:
        return len(said) >= LEAST and said in line
    slices = {said[at : at + RUN] for at in range(0, len(said) - RUN + 1, RUN)}
    return any(line[at : at + RUN] in slices for at in range(len(line) - RUN + 1))
