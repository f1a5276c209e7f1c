"""What a log line or a span says about an error: its message, unless the provider's part of it quotes the user.

The one rule: no run of 23 characters of a prompt or an answer gets into a record, and no shorter text that was asked
as a whole. Providers echo input in their complaints; the application that catches the error may see that, its
operators' logs may not.
Must never: cost anything but when something failed. A prompt of 1 MB takes about 20 ms.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from msgspec import structs

from ..call import Call
from ..errors import StreamError

__all__ = ["Words", "quotes"]

RUN = 12
LEAST = 6
"""A text shorter than this is in every sentence."""


class Words:
    """Words about the errors of one call."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def about(self, error: StreamError) -> str:
        """What happened, in plain sentences."""
        if error.failure.detail and any(quotes(error.failure.detail, said) for said in self._said()):
            error = copy.copy(error)
            error.failure = structs.replace(error.failure, detail="")
        return error.message

    def _said(self) -> Iterator[str]:
        for message in self._call.request.messages:
            yield message.text
            yield from (call.arguments for call in message.tool_calls)
        yield self._call.transcript.text


def quotes(line: str, said: str) -> bool:
    """Whether `line` has a run of `said`: any of `2 * RUN - 1` characters, or all of it when it is shorter.

    Every twelfth slice of what was said is looked for at every place of the line, which is the short one.
    """
    line, said = " ".join(line.split()), " ".join(said.split())
    if len(said) < 2 * RUN - 1:
        return len(said) >= LEAST and said in line
    slices = {said[at : at + RUN] for at in range(0, len(said) - RUN + 1, RUN)}
    return any(line[at : at + RUN] in slices for at in range(len(line) - RUN + 1))
