"""`Transcript.as_history()`: whatever was received and however it ended, every provider accepts it back.

The recordings are cut at the end of each event and inside many; each history that differs in more than words is sent,
with the results of its calls and a user's turn after it, to every dialect there is, and held to that API's rules in
`dialect_rules.py`.
"""

from __future__ import annotations

import copy
import copyreg
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest

from resilient_stream import (
    Finished,
    Message,
    ReasoningDelta,
    ReasoningPart,
    Seam,
    Target,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
    Transcript,
)
from resilient_stream.chunks import Chunk, File, ServerToolCall, Source
from resilient_stream.contract import Endpoint, HttpRequest, Request
from resilient_stream.fitting.earlier_turns import with_fitting_turns
from resilient_stream.fitting.signatures import for_its_target
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for, families_of, known_providers
from tests.dialect_rules import check
from tests.providers.recordings import DIALECTS, Recording, recordings
from tests.test_values import transcript_of
from tests.testing.test_conformance import ENDPOINTS

# A decoder is copied at each cut, to see what it makes of the end there. msgspec's own are stateless and shared.
copyreg.pickle(msgspec.json.Decoder, lambda _: "shared")

SEED = 20260101
SAMPLE = 12
"""Cuts of a recording that is text alone."""

ALIKE = 10
"""Of the histories that differ from one that was sent in nothing but what their texts say, each tenth is sent, too."""

_SAYS = re.compile(
    r"""(text|content)=('(?:[^'\\]|\\.)*[^'\\\s](?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*[^"\\\s](?:[^"\\]|\\.)*")"""
)
"""A text that is not blank, as `repr` writes it."""

MODELS = {
    "anthropic": ("claude-sonnet-4-5", "claude-opus-4-7"),
    "bedrock": ("us.anthropic.claude-sonnet-4-5-v1:0", "us.amazon.nova-2-lite-v1:0"),
    "gemini": ("gemini-3-pro-preview", "gemini-2.5-pro"),
    "vertex": ("claude-sonnet-4-5", "gemini-3-pro-preview", "gemini-2.5-pro"),
}
MODELS["vertex"] = (*MODELS["anthropic"], *MODELS["gemini"])
"""Whose dialect depends on the model."""

SIGNERS = {"anthropic-messages": "anthropic:claude-sonnet-4-5", "gemini": "gemini:gemini-3-pro-preview"}
"""Who answered in a recording of this dialect."""


# -- what is sent -------------------------------------------------------------------------------


def _ways_to_send() -> list[Target]:
    """A target for each way of encoding: hosts that differ in nothing but their address are one."""
    found: dict[Any, Target] = {}
    for name in (name for name in known_providers() if name != "replay"):  # which sends nothing
        adapter = adapter_for(name)
        host = getattr(adapter, "host", None)
        for model in MODELS.get(name, ("some-model",)):
            key = (type(adapter), getattr(host, "call_id_length", None), getattr(host, "returns", None), model)
            found.setdefault(key, Target(f"{name}:{model}"))
    return list(found.values())


WAYS = _ways_to_send()


def sent(target: Target, messages: Iterable[Message]) -> tuple[str, bytes]:
    """The address and body of a request, as an attempt makes it."""
    adapter = adapter_for(target.provider)
    request = with_fitting_turns(for_its_target(Request(messages=tuple(messages), target=target), families_of), False)
    place = ENDPOINTS.get(target.provider) or Endpoint(base_url=adapter.base_url or "http://localhost", api_key="key")
    outgoing = adapter.encode(request, place)
    if isinstance(outgoing, HttpRequest):
        return outgoing.url, outgoing.body
    return outgoing.command[0], outgoing.stdin


def going_on(history: list[Message]) -> list[Message]:
    """The next request: the question, the answer, a result for each of its calls, and another question."""
    calls = [call for message in history for call in message.tool_calls]
    results = [Message(role="tool", tool_call_id=call.id, content="21 °C") for call in calls]
    return [Message(role="user", content="hi"), *history, *results, Message(role="user", content="And tomorrow?")]


# -- the recordings, cut ------------------------------------------------------------------------


def _transcript(recording: Recording, chunks: list[Chunk], *, whole: bool) -> Transcript:
    transcript = Transcript()
    transcript.target = SIGNERS.get(recording.dialect, f"{recording.provider}:some-model")
    transcript._receive(chunks)
    transcript._ready.clear()
    transcript._end("complete" if whole else "failed", None)
    return transcript


def _cut(recording: Recording, places: Iterable[int]) -> Iterator[tuple[int, Transcript]]:
    """What is received of a body that ends at each of these places, in order; at equal ones once."""
    decoder, chunks, fed = recording.decoder(), list[Chunk](), 0
    known: tuple[int, tuple[Chunk, ...], bool] | None = None
    for place in places:
        chunks += decoder.feed(recording.body[fed:place])
        fed = place
        ending = copy.deepcopy(decoder)
        rest = ending.finish()
        whole = ending.done and ending.failure is None
        state = (len(chunks), tuple(rest), whole)
        if state != known:
            yield place, _transcript(recording, [*chunks, *rest], whole=whole)
        known = state


def _has_more_than_text(recording: Recording) -> bool:
    decoder = recording.decoder()
    chunks = decoder.feed(recording.body) + decoder.finish()
    return any(isinstance(chunk, _MORE_THAN_TEXT) for chunk in chunks)


_MORE_THAN_TEXT = (ToolCall, ToolCallDelta, ReasoningDelta, Source, File, ServerToolCall)


def _places(recording: Recording) -> list[int]:
    """The end of each event and a place inside each third, or some of them when the recording is plain text."""
    dice = random.Random(recording.name)
    ends = [0, *_ends_of_events(recording), len(recording.body)]
    inside = [dice.randrange(start, end) for start, end in itertools.pairwise(ends) if start < end][::3]
    places = sorted({*ends, *inside})
    return places if _has_more_than_text(recording) else sorted(dice.sample(places, min(SAMPLE, len(places))))


def _ends_of_events(recording: Recording) -> list[int]:
    """After blank lines, after lines, or as AWS's frames say: their length stands in front."""
    body = recording.body
    if body[:1] == b"\0":
        ends = [0]
        while ends[-1] + 4 <= len(body):
            ends.append(ends[-1] + int.from_bytes(body[ends[-1] : ends[-1] + 4]))
        return [end for end in ends[1:] if end <= len(body)]
    lines = re.compile(rb"\n" if body[:1] == b"{" else rb"\r?\n\r?\n")
    return [found.end() for found in lines.finditer(body)]


ANSWERS = [recording for dialect in DIALECTS for recording in recordings(dialect) if recording.status < 400]


def _accepted(cuts: Iterable[tuple[Recording, Iterable[int]]]) -> Counter[str]:
    """Send each different history everywhere. Counts of what was done; AssertionError names the recording and cut."""
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    shapes: set[str] = set()
    for recording, places in cuts:
        places = list(places)
        counts["cuts"] += len(places)
        for place, transcript in _cut(recording, places):
            for calls in (None, True, False):
                history = transcript.as_history(calls=calls)
                key = repr(history)
                if key in seen:
                    continue
                seen.add(key)
                counts["histories"] += 1
                shape = _SAYS.sub(r"\1=said", key)
                if shape in shapes and counts["histories"] % ALIKE:
                    continue
                shapes.add(shape)
                counts["histories sent"] += 1
                counts["histories with calls"] += any(message.tool_calls for message in history)
                counts["histories with signed reasoning"] += "signed_by='" in key
                for target in WAYS:
                    try:
                        counts[f"accepted: {_sent_and_checked(target, history)}"] += 1
                    except AssertionError as error:
                        raise AssertionError(f"{recording.name} cut at {place}, sent to {target}: {error}") from error
    return counts


def _sent_and_checked(target: Target, history: list[Message]) -> str:
    url, body = sent(target, going_on(history))
    for signature, family in _signatures(history):
        assert family in target.name or signature.encode() not in body, "a signature of another family"
    return check(url, body)


def _signatures(history: list[Message]) -> Iterator[tuple[str, str]]:
    """Each proof, and what the name of a model has that takes it."""
    for message in history:
        for part in (*message.parts, *message.tool_calls):
            if signature := getattr(part, "signature", None):
                signer = getattr(part, "signed_by", None) or ""
                own = signer.partition(":")[0] + ":"
                alone = own.endswith(("-responses:", "-interactions:"))
                yield signature, own if alone else next((word for word in ("claude", "gemini") if word in signer), own)


def _show(counts: Counter[str]) -> None:
    print(*(f"{count:>8,}  {name}" for name, count in counts.items()), sep="\n")


def test_the_history_of_an_answer_cut_anywhere_is_accepted_everywhere() -> None:
    """At the end of every event and inside many: no cut answer gives a history that a provider would refuse."""
    counts = _accepted((recording, _places(recording)) for recording in ANSWERS)
    _show(counts)
    shared = any("oracle" in recording.about for recording in ANSWERS)
    assert counts["histories"] > (1000 if shared else 100)
    assert counts["histories with calls"] > (30 if shared else 15)
    assert counts["histories with signed reasoning"] > 5


@pytest.mark.slow
def test_the_same_all_through_the_bytes_of_the_answers_with_calls_or_reasoning() -> None:
    """Nothing is special about the ends of events: every third byte of the short ones, every 997th of the others."""
    chosen = [recording for recording in ANSWERS if _has_more_than_text(recording)]
    _show(_accepted((recording, _bytes_of(recording)) for recording in chosen))


def _bytes_of(recording: Recording) -> range:
    length = len(recording.body)
    return range(0, length + 1, 3 if length < 1000 else 997)


# -- what is kept -------------------------------------------------------------------------------

CALL = ToolCall(0, "a", "weather", '{"city":"Oslo"}', {"city": "Oslo"})
USED = Finished("tool_calls", "tool_use")


def ended(*chunks: Chunk, outcome: Any = "complete", limit: int = 1 << 20) -> Transcript:
    """A transcript of Claude's that received these and ended."""
    transcript = transcript_of(*chunks, limit=limit)
    transcript.target = SIGNERS["anthropic-messages"]
    transcript._end(outcome, None)
    return transcript


def calls_of(transcript: Transcript, calls: bool | None = None) -> list[str]:
    """The ids of the calls in its history."""
    return [call.id for message in transcript.as_history(calls=calls) for call in message.tool_calls]


@pytest.mark.parametrize(
    ("chunks", "outcome", "kept"),
    [
        ((CALL, USED), "complete", True),
        ((CALL, Finished("stop", "stop")), "complete", True),
        ((CALL,), "complete", True),
        ((CALL, USED), "abandoned", True),
        ((CALL,), None, True),
        ((CALL,), "failed", False),
        ((CALL,), "abandoned", False),
        ((CALL,), "deadline", False),
        ((CALL, Finished("length", "length", "output_truncated")), "complete", False),
        ((CALL, Finished("refusal", "refusal", "refusal")), "complete", False),
    ],
)
def test_a_call_is_kept_unless_its_answer_was_cut(chunks: tuple[Chunk, ...], outcome: Any, kept: bool) -> None:
    """Its results must be in the next turn, and of a call that was cut away with its answer nobody has any."""
    transcript = ended(TextDelta("Let me see."), *chunks, outcome=outcome)
    assert calls_of(transcript) == (["a"] if kept else [])
    assert calls_of(transcript, calls=True) == ["a"]
    assert calls_of(transcript, calls=False) == []
    assert [message.text for message in transcript.as_history()] == ["Let me see."]


@pytest.mark.parametrize("call", [ToolCall(0, "a", "f", '{"x"', None), ToolCall(0, "a", "", "{}", {})])
def test_half_a_call_is_never_kept(call: ToolCall) -> None:
    """No arguments that are no object, and no call without a name, even on demand."""
    assert calls_of(ended(TextDelta("x"), call, USED), calls=True) == []


def test_a_call_without_id_or_arguments_can_be_answered() -> None:
    """Some servers leave both out: it has an id of its own, and `{}`."""
    [message] = ended(ToolCall(3, "", "time", " ", {}), USED).as_history()
    assert [(call.id, call.arguments) for call in message.tool_calls] == [("call_3", "{}")]


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (TextDelta("  \n"),),
        (ReasoningDelta("Hm."), ReasoningDelta("", "sig")),
        (ReasoningDelta("Hm."),),
        (ToolCallDelta(0, "a", "f", '{"x'),),
    ],
)
def test_an_answer_that_says_nothing_is_no_message(chunks: tuple[Chunk, ...]) -> None:
    """Nothing, white space, reasoning alone: no provider takes a turn of that."""
    assert ended(*chunks, outcome="failed").as_history() == []


def test_signed_reasoning_stays_where_it_stood() -> None:
    """A block has its whole text and its proof, an encrypted one its data; what is unsigned is left out."""
    chunks = [
        ReasoningDelta("Let me "),
        ReasoningDelta("think."),
        ReasoningDelta("", "sig1"),
        ReasoningDelta("", None, "encrypted"),
        TextDelta("Well"),
        TextDelta(", "),
        ReasoningDelta("not signed"),
        TextDelta("yes."),
        ReasoningDelta("cut off"),
    ]
    [message] = ended(*chunks, outcome="failed").as_history()
    signer = SIGNERS["anthropic-messages"]
    assert message.content == (
        ReasoningPart(text="Let me think.", signature="sig1", signed_by=signer),
        ReasoningPart(redacted="encrypted", signed_by=signer),
        TextPart(text="Well, yes."),
    )


def test_geminis_signature_stands_behind_its_text() -> None:
    """It comes on an empty part of its own and goes back as one; a call keeps its own."""
    call = ToolCall(0, "a", "f", "{}", {}, "sig2")
    [message] = ended(TextDelta("Yes."), ReasoningDelta("", "sig1"), TextDelta(" And:"), call, USED).as_history()
    assert [type(part).__name__ for part in message.parts] == ["TextPart", "ReasoningPart", "TextPart"]
    assert message.tool_calls[0].signature == "sig2"
    assert message.tool_calls[0].signed_by == SIGNERS["anthropic-messages"]


def test_what_came_before_a_restart_is_void() -> None:
    """The consumer threw it away, and so does the history; a plain seam joins what is on both sides."""
    first, second = "anthropic:claude-sonnet-4-5", "gemini:gemini-2.5-pro"
    before = [ReasoningDelta("Hm.", "sig1"), TextDelta("Once "), CALL]
    after = [TextDelta("upon "), ReasoningDelta("", "sig2")]
    joined = ended(*before, Seam(first, second, "prefill"), *after)
    [message] = joined.as_history(calls=False)
    signers = [part.signed_by for part in message.parts if isinstance(part, ReasoningPart)]
    assert (message.text, signers) == ("Once upon ", [first, second])
    anew = ended(*before, Seam(first, second, "restart", restart=True), *after, Seam(second, first, "prefill"))
    [message] = anew.as_history()
    signers = [part.signed_by for part in message.parts if isinstance(part, ReasoningPart)]
    assert (message.text, signers, message.tool_calls) == ("upon ", [second], ())


def test_an_omitted_middle_is_marked_and_voids_the_proof_around_it() -> None:
    """Reasoning of which a part was dropped is no longer what was signed."""
    thoughts = [ReasoningDelta(f"thought {number} ") for number in range(300)]
    transcript = transcript_of(TextDelta("Well. "), *thoughts, limit=2000)
    transcript._weigh(10_000)  # of the wire
    transcript._receive([ReasoningDelta("", "sig"), TextDelta("Yes.")])
    [message] = transcript.as_history()
    assert len(transcript.chunks) < 200
    assert (message.content, transcript.omitted) == ("Well. Yes.", 0)
    texts = [TextDelta(f"{number:04d} ") for number in range(2000)]
    transcript = ended(*texts, ReasoningDelta("Hm.", "sig"), TextDelta("Yes."), limit=2000)
    [message] = transcript.as_history()
    assert f"[… {transcript.omitted} characters omitted …]" in message.text
    assert message.text == transcript.text
    assert [part.signature for part in message.parts if isinstance(part, ReasoningPart)] == ["sig"]


def test_a_restart_in_an_omitted_middle_is_not_forgotten() -> None:
    """Every seam is kept: without it, void text would pass for the answer."""
    texts = [TextDelta(f"{number:04d} ") for number in range(2000)]
    seam = Seam("a:m", "b:m", "restart", restart=True)
    transcript = ended(*texts[:500], seam, *texts[500:], limit=2000)
    assert transcript.seams == (seam,)
    assert transcript.as_history()[0].text.startswith("[… ")


# -- whose signature goes where -----------------------------------------------------------------

SIGNED_BY = (
    "anthropic:claude-sonnet-4-5", "gemini:gemini-3-pro", "openai-responses:gpt-5", "bedrock:us.deepseek.r1-v1:0",
    "openrouter-responses:anthropic/claude-opus-4.5", None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("target", "taken"),
    [
        ("anthropic:claude-opus-4-5", ["anthropic:claude-sonnet-4-5", None]),
        ("bedrock:us.anthropic.claude-opus-4-5-v1:0", ["anthropic:claude-sonnet-4-5", None]),
        ("bedrock:us.deepseek.r1-v1:0", ["bedrock:us.deepseek.r1-v1:0", None]),
        ("bedrock:us.amazon.nova-2-lite-v1:0", [None]),
        ("vertex:gemini-2.5-pro", ["gemini:gemini-3-pro", None]),
        ("openai-responses:gpt-5-mini", ["openai-responses:gpt-5", None]),
        ("openrouter-responses:anthropic/claude-sonnet-4.5", ["openrouter-responses:anthropic/claude-opus-4.5", None]),
        ("anthropic:kimi-k2", [None]),
    ],
)
def test_a_signature_goes_to_its_own_family(target: str, taken: list[str | None]) -> None:
    """A conversation may move to any target: what that one cannot verify stays at home, text and calls go along."""
    parts = tuple(ReasoningPart(text="Hm.", signature="s", signed_by=signer) for signer in SIGNED_BY)
    calls = tuple(
        {"id": str(place), "name": "f", "signature": "s", "signed_by": by} for place, by in enumerate(SIGNED_BY)
    )
    [message] = to_messages({"role": "assistant", "content": (*parts, TextPart(text="Yes.")), "tool_calls": calls})  # type: ignore[arg-type]
    request = for_its_target(Request(messages=(message,), target=Target(target)), families_of)
    kept = request.messages[0]
    assert [part.signed_by for part in kept.parts if isinstance(part, ReasoningPart)] == taken
    assert (kept.text, len(kept.tool_calls)) == ("Yes.", len(SIGNED_BY))
    assert [call.signed_by for call in kept.tool_calls if call.signature] == taken


def test_a_request_without_foreign_signatures_is_the_same_object() -> None:
    """The usual case costs a look at each message and no copy."""
    history = ended(TextDelta("Yes."), CALL, USED).as_history()
    request = Request(messages=tuple(going_on(history)), target=Target("gemini:gemini-2.5-pro"))
    assert for_its_target(request, families_of) is request


def test_a_history_survives_a_database() -> None:
    """Messages as plain dicts, through JSON, are the same messages: proofs and encrypted reasoning too."""
    chunks = [
        ReasoningDelta("Hm.", "s"),
        ReasoningDelta("", None, "e"),
        TextDelta("Yes."),
        msgspec.structs.replace(CALL, signature="c"),
    ]
    messages = tuple(going_on(ended(*chunks, USED).as_history()))
    stored = msgspec.json.encode([message.model_dump(mode="json") for message in messages])
    assert to_messages(msgspec.json.decode(stored)) == messages
