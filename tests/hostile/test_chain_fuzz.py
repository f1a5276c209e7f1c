"""Mutated answers, headers and statuses through the whole chain: only errors of ours, bounded, and never a lie.

RESILIENT_STREAM_FUZZ=100000 runs so many cases in place of some hundreds; the seeds are the numbers of the cases.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Mapping
from time import thread_time
from typing import Any

import pytest

from resilient_stream import Client, Recovery, RetryPolicy, StreamError, Target, Timeouts, Transcript
from resilient_stream.providers import known_providers
from tests.hostile.mutations import mutated, odd_headers
from tests.processor import corrected
from tests.providers.recordings import DIALECTS, Recording, recordings, splits

CASES = int(os.environ.get("RESILIENT_STREAM_FUZZ", "200"))
SLOWEST = 0.1
"""Seconds of the processor's time that one read may take; the best of three counts, since machines are noisy."""
STATUSES = (200, 200, 200, 200, 200, 200, 201, 302, 400, 401, 404, 429, 500, 503, 529)


class Scripted:
    """An answer that is already here: a response as the transports give it."""

    def __init__(self, status: int, headers: Mapping[str, str], pieces: list[bytes]) -> None:
        self.status = status
        self.headers = headers
        self._pieces = pieces
        self.slowest = 0.0
        self._since: float | None = None

    async def read(self) -> bytes:
        if self._since is not None:
            self.slowest = max(self.slowest, corrected(thread_time() - self._since, SLOWEST))
        await asyncio.sleep(0)
        self._since = thread_time()
        return self._pieces.pop(0) if self._pieces else b""

    def interrupt(self, error: Exception) -> None:
        self._pieces = []

    def drain(self) -> bytes:
        return b""

    def close(self) -> None:
        self._pieces = []


class Transport:
    """Gives one answer after the other, the last one again and again."""

    def __init__(self, *answers: tuple[int, Mapping[str, str], list[bytes]]) -> None:
        self._answers = list(answers)
        self.given: list[Scripted] = []

    async def open(self, request: Any, connect_timeout: float | None, sending: Any) -> Scripted:
        sending.written = True
        status, headers, pieces = self._answers[min(len(self.given), len(self._answers) - 1)]
        self.given.append(Scripted(status, headers, list(pieces)))
        return self.given[-1]

    def release(self, response: Any) -> None: ...

    def close_idle(self, host: str = "") -> int:
        return 0

    async def aclose(self) -> None: ...


def _every() -> list[Recording]:
    return [each for dialect in DIALECTS for each in recordings(dialect) if len(each.body) < 20_000]


ANSWERS = _every()


def _case(number: int) -> tuple[Recording, tuple[int, dict[str, str], list[bytes]]]:
    dice = random.Random(number)
    recording = dice.choice(ANSWERS)
    status = dice.choice(STATUSES)
    headers = {"content-type": recording.adapter.media_types[0]} if recording.adapter.media_types else {}
    pieces = splits(mutated(recording.body, dice), number, dice.choice((7, 90, 4000)))
    return recording, (status, odd_headers(headers, dice), pieces)


async def _run(number: int, raw: bool) -> tuple[Transcript, BaseException | None, Transport]:
    recording, answer = _case(number)
    transport = Transport(answer)
    target = _target(recording, raw)
    policy = RetryPolicy(attempts=2, initial=0, maximum=0, max_retry_after=0.001)
    async with Client(target, target, retry=policy, recovery=Recovery(), timeouts=Timeouts(stall=2)) as client:
        client.transport = transport
        stream = client.stream("Hi", deadline=5)
        try:
            await stream.collect()
        except Exception as error:
            return stream.transcript, error, transport
    return stream.transcript, None, transport


def _target(recording: Recording, raw: bool) -> Target:
    """The recording's own provider, under a name that has an adapter, with keys that need no environment."""
    provider = recording.provider if recording.provider in known_providers() else "openai"
    if provider == "vertex":  # it wants a login; its dialects are those of others
        provider = "gemini" if recording.dialect == "gemini" else "anthropic"
    options = dict(DIALECTS[recording.dialect].options)
    if provider == "bedrock":
        options |= {"region": "us-east-1"}
    more = {"raw": True} if raw else {}
    where = {"base_url": "http://127.0.0.1:9", "api_key": "key-of-a-test"}
    return Target(f"{provider}:{recording.model}", **where, **options, **more)


def _judge(number: int, transcript: Transcript, error: BaseException | None) -> None:
    """What holds for every end."""
    assert error is None or isinstance(error, StreamError), f"case {number}: {error!r}"
    assert (transcript.outcome == "complete") is (error is None)
    stored = json.dumps(transcript.to_dict(), ensure_ascii=False).encode()
    assert Transcript.from_dict(json.loads(stored)).text == transcript.text
    if isinstance(error, StreamError):
        said = f"{error} {error!r} {json.dumps(error.to_dict(), ensure_ascii=False)}"
        assert said.encode()
        assert "\x1b" not in said
        assert "\u202e" not in said


@pytest.mark.parametrize("raw", [False, True])
async def test_only_our_errors_leave_the_chain(raw: bool) -> None:
    """Whatever a server answers: a StreamError or a whole answer, JSON as it is, printable, and no read is slow."""
    slow = []
    for number in range(CASES):
        transcript, error, transport = await _run(number, raw)
        _judge(number, transcript, error)
        if max(each.slowest for each in transport.given) > SLOWEST:
            slow.append(number)
    for number in slow:
        again = [await _run(number, raw) for _ in range(3)]
        assert min(max(each.slowest for each in run[2].given) for run in again) < SLOWEST, f"case {number} is slow"
