"""Knows the families of models: whose signed reasoning goes back to whom, and whose plain reasoning is understood by
whom.

Claude's signatures are the same at Anthropic, Bedrock and Vertex, Gemini's the same at Google and Vertex, so a model is
of the family that is found in its target's name, wherever it is served. An adapter that knows better says so in
`Capabilities.signs_as`: an API with a form of its own, a provider that serves models of many vendors.
"""

from __future__ import annotations

import re

__all__ = ["OPEN", "SIGNING", "open_family", "signing_family"]

SIGNING = ("claude", "gemini")
"""Families whose models sign their reasoning, found in a model's name at any provider."""

OPEN = re.compile(r"deepseek|kimi|glm|qwen|qwq|minimax|gpt-oss|grok|magistral|nemotron|mimo", re.IGNORECASE)
"""Models that give their reasoning as plain text, at any provider."""


def signing_family(name: str) -> str:
    """Return the family whose signatures a model or target of this name makes and takes; "" for none."""
    return next((family for family in SIGNING if family in name), "")


def open_family(name: str) -> str:
    """Return the family of models that reason in plain text to which a name belongs; "" for none."""
    found = OPEN.search(name)
    return found[0].lower() if found else ""
