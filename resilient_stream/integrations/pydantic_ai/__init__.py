"""Offers a pydantic-ai model over a `Client`: an agent's requests are retried, fall back, and are continued when they
break.

    from resilient_stream.integrations.pydantic_ai import ResilientModel

    agent = Agent(ResilientModel(Client("openai:gpt-5-mini", "anthropic:claude-haiku-4-5")))

It needs pydantic-ai 2: `pip install 'resilient-stream[pydantic-ai]'`. What is asked for and cannot be carried is a
UserError that names it. Failures are pydantic-ai's own errors, with ours as their `__cause__`.
"""

try:
    from .model import ResilientModel
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] not in ("pydantic_ai", "pydantic_graph"):
        raise
    raise ImportError("this needs pydantic-ai 2: pip install 'resilient-stream[pydantic-ai]'") from _error

__all__ = ["ResilientModel"]
