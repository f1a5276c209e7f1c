"""Every recorded answer through the whole chain, over a real socket: whole, in random pieces, and cut.

The decoders' own tests read the bytes directly; here the client reads them, so what is proved is the promise to
the caller: `complete` only when the provider's end marker came through, and all that arrived is kept.
"""

from __future__ import annotations

import random

import pytest

from resilient_stream import Client, Recovery, RetryPolicy, StreamError, Target, TextDelta, Transcript
from resilient_stream.providers import known_providers
from tests.loopback import LAST, Loopback, Script, Step, framed
from tests.providers.recordings import DIALECTS, Recording, read, recordings
from tests.providers.test_recordings import ended

CUTS = 3
ANSWERS = [recording for dialect in DIALECTS for recording in recordings(dialect) if recording.status < 400]

answers = pytest.mark.parametrize("recording", ANSWERS, ids=lambda recording: recording.name)

pytestmark = pytest.mark.usefixtures("nothing_left")


def in_pieces(recording: Recording, body: bytes, dice: random.Random, end: Step = LAST) -> Script:
    """The body in pieces of random sizes, with the head that was recorded."""
    headers = recording.about.get("response_headers") or {}
    content_type = headers.get("content-type", recording.adapter.media_types[0])
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    marks = sorted(dice.randrange(len(body) + 1) for _ in range(12))
    pieces = (body[start:stop] for start, stop in zip([0, *marks], [*marks, len(body)], strict=True) if start < stop)
    return [head, *(framed(piece) for piece in pieces), end]


async def ask(recording: Recording, script: Script) -> Transcript:
    """What the client makes of it."""
    provider = recording.provider if recording.provider in known_providers() else "openai"
    async with Loopback(script) as server:
        options = DIALECTS[recording.dialect].options
        target = Target(f"{provider}:{recording.model}", base_url=server.url, api_key="k", **options)
        async with Client(target, retry=RetryPolicy.off(), recovery=Recovery.off()) as client:
            stream = client.stream("hi")
            try:
                return await stream.collect()
            except StreamError:
                return stream.transcript


@answers
async def test_a_whole_answer_is_complete_and_a_failed_one_is_not(recording: Recording) -> None:
    """In random pieces over a socket, the transcript is what the decoder reads from the whole bytes."""
    dice = random.Random(recording.name)
    reading = read(recording, [recording.body])
    transcript = await ask(recording, in_pieces(recording, recording.body, dice))
    assert transcript.text == transcript.delivered
    if reading.failure is None:
        assert transcript.outcome == "complete"
        assert transcript.text == reading.answer.text
        assert transcript.raw_finish_reason == reading.answer.finish
    else:
        assert transcript.outcome == "failed"
        assert transcript.error is not None
        content = any(chunk.content for chunk in reading.chunks)
        text = "".join(chunk.text for chunk in reading.chunks if isinstance(chunk, TextDelta))
        assert transcript.text == (text if content else "")


@answers
async def test_a_cut_answer_is_never_complete(recording: Recording) -> None:
    """Cut at random places, cleanly or not: never complete before the end marker came (promise 1)."""
    dice = random.Random(f"cut {recording.name}")
    whole = read(recording, [recording.body]).answer.text
    for _ in range(CUTS):
        place = dice.randrange(1, len(recording.body))
        part = recording.body[:place]
        transcript = await ask(recording, in_pieces(recording, part, dice, dice.choice([LAST, "cut", "reset"])))
        assert whole.startswith(transcript.text)
        if not ended(recording, place):
            assert transcript.outcome == "failed", f"complete after {place} bytes"
