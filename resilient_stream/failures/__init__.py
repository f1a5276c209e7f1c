"""Describes what can go wrong: the table of the 40 kinds with their texts, and `Failure`, a single thing that went
wrong.

Everything here is a plain value. The exceptions that an application catches are made from these values in `outcome/`.
"""

from .failure import EMPTY_ANSWER, NO_END_MARKER, Failure, is_no_answer
from .kinds import ErrorCategory, ErrorKind, GaveUp, Phase
from .misuse import StreamMisused

__all__ = [
    "EMPTY_ANSWER",
    "NO_END_MARKER",
    "ErrorCategory",
    "ErrorKind",
    "Failure",
    "GaveUp",
    "Phase",
    "StreamMisused",
    "is_no_answer",
]
