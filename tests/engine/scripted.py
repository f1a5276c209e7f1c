"""A transport that plays a script of reads, for guards that need no socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from resilient_stream import Client, Target
from resilient_stream.contract import Sending

__all__ = ["Answer", "Refused", "ScriptedTransport", "client_over", "text_event"]

END = b"data: [DONE]\n\n"
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


def text_event(text: str) -> bytes:
    """One chunk of a chat completion."""
    return b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text.encode()


class Answer:
    """One answer: each read gives the next of `reads`; an exception there is raised, a future is waited for.

    It notes whether it was closed, and what it was interrupted with.
    """

    headers: Mapping[str, str] = {"content-type": "text/event-stream"}

    def __init__(
        self,
        *reads: bytes | Exception | asyncio.Future[bytes],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.headers = {**type(self).headers, **(headers or {})}
        self.closed = 0
        self.reads = 0
        self.interrupted: Exception | None = None
        self._script = list(reads)
        self._pending: asyncio.Future[bytes] | None = None

    async def read(self) -> bytes:
        """The next read of the script; b"" when there is none."""
        self.reads += 1
        if self.interrupted is not None:
            raise self.interrupted
        step = self._script.pop(0) if self._script else b""
        if isinstance(step, Exception):
            raise step
        if isinstance(step, asyncio.Future):
            self._pending = step
            return await step
        return step

    def interrupt(self, error: Exception) -> None:
        """Make a pending read raise."""
        self.interrupted = error
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(error)

    def drain(self) -> bytes:
        """What had arrived: the bytes that the script has next, up to anything else."""
        rest = b""
        while self._script and isinstance(self._script[0], bytes):
            rest += self._script.pop(0)  # type: ignore[operator]
        return rest

    def close(self) -> None:
        """Count it."""
        self.closed += 1


class Refused:
    """No answer: the transport raises `error`, before or after the request was `written`."""

    def __init__(self, error: Exception, *, written: bool = False, reused: bool = False) -> None:
        self.error = error
        self.written = written
        self.reused = reused


class ScriptedTransport:
    """Gives the answers of a script, one for each request, and keeps the requests."""

    def __init__(self, answers: Iterable[Answer | Refused]) -> None:
        self.answers = list(answers)
        self.requests: list[Any] = []
        self.released: list[Any] = []
        self.idle_closed: list[str] = []

    async def open(self, request: Any, connect_timeout: float | None, sending: Sending) -> Answer:
        """The next answer."""
        self.requests.append(request)
        answer = self.answers[len(self.requests) - 1]
        sending.written = True
        if isinstance(answer, Refused):
            sending.written, sending.reused = answer.written, answer.reused
            raise answer.error
        return answer

    def release(self, response: Any) -> None:
        """Note that the connection would be used again."""
        self.released.append(response)

    def close_idle(self, host: str = "") -> int:
        """Note it."""
        self.idle_closed.append(host)
        return 0

    async def aclose(self) -> None:
        """Nothing is open."""


def client_over(*answers: Answer | Refused, targets: int = 1, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client of OpenAI's dialect whose requests get these answers."""
    known = [Target(f"openai:m{place}", base_url="http://127.0.0.1:9", api_key="k" * 12) for place in range(targets)]
    client = Client(*known, **options)
    transport = ScriptedTransport(answers)
    client.transport = transport
    return client, transport
