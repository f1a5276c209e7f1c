"""Logs, or refuses, what a request asked for and is not sent.

It is logged once for each target and field, at WARNING: the answer is still an answer to the question, but the caller
asked for something else. No value is logged.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any

from ..failures import ErrorKind, Failure
from ..outcome.errors import StreamError
from ..outcome.making import error_for

__all__ = ["blank", "left_out", "model_first", "refusal", "without"]

logger = logging.getLogger("resilient_stream")


def blank() -> StreamError:
    """Return the error for a conversation of which nothing can be sent."""
    return refusal("a conversation of blank messages")


def model_first() -> StreamError:
    """Return the error for an API that takes no conversation that the model begins: a trimmed history, or a
    greeting."""
    return refusal("a conversation that begins with the assistant (add a user's message in front)")


@functools.lru_cache(maxsize=4096)
def left_out(target: str, field: str, why: str) -> None:
    """Log that `field` of a request is not sent to `target`, or is sent otherwise than it was given."""
    logger.warning("%s is not sent to %s as it was given: %s", field, target, why)


def without(target: str, fields: Mapping[str, Any], names: tuple[str, ...], why: str) -> dict[str, Any]:
    """Return the fields of a request without these. The absence of a value that is the default of all models is not
    logged."""
    for name in names:
        if fields.get(name) not in (None, _DEFAULTS.get(name, 1)):
            left_out(target, name, why)
    return {name: value for name, value in fields.items() if name not in names}


_DEFAULTS: Mapping[str, int | None] = {"presence_penalty": 0, "frequency_penalty": 0, "top_k": None}
"""Values that change nothing; for a field that is not here it is 1."""


def refusal(feature: str) -> StreamError:
    """Return the error for a feature that cannot be asked for in this way."""
    return error_for(Failure(kind=ErrorKind.UNSUPPORTED_FEATURE, code="not_sent", facts={"feature": feature}))
