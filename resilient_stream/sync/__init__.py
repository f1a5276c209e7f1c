"""Offers `SyncClient`, the client for code without an event loop: scripts, notebooks, threads, Django, Celery.

    from resilient_stream.sync import SyncClient

    with SyncClient("openai:gpt-5-mini") as client:
        for chunk in client.stream("Why is the sky blue?"):
            print(chunk.text, end="", flush=True)

It has the methods of `Client`, and each of them is the one of `Client`, run by an event loop in the background.
"""

from .client import SyncClient
from .streams import SyncIterator, SyncScope, SyncStream, SyncTexts

__all__ = ["SyncClient", "SyncIterator", "SyncScope", "SyncStream", "SyncTexts"]
