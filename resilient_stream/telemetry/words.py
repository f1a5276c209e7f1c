"""Chooses what log lines and spans say about an error: our own words, and of the provider's only what cannot quote
anybody.

No sentence of a provider is in a record. Providers quote what they were sent, in pieces of any length and in any
notation. The application that catches the error may see that; the logs of its operators must not have it. They have the
kind, the status, the provider's code and its id of the request. No text of a server can end a line, or control the
terminal in which a log is read.
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
"""Characters below which a text is not looked for, because so short a text occurs in every sentence."""
MAX_CODE = 80


class Words:
    """Words the errors of one call. with_detail: the provider's sentence may be shown, as prompts may."""

    __slots__ = ("_call", "_with_detail")

    def __init__(self, call: Call, *, with_detail: bool = False) -> None:
        self._call = call
        self._with_detail = with_detail

    def about(self, error: StreamError) -> str:
        """Say what happened, in plain sentences."""
        return one_line((error if self._with_detail else self._without_quotations(error)).message)

    def advice(self, error: StreamError) -> str:
        """Say what to do about it."""
        return one_line(self._without_quotations(error).resolution)

    def _without_quotations(self, error: StreamError) -> StreamError:
        """Return the error without the provider's words, and without facts that quote the conversation."""
        said = (
            list(self._texts_of_call()) if any(isinstance(fact, str) for fact in error.failure.facts.values()) else []
        )
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
            error.errors = tuple(map(self._without_quotations, error.errors))
        return error

    def _texts_of_call(self) -> Iterator[str]:
        for message in self._call.request.messages:
            yield message.text
            yield from (call.arguments for call in message.tool_calls)
        yield self._call.transcript.text


OUR_DETAILS = frozenset({"key_callable", "no_token"})
"""Codes whose detail is the name of an exception's class; they occur before anything is sent."""

FOREIGN_FACTS = frozenset({("program_failed", "reason")})
"""Facts that are sentences of a program, by the code they come with."""


def _nobody_was_asked(error: StreamError) -> bool:
    return error.failure.code in OUR_DETAILS and error.phase == "connect" and error.status is None


def code_of(error: StreamError) -> str | None:
    """Return the code of a failure if it is one word. A longer code may be a quotation."""
    code = error.failure.code
    return code if re.fullmatch(r"[\w.:/#-]+", code[: MAX_CODE + 1], re.ASCII) and len(code) <= MAX_CODE else None


def tame(value: Any) -> Any:
    """Return a value as a record may have it: its text on one line, without escape sequences."""
    if isinstance(value, str) and not value.isprintable():
        return one_line(value)
    return value


def quotes(line: str, said: str) -> bool:
    """Return whether `line` quotes `said`: any run of `2 * RUN - 1` characters of it, or all of it when it is shorter.

    Every twelfth slice of `said` is looked for at every place of the line, since the line is the shorter one.
    """
    line, said = " ".join(line.split()), " ".join(said.split())
    if len(said) < 2 * RUN - 1:
        return len(said) >= LEAST and said in line
    slices = {said[at : at + RUN] for at in range(0, len(said) - RUN + 1, RUN)}
    return any(line[at : at + RUN] in slices for at in range(len(line) - RUN + 1))
