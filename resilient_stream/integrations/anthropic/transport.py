"""Lets the official Anthropic SDK, and whatever stands on it, be answered by a `Client`'s targets:
`ResilientTransport`."""

from __future__ import annotations

from ..transport import InProcess
from .api import ANTHROPIC

__all__ = ["ResilientTransport"]


class ResilientTransport(InProcess):
    """Serves the Anthropic SDK as a transport of httpx2 and httpx.

        client = Client("anthropic:claude-haiku-4-5", "openai:gpt-5-mini")
        http = httpx2.AsyncClient(transport=ResilientTransport(client))
        anthropic = AsyncAnthropic(api_key="-", http_client=http)

    Messages are answered by the client's targets, with its retries, fallbacks and continuations. The model in a request
    is the name of one of the targets, or a key of `models`; else all targets are asked, in order. With a `SyncClient`
    it is a transport for `Anthropic`. The SDK's key and address are not used, its own retries find nothing to do, and
    its timeouts do not apply: those are the client's. The client is not closed with the SDK.
    """

    api = ANTHROPIC
