"""What the answers of the corpus say, before any dialect has written it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["SAID", "Call", "Counts", "Said", "Stop"]

Stop: TypeAlias = Literal["stop", "length", "tools", "filter"]


class Call(NamedTuple):
    """A tool call. pieces: of its arguments, as JSON text."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        """The whole text of the arguments."""
        return "".join(self.pieces)


class Counts(NamedTuple):
    """Tokens: of the prompt, of the answer with its reasoning, of the reasoning, and read from a cache."""

    prompt: int = 11
    answer: int = 7
    reasoning: int = 0
    cached: int = 0


@dataclass(frozen=True)
class Said:
    """One answer: pieces of reasoning, of text, calls, why it stopped, and what it cost."""

    text: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    stop: Stop = "stop"
    counts: Counts = field(default_factory=Counts)


WEATHER = Call("call_1a", "weather", ('{"city"', ': "Os', 'lo"}'))
TIME = Call("call_2b", "time_in", ('{"zone": "Europe/Rome", "days": [1, 2]}',))
NOW = Call("call_3c", "now", ())

SAID: Mapping[str, Said] = {
    "text": Said(("The", " sky", " is", " blue", ".")),
    "one-piece": Said(("Yes.",)),
    "two-scripts": Said(("Grüße, ", "中文 и ", "👩🏽\u200d🚀🇳🇴", " e\u0301")),
    "line-ends": Said(("a\r\nb\n", "\n\tc\u2028d\u0085e", ' \\n "quoted" \\u0041')),
    "markup": Said(("<b>data: [DONE]</b>", "\n\nevent: ping\n", '{"error": "no"}', "```json\n{}\n```")),
    "spaces": Said((" ", "  two ", "\n")),
    "reasoning": Said(("Four.",), ("Two and", " two", "…"), counts=Counts(9, 20, 15)),
    "cut-by-limit": Said(("Once upon a",), stop="length"),
    "filtered": Said(("How to",), stop="filter"),
    "call": Said((), calls=(WEATHER,), stop="tools"),
    "text-and-call": Said(("I will", " look."), calls=(WEATHER,), stop="tools"),
    "two-calls": Said((), calls=(WEATHER, TIME), stop="tools"),
    "call-without-arguments": Said((), calls=(NOW,), stop="tools"),
    "reasoning-and-call": Said((), ("I need", " the weather."), (TIME,), "tools", Counts(30, 12, 5)),
    "from-cache": Said(("Short.",), counts=Counts(2000, 3, 0, 1920)),
    "long": Said(tuple(f"word{number} " for number in range(120)), counts=Counts(5, 240)),
}
"""By the name of the case."""
