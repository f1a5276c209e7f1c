"""The table of failures under its public name: 40 kinds, what is done about each, and what a person is told."""

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
