"""Gets the API key of one attempt: the target's own, one from a function that is asked each time, or the environment's.

A blank key counts as no key. An invalid key is named by where it comes from, and never shown. No key is kept.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from ..contract import Adapter
from ..failures import ErrorKind, Failure
from ..outcome.errors import StreamError
from ..outcome.making import error_for
from ..target import Target
from ..text.readable import odd_character

__all__ = ["asked", "key_of", "missing_key"]


async def key_of(target: Target, adapter: Adapter) -> str | None:
    """Return the key; None when there is none. Raises StreamError for an invalid one; what a key function raises is
    passed on unchanged."""
    given = target.api_key
    if callable(given):
        key = await asked(given)
        if not key:
            raise error_for(missing_key(adapter))
        return _checked_key(key, "What the function given as api_key returned")
    if given and given.strip():
        return _checked_key(given.strip(), "The target's api_key")
    for name in adapter.key_variables:
        if key := os.environ.get(name, "").strip():  # a key read from a file often ends in a newline
            return _checked_key(key, name)
    return None


def missing_key(adapter: Adapter) -> Failure:
    """Return the failure for a missing key, with the variables that may hold it."""
    facts = {"env_var": " or ".join(adapter.key_variables)}
    return Failure(kind=ErrorKind.AUTHENTICATION, code="missing_key", facts=facts)


async def asked(function: Callable[[], Any], option: str = "api_key") -> str:
    """Return what a function gives, sync or async, without white space around it; "" for nothing. Raises
    StreamError."""
    value = function()
    value = await value if inspect.isawaitable(value) else value
    if value is not None and not isinstance(value, str):
        raise _no_key(f"The function given as {option} must return a string, not {type(value).__name__[:60]}")
    return value.strip() if value else ""


def _checked_key(key: str, origin: str) -> str:
    if odd := odd_character(key, ascii_only=True):
        raise _no_key(f"{origin} has a character that no key has: {odd}")
    return key


def _no_key(reason: str) -> StreamError:
    return error_for(Failure(kind=ErrorKind.CLIENT_CONFIG, code="api_key", fallback=True, facts={"reason": reason}))
