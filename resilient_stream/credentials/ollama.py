"""Finds what Ollama needs: nothing on the user's own machine, and an optional key for ollama.com.

OLLAMA_HOST is read as Ollama reads it, in all its forms (`providers/ollama/adapter.py`). A missing key is no error, as
in Ollama's own clients.
"""

from __future__ import annotations

import os

from ..contract import Adapter, Endpoint
from ..failures import ErrorKind, Failure
from ..providers.ollama.adapter import address
from ..target import Target

__all__ = ["resolve"]


async def resolve(target: Target, adapter: Adapter, base_url: str, key: str | None, attempt: int) -> Endpoint | Failure:
    """Return the endpoint of one attempt."""
    key = key or os.environ.get("OLLAMA_API_KEY", "").strip() or None
    try:
        found = address(base_url or adapter.base_url)
    except ValueError:
        reason = f"{adapter.url_variable} or base_url is no address that Ollama understands"
        return Failure(kind=ErrorKind.CLIENT_CONFIG, fallback=True, facts={"reason": reason})
    return Endpoint(base_url=found, api_key=key, headers=target.headers or {})
