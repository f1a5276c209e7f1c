"""Names the states of an attempt, and says which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

__all__ = ["FOLLOWS", "RUNNING", "State"]


class State(StrEnum):
    """Says where an attempt stands. Whether content was given out is in `Attempt.committed`, in whatever state."""

    OPENING = "opening"
    """The request is on its way, or the head of its answer is."""
    PREAMBLE = "preamble"
    """The answer comes in, and nothing of it is content yet: its chunks are held back."""
    ANSWERING = "answering"
    """Content was given out, and more comes in."""
    WHOLE = "whole"
    """The provider's end marker came. The connection may be used again."""
    DOUBTED = "doubted"
    """The end marker came, and what came before it contradicts it, or was not understood: a failure."""
    BROKEN = "broken"
    """Something ended it: a failure, an error, a clock, the caller. What had arrived before is given out first."""
    CLOSED = "closed"
    """The connection is closed, or was given back."""


FOLLOWS: Mapping[State, frozenset[State]] = {
    State.OPENING: frozenset({State.PREAMBLE, State.BROKEN, State.CLOSED}),
    State.PREAMBLE: frozenset({State.ANSWERING, State.WHOLE, State.BROKEN, State.CLOSED}),
    State.ANSWERING: frozenset({State.WHOLE, State.BROKEN, State.CLOSED}),
    State.WHOLE: frozenset({State.DOUBTED, State.CLOSED}),
    # What had arrived when it broke may have the end marker in it, or a more exact cause.
    State.BROKEN: frozenset({State.WHOLE, State.BROKEN, State.CLOSED}),
    State.DOUBTED: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}
"""The states that may follow a state. Any other step is a bug, which the tests of all endings would find."""

RUNNING = frozenset({State.OPENING, State.PREAMBLE, State.ANSWERING})
"""States in which more may come in."""
