"""Runs the command `providers`: lists every provider that a target may name, whether it is set up here, and what it can
do.

What is shown is read from the adapters and the environment. A key itself is never shown, and nothing is connected to:
that is done by `doctor`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from ..contract import Adapter, facts_of
from ..credentials.endpoint import address_variables
from ..providers import adapter_for, known_providers
from .exit_codes import COMPLETE, MISUSED
from .terminal import Screen, say_json, styled

__all__ = ["FEATURES", "Row", "providers", "rows"]

FEATURES: Mapping[str, str] = {
    "tools": "tools",
    "images": "images",
    "output": "schema",
    "reasoning": "reasoning",
    "prefill": "prefill",
    "native_resume": "resume",
}
"""The fields of `Capabilities`, each with the words for it."""


class Row(NamedTuple):
    """Describes one provider. needs: what it needs to be set, in words; where that is set, the names that set it.

    configured: whether it is set; None for a provider that needs nothing. default_model: asked where a target names no
    model; None where each target has to name one.
    """

    name: str
    title: str
    needs: str
    configured: bool | None
    able: Mapping[str, bool]
    default_model: str | None


def rows() -> list[Row]:
    """Return all providers: the configured ones first, then those that need nothing, then the others."""
    found = [_row(adapter_for(name)) for name in known_providers()]
    return sorted(found, key=lambda row: ((True, None, False).index(row.configured), row.name))


def providers(part: str = "", *, as_json: bool) -> int:
    """Print the table of the providers with this in their name or title, or its rows as JSON."""
    found = [row for row in rows() if part.lower() in f"{row.name} {row.title.lower()}"]
    if as_json:
        say_json([row._asdict() for row in found])
    else:
        _print(found, Screen())
    return COMPLETE if found else MISUSED


def _row(adapter: Adapter) -> Row:
    needs, configured = _state(adapter)
    able = adapter.capabilities(adapter.default_model or "")
    features = {name: getattr(able, name) for name in FEATURES}
    return Row(adapter.name, adapter.title, needs, configured, features, adapter.default_model)


def _state(adapter: Adapter) -> tuple[str, bool | None]:
    facts = facts_of(adapter)
    if facts.program:
        return f"the program {facts.program}", shutil.which(facts.program) is not None
    if facts.needs:
        return facts.needs, None
    if facts.server and not os.environ.get(adapter.url_variable):
        server = import_module(facts.server)
        if not server.installed():
            return server.INSTALL, False
    needed = [need for need in (_key(adapter), *_address(adapter)) if need is not None]
    if not needed:
        return "no key", None
    return ", ".join(words for words, _ in needed), all(there for _, there in needed)


def _key(adapter: Adapter) -> tuple[str, bool] | None:
    """Return the key or the credentials, and whether they exist; None where none are needed."""
    login = facts_of(adapter).login
    ways = (*adapter.key_variables, *(login.variables if login else ()))
    given = next((name for name in ways if os.environ.get(name)), None)
    if given is not None:
        return given, True
    if login is not None:
        return login.words, bool(login.file) and Path(login.file).expanduser().exists()
    return (ways[0], False) if ways else None


def _address(adapter: Adapter) -> list[tuple[str, bool]]:
    """Return the variables that an address is made of, and whether they are set; nothing for a fixed address."""
    if facts_of(adapter).server or (adapter.url_variable and os.environ.get(adapter.url_variable)):
        return []
    return [(name, bool(os.environ.get(name))) for name in address_variables(adapter)]


def _print(found: list[Row], console: Screen) -> None:
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("")
    table.add_column("provider", no_wrap=True)
    table.add_column("needs", overflow="fold")
    table.add_column("can", min_width=len("reasoning,"))
    for row in found:
        able = ", ".join(FEATURES[name] for name, can in row.able.items() if can)
        needs = f"{row.needs} (default model: {row.default_model})" if row.default_model else row.needs
        table.add_row(_mark(row.configured), styled(row.name, style="bold"), needs, able or "text only")
    console.print(table)
    ready = sum(row.configured is True for row in found)
    console.print(
        styled(
            f"{len(found)} provider{'s' * (len(found) != 1)}, {ready} configured (✓), those marked ○ need no key. "
            "What a provider can do may differ by model. Check one: resilient-stream doctor openai:gpt-5-mini",
            style="dim",
        )
    )


def _mark(configured: bool | None) -> Text:
    return {True: styled("✓", style="green"), None: styled("○", style="cyan"), False: styled(" ")}[configured]
