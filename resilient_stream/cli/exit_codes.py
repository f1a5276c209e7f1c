"""Defines the exit codes, by which a script can decide without reading text.

There is one code for each category of errors, and the usual codes for what happens to every program. They never change,
because scripts depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..failures import ErrorCategory

__all__ = [
    "BATCH_HELP",
    "BY_CATEGORY",
    "CHECK_FAILED",
    "COMPLETE",
    "DOCTOR_HELP",
    "EXPLAIN_HELP",
    "HELP",
    "INTERRUPTED",
    "MEANING",
    "MISUSED",
    "PIPE_CLOSED",
    "ROWS_FAILED",
    "TOP_HELP",
]

COMPLETE = 0
CHECK_FAILED = 1
MISUSED = 2
ROWS_FAILED = 3
INTERRUPTED = 130
"""128 + SIGINT, as shells count it."""
PIPE_CLOSED = 141
"""128 + SIGPIPE: the reader of our output has left."""

BY_CATEGORY: Mapping[ErrorCategory, int] = {
    ErrorCategory.RETRYABLE: 10,
    ErrorCategory.PERMANENT: 11,
    ErrorCategory.CONTEXT: 12,
    ErrorCategory.RESOURCE: 13,
}

MEANING: Mapping[int, str] = {
    COMPLETE: "the answer is complete",
    CHECK_FAILED: "a check of doctor failed",
    MISUSED: "wrong usage, or nothing known about it",
    ROWS_FAILED: "some rows of batch failed",
    BY_CATEGORY[ErrorCategory.RETRYABLE]: "failed, may work later",
    BY_CATEGORY[ErrorCategory.PERMANENT]: "failed, needs a change",
    BY_CATEGORY[ErrorCategory.CONTEXT]: "out of time or closed",
    BY_CATEGORY[ErrorCategory.RESOURCE]: "this machine ran out of something",
    INTERRUPTED: "Ctrl-C",
    PIPE_CLOSED: "the output's reader left",
}

_FOR_ANSWERS = {code: meaning for code, meaning in MEANING.items() if code not in (CHECK_FAILED, ROWS_FAILED)}


def _help(meaning: Mapping[int, str]) -> str:
    return "Exit codes: " + "; ".join(f"{code} {said}" for code, said in meaning.items()) + "."


HELP = _help({**_FOR_ANSWERS, MISUSED: "wrong usage"})
EXPLAIN_HELP = _help({COMPLETE: "explained", MISUSED: "nothing is known about it"})
DOCTOR_HELP = _help({COMPLETE: "everything passed", CHECK_FAILED: "something did not", INTERRUPTED: "Ctrl-C"})
BATCH_HELP = _help({
    **_FOR_ANSWERS, COMPLETE: "every row that was asked has its answer", MISUSED: "wrong usage",
    ROWS_FAILED: "some rows failed",
})  # fmt: skip
TOP_HELP = _help({
    COMPLETE: "shown", MISUSED: "wrong usage", BY_CATEGORY[ErrorCategory.RETRYABLE]: "the store cannot be reached",
    BY_CATEGORY[ErrorCategory.PERMANENT]: "the store refuses, or its URL needs a change",
})  # fmt: skip
