"""What a request asked for and is not sent, said in the log, or refused.

Once for each target and field, at WARNING. It is not an error, since the answer is still one to the question; and it is
not silent, since the caller asked for something else. This module must never log a value.
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
    """What is raised where nothing of a conversation can be sent."""
    return refusal("a conversation of blank messages")


def model_first() -> StreamError:
    """What is raised where the API takes no conversation that the model begins: a trimmed history, or a greeting."""
    return refusal("a conversation that begins with the assistant (add a user's message in front)")


@functools.lru_cache(maxsize=4096)
def left_out(target: str, field: str, why: str) -> None:
    """`field` of a request is not sent to `target`, or not as it was given."""
    logger.warning("%s is not sent to %s as it was given: %s", field, target, why)


def without(target: str, fields: Mapping[str, Any], names: tuple[str, ...], why: str) -> dict[str, Any]:
    """The fields of a request but for these. A value of 1 is how all models sample unasked, so it is not missed."""
    for name in names:
        if fields.get(name) not in (None, 1):
            left_out(target, name, why)
    return {name: value for name, value in fields.items() if name not in names}


def refusal(feature: str) -> StreamError:
    """What is raised for a feature that cannot be asked for in this way."""
    return error_for(Failure(kind=ErrorKind.UNSUPPORTED_FEATURE, code="not_sent", facts={"feature": feature}))
