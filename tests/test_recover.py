"""After the first token, on real sockets: what goes on and how, what is not joined, and what the caller is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from resilient_stream import (
    Client,
    DeadlineExceeded,
    Limits,
    QuotaExhausted,
    RateLimited,
    Recovery,
    RetryBudget,
    RetryPolicy,
    Seam,
    StreamInterrupted,
    Timeouts,
    Transcript,
)
from resilient_stream.chunks import Chunk
from resilient_stream.engine.recovery.joins import split_end
from resilient_stream.events import AttemptFailed, Event, FellBack
from resilient_stream.policy import RecoveryMethod
from resilient_stream.testing import (
    CallTool,
    CleanEnd,
    Cut,
    End,
    ErrorEvent,
    FakeProvider,
    ReceivedRequest,
    Reset,
    Script,
    Sleep,
    Stall,
    Status,
    Step,
    Text,
)
from resilient_stream.testing import Event as Sent

pytestmark = pytest.mark.usefixtures("nothing_left")

PIECES = (
    "The sky",
    " is",
    " blue,",
    " because",
    " light\n",
    "- scat",
    "ters;\n\n",
    "👩\u200d",
    "🚀",
    " **e",
    "\u0301nd**",
    ".",
)
REFERENCE = "".join(PIECES)
QUICK = RetryPolicy(attempts=2, initial=0.001, maximum=0.002)
STALL = Timeouts(stall=30)
"""Longer than a busy machine lets a reader wait; where it must be over, the time is set forward."""

FAULTS: dict[str, Sequence[Step]] = {
    "error event": (ErrorEvent(529), CleanEnd()),
    "clean end": (CleanEnd(),),
    "reset": (Reset(),),
    "cut": (Cut(),),
    "stall": (Stall(),),
    "malformed event": (Sent('{"choices": [{'), CleanEnd()),
}


def dying(after: int, fault: str, pieces: Sequence[str] = PIECES) -> Script:
    """An answer that is lost after so many of its pieces."""
    return [Text(*pieces[:after]), Sleep(0.002), *FAULTS[fault]]


def said_before(request: ReceivedRequest) -> str | None:
    """The unfinished turn at the end of a request, in any dialect; None without one."""
    turns = request.json.get("messages") or request.json["contents"]
    last = turns[-1]
    if last["role"] == "user":
        return None
    content = last.get("content") or last["parts"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def in_bits(text: str, size: int) -> tuple[str, ...]:
    """Other pieces than the first answer's."""
    return tuple(text[place : place + size] for place in range(0, len(text), size))


def model(reference: str = REFERENCE, size: int = 3) -> Callable[[ReceivedRequest], Script]:
    """A deterministic one: the whole answer, or the rest of an unfinished turn."""

    def answer(request: ReceivedRequest) -> Script:
        before = said_before(request) or ""
        assert reference.startswith(before), before
        return [Text(*in_bits(reference[len(before) :], size)), End()]

    return answer


async def taken(client: Client, **options: Any) -> tuple[list[Chunk], Transcript]:
    """All chunks of an answer, and its transcript."""
    stream = client.stream("Why is the sky blue?", **options)
    return [chunk async for chunk in stream], stream.transcript


@pytest_asyncio.fixture
async def set_forward() -> Callable[[float], None]:
    """Sets the loop's time forward by so many seconds: a timeout is over, and nothing has waited for it."""
    loop: Any = asyncio.get_running_loop()
    time, ahead = loop.time, [0.0]
    loop.time = lambda: time() + sum(ahead)
    return ahead.append


@dataclass(frozen=True)
class Overdue:
    """Keeps silent until the client leaves, and sets the time forward by more than its stall timeout."""

    set_forward: Callable[[float], None]

    async def play(self, reply: Any) -> None:
        """Let the client read what was sent, in turns of the loop that both share; then the time is over."""
        for _ in range(50):
            await asyncio.sleep(0)
        self.set_forward(31)
        await reply.stall()


SECOND: dict[str, tuple[str, str, RecoveryMethod]] = {
    "prefill, anthropic": ("anthropic", "claude-3-5-haiku", "prefill"),
    "prefill, llama.cpp": ("llamacpp", "m", "prefill"),
    "replay, gemini": ("gemini", "gemini-2.5-flash", "replay"),
    "replay, anthropic": ("anthropic", "claude-sonnet-4-6", "replay"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("provider", "name", "method"), SECOND.values(), ids=list(SECOND))
async def test_wherever_the_first_dies_the_answer_is_whole(
    fault: str, provider: str, name: str, method: RecoveryMethod, set_forward: Callable[[float], None]
) -> None:
    """Each event index in turn, each fault: the delivered text is the reference, with one seam, on another dialect."""
    for after in range(1, len(PIECES) + 1):
        dead = [Overdue(set_forward) if isinstance(step, Stall) else step for step in dying(after, fault)]
        first, second = FakeProvider(dead), FakeProvider(model())
        async with first, second:
            targets = first.target("openai"), second.target(provider, model=name)
            async with Client(*targets, retry=QUICK, timeouts=STALL) as client:
                chunks, transcript = await taken(client)
        text = "".join(chunk.text for chunk in chunks)
        assert (text, transcript.text, transcript.delivered) == (REFERENCE,) * 3, after
        assert (transcript.outcome, transcript.finish_reason) == ("complete", "stop")
        [seam] = [chunk for chunk in chunks if isinstance(chunk, Seam)]
        assert (seam.source, seam.target, seam.method) == (targets[0].name, targets[1].name, method)
        before = "".join(chunk.text for chunk in chunks[: chunks.index(seam)])
        assert before == "".join(PIECES[:after])
        assert seam.overlap == len(before if method == "replay" else split_end(before)[1])
        assert transcript.target == targets[1].name


# -- what is not joined -------------------------------------------------------------------------


async def interrupted(client: Client, **options: Any) -> tuple[StreamInterrupted, Transcript, list[Chunk]]:
    """An answer that could not be continued."""
    stream, chunks = client.stream("hi", **options), []
    with pytest.raises(StreamInterrupted) as caught:
        async for chunk in stream:
            chunks.append(chunk)
    assert caught.value.transcript is stream.transcript
    assert stream.transcript.outcome == "failed"
    return caught.value, stream.transcript, chunks


HALF: Script = [Text("Hello", " wor"), Sleep(0.002), Cut()]


async def test_a_contradiction_is_not_joined() -> None:
    """The second answer differs: the error has the exact partial, says from which character, and keeps the books."""
    happened: list[Event] = []
    async with FakeProvider(HALF) as first, FakeProvider([Text("Hell", "o Wor", "ld"), Stall()]) as second:
        targets = first.target("openai"), second.target("gemini", model="g")
        async with Client(*targets, recovery=Recovery(max_continuations=2), on_event=happened.append) as client:
            error, transcript, chunks = await interrupted(client)
            await second.wait_closed()
        assert (len(first.requests), len(second.requests)) == (2, 1)
        assert second.requests[0].closed_by_client
    assert "".join(chunk.text for chunk in chunks) == transcript.text == transcript.delivered == "Hello wor"
    assert (error.kind, error.failure.code, error.failure.facts["differs_at"]) == (
        "stream_interrupted",
        "contradicted",
        6,
    )
    assert "replay at gemini:g, its answer differs from character 6" in error.message
    assert len(error.message) < 1000
    assert isinstance(error.__cause__, StreamInterrupted)
    assert (transcript.seams, transcript.target) == ((), "openai:fake-model")
    refused = transcript.attempts[-1]
    assert (refused.target, refused.error.failure.code) == ("gemini:g", "not_joined")  # type: ignore[union-attr]
    assert "differs from character 6" in refused.error.message  # type: ignore[union-attr]
    assert refused.usage is not None
    assert [item.target for item in happened if isinstance(item, AttemptFailed)][-1] == "gemini:g"


OTHERS: dict[str, tuple[Sequence[Step], str]] = {
    "ends before": ([Text("Hello"), End()], "ended at character 5"),
    "ends before, without a reason": ([Text("Hello"), Sent("[DONE]"), CleanEnd()], "ended at character 5"),
    "is another one": ([Text("Good day"), End()], "differs from character 0"),
    "calls a tool": ([Text("Hello"), CallTool("look"), End()], "ended at character 5"),
    "thinks first": (
        [Sent({"choices": [{"index": 0, "delta": {"reasoning": "Hm"}}]}), Text("Hello world"), End()],
        "differs from character 0"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "said"), OTHERS.values(), ids=list(OTHERS))
async def test_an_answer_that_is_not_the_same_is_not_joined(script: Script, said: str) -> None:
    """A replay that is shorter, other, or of another shape is refused, and nothing of it is delivered."""
    async with FakeProvider(HALF, script) as provider:
        async with Client(provider.target("openai"), recovery=Recovery(max_continuations=1)) as client:
            error, transcript, _ = await interrupted(client)
    assert said in error.message
    assert (transcript.text, transcript.tool_calls, transcript.reasoning) == ("Hello wor", (), "")


async def test_the_next_method_is_tried_after_a_refusal() -> None:
    """A model that begins anew behind its prefill is not joined; the replay of it is."""
    whole = model("The sky is blue because light scatters.")
    half = [Text("The sky is blue because"), Sleep(0.002), Cut()]
    async with FakeProvider(half) as first, FakeProvider([Text("The sky is blue, since"), End()], whole) as second:
        async with Client(first.target("openai"), second.target("llamacpp")) as client:
            chunks, transcript = await taken(client, recovery=Recovery(max_continuations=3))
    assert transcript.text == "The sky is blue because light scatters."
    assert [chunk.method for chunk in chunks if isinstance(chunk, Seam)] == ["replay"]


async def test_with_recovery_off_the_error_leaves_at_once() -> None:
    """Recovery.off(): the first error itself, and nobody else is asked; a call's own word stands over the client's."""
    async with FakeProvider([Text("Hel"), ErrorEvent(429), CleanEnd()]) as first, FakeProvider() as second:
        async with Client(first.target("openai"), second.target("openai"), recovery=Recovery.off()) as client:
            for recovery in (None, Recovery(max_continuations=0)):
                with pytest.raises(RateLimited) as caught:
                    await client.complete("hi", recovery=recovery)
        assert (len(first.requests), len(second.requests)) == (2, 0)
    assert caught.value.transcript is not None
    assert caught.value.transcript.text == "Hel"


# -- who is asked, and for what -----------------------------------------------------------------


async def test_the_target_that_died_is_asked_first() -> None:
    """An error that a retry may get over: the same target goes on, with the unfinished turn and the cap reduced."""
    happened: list[Event] = []
    async with FakeProvider(HALF, model("Hello world, and good night.")) as first, FakeProvider() as second:
        targets = first.target("llamacpp"), second.target("llamacpp", model="b")
        async with Client(*targets, on_event=happened.append) as client:
            _, transcript = await taken(client, max_tokens=20, temperature=0)
        assert not second.requests
        again = first.requests[1].json
    assert transcript.text == "Hello world, and good night."
    assert again["messages"][-1] == {"role": "assistant", "content": "Hello wor"}
    assert (again["max_tokens"], again["temperature"]) == (18, 0)
    [fell_back] = [item for item in happened if isinstance(item, FellBack)]
    assert (fell_back.how, fell_back.method, fell_back.target) == ("continuation", "prefill", "llamacpp:fake-model")
    assert [attempt.usage is not None for attempt in transcript.attempts] == [False, True]


async def test_an_error_that_stays_goes_to_the_next_target() -> None:
    """No credit in the middle of an answer: the same target is not asked again."""
    broke = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    async with (
        FakeProvider([Text("Hello wor"), Sent(broke), CleanEnd()]) as first,
        FakeProvider(model("Hello world")) as b,
    ):
        async with Client(first.target("llamacpp"), b.target("openai")) as client:
            _, transcript = await taken(client)
        assert len(first.requests) == 1
        assert [seam.method for seam in transcript.seams] == ["replay"]
        async with Client(first.target("openai")) as client:
            with pytest.raises(QuotaExhausted):
                await client.complete("hi")


async def test_an_error_of_the_request_is_nobody_elses() -> None:
    """What neither a retry nor another target gets over is raised as it is."""
    wrong = ErrorEvent(400, "Unknown parameter")
    async with FakeProvider([Text("Hel"), wrong, CleanEnd()]) as first, FakeProvider() as second:
        async with Client(first.target("openai"), second.target("openai")) as client:
            with pytest.raises(Exception, match="Unknown parameter") as caught:
                await client.complete("hi")
        assert not second.requests
    assert type(caught.value).__name__ == "InvalidRequest"


async def test_every_continuation_counts() -> None:
    """A new break is a new continuation, each with its seam; then it is enough, and the error has all that came."""
    pieces = ("a ", "b ", "c ", "d ", "e ")

    def two_more(request: ReceivedRequest) -> Script:
        before = said_before(request) or ""
        rest = "".join(pieces)[len(before) :]
        return [Text(rest[:2]), Sleep(0.002), Cut()]

    async with FakeProvider(two_more) as provider, Client(provider.target("llamacpp")) as client:
        error, transcript, chunks = await interrupted(client, recovery=Recovery(max_continuations=3))
    assert transcript.text == "a b c d"
    assert len([chunk for chunk in chunks if isinstance(chunk, Seam)]) == len(transcript.seams) == 3
    assert len(transcript.attempts) == 4
    assert "stopped before its end" in error.message


async def test_retry_and_fallback_stand_behind_a_continuation() -> None:
    """A continuation that fails before its first content is retried, then sent to the next target that can do it."""
    async with FakeProvider(HALF, [Status(503)]) as first, FakeProvider(model("Hello world")) as second:
        targets = first.target("llamacpp"), first.target("openai"), second.target("llamacpp", model="b")
        async with Client(*targets, retry=QUICK) as client:
            _, transcript = await taken(client)
    tried = [attempt.target for attempt in transcript.attempts]
    assert tried == ["llamacpp:fake-model"] * 3 + ["llamacpp:b"]
    assert [(seam.source, seam.target) for seam in transcript.seams] == [("llamacpp:fake-model", "llamacpp:b")]
    assert transcript.text == "Hello world"


async def test_a_spent_retry_budget_pays_for_no_continuation() -> None:
    """The budget of the target that is asked pays; none left and nobody else: nothing is sent."""
    async with FakeProvider(HALF) as provider:
        async with Client(provider.target("openai"), budget=RetryBudget(ratio=0, reserve=0)) as client:
            error, _, _ = await interrupted(client)
        assert len(provider.requests) == 1
    assert error.gave_up == "budget"
    assert "budget" in error.message


async def test_a_hint_beyond_what_is_waited_for_skips_the_target() -> None:
    """A rate limit in mid-answer that asks for a minute too many: the next target goes on, now."""
    limited = {"error": {"message": "Rate limit reached, try again in 300s", "code": "rate_limit_exceeded"}}
    async with (
        FakeProvider([Text("Hello wor"), Sent(limited), CleanEnd()]) as first,
        FakeProvider(model("Hello world")) as b,
    ):
        async with Client(first.target("openai"), b.target("openai", model="b")) as client:
            _, transcript = await taken(client, deadline=50)
    assert transcript.text == "Hello world"
    assert (transcript.duration or 99) < 20


@pytest.mark.usefixtures("own_clock")
async def test_the_deadline_is_over_continuations_too() -> None:
    """One clock: a continuation ends with it, with what was delivered and nothing twice."""
    async with FakeProvider(HALF, [Text("Hello"), Stall()]) as provider, Client(provider.target("openai")) as client:
        stream = client.stream("hi", deadline=0.1)
        with pytest.raises(DeadlineExceeded):
            await stream.collect()
    assert (stream.transcript.outcome, stream.transcript.text) == ("deadline", "Hello wor")
    assert stream.transcript.target == "openai:fake-model"


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_what_lies_in_the_reader_is_compared_like_the_rest(how: str) -> None:
    """A stream that ends while a replay is compared: what had arrived of it is not delivered twice."""
    again = [Text("Hel"), Sleep(0.03), Text("lo wor", "ld"), Stall()]
    async with FakeProvider(HALF, again) as provider, Client(provider.target("openai")) as client:
        stream = client.stream("hi")
        assert [(await anext(stream)).text, (await anext(stream)).text] == ["Hello", " wor"]
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.02)
        if how == "cancel":
            task.cancel()
        else:
            stream.close()
        await asyncio.gather(task, return_exceptions=True)
        await provider.wait_closed(2)
    assert stream.transcript.text == "Hello wor"


# -- what stands in the way ---------------------------------------------------------------------


def thought(text: str, **more: Any) -> Step:
    """A piece of visible reasoning, in OpenAI's dialect."""
    return Sent({"choices": [{"index": 0, "delta": {"reasoning_content": text, **more}}]})


async def test_nothing_goes_on_across_a_tool_call() -> None:
    """A tool call had begun: no other request can go on there, not even from the start."""
    call = CallTool("weather", {"city": "Oslo"})
    methods: tuple[RecoveryMethod, ...] = ("prefill", "replay", "instruct", "restart")
    async with FakeProvider([Text("Let me see"), call, Sleep(0.002), Cut()]) as provider:
        async with Client(provider.target("llamacpp"), recovery=Recovery(methods=methods)) as client:
            error, _, _ = await interrupted(client)
        assert len(provider.requests) == 1
    assert "tool calls" in error.message


async def test_nothing_goes_on_across_signed_reasoning() -> None:
    """The signature is over one answer of one provider."""
    signed = {"candidates": [{"content": {"parts": [{"text": "Hm", "thought": True, "thoughtSignature": "abc"}]}}]}
    async with FakeProvider([Sent(signed), Text("Hello"), Sleep(0.002), Cut()]) as provider:
        async with Client(provider.target("gemini")) as client:
            await interrupted(client)
        assert len(provider.requests) == 1


async def test_a_model_cut_while_it_reasons_is_asked_again() -> None:
    """No word of the answer had come: other reasoning takes the place of the delivered one, at the next target too."""
    first = [thought("Hm, "), thought("the sky."), Sleep(0.002), Cut()]
    again = [thought("Let me think."), Text("It is blue"), End()]
    async with FakeProvider(first, first) as dies, FakeProvider(again) as lives:
        async with Client(dies.target("openai"), lives.target("deepseek")) as client:
            chunks, transcript = await taken(client)
    seams = [chunk for chunk in chunks if isinstance(chunk, Seam)]
    assert (transcript.reasoning, transcript.text, transcript.outcome) == ("Let me think.", "It is blue", "complete")
    assert [seam.restart for seam in seams] == [True]


async def test_an_ignored_prefill_is_not_joined() -> None:
    """A target that answers anew behind a short partial text is not believed; a replay that agrees goes on."""
    async with FakeProvider([Text("one two "), Sleep(0.002), Cut()], [Text("one two three"), End()]) as provider:
        async with Client(provider.target("llamacpp")) as client:
            _, transcript = await taken(client)
        assert len(provider.requests) == 3
    assert transcript.text == "one two three"
    assert [seam.method for seam in transcript.seams] == ["replay"]


@pytest.mark.parametrize("second", ["Hm, the sky.", "Hm, the sea."])
async def test_unsigned_reasoning_is_compared_like_text(second: str) -> None:
    """Visible reasoning was delivered, too: a replay has to agree with it, in whatever pieces."""
    first = [thought("Hm, "), thought("the sky."), Text("It is"), Sleep(0.002), Cut()]
    again = [*(thought(letter) for letter in second), Text("It", " is blue"), End()]
    async with FakeProvider(first, again) as provider, Client(provider.target("openai")) as client:
        if second == "Hm, the sea.":
            await interrupted(client, recovery=Recovery(max_continuations=1))
            return
        _, transcript = await taken(client)
    assert (transcript.reasoning, transcript.text) == ("Hm, the sky.", "It is blue")


async def test_a_text_behind_reasoning_can_be_prefilled() -> None:
    """The reasoning is over: the text goes on. While it lasts there is nothing to send."""
    first = [thought("Hm"), Text("It is"), Sleep(0.002), Cut()]
    async with FakeProvider(first, model("It is blue"), [thought("Hm"), Sleep(0.002), Cut()]) as provider:
        async with Client(provider.target("llamacpp"), recovery=Recovery(methods=("prefill",))) as client:
            _, transcript = await taken(client)
            await interrupted(client)
        assert len(provider.requests) == 3
    assert (transcript.reasoning, transcript.text) == ("Hm", "It is blue")


async def test_under_a_schema_the_answer_is_replayed() -> None:
    """Constrained decoding begins the object anew, so half an object is not prefilled."""
    whole = '{"city": "Oslo"}'
    async with FakeProvider([Text('{"city"'), Sleep(0.002), Cut()], model(whole)) as provider:
        async with Client(provider.target("llamacpp")) as client:
            _, transcript = await taken(client, output={"type": "object"})
    assert ([seam.method for seam in transcript.seams], transcript.text) == (["replay"], whole)


async def test_a_text_with_a_hole_is_not_compared() -> None:
    """max_transcript_bytes dropped the middle: what was delivered is not known any more."""
    async with FakeProvider([Text(*["word "] * 800), Sleep(0.01), Cut()]) as provider:
        async with Client(provider.target("llamacpp"), limits=Limits(max_transcript_bytes=1024)) as client:
            await interrupted(client)
        assert len(provider.requests) == 1


# -- the opt-in methods -------------------------------------------------------------------------

INSTRUCT = Recovery(methods=("instruct",), max_continuations=1)
BEGIN = "The sky is blue because of Ray"
WHOLE = BEGIN + "leigh scattering."
REPLIES: dict[str, tuple[str, bool]] = {
    "the rest": ("leigh scattering.", True),
    "with the last words": ("of Rayleigh scattering.", True),
    "with the last line": (WHOLE, True),
    "with half a word": ("Rayleigh scattering.", True),
    "a line break first": ("\n\nblue because of Rayleigh scattering.", True),
    "an echo": (BEGIN, False),
    "half an echo": ("The sky is", False),
    "a fresh start": ("The sky is blue, since light of short waves is scattered more.", False),
    "another fresh start": ("Blue light is scattered more than red light is.", False),
    "an apology": ("I apologize for the interruption! Rayleigh scattering.", False),
    "a preface": ("Sure, here is the rest: leigh scattering.", False),
    "another preface": ("Here's the continuation of my answer:\n\nleigh scattering.", False),
    "the words, not the letters": ("because  of  ray — to go on — leigh scattering, which is", False),
}


@pytest.mark.parametrize(("reply", "fits"), REPLIES.values(), ids=list(REPLIES))
async def test_a_reply_to_go_on_is_joined_only_where_it_goes_on(reply: str, fits: bool) -> None:
    """instruct: the overlap is dropped; an echo, a fresh start, an apology are told apart from a continuation."""
    second = [Text(*in_bits(reply, 5)), End()]
    async with FakeProvider([Text("The sky is blue", BEGIN[15:]), Sleep(0.002), Cut()], second) as provider:
        async with Client(provider.target("openai"), recovery=INSTRUCT) as client:
            if fits:
                _, transcript = await taken(client)
                assert transcript.text == WHOLE
            else:
                _, transcript, _ = await interrupted(client)
                assert transcript.text == BEGIN
        partial, order = provider.requests[1].json["messages"][-2:]
    assert partial == {"role": "assistant", "content": BEGIN}
    assert "'sky is blue because of Ray'" in order["content"]
    assert [seam.method for seam in transcript.seams] == ["instruct"] * fits


async def test_restart_takes_back_what_was_delivered() -> None:
    """A seam with restart, then the whole new answer; the transcript's views hold only that, its chunks have all."""
    second = [Text("Good", " day"), End()]
    async with FakeProvider(HALF, second) as provider, Client(provider.target("openai")) as client:
        chunks, transcript = await taken(client, recovery=Recovery(methods=("replay", "restart")))
    assert [chunk.text or chunk.type for chunk in chunks if chunk.type in ("text_delta", "seam")] == [
        "Hello", " wor", "seam", "Good", " day"]  # fmt: skip
    assert (transcript.text, transcript.delivered, transcript.outcome) == ("Good day", "Good day", "complete")
    assert [message.content for message in transcript.as_history()] == ["Good day"]
    assert "".join(chunk.text for chunk in transcript.chunks) == "Hello worGood day"
    assert [seam.restart for seam in transcript.seams] == [True]


async def test_until_the_restart_is_taken_the_old_text_is_what_was_delivered() -> None:
    """`delivered` is what the caller has in hand, also around a restart that lies ready."""
    async with FakeProvider(HALF, [Text("Good day"), End()]) as provider, Client(provider.target("openai")) as client:
        stream = client.stream("hi", recovery=Recovery(methods=("restart",)))
        while stream.transcript.text != "Good day":
            seen = (await anext(stream), stream.transcript.delivered)
        assert isinstance(seen[0], Seam)
        assert (await anext(stream)).text == stream.transcript.delivered == "Good day"


async def test_a_restart_without_content_takes_nothing_back() -> None:
    """An empty answer is no answer to put in the place of half a one."""
    async with FakeProvider(HALF, [End()]) as provider, Client(provider.target("openai")) as client:
        _, transcript, _ = await interrupted(client, recovery=Recovery(methods=("restart",), max_continuations=1))
    assert (transcript.text, transcript.seams) == ("Hello wor", ())


# -- what goes over the wire --------------------------------------------------------------------


async def test_a_provider_that_sends_the_beginning_again_is_known() -> None:
    """Mistral: the turn is marked as a prefix, and its answer begins with it, however short."""

    def mistral(request: ReceivedRequest) -> Script:
        assert request.json["messages"][-1] == {"role": "assistant", "content": "Hi", "prefix": True}
        return [Text("Hi", " there"), End()]

    async with FakeProvider([Text("Hi "), Sleep(0.002), Cut()], mistral) as provider:
        async with Client(provider.target("mistral")) as client:
            _, transcript = await taken(client)
    assert (transcript.text, transcript.seams[0].overlap) == ("Hi there", 3)


async def test_an_answer_in_one_piece_may_begin_with_its_turn() -> None:
    """llama.cpp streams the rest only, but sends an answer that was asked for in one piece with its beginning."""
    half, again = [Text("Hi "), Sleep(0.002), Cut()], [Text("Hi there"), End()]
    async with FakeProvider(half) as first, FakeProvider(again) as second:
        targets = first.target("openai"), second.target("llamacpp", stream=False)
        async with Client(*targets) as client:
            _, transcript = await taken(client)
    assert (transcript.text, [seam.method for seam in transcript.seams]) == ("Hi there", ["prefill"])


async def test_an_unfinished_turn_of_the_caller_grows() -> None:
    """The caller had begun the answer; what was delivered goes on in the same turn."""
    async with FakeProvider([Text(' "Oslo'), Sleep(0.002), Cut()], [Text('"}'), End()]) as provider:
        async with Client(provider.target("llamacpp")) as client:
            turns = [{"role": "user", "content": "JSON"}, {"role": "assistant", "content": '{"city":'}]
            transcript = await client.complete(turns)
        assert provider.requests[1].json["messages"][1:] == [{"role": "assistant", "content": '{"city": "Oslo'}]
    assert transcript.text == ' "Oslo"}'
