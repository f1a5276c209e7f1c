"""Sorts the fields of `extra` that are one provider's own: `extra={"anthropic:": {…}}` goes to targets of that provider
only.

Under `"anthropic:"` are fields without which another target's answer is still the answer that was asked for. Under
`"anthropic!"` are those without which it is not, so no other target is asked. All else in `extra` goes to every target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..contract import Request
from ..text.harmless import safe_name

__all__ = ["for_its_provider", "refused"]

_MARKS = (":", "!")


def for_its_provider(request: Request) -> Request:
    """Return the request with the fields of its target's provider in `extra` itself, and without those that another
    provider may be asked without; the same object where there are none of either."""
    extra = request.extra
    if not any(name.endswith(_MARKS) for name in extra):
        return request
    provider = request.target.provider
    own = [_fields(extra.get(provider + mark)) for mark in _MARKS]
    kept = {name: value for name, value in extra.items() if not name.endswith(":") and name != f"{provider}!"}
    return replace(request, extra={**kept, **own[0], **own[1]})


def refused(request: Request) -> str | None:
    """Return in words what only another provider can give of `extra`; None where there is nothing."""
    name = next((name for name in request.extra if name.endswith("!")), None)
    if name is None or name == f"{request.target.provider}!":
        return None
    fields = ", ".join(safe_name(field) for field in _fields(request.extra[name]))
    return (
        f"fields that only {safe_name(name[:-1])} has ({fields})" if fields else f"content for {safe_name(name[:-1])}"
    )


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
