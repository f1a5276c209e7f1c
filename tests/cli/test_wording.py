"""The lines that people read: each event has one, and none can steer a terminal."""

from __future__ import annotations

from typing import get_args

import pytest

from resilient_stream.cli import wording
from resilient_stream.errors import ErrorKind, Failure, error_for
from resilient_stream.events import (
    AttemptFailed,
    AttemptStarted,
    BreakerChanged,
    Drained,
    Event,
    FellBack,
    Hedged,
    RetryScheduled,
    StreamEnded,
)
from resilient_stream.transcript import Attempt, Transcript

LIMITED = error_for(Failure(kind=ErrorKind.RATE_LIMITED, status=429, retry_after=2.0))
CUT = error_for(Failure(kind=ErrorKind.STREAM_INTERRUPTED))

LINES = [
    (AttemptStarted("c", "a:b", 2), "a:b  attempt 2"),
    (AttemptFailed("c", "a:b", 1, CUT), None),
    (
        RetryScheduled("c", "a:b", 1, 5, 2.04, LIMITED),
        "a:b  Rate limited (429). Retrying in 2 s (attempt 2/5), as it asks",
    ),
    (RetryScheduled("c", "a:b", 1, 5, 1.0, CUT), "a:b  Answer cut off. Retrying in 1 s (attempt 2/5)"),
    (FellBack("c", "a:b", "d:e", LIMITED), "a:b  Rate limited (429), going on with d:e"),
    (FellBack("c", "a:b", "a:b", LIMITED), "a:b  Rate limited (429), asking it again"),
    (
        FellBack("c", "a:b", "a:b", CUT, "buffered"),
        "a:b  Answer cut off, this time asking for the whole answer at once",
    ),
    (FellBack("c", "a:b", "a:b", CUT, "interactive"), "a:b  Answer cut off, asking a person, and then it again"),
    (
        FellBack("c", "a:b", "a:b", CUT, "continuation", "prefill"),
        "a:b  Answer cut off, asking for the rest of its answer (prefill)",
    ),
    (Hedged("c", "a:b", "d:e", 2.0), "a:b  no content for 2 s, asking d:e as well"),
    (
        BreakerChanged("c", "a:b", "open", "closed", 0.64, 30.0),
        "a:b  is sick: 64 % of its requests failed; not asked for 30 s",
    ),
    (BreakerChanged("c", "a:b", "open", "closed", 0.0, 5.0), "a:b  wants to be left alone; not asked for 5 s"),
    (BreakerChanged("c", "a:b", "half_open", "open", 0.64), "a:b  this request tests whether it is well again"),
    (BreakerChanged("c", "a:b", "closed", "half_open", 0.0), "a:b  is asked as usual again"),
    (StreamEnded("c", Transcript()), None),
    (Drained("c", "a:b", 1, Attempt(target="a:b", model="b", started=0.0)), None),
]


@pytest.mark.parametrize(("event", "line"), LINES)
def test_line_of_each_event(event, line):
    """One line says what happened; a failure alone says nothing, since what follows from it has the reason."""
    assert wording.event_line(event) == line


def test_every_event_is_accounted_for():
    """No event of the library is forgotten here."""
    assert {type(event) for event, _ in LINES} == set(get_args(Event))


def test_printable_takes_what_steers_a_terminal():
    """Escape, bell, carriage return and the one-character forms go; text, lines and tabs stay."""
    assert wording.printable("a\x1b[2J\x07\r\x9b1mb\n\tç😀") == "ab\n\tç😀"


def test_summary_before_anything_was_sent():
    """A transcript of nothing is summed up as that."""
    assert wording.summary(Transcript()) == "nothing sent"
