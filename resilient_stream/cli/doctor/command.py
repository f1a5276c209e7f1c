"""Runs the command `doctor`: checks whether each target is set up, can be reached and answers, and whether a shared
store does its work.

It passes only when every target gave a whole answer through the client that an application uses, and nothing is wrong
with the store. It shows no key and no password, and waits no longer than the deadline for each of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...providers import adapter_for, known_providers
from .. import exit_codes
from ..ask import DEFAULTS
from ..terminal import Notes, say_json
from .checks import Check, Examination
from .store import StoreExamination
from .view import watching

__all__ = ["DEADLINE", "configured_targets", "doctor"]

DEADLINE = 20.0
"""Seconds for each target. All targets are examined at the same time."""


def doctor(
    names: Sequence[str],
    *,
    deadline: float = DEADLINE,
    store: str | None = None,
    budget: float | None = None,
    as_json: bool = False,
) -> int:
    """Examine the targets and the store, show the tables, and return the exit code. A store alone is looked at without
    targets. budget: US dollars a day, for which each target's price has to be known."""
    if not deadline > 0:
        Notes().misuse("--deadline must be more than 0 seconds")
        return exit_codes.MISUSED
    asked = names or (() if store is not None and budget is None else configured_targets())
    found = [Examination(name, deadline, budget) for name in asked]
    shared = None if store is None else StoreExamination(store, deadline)
    try:
        if as_json:
            asyncio.run(_run_all(found, shared))
            say_json(as_dict(found, shared))
        else:
            with watching(found, shared):
                asyncio.run(_run_all(found, shared))
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    well = all(one.ok for one in found) and (shared is None or shared.ok)
    return exit_codes.COMPLETE if well else exit_codes.CHECK_FAILED


async def _run_all(found: list[Examination], shared: StoreExamination | None) -> None:
    async with asyncio.TaskGroup() as group:
        for one in found:
            group.create_task(one.run())
        if shared is not None:
            group.create_task(shared.run())


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


def as_dict(found: list[Examination], shared: StoreExamination | None = None) -> dict[str, Any]:
    """Return the results for a script. `store` is there only where one was asked for."""
    targets = [
        {"target": one.name, "ok": one.ok, "limits": one.limits, "checks": _checks(one.checks.values())}
        for one in found
    ]
    well = all(one.ok for one in found)
    if shared is None:
        return {"ok": well, "targets": targets}
    store = {"store": shared.name, "ok": shared.ok, "checks": _checks(shared.checks.values())}
    return {"ok": well and shared.ok, "targets": targets, "store": store}


def _checks(checks: Iterable[Check]) -> list[dict[str, Any]]:
    return [
        {
            "step": check.step, "state": check.state, "seconds": check.seconds, "note": check.note,
            "happened": check.happened, "to_do": check.to_do,
            "error": check.error.to_dict() if check.error else None,
        }
        for check in checks
    ]  # fmt: skip
