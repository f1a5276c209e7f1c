"""Turning what went wrong into a `Failure`: HTTP answers, errors inside a stream, exceptions of the network.

Pure. Bytes, headers and exceptions go in, one `Failure` comes out; what decides are rows of tables. This module must
never await, import an HTTP library, raise for anything a server sent, or decide what happens next.
"""

from __future__ import annotations

from .generic import GENERIC
from .http import classify_error, classify_response
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
    "make_rules",
    "unforeseen",
]
