"""Lists the dialects, and finds one by its provider's name.

A provider is imported when a target first names it; `import resilient_stream` imports none. Nothing here does I/O:
adapters and decoders are pure.

Third parties add theirs by the entry-point group `resilient_stream.providers`: name = "module:adapter".
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from ..contract import Adapter, Capabilities, ProviderFacts, facts_of
from ..failures import StreamMisused
from ..fitting.signatures import Families
from .openai.hosts import HOSTS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ..classify.rules import Rules

__all__ = [
    "SUGGESTED",
    "adapter_for",
    "approval_of",
    "capabilities_of",
    "facts_about",
    "families_of",
    "known_providers",
    "rules_for",
]

SUGGESTED = ("openai", "anthropic", "gemini")
"""Providers that are named to somebody who has named none."""

_OWN: dict[str, str] = {
    "anthropic": ".anthropic.adapter:ADAPTER",
    "bedrock": ".bedrock.adapter:ADAPTER",
    "claude-code": ".anthropic.claude_code:ADAPTER",
    "cohere": ".cohere.adapter:ADAPTER",
    "azure": ".openai.azure:CHAT",
    "azure-responses": ".openai.azure:RESPONSES",
    "gemini": ".google.gemini:ADAPTER",
    "gemini-interactions": ".google.interactions:ADAPTER",
    "vertex": ".google.vertex:ADAPTER",
    "ollama": ".ollama.adapter:ADAPTER",
    "replay": "..recording.provider:ADAPTER",
}

_RESPONSES = "-responses"
"""The end of a host's name that means the same host by its Responses API."""


def known_providers() -> list[str]:
    """Return every provider name that a target may begin with."""
    responses = (f"{name}{_RESPONSES}" for name, host in HOSTS.items() if host.responses != "none")
    return sorted({*HOSTS, *responses, *_OWN, *_third_parties()})


@functools.cache
def adapter_for(name: str) -> Adapter:
    """Return the adapter of a provider. For an unknown name, StreamMisused says which one was probably meant."""
    if name in HOSTS:
        from .openai.chat import OpenAIChat

        return cast(Adapter, OpenAIChat(name, HOSTS[name]))
    host = HOSTS.get(name.removesuffix(_RESPONSES)) if name.endswith(_RESPONSES) else None
    if host is not None and host.responses != "none":
        from .openai.responses import OpenAIResponses

        return cast(Adapter, OpenAIResponses(name, host))
    if name in _OWN:
        module, _, attribute = _OWN[name].partition(":")
        return cast(Adapter, getattr(import_module(module, __name__), attribute))
    if name in (others := _third_parties()):
        return cast(Adapter, others[name].load())
    raise StreamMisused(_unknown(name))


def facts_about(provider: str) -> ProviderFacts:
    """Return the facts of a provider by its name; the usual facts for a name that no provider has."""
    adapter = _if_known(provider)
    return ProviderFacts() if adapter is None else facts_of(adapter)


def capabilities_of(target: str) -> Capabilities:
    """Return what a target can do by its name, "provider:model"; for an unknown provider, what most providers can
    do."""
    provider, _, model = target.partition(":")
    adapter = _if_known(provider)
    return Capabilities() if adapter is None else adapter.capabilities(model)


def families_of(target: str) -> Families:
    """Return the families of a target's model by its name, "provider:model"."""
    from .shared.families import open_family, signing_family  # imported late: needed only for messages with reasoning

    signed = capabilities_of(target).signs_as or signing_family(target) or target.partition(":")[0]
    return Families(signed, open_family(target) or signed)


def approval_of(provider: str, call_id: str, approved: bool, reason: str) -> Any:
    """Return the block by which a tool that waits at its provider is approved or refused; None where there is none."""
    write = getattr(_if_known(provider), "approval", None)
    return None if write is None else write(call_id, approved, reason)


def rules_for(provider: str) -> Rules:
    """Return the error rules of a provider by its name; the shared rules for a provider without rules of its own."""
    # Imported late: needed only when something fails, and its tables take milliseconds.
    from ..classify.generic import GENERIC

    rules: Rules = getattr(_if_known(provider), "error_rules", GENERIC)
    return rules


def _if_known(provider: str) -> Adapter | None:
    """Return the adapter for a name out of a stored history or a recording, whose plugin may not be installed here."""
    try:
        return adapter_for(provider) if provider else None
    except (StreamMisused, ImportError, AttributeError):
        return None


def _unknown(name: str) -> str:
    """Describe a name that no provider has: which name was probably meant, or where all names are listed."""
    from .shared.named import meant_by  # imported only to explain a mistake

    return f"no provider is called {name[:100]!r}. {meant_by(name, known_providers())}"


@functools.cache
def _third_parties() -> dict[str, EntryPoint]:
    # Imported late: it loads readers of zip and csv, and only unknown names need it.
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group="resilient_stream.providers")}
