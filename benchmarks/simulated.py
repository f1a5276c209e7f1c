"""Providers and a clock for experiments that last minutes: a loop whose time jumps from timer to timer.

Nothing waits for real, and no socket is opened: a transport in the place of the client's gives answers in the dialect
of OpenAI. Everything above it is the client's own: requests, clocks, chain, decoder.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

from resilient_stream import Client, Target
from resilient_stream.contract import Sending
from resilient_stream.engine import budget
from resilient_stream.engine.process import PROCESS

__all__ = ["Answer", "Simulated", "client_of", "run", "target"]

ResultT = TypeVar("ResultT")

TOKENS = 25
"""Tokens of each piece of an answer."""
PROMPT = 500
"""Tokens of each prompt."""
OVERLOADED = b'{"error": {"message": "The server is overloaded.", "type": "server_error"}}'
UNKNOWN = b'{"error": {"message": "Unknown parameter: x", "type": "invalid_request_error", "param": "x"}}'
BODIES = {400: UNKNOWN, 503: OVERLOADED}


class _Jumping(selectors.BaseSelector):
    """A selector without files: where nothing is ready, the time is set forward to the next timer."""

    now = 0.0

    def register(self, *_: Any) -> Any:
        """The loop's own pipe, which nobody writes to."""

    def unregister(self, *_: Any) -> Any:
        """Nothing is registered."""

    def get_map(self) -> Mapping[Any, Any]:
        """No file is registered."""
        return {}

    def get_key(self, fileobj: Any) -> Any:
        """No file is registered, so the loop takes the way of the first one."""
        raise KeyError(fileobj)

    def select(self, timeout: float | None = None) -> list[Any]:
        """Let the time pass. Without a timer nothing would ever happen again."""
        assert timeout is not None, "the loop waits for something that no timer brings"
        self.now += max(0.0, timeout)
        return []


def run(main: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Run `main()` on a loop of its own, whose time begins at 0; the retry budgets go by it as well."""
    selector = _Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    PROCESS.forget()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


class Answer(NamedTuple):
    """What a provider does with one request.

    first: seconds to the first piece. gap: seconds from one to the next. pieces: of the whole answer. stalls, cut: the
    piece after which nothing comes any more, or after which the connection is lost.
    """

    status: int = 200
    first: float = 1.0
    gap: float = 1.0
    pieces: int = 5
    stalls: int | None = None
    cut: int | None = None


class Body:
    """An answer as it arrives."""

    def __init__(self, answer: Answer, note: Callable[[int], None]) -> None:
        self.status = answer.status
        kind = "text/event-stream" if answer.status == 200 else "application/json"
        self.headers: Mapping[str, str] = {"content-type": kind}
        self._answer = answer
        self._note = note
        self._piece = 0
        self._read: asyncio.Future[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def read(self) -> bytes:
        """The next piece, when its time has come."""
        answer, self._piece = self._answer, self._piece + 1
        if answer.status != 200:
            return BODIES[answer.status] if self._piece == 1 else b""
        if answer.cut is not None and self._piece > answer.cut:
            raise ConnectionResetError
        if self._piece > answer.pieces:
            return b""
        loop = asyncio.get_running_loop()
        self._read = loop.create_future()
        if answer.stalls is None or self._piece <= answer.stalls:
            self._timer = loop.call_later(answer.first if self._piece == 1 else answer.gap, self._arrived)
        return await self._read

    def _arrived(self) -> None:
        if self._read is not None and not self._read.done():
            self._note(TOKENS)
            self._read.set_result(_piece(last=self._piece == self._answer.pieces))

    def interrupt(self, error: Exception) -> None:
        """Make a pending read raise."""
        if self._read is not None and not self._read.done():
            self._read.set_exception(error)
        self.close()

    def drain(self) -> bytes:
        """Nothing lies here unread."""
        return b""

    def close(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()


def _piece(*, last: bool) -> bytes:
    text = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % (b"word " * TOKENS)
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    return text + end if last else text


class Simulated:
    """The transport of a simulated world. decide: what a model does with a request at a time, by its own dice.

    asked: when each request arrived, for each model. tokens: prompts read and pieces sent by all of them.
    """

    def __init__(self, decide: Callable[[str, float, random.Random], Answer], seed: int) -> None:
        self._decide = decide
        self._dice = random.Random(seed)
        self.asked: dict[str, list[float]] = {}
        self.tokens = 0

    async def open(self, request: Any, connect_timeout: float | None, sending: Sending) -> Body:
        """Begin an answer."""
        del connect_timeout
        sending.written = True
        model, now = _model(request), asyncio.get_running_loop().time()
        self.asked.setdefault(model, []).append(now)
        answer = self._decide(model, now, self._dice)
        self._note(PROMPT if answer.status == 200 else 0)
        return Body(answer, self._note)

    def _note(self, tokens: int) -> None:
        self.tokens += tokens

    def release(self, response: Any) -> None:
        """There are no connections."""

    def close_idle(self, host: str = "") -> int:
        """There are no connections."""
        del host
        return 0

    async def aclose(self) -> None:
        """There are no connections."""


def _model(request: Any) -> str:
    return str(request.url).split("//")[1].split("/")[0]


def target(model: str) -> Target:
    """A target that the simulated world knows by this name."""
    return Target(f"openai:{model}", base_url=f"http://{model}", api_key="no key is needed")


def client_of(world: Simulated, *models: str, **options: Any) -> Client:
    """A client of these models whose requests go nowhere else than to the simulated world."""
    targets = [target(model) for model in models]
    for each in targets:  # the loop's time in place of the system's
        budget.counts_of(each)._clock = asyncio.get_running_loop().time
    client = Client(*targets, **options)
    client.transport = world
    return client
