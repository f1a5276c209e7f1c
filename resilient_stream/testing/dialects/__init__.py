"""Lists the ways in which each API writes its answers: one row of encoder functions for each dialect, and how to find
it.

Their output has the shape of recorded answers, with all oddities. They do not use our own decoders' idea of a format: a
fake that is made from the code it tests would prove nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..http import ReceivedRequest
from . import anthropic, bedrock, cohere, gemini, gemini_interactions, ollama, openai, openai_responses
from .dialect import Called, Dialect, Payload, Said, asked_for

__all__ = ["DIALECTS", "Called", "Dialect", "Payload", "Said", "asked_for", "dialect_of"]

DIALECTS: Mapping[str, Dialect] = {
    "openai": openai.DIALECT,
    "anthropic": anthropic.DIALECT,
    "gemini": gemini.DIALECT,
    "gemini-interactions": gemini_interactions.DIALECT,
    "openai-responses": openai_responses.DIALECT,
    "ollama": ollama.DIALECT,
    "bedrock": bedrock.DIALECT,
    "bedrock-invoke": bedrock.INVOKE,
    "cohere": cohere.DIALECT,
    "vertex": gemini.DIALECT,  # and Claude there: by its path it is Anthropic's
}


def dialect_of(request: ReceivedRequest) -> str | None:
    """Return the dialect that a request's path belongs to; None when it belongs to none."""
    return next((name for name, row in DIALECTS.items() if row.path.search(request.path)), None)
