"""Offers a langchain chat model over a `Client`: calls are retried, fall back, and are continued when they break.

    from resilient_stream.integrations.langchain import ResilientChat

    model = ResilientChat(client=Client("openai:gpt-5-mini", "anthropic:claude-haiku-4-5"))

It needs langchain-core 1: `pip install 'resilient-stream[langchain]'`. What is asked for and cannot be carried is a
StreamMisused that names it. Failures are our own errors, which are langchain's at the same time.
"""

try:
    from .chat import ResilientChat
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] != "langchain_core":
        raise
    raise ImportError("this needs langchain-core: pip install 'resilient-stream[langchain]'") from _error

__all__ = ["ResilientChat"]
