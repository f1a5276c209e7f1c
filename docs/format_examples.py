"""The bytes that docs/formats.md shows: one answer and how it ends, written by the code itself."""

from __future__ import annotations

from resilient_stream.chunks import Chunk, Finished, ReasoningDelta, Seam, TextDelta, Usage
from resilient_stream.errors import Failure, StreamError, error_for
from resilient_stream.formats.writer import About, Ending, Writer
from resilient_stream.kinds import ErrorKind
from resilient_stream.web.formats import FORMATS, writer_for

__all__ = ["NAMES", "answer", "failed", "heads", "refused", "stopped"]

NAMES = tuple(name for name in FORMATS if name != "openai")
"""The formats of our own and Vercel's; OpenAI documents its own."""

_CHUNKS: tuple[Chunk, ...] = (
    ReasoningDelta("Light scatters."),
    TextDelta("Short waves"),
    Seam("openai:gpt-5-mini", "anthropic:claude-haiku-4-5", "prefill"),
    TextDelta(" scatter most."),
    Usage(12, 7),
    Finished("stop", "end_turn"),
)
_ABOUT = About("Vn3k", 1_767_225_600, "gpt-5-mini")


def _error() -> StreamError:
    failure = Failure(kind=ErrorKind.RATE_LIMITED, retry_after=20)
    return error_for(failure, provider="anthropic", provider_title="Anthropic", phase="stream")


def answer(name: str) -> str:
    """A whole answer that two targets made."""
    writer = writer_for(name)
    frames = [*writer.begin(_ABOUT), *writer.write(_CHUNKS)]
    return _block([*frames, *writer.end(Ending("complete", None, "stop", Usage(12, 7), False, _CHUNKS[2].target))])


def failed(name: str) -> str:
    """What stands at the end of one that broke off."""
    return _block(_begun(name).end(Ending("failed", _error())))


def stopped(name: str) -> str:
    """What stands at the end of one that somebody stopped."""
    return _block(_begun(name).end(Ending("cancelled", stopped=True)))


def _begun(name: str) -> Writer:
    writer = writer_for(name)
    writer.begin(_ABOUT)
    writer.write([TextDelta("Short")])
    return writer


def heads() -> list[tuple[str, str, str, str, str]]:
    """The head of each format's response, its sign of life, and whether it is cut."""
    rows = []
    for name in FORMATS:
        writer = _begun(name)
        more = [f"`{key}: {value}`" for key, value in writer.headers.items() if key != "cache-control"]
        writer.end(Ending("failed", _error()))
        beat = f"`{repr(writer.heartbeat)[2:-1]}`" if writer.heartbeat else "none"
        head = ", ".join([f"`{writer.media_type}`", *more])
        fails = "the connection is cut" if writer.cut else "an error, then its end"
        rows.append((f"`{name}`", head, beat, "yes" if writer.numbered else "no", fails))
    return rows


def refused(name: str) -> str:
    """The whole response of an answer that failed before it began."""
    refusal = writer_for(name).refusal(_error())
    head = [f"HTTP/1.1 {refusal.status}", *(f"{key}: {value}" for key, value in refusal.headers.items())]
    return _block(["\n".join([*head, "", ""]).encode(), refusal.body])


def _block(frames: list[bytes]) -> str:
    return f"```text\n{b''.join(frames).decode().rstrip()}\n```"
