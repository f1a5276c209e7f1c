"""Turns what went wrong into a `Failure`: HTTP answers, errors inside a stream, exceptions of the network.

Everything here is pure: bytes, headers and exceptions go in, one `Failure` comes out, and rows of tables decide.
Nothing here awaits, imports an HTTP library, raises for what a server sent, or decides what happens next.
"""

from __future__ import annotations

from .generic import GENERIC
from .http import classify_error, classify_response, error_in
from .network import classify_exception
from .rules import Phrase, Rules, Verdict, make_rules
from .unforeseen import unforeseen

__all__ = [
    "GENERIC",
    "Phrase",
    "Rules",
    "Verdict",
    "classify_error",
    "classify_exception",
    "classify_response",
    "error_in",
    "make_rules",
    "unforeseen",
]
