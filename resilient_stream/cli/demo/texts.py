"""Holds what the demo says in either of its views."""

from __future__ import annotations

from ...chunks import Seam

__all__ = ["INTRODUCTION", "STARTING", "seamed"]

INTRODUCTION = "Two providers in front of a small local model: flaky fails, steady works."
STARTING = "Starting the local model …"


def seamed(seam: Seam) -> str:
    """Return a line about a seam."""
    return f"goes on where {seam.source} ended, nothing repeated"
