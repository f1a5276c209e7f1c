"""Recordings played back: the same answer, the same failure, the same pace, and a word about what is not there."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import (
    Client,
    ContextError,
    InvalidRequest,
    Message,
    PermanentError,
    Recovery,
    RetryPolicy,
    StreamInterrupted,
    StreamMisused,
    Target,
    Timeouts,
)
from resilient_stream.providers import known_providers
from resilient_stream.testing import (
    BadChunk,
    CallTool,
    CleanEnd,
    Cut,
    End,
    ErrorEvent,
    Event,
    FakeProvider,
    Head,
    Preamble,
    Raw,
    Reset,
    Script,
    Send,
    Stall,
    Status,
    Text,
    serve_bytes,
)
from tests.local_model import local_model
from tests.providers.recordings import DIALECTS, Recording, recordings
from tests.transport.recorded import QUICK, asked, exchange, lines_in, played, said, write

pytestmark = pytest.mark.usefixtures("nothing_left")

NO_RETRY = {"retry": RetryPolicy.off(), "recovery": Recovery.off()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The recording."""
    return tmp_path / "sessions.jsonl"


async def replayed(file: Path, prompt: Any = "hi", **options: Any) -> Any:
    """The transcript of one answer from it."""
    target = {name: options.pop(name) for name in ("speed", "repeat") if name in options}
    async with Client(played(file, **target), **{**NO_RETRY, **options}) as client:
        return await asked(client, prompt)


# -- the same answer ------------------------------------------------------------------------------

ANSWERS = [recording for dialect in DIALECTS for recording in recordings(dialect)]


@pytest.mark.skipif(not ANSWERS, reason="the shared recordings are not here")
async def test_every_answer_that_is_recorded_is_played_back_as_it_was(file: Path) -> None:
    """Whole, refused, cut cleanly or reset at a random place: text, calls, usage, end and error are the same."""
    counts: Counter[str] = Counter()
    async with FakeProvider() as provider:
        for recording in ANSWERS:
            dice = random.Random(recording.name)
            cut_at = dice.randrange(1, len(recording.body) + 1)
            for ending in (CleanEnd(), dice.choice((Cut(), Reset()))):
                provider.play(_script(recording, None if ending == CleanEnd() else cut_at, ending))
                file.unlink(missing_ok=True)
                async with Client(_target(provider, recording), record=file, **NO_RETRY) as client:
                    was = await asked(client, "hi")
                now = await replayed(file)
                assert said(now) == said(was), f"{recording.name} {ending}"
                assert now.delivered == was.delivered
                counts[f"{was.outcome} {was.error.kind.value if was.error else ''}"] += 1
    print(*(f"{count:>6}  {name}" for name, count in counts.items()), sep="\n")
    assert counts["complete "] > 100


def _script(recording: Recording, cut_at: int | None, ending: Any) -> Script:
    kind = recording.headers.get("content-type", "text/event-stream")
    return serve_bytes(
        recording.body,
        kind,
        splits=1500,
        cut_at=cut_at,
        status=recording.status,
        ending=ending,
        headers={"x-request-id": "req_7"},
    )


def _target(provider: FakeProvider, recording: Recording) -> Target:
    name = recording.provider if recording.provider in known_providers() else "openai"
    return provider.target(name, model=recording.model, **DIALECTS[recording.dialect].options)


JSON = {"content-type": "application/json"}

FAILURES: list[tuple[str, Script]] = [
    ("rate limited", [Status(429, {"retry-after": "7"})]),
    ("overloaded inside a 200", [Preamble(), ErrorEvent(529), CleanEnd()]),
    ("overloaded in the middle", [Text("Half"), ErrorEvent(529), CleanEnd()]),
    ("a bad key", [Status(401)]),
    ("no answer", [Cut()]),
    ("reset before the answer", [Reset()]),
    ("reset in the middle", [Text("Half"), Reset()]),
    ("no end marker", [Text("Half"), CleanEnd()]),
    ("broken framing", [Text("Half"), BadChunk()]),
    ("broken JSON", [Text("Half"), Event('{"choices": [{'), CleanEnd()]),
    ("silence before the answer", [Stall()]),
    ("silence in the middle", [Text("Half"), Stall()]),
    ("a login page", [Head(200, {"content-type": "text/html"}), Send(b"<html>Sign in</html>"), CleanEnd()]),
    ("an error as JSON in a 200", [Head(200, JSON), Send(b'{"error": {"message": "no"}}'), CleanEnd()]),
    ("an event stream that does not say so", [Head(200, {"content-type": "text/plain"}), Text("Hi"), End()]),
    ("a redirect", [Raw(b"HTTP/1.1 302 Found\r\nlocation: /login?token=x\r\ncontent-length: 0\r\n\r\n")]),
    ("no HTTP", [Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), Cut()]),
    ("length", [Text("Half"), End("length")]),
]  # fmt: skip


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(("name", "script"), FAILURES, ids=[name for name, _ in FAILURES])
async def test_a_recorded_failure_is_the_same_failure(file: Path, dialect: str, name: str, script: Script) -> None:
    """Class, kind, phase, status and every word of it; what was received before it as well."""
    timeouts = Timeouts(first_content=0.1, stall=0.05)
    async with FakeProvider(script) as provider:
        async with Client(provider.target(dialect), record=file, timeouts=timeouts, **NO_RETRY) as client:
            was = await asked(client, "hi")
    now = await replayed(file)
    assert said(now) == said(was)


async def test_a_refused_connection_is_one_again(file: Path) -> None:
    """There was no answer at all; the message names the host that there was."""
    async with FakeProvider() as provider:
        await provider.refuse()
        async with Client(provider.target("openai"), record=file, **NO_RETRY) as client:
            was = await asked(client, "hi")
    now = await replayed(file)
    assert said(now) == said(was)
    assert now.error.phase == "connect"


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(
    "script", [[Text("Long. " * 40_000), CallTool("weather", {"a": 1}), End()], [Text("x"), Cut()]]
)
async def test_an_answer_in_one_piece_is_played_as_one(file: Path, dialect: str, script: Script) -> None:
    """It was not streamed; its long texts are there again."""
    async with FakeProvider(script) as provider:
        async with Client(provider.target(dialect, stream=False), record=file, **NO_RETRY) as client:
            was = await asked(client, "hi")
    assert lines_in(file)[0]["stream"] is False
    assert said(await replayed(file)) == said(was)


async def test_a_retry_and_a_fallback_are_played_as_attempts(file: Path) -> None:
    """What three requests were told, three requests are told again, in that order."""
    async with FakeProvider([Status(503)], [Status(429)], [Text("Hello"), End()]) as provider:
        targets = provider.target("openai"), provider.target("anthropic")
        async with Client(*targets, record=file, retry=QUICK) as client:
            was = await client.complete("hi")
    now = await replayed(file, retry=RetryPolicy(initial=0, attempts=5))
    assert (now.text, now.model) == (was.text, was.model)
    assert [attempt.status for attempt in now.attempts] == [503, 429, 200]
    assert now.target == f"replay:{file}"


@pytest.mark.parametrize(
    ("dialect", "method", "more"), [("openai", "replay", "Half an answer."), ("deepseek", "prefill", "answer.")]
)
async def test_a_continued_answer_is_continued_again(file: Path, dialect: str, method: str, more: str) -> None:
    """Cut in the middle and taken up in the way of its provider: the seam and the whole text are played."""
    async with FakeProvider([Text("Half an "), Cut()], [Text(more), End()]) as provider:
        async with Client(provider.target(dialect), record=file, retry=QUICK) as client:
            was = await client.complete("hi")
    async with Client(played(file), retry=QUICK) as client:
        now = await client.complete("hi")
    assert (now.text, now.outcome) == (was.text, was.outcome) == ("Half an answer.", "complete")
    assert [seam.method for seam in now.seams] == [seam.method for seam in was.seams] == [method]


async def test_a_conversation_with_tools_is_played_turn_by_turn(file: Path) -> None:
    """Each turn is found by what went before it: the history that the last answer gave, and a tool's result."""

    async def converse(client: Client) -> list[str]:
        messages: list[Message] = [Message(role="user", content="How is the weather?")]
        texts = []
        for _ in range(3):
            transcript = await client.complete(messages)
            texts.append(transcript.text)
            messages += transcript.as_history()
            messages += [Message(role="tool", tool_call_id=call.id, content="21 °C") for call in transcript.tool_calls]
            if not transcript.tool_calls:
                messages.append(Message(role="user", content="And tomorrow?"))
        return texts

    script = (
        [Text("I'll look."), CallTool("weather", {"city": "Oslo"}), End()],
        [Text("Warm."), End()],
        [Text("Cold."), End()],
    )
    for dialect in ("openai", "anthropic", "gemini"):
        async with FakeProvider(*script) as provider:
            async with Client(provider.target(dialect), record=file) as client:
                was = await converse(client)
        async with Client(played(file)) as client:
            assert await converse(client) == was == ["I'll look.", "Warm.", "Cold."]
        file.unlink()


# -- its pace -------------------------------------------------------------------------------------


async def _seconds(file: Path, speed: float | None) -> float:
    begun = time.perf_counter()
    assert (await replayed(file, speed=speed)).text == "abc"
    return time.perf_counter() - begun


async def test_the_pace_is_the_recorded_one_times_speed(file: Path) -> None:
    """Four pauses of 20 ms take 80 ms, 40 ms at twice the speed, nothing without waits."""
    write(file, exchange("a", "b", "c", gap=0.02))
    assert await _seconds(file, 1.0) >= 0.08
    assert await _seconds(file, 2.0) >= 0.04
    write(file, exchange("a", "b", "c", gap=600.0))
    assert max(await _seconds(file, 0), await _seconds(file, None)) < 60


async def test_a_played_answer_can_be_left_at_any_time(file: Path) -> None:
    """A deadline and a cancellation wake the wait for what comes in an hour; the partial is there."""
    write(file, exchange("a", "b", gap=3600.0, pieces=[[0.0, exchange("a")["pieces"][0][1]], [3600.0, "data: x\n\n"]]))
    async with Client(Target(f"replay:{file}")) as client:
        stream = client.stream("hi", deadline=0.5)
        with pytest.raises(ContextError):
            await stream.collect()
        assert (stream.transcript.text, stream.transcript.outcome) == ("a", "deadline")
    async with Client(Target(f"replay:{file}")) as client:
        stream = client.stream("hi")
        task = asyncio.create_task(stream.collect())
        while not stream.transcript.text:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (stream.transcript.text, stream.transcript.outcome) == ("a", "cancelled")


async def test_the_wait_for_the_head_can_be_left_too(file: Path) -> None:
    """A timeout ends the wait for a recorded head, too."""
    write(file, exchange("a", head_after=3600.0))
    async with Client(
        Target(f"replay:{file}"), timeouts=Timeouts(first_content=0.03), retry=RetryPolicy.off()
    ) as client:
        transcript = await asked(client, "hi")
    assert transcript.error is not None
    assert transcript.error.kind == "read_timeout"


async def test_a_long_answer_without_waits_lets_others_have_their_turn(file: Path) -> None:
    """A thousand reads that are all there: another task still runs meanwhile."""
    write(file, exchange(*["x"] * 1000))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await replayed(file)
    task.cancel()
    assert turns > 500


async def test_an_answer_that_was_left_ends_there(file: Path) -> None:
    """What had come is played; then it is said that the recording has no more."""
    async with FakeProvider([Text("Half"), Stall()]) as provider:
        async with Client(provider.target("openai"), record=file) as client:
            async for _ in client.stream("hi"):
                break
    transcript = await replayed(file, retry=QUICK)
    assert (transcript.text, len(transcript.attempts)) == ("Half", 1)
    assert isinstance(transcript.error, StreamInterrupted)
    assert str(transcript.error).startswith(f"The recording ends here (replay:{file}): When it was made,")
    write(file, exchange(status=None, pieces=[], ended={"how": "left", "after": 0.0, "outcome": "cancelled"}))
    assert (await replayed(file)).error.title == "The recording ends here"


# -- what is not there ----------------------------------------------------------------------------


async def test_equal_requests_get_the_answers_in_their_order(file: Path) -> None:
    """Once each, in the order in which they were sent, whatever the order of the lines; then no more."""
    write(file, exchange("second", started=2.0), exchange("first", started=1.0))
    async with Client(played(file), **NO_RETRY) as client:
        texts = [(await client.complete("hi")).text for _ in range(2)]
        with pytest.raises(InvalidRequest, match=r"asked more often than the 2 times recorded in sessions\.jsonl"):
            await client.complete("hi")
    assert texts == ["first", "second"]
    async with Client(played(file, repeat=True), **NO_RETRY) as client:
        assert [(await client.complete("hi")).text for _ in range(3)] == ["first", "second", "first"]


CALL = {"id": "a", "name": "weather", "arguments": '{"city": "Oslo", "days": 1}'}
TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "How is the weather in Oslo?\nIn one word."},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "a", "content": "21 °C"},
]  # fmt: skip


def _changed(place: int, **changes: Any) -> list[Any]:
    return [*TALK[:place], {**TALK[place], **changes}, *TALK[place + 1 :]]


@pytest.mark.parametrize(
    ("prompt", "said_so", "diff"),
    [
        (
            _changed(1, content="How is the weather in Bergen?\nIn one word."),
            r"messages\[1\] \(user\) is not what was recorded in sessions.jsonl",
            ["-How is the weather in Oslo?", "+How is the weather in Bergen?", " In one word."],
        ),
        (
            _changed(0, role="user"),
            r"messages\[0\] \(user\) is not",
            ["-system", "+user", " Be kind."],
        ),
        (
            _changed(2, tool_calls=[{"id": "a", "name": "weather", "arguments": '{"city": "Rome", "days": 1}'}]),
            r"messages\[2\] \(assistant\) is not",
            ['+[calls weather as a with {"city":"Rome","days":1}]'],
        ),
        (_changed(3, content="18 °C"), r"messages\[3\] \(tool answers a\) is not", ["-21 °C", "+18 °C"]),
        (
            [*TALK, {"role": "user", "content": "Thanks"}],
            r"messages\[4\] \(user\) goes on after the end of the conversation in sessions.jsonl",
            ["+user", "+Thanks"],
        ),
        (TALK[:2], r"was first asked after messages\[2\]", ["-assistant"]),
    ],
)
async def test_a_conversation_that_diverges_is_shown_where(
    file: Path, prompt: Any, said_so: str, diff: list[str]
) -> None:
    """Which message it is, in the error; the diff under its traceback; nothing tried again, nobody else asked."""
    write(file, exchange("Warm.", prompt=TALK), exchange("No.", prompt="something else"))
    async with FakeProvider() as provider:
        async with Client(played(file), provider.target("openai")) as client:
            with pytest.raises(InvalidRequest, match=said_so) as caught:
                await client.complete(prompt)
        assert provider.requests == []
    shown = "".join(traceback.format_exception(caught.value)).splitlines()
    assert [line for line in diff if line not in shown] == []
    assert any(line.startswith("--- messages[") and line.endswith("] as recorded") for line in shown)
    assert caught.value.kind == "invalid_request"
    assert len(caught.value.transcript.attempts) == 1  # type: ignore[union-attr]


async def test_the_words_of_a_conversation_are_in_the_diff_only(file: Path) -> None:
    """An error's message goes into logs; a prompt does not (it is under the traceback, for whoever runs the test)."""
    write(file, exchange("x", prompt="my secret wish"))
    with pytest.raises(InvalidRequest) as caught:
        async with Client(played(file)) as client:
            await client.complete("my other wish")
    assert "wish" not in str(caught.value) + repr(caught.value) + json.dumps(caught.value.to_dict())
    assert "wish" in caught.value.__notes__[0]


async def test_a_long_difference_is_shortened_and_wrapped(file: Path) -> None:
    """A change deep in a long paragraph is seen, and a rewritten page is not shown whole."""
    words = [f"word{number}" for number in range(400)]
    write(file, exchange("x", prompt=" ".join(words)))
    async with Client(played(file)) as client:
        with pytest.raises(InvalidRequest) as one:
            await client.complete(" ".join([*words[:350], "CHANGED", *words[351:]]))
        with pytest.raises(InvalidRequest) as all_of_it:
            await client.complete("\n".join(reversed(words)))
    [note] = one.value.__notes__
    assert "CHANGED" in note
    assert len(note) < 2000
    [note] = all_of_it.value.__notes__
    assert len(note.splitlines()) == 25
    assert note.splitlines()[-1].startswith("… and ")


async def test_what_the_provider_added_makes_no_difference(file: Path) -> None:
    """Reasoning, signatures, JSON's white space, one text or a list of one: the conversation is the same."""
    write(file, exchange("Warm.", prompt=TALK))
    call = {"id": "a", "name": "weather", "arguments": '{"days":1,"city":"Oslo"}', "signature": "s", "signed_by": "b:m"}
    reasoning = {"type": "reasoning", "text": "Hm.", "signature": "s", "signed_by": "b:m"}
    prompt = _changed(2, content=[reasoning], tool_calls=[call])
    prompt[1] = {"role": "user", "content": [{"type": "text", "text": TALK[1]["content"]}]}
    assert (await replayed(file, prompt)).text == "Warm."


@pytest.mark.parametrize(
    ("lines", "said_so"),
    [
        (None, "cannot be read: No such file or directory"),
        ([], "Nothing is recorded in sessions.jsonl"),
        ([{"version": 9}], r"sessions.jsonl, line 1, is not an exchange of version 1"),
        ([exchange("x"), {"version": 1}], r"line 2, cannot be played: .*missing required field `target`"),
        ([exchange("x", target="nobody:m")], "line 1, cannot be played: no provider is called 'nobody'"),
        ([exchange("x", prompt=[{"role": "wizard"}])], r"line 1, cannot be played: messages\[0\].role"),
        ([exchange("x", pieces=[["soon", "x"]])], r"line 1, cannot be played: Expected `float`"),
    ],
)
async def test_a_file_that_cannot_be_played_says_why(file: Path, lines: Any, said_so: str) -> None:
    """Which file and which line; it is not tried again."""
    if lines is not None:
        write(file, *lines)
    with pytest.raises(PermanentError, match=said_so) as caught:
        async with Client(played(file)) as client:
            await client.complete("hi")
    assert caught.value.kind in ("client_config", "invalid_request")


async def test_a_line_that_was_never_finished_is_left_out_with_a_word(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A crash while recording costs that exchange only."""
    write(file, exchange("one"), '{"version": 1, "targ')
    with caplog.at_level(logging.WARNING, "resilient_stream"):
        assert (await replayed(file)).text == "one"
    assert [record.getMessage() for record in caplog.records] == [f"{file}, line 2, is not whole JSON, and left out"]


@pytest.mark.parametrize("speed", ["fast", -1, True, float("nan")])
async def test_a_bad_speed_is_refused(file: Path, speed: Any) -> None:
    """A bug of the caller, named."""
    write(file, exchange("x"))
    with pytest.raises(StreamMisused, match="speed of a replay must be a number of at least 0"):
        async with Client(played(file, speed=speed)) as client:
            await client.complete("hi")


async def test_two_streams_of_one_client_share_the_recording(file: Path) -> None:
    """Begun at the same moment, before the file is read: each gets one of the two answers."""
    write(file, exchange("first", started=1.0), exchange("second", started=2.0))
    async with Client(played(file)) as client:
        both = await asyncio.gather(client.complete("hi"), client.complete("hi"))
    assert sorted(transcript.text for transcript in both) == ["first", "second"]


async def test_a_replay_is_not_recorded(file: Path, tmp_path: Path) -> None:
    """A replay is not recorded, since that would only copy the recording."""
    write(file, exchange("x"))
    again = tmp_path / "again.jsonl"
    async with Client(played(file), record=again) as client:
        await client.complete("hi")
    assert lines_in(again) == []


async def test_the_options_of_reading_are_recorded_and_may_be_set_anew(file: Path) -> None:
    """An end without a marker counts where it counted; raw events may be asked for later."""
    async with FakeProvider([Text("Hi"), CleanEnd()]) as provider:
        async with Client(provider.target("openai", terminal="eof_ok"), record=file) as client:
            await client.complete("hi")
    assert (await replayed(file)).outcome == "complete"
    write(
        file,
        exchange(
            "x",
            pieces=[[0, 'data: {"choices": [{"index": 1, "delta": {"content": "b"}}]}\n\n'], *exchange("x")["pieces"]],
        ),
    )
    async with Client(played(file, raw=True)) as client:
        kinds = [chunk.type async for chunk in client.stream("hi")]
    assert "raw" in kinds


@local_model
async def test_a_session_of_the_real_model_is_played_back(file: Path) -> None:
    """Recorded from the small model on this machine, two turns, and played back without it."""
    async with Client("local", record=file) as client:
        first = await client.complete("Name a river.", max_tokens=12, temperature=0)
        history = [
            Message(role="user", content="Name a river."),
            *first.as_history(),
            Message(role="user", content="Another."),
        ]
        second = await client.complete(history, max_tokens=12, temperature=0)
    async with Client(played(file)) as client:
        assert said(await client.complete("Name a river.")) == said(first)
        assert said(await client.complete(history)) == said(second)
    assert (await replayed(file, "Name a mountain.")).error.title == "Not recorded"
