"""Holds what only Ollama says of errors: its rows over the shared rules.

A row is here only when it would be wrong at other providers, or is a code that means nothing without the provider's
manual. What generalises goes to `classify.generic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...classify.generic import GENERIC
from ...classify.rules import Verdict, make_rules, phrase
from ...failures import ErrorCategory, ErrorKind

__all__ = ["ROWS", "RULES"]

_K = ErrorKind

ROWS: Mapping[str, Any] = {
    "phrases": (
        # The server has too little memory. A retry does not change that, and it is not this process's memory.
        phrase(
            Verdict(_K.SERVER_ERROR, retry=False, category=ErrorCategory.PERMANENT),
            r"requires more (system|gpu|video) memory|more (system )?memory .{0,40}than is available",
        ),
    ),
}
RULES = make_rules(**ROWS, over=GENERIC)
