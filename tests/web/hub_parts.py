"""What the tests of hubs share: a scripted upstream, a writer whose frames are easy to read, and a whole reading."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

from resilient_stream.chunks import TextDelta
from resilient_stream.formats.writer import About, Ending, Item, Refusal
from resilient_stream.outcome.errors import StreamError
from resilient_stream.web.source import Source

from ..engine.scripted import END, STOP, Answer, client_over, text_event

__all__ = ["PIECE", "Endless", "Feeding", "PlainWriter", "numbers", "read_all", "stream_of", "turns"]

PIECE = "x" * 16_384


class PlainWriter:
    """Frames that a test can compare: the texts, and how it ended."""

    media_type = "text/event-stream"
    headers: ClassVar[dict[str, str]] = {}
    heartbeat = b": waiting\n\n"
    numbered = True
    cut = False

    def __init__(self) -> None:
        self.about: About | None = None

    def begin(self, about: About) -> list[bytes]:
        self.about = about
        return [b"data: begin\n\n"]

    def write(self, items: Sequence[Item]) -> list[bytes]:
        return [b"data: %b\n\n" % item.text.encode() for item in items if item.text]

    def end(self, ending: Ending) -> list[bytes]:
        assert self.about is not None, "begin comes first, whatever happened"
        failed = [] if ending.error is None else [b"data: error %b\n\n" % ending.error.failure.code.encode()]
        said = "stopped" if ending.stopped else ending.outcome
        return [*failed, b"data: end %b\n\n" % said.encode()]

    def refusal(self, error: StreamError) -> Refusal:
        return Refusal(502, {}, error.kind.value.encode())


class Feeding:
    """A stream whose upstream a test feeds by hand, read by read."""

    def __init__(self, **options: Any) -> None:
        self._reads: list[asyncio.Future[bytes]] = []
        self._fed = 0
        self.answer = Answer()
        self.answer.read = self._read  # type: ignore[method-assign]
        self.client, self.transport = client_over(self.answer)
        self.stream = self.client.stream("hi", **options)

    async def _read(self) -> bytes:
        if self.answer.interrupted is not None:
            raise self.answer.interrupted
        read = self._at(self.answer.reads)
        self.answer.reads += 1
        self.answer._pending = read
        return await read

    def _at(self, place: int) -> asyncio.Future[bytes]:
        while len(self._reads) <= place:
            self._reads.append(asyncio.get_running_loop().create_future())
        return self._reads[place]

    def feed(self, *texts: str) -> None:
        """The next reads bring these texts, one each."""
        for text in texts:
            self._set(text_event(text))

    def end(self) -> None:
        """The next read brings the end."""
        self._set(STOP + END)

    def cut(self, error: Exception) -> None:
        """The next read fails."""
        self._at(self._fed).set_exception(error)
        self._fed += 1

    def _set(self, data: bytes) -> None:
        self._at(self._fed).set_result(data)
        self._fed += 1


class Endless:
    """As much of a stream as a hub uses. It has no end, and unlike a real one it keeps nothing of what it gave."""

    def __init__(self) -> None:
        self._ready: deque[Any] = deque()
        self._call = SimpleNamespace(request=SimpleNamespace(target=SimpleNamespace(model="m")))
        self.transcript = SimpleNamespace(outcome=None, finish_reason=None, usage=None, target="openai:m", error=None)
        self.given = 0
        self._closed = False

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        if self._closed:
            raise StopAsyncIteration
        self.given += 1
        return TextDelta(PIECE)

    def close(self) -> None:
        self._close("abandoned")

    def _close(self, outcome: str) -> None:
        self._closed = True


def stream_of(*texts: str) -> Any:
    """A stream whose whole answer is here at the first read of it."""
    client, _ = client_over(Answer(*(text_event(text) for text in texts), STOP + END))
    return client.stream("hi")


async def turns(count: int = 20) -> None:
    """Let the loop run what is ready."""
    for _ in range(count):
        await asyncio.sleep(0)


async def read_all(source: Source) -> bytes:
    """Everything that a source gives, and then leave."""
    read = b""
    while frames := await source.frames():
        read += b"".join(frames)
    source.leave()
    return read


def numbers(read: bytes) -> list[int]:
    """The numbers of the events that were read."""
    return [int(number) for number in re.findall(rb"^id: (\d+)$", read, re.MULTILINE)]
