"""Tests how your application behaves when a provider does not: a loopback server that misbehaves on command.

    from resilient_stream import Client, Recovery, StreamInterrupted
    from resilient_stream.testing import Cut, FakeProvider, Text

    async def test_half_an_answer_is_kept():
        async with (
            FakeProvider([Text("Half an ", "answer"), Cut()]) as provider,
            Client(provider.target("openai"), recovery=Recovery.off()) as client,
        ):
            with pytest.raises(StreamInterrupted) as caught:
                await client.complete("Hello")
        assert caught.value.transcript.text == "Half an answer"

A script is a list of steps and says what the client sees, byte for byte if you like. The steps are written in
the dialect of the path that is asked for, so one script serves OpenAI, Anthropic, Gemini and Ollama clients alike.

    what the provider does                              script
    a good answer                                       [Text("Hel", "lo"), End()]
    a good answer with a tool call                      [CallTool("weather", {"city": "Oslo"}), End()]
    an error before the answer                          [Status(429, {"retry-after": "1"})]
    an error inside a 200                               [Preamble(), ErrorEvent(529), CleanEnd()]
    takes long to begin                                 [Sleep(2), Text("Hello"), End()]
    alive, but says nothing                             [Preamble(), Comment(every=0.1, times=50), Stall()]
    silent in the middle                                [Text("Hel"), Stall()]
    connection lost in the middle                       [Text("Hel"), Reset()]   or Cut() for a FIN
    no answer at all                                    [Cut()]
    ends politely, but not whole                        [Text("Hel"), CleanEnd()]
    broken framing                                      [Text("Hel"), BadChunk()]
    broken JSON                                         [Text("Hel"), Event('{"choices": [{'), CleanEnd()]
    stopped by max_tokens                               [Text("Hel"), End("length")]
    any answer, as recorded, cut at byte 1000           serve_bytes(body, cut_at=1000)
    anything else                                       [Raw(b"HTTP/1.1 200 OK\\r\\n..."), Cut()]
    fails, then works                                   FakeProvider([Status(503)], [Text("Hello"), End()])
    answers by what was asked                           FakeProvider(lambda request: ... a script ...)
    refuses connections                                 await provider.refuse()   until   await provider.accept()

Afterwards, look at what happened: `provider.requests` (path, headers, `json`, `closed_by_client`, `bytes_sent`),
`provider.connections`, `provider.open`, and `await provider.wait_closed()` to see that your application let go
of the connection in time. With pytest, the fixture `fake_provider` is a provider in a thread of its own: call
`fake_provider.play(script, ...)`. Any HTTP client can use it: `provider.base_url("openai")`.

A real provider's answers, once recorded, are played back without it, in CI and without a key (docs/recording.md):

    FILE = Path(__file__).with_name("rivers.jsonl")

    @pytest.fixture
    async def client():
        if os.environ.get("RECORD"):
            made = Client("openai:gpt-5-mini", record=FILE)
        else:
            made = Client(Target(f"replay:{FILE}", speed=0))
        async with made:
            yield made

A provider of your own is tested by `check_adapter(ADAPTER, recorded_answer, text="what it says")`.
"""

from .conformance import RULES, check_adapter
from .dialects import DIALECTS
from .http import ReceivedRequest
from .provider import FakeProvider, Handler
from .reply import Reply
from .scripts import answer, serve_bytes
from .steps import (
    BadChunk,
    CallTool,
    CleanEnd,
    Comment,
    Cut,
    End,
    ErrorEvent,
    Event,
    Head,
    Preamble,
    Raw,
    Reset,
    Script,
    Send,
    Sleep,
    Speak,
    Stall,
    Status,
    Step,
    Text,
)

__all__ = [
    "BadChunk",
    "CallTool",
    "CleanEnd",
    "Comment",
    "Cut",
    "DIALECTS",
    "End",
    "ErrorEvent",
    "Event",
    "FakeProvider",
    "Handler",
    "Head",
    "Preamble",
    "RULES",
    "Raw",
    "ReceivedRequest",
    "Reply",
    "Reset",
    "Script",
    "Send",
    "Sleep",
    "Speak",
    "Stall",
    "Status",
    "Step",
    "Text",
    "answer",
    "check_adapter",
    "serve_bytes",
]
