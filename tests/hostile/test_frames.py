"""A logger that shows the variables of a traceback's frames shows no key that a server quoted."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

import resilient_stream
from resilient_stream import Client, Recovery, RetryPolicy, StreamError
from resilient_stream.testing import End, Event, FakeProvider, Status, Text
from resilient_stream.testing.steps import Script

KEY = "sk-secret-12345678901234567890"
PACKAGE = str(Path(resilient_stream.__file__).parent)

SCRIPTS: dict[str, Script] = {
    "a refusal": [Status(400, {}, {"error": {"message": f"bad value {KEY}"}})],
    "an error in the stream": [Text("Hel"), Event(f'{{"error": {{"message": "fail {KEY}"}}}}'), End()],
    "half an event": [Text("Hel"), Event(f'{{"choices": {KEY}')],
}


def _shown(error: BaseException) -> str:
    """The variables of our own frames, along all causes, as `traceback` shows them."""
    found, waiting = [], [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while waiting:
        each = waiting.pop()
        frames = [frame for frame in each.stack if frame.filename.startswith(PACKAGE)]
        found += [value for frame in frames for value in (frame.locals or {}).values()]
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
    return "\n".join(found)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_no_frame_of_ours_keeps_what_a_server_quoted(script: Script) -> None:
    """Bodies and reads are let go of before an error is raised."""
    async with FakeProvider(script) as provider:
        target = provider.target("openai", api_key=KEY)
        async with Client(target, retry=RetryPolicy.off(), recovery=Recovery.off()) as client:
            with pytest.raises(StreamError) as raised:
                await client.complete("hi")
    assert KEY not in _shown(raised.value)
