"""Offers the public names of the table of failures: 40 kinds, what is done about each, and the texts that people
read."""

from .failures.kinds import GAVE_UP, KEPT, KINDS, TEXTS, ErrorCategory, ErrorKind, GaveUp, Kind, Phase, Retry, Text

__all__ = [
    "GAVE_UP",
    "KEPT",
    "KINDS",
    "TEXTS",
    "ErrorCategory",
    "ErrorKind",
    "GaveUp",
    "Kind",
    "Phase",
    "Retry",
    "Text",
]
