"""Holds what only Google says of errors, by Gemini's API and Vertex: its rows over the shared rules.

A row is here only when it would be wrong at other providers, or is a code that means nothing without the provider's
manual. What generalises goes to `classify.generic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...classify.generic import GENERIC
from ...classify.rules import make_rules, phrase
from ...failures import ErrorKind

__all__ = ["ROWS", "RULES"]

_K = ErrorKind

ROWS: Mapping[str, Any] = {
    "codes": {
        # Finish reasons that are failures; blocked prompts use the shared names.
        _K.MODEL_OUTPUT_INVALID: "language other image_other no_image",
        _K.PERMISSION_DENIED: "pup_limited_disabled",
        _K.OUTPUT_TRUNCATED: "too_many_tool_calls",
    },
    # The same words as OpenAI's, but here a minute's quota is meant unless the details say a day.
    "phrases": (
        phrase(
            _K.RATE_LIMITED,
            r"exceeded your current quota(?!.{0,400}(prepay|credit))",
            unless=r"limit:? ?0\b|per ?day",
        ),
    ),
}
RULES = make_rules(**ROWS, over=GENERIC)
