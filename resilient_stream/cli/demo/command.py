"""Runs the command `demo`: one provider fails four times, once in the middle of its answer, and another one goes on
with that answer.

Only the faults are made up. The client, its waits and the model are real. The exit code is 0 only if the answer is
complete.
"""

from __future__ import annotations

import asyncio

from ...client import Client
from ...failures import StreamMisused
from ...local import server as local_server
from ...outcome.errors import StreamError
from ...outcome.transcript import Transcript
from ...policy import RetryPolicy
from ...target import Target
from .. import exit_codes
from ..ask import require
from ..terminal import Notes
from .proxy import DemoProxy
from .view import DemoView, view_for

__all__ = ["demo"]

RETRY = RetryPolicy(initial=0.5)
MAX_TOKENS = 120
"""About eight lines, so that the panel fits into a small terminal."""


def demo(prompt: str) -> int:
    """Run the demo and return the exit code."""
    view, notes = view_for(), Notes()
    try:
        require(prompt)
        transcript = asyncio.run(_play(prompt, view))
    except StreamError as error:
        notes.error(error)
        return exit_codes.BY_CATEGORY[error.category]
    except StreamMisused as misused:
        notes.misuse(str(misused))
        return exit_codes.MISUSED
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    finally:
        view.stop()
    view.record(transcript)
    return exit_codes.COMPLETE


async def _play(prompt: str, view: DemoView) -> Transcript:
    """Run the whole demo. Except for the proxy and the view, an application would be written like this."""
    view.starting()
    async with DemoProxy(await local_server.base_url()) as proxy:
        targets = [Target(f"llamacpp:{name}", base_url=proxy.base_url(name)) for name in ("flaky", "steady")]
        async with Client(*targets, retry=RETRY, on_event=view.event) as client:
            async with client.stream(prompt, max_tokens=MAX_TOKENS, temperature=0, seed=1) as stream:
                async for chunk in stream:
                    view.chunk(chunk)
            return stream.transcript
