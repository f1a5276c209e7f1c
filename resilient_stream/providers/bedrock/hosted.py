"""Names the tools that run at Bedrock itself: those of Amazon's Nova, in its Converse API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["HOSTED", "hosted_by"]

HOSTED: Mapping[str, Mapping[str, Any]] = {
    "web_search": {"systemTool": {"name": "nova_grounding"}},
    "code_execution": {"systemTool": {"name": "nova_code_interpreter"}},
}


def hosted_by(model: str) -> frozenset[str]:
    """Return the names of the tools that run beside a model."""
    return frozenset(HOSTED) if "amazon.nova" in model else frozenset()
