"""`doctor`: checks whether each target is set up, can be reached and answers.

It passes only when every target gave a whole answer through the client that an application uses. It shows no key, and
waits no longer than the deadline for a target.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ...providers import adapter_for, known_providers
from .. import exit_codes
from ..ask import DEFAULTS
from ..terminal import Notes, say_json
from .checks import Examination
from .view import watching

__all__ = ["DEADLINE", "configured_targets", "doctor"]

DEADLINE = 20.0
"""Seconds for each target. All targets are examined at the same time."""


def doctor(names: Sequence[str], *, deadline: float = DEADLINE, as_json: bool = False) -> int:
    """Examine the targets, show the table, and return the exit code."""
    if not deadline > 0:
        Notes().misuse("--deadline must be more than 0 seconds")
        return exit_codes.MISUSED
    found = [Examination(name, deadline) for name in names or configured_targets()]
    try:
        if as_json:
            asyncio.run(_run_all(found))
            say_json(as_dict(found))
        else:
            with watching(found):
                asyncio.run(_run_all(found))
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    return exit_codes.COMPLETE if all(one.ok for one in found) else exit_codes.CHECK_FAILED


async def _run_all(found: list[Examination]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in found:
            group.create_task(one.run())


def configured_targets() -> tuple[str, ...]:
    """Return a target for each provider whose key is set, with a quick and cheap model if one is known.

    Without any, return "local".
    """
    return tuple(_configured()) or ("local",)


def _configured() -> Iterator[str]:
    """Return one provider for each key, since several providers may use the same key."""
    seen: set[str] = set()
    with_model = {name.partition(":")[0]: name for name in DEFAULTS}
    for provider in dict.fromkeys((*with_model, *known_providers())):
        key = next((name for name in adapter_for(provider).key_variables if os.environ.get(name)), None)
        if key is not None and key not in seen:
            seen.add(key)
            yield with_model.get(provider, provider)


def as_dict(found: list[Examination]) -> dict[str, Any]:
    """Return the results for a script."""
    return {
        "ok": all(one.ok for one in found),
        "targets": [
            {
                "target": one.name,
                "ok": one.ok,
                "checks": [
                    {
                        "step": check.step, "state": check.state, "seconds": check.seconds, "note": check.note,
                        "happened": check.happened, "to_do": check.to_do,
                        "error": check.error.to_dict() if check.error else None,
                    }
                    for check in one.checks.values()
                ],
            }
            for one in found
        ],
    }  # fmt: skip
