"""A fake provider in a process of its own: it streams the answer that the prompt asks for.

    python -m benchmarks.upstream [CERTIFICATE]        prints its ports, HTTP and HTTPS, and serves until it is ended

"100 chunks, 20 ms apart" in a prompt gives 100 pieces of text with a pause after each; "0 ms apart" gives all at once;
"1 chunks, then silence" gives an answer that begins and does not go on. A GET tells how many TCP segments came from
clients during paced answers. The path says in which dialect an answer is written. So a client keeps its connections
from one shape to the next, and needs no option but its base URL.

Every client gets the same bytes. They are made before they are sent, and kept.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import ssl
import struct
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from .loops import new_loop

__all__ = ["asking", "asking_for_silence", "events"]

WORDS = tuple(f" word{number:02d}" for number in range(89))
"""They differ, because litellm takes a chunk that comes a hundred times for a model that loops."""

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"x-request-id: req_0123456789\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"
WRITE_BYTES = 16 * 1024
SEND_BYTES = 1024 * 1024
PHASES = 200
"""Paced streams start spread over their pause: real ones are not in step, and in step they would share wake-ups."""

ASKED = re.compile(rb"(\d+) chunks, (?:(\d+) ms apart|then silence)")


def asking(chunks: int, gap_ms: int) -> str:
    """The prompt for so many chunks, so far apart."""
    return f"{chunks} chunks, {gap_ms} ms apart"


def asking_for_silence(chunks: int) -> str:
    """The prompt for so many chunks at once and nothing more; the answer stays open until the client leaves."""
    return f"{chunks} chunks, then silence"


def events(dialect: str, chunks: int) -> list[bytes]:
    """The answer's events, as they go over the wire."""
    words = itertools.islice(itertools.cycle(WORDS), chunks)
    return _DIALECTS[dialect](words, chunks)


def _event(data: Any, name: str = "", newline: bytes = b"\n") -> bytes:
    head = b"event: %b%b" % (name.encode(), newline) if name else b""
    return b"%bdata: %b%b" % (head, msgspec.json.encode(data), newline * 2)


# What each provider sends today, with the fields that a client reads past.


def _openai(words: Iterable[str], chunks: int) -> list[bytes]:
    def event(delta: dict[str, str], finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({
            "id": "chatcmpl-C0ffee0123456789abcdefghijkl", "object": "chat.completion.chunk",
            "created": 1767225600, "model": "gpt-5-mini-2025-08-07", "service_tier": "default",
            "system_fingerprint": "fp_0123456789", "choices": [] if usage else [choice], "usage": usage,
            "obfuscation": "k3Yd0Qw",
        })  # fmt: skip

    usage = {"prompt_tokens": 9, "completion_tokens": chunks, "total_tokens": chunks + 9}
    return [
        event({"role": "assistant", "content": ""}),
        *(event({"content": word}) for word in words),
        event({}, "stop"),
        event({}, usage=usage),
        b"data: [DONE]\n\n",
    ]


def _anthropic(words: Iterable[str], chunks: int) -> list[bytes]:
    def event(name: str, **fields: Any) -> bytes:
        return _event({"type": name} | fields, name)

    message: dict[str, Any] = {
        "id": "msg_0123456789", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1},
    }  # fmt: skip
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        event("message_start", message=message),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in words),
        event("content_block_stop", index=0),
        event("message_delta", delta=ending, usage={"output_tokens": chunks}),
        event("message_stop"),
    ]


def _gemini(words: Iterable[str], chunks: int) -> list[bytes]:
    counts = {"promptTokenCount": 9, "candidatesTokenCount": chunks, "totalTokenCount": chunks + 9}

    def event(text: str, **finish: str) -> bytes:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, **finish, "index": 0}
        whole = {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "gemini-2.5-flash"}
        return _event(whole | {"responseId": "r0123456789"}, newline=b"\r\n")

    return [*map(event, words), event("", finishReason="STOP")]


_DIALECTS = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}
_PATHS = ((b"/chat/completions", "openai"), (b"/messages", "anthropic"), (b":streamGenerateContent", "gemini"))


@lru_cache(maxsize=32)
def _at_once(dialect: str, chunks: int) -> bytes:
    body = b"".join(events(dialect, chunks))
    pieces = (body[start : start + WRITE_BYTES] for start in range(0, len(body), WRITE_BYTES))
    return b"".join(map(_framed, pieces)) + LAST_CHUNK


@lru_cache(maxsize=32)
def _one_by_one(dialect: str, chunks: int) -> list[bytes]:
    return [_framed(event) for event in events(dialect, chunks)]


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# -- the server -------------------------------------------------------------------------------


class _Asked(NamedTuple):
    """What a request asks for. gap: seconds between two chunks; None is silence after them. dialect "": a GET."""

    dialect: str
    chunks: int = 0
    gap: float | None = 0


_segments = 0
"""TCP segments that came from clients during paced answers: all acknowledgements, but for one request each."""


async def serve(certificate: str | None) -> None:
    """Print the ports, then answer until the process is ended."""
    ports = [await _listen(None)]
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        ports.append(await _listen(context))
    print(*(port.sockets[0].getsockname()[1] for port in ports), flush=True)
    await asyncio.gather(*(port.serve_forever() for port in ports))


async def _listen(context: ssl.SSLContext | None) -> asyncio.Server:
    phases = itertools.cycle(index / PHASES for index in range(PHASES))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await _answer(await _read_request(reader), next(phases), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has what it wanted
        finally:
            writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", 0, backlog=4096, ssl=context)


async def _read_request(reader: asyncio.StreamReader) -> _Asked:
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"GET "):
        return _Asked("")
    dialect = next(dialect for path, dialect in _PATHS if path in head.partition(b"\r\n")[0])
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    body = await (reader.readexactly(int(length[1])) if length else reader.readuntil(LAST_CHUNK))
    asked = ASKED.search(body)
    if asked is None:
        raise ConnectionError("no such prompt")
    return _Asked(dialect, int(asked[1]), None if asked[2] is None else int(asked[2]) / 1000)


async def _answer(asked: _Asked, phase: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if not asked.dialect:
        body = str(_segments).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    elif asked.gap is None:
        first = _one_by_one(asked.dialect, asked.chunks)[: asked.chunks + 1]
        writer.write(HEAD + b"".join(first))
        await reader.readuntil(b"\r\n\r\n")  # nothing comes but the client's end
    elif asked.gap:
        await _send_paced(asked, phase, writer)
    else:
        writer.write(HEAD)
        whole = memoryview(_at_once(asked.dialect, asked.chunks))
        for start in range(0, len(whole), SEND_BYTES):
            writer.write(whole[start : start + SEND_BYTES])
            await writer.drain()
    await writer.drain()


async def _send_paced(asked: _Asked, phase: float, writer: asyncio.StreamWriter) -> None:
    global _segments
    assert asked.gap
    writer.write(HEAD)
    before = _segments_from(writer)
    clock = asyncio.get_running_loop().time
    due = clock() + asked.gap * phase
    for event in _one_by_one(asked.dialect, asked.chunks):
        await asyncio.sleep(due - clock())
        writer.write(event)
        due += asked.gap
    writer.write(LAST_CHUNK)
    _segments += _segments_from(writer) - before


def _segments_from(writer: asyncio.StreamWriter) -> int:
    """How many segments this client has sent, by Linux's `tcp_info`; 0 where that is not known."""
    try:
        told = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 144)
        return int(struct.unpack_from("I", told, 140)[0])
    except (AttributeError, OSError, struct.error):
        return 0


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop("uvloop")) as runner:
        try:
            runner.run(serve(sys.argv[1] if len(sys.argv) > 1 else None))
        except KeyboardInterrupt:
            pass
