"""The pure part of recovery: texts meet without a character too many or too few, at every cut and in any pieces."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_stream.chunks import Chunk, Finished, ReasoningDelta, Seam, TextDelta, ToolCall, Usage
from resilient_stream.contract import Capabilities, Request
from resilient_stream.engine.recovery import METHODS, REFUSALS, Matcher, Partial, Splice
from resilient_stream.engine.recovery.beginnings import Overlap, objection
from resilient_stream.engine.recovery.joins import behind, split_end
from resilient_stream.engine.recovery.matchers import Instructed, Prefilled, Replayed, Restarted, Resumed
from resilient_stream.messages import Message, TextPart
from resilient_stream.policy import RecoveryMethod
from resilient_stream.target import Target

STOP = Finished("stop", "stop")
ABLE = Capabilities(prefill=True, native_resume=True)

words = st.text(st.sampled_from("ab \n\u0301👩🏽\u200d🚀🇳🇴中é\ufe0f.`"), max_size=40)
prose = st.lists(
    st.sampled_from(["The sky", " is", " blue", ",", "\n\n", "- ", "**bold**", " 👩\u200d🚀", " 🇳🇴", "中文"])
).map("".join)
texts = st.one_of(words, prose, st.text(max_size=40))
sizes = st.lists(st.integers(1, 7), min_size=1, max_size=5)


def pieces(text: str, lengths: list[int]) -> list[Chunk]:
    """The text in pieces of these lengths, in turn."""
    cut: list[Chunk] = []
    place = 0
    while place < len(text):
        length = lengths[len(cut) % len(lengths)]
        cut.append(TextDelta(text[place : place + length]))
        place += length
    return cut


def partial(*chunks: Chunk | str) -> Partial:
    """What was delivered."""
    return Partial.of([TextDelta(chunk) if isinstance(chunk, str) else chunk for chunk in chunks])


def spliced(matcher: Matcher, *chunks: Chunk, together: bool = False) -> tuple[str, list[Chunk], Splice]:
    """What a continuation adds: its text, all its chunks."""
    splice = Splice(matcher, "a:m", "b:m", "prefill", Partial.of([]))
    batches = [[*chunks, STOP]] if together else [[chunk] for chunk in (*chunks, STOP)]
    out = [chunk for batch in batches for chunk in splice.feed(batch)]
    out += splice.finish()
    return "".join(chunk.text for chunk in out), out, splice


@given(texts, st.data(), sizes, st.booleans())
def test_replay_is_exact_at_every_cut(text: str, data: st.DataObject, lengths: list[int], together: bool) -> None:
    """Whatever the cut and the pieces: what a replay adds is what was missing, with one seam in front."""
    cut = data.draw(st.integers(0, len(text)))
    added, out, splice = spliced(Replayed(partial(text[:cut])), *pieces(text, lengths), together=together)
    assert text[:cut] + added == text
    assert [chunk for chunk in out if isinstance(chunk, Seam)] == [out[0]] == [Seam("a:m", "b:m", "prefill", cut)]
    assert (out[-1], splice.refusal) == (STOP, None)


@given(texts, texts, sizes)
def test_replay_joins_nothing_that_differs(before: str, other: str, lengths: list[int]) -> None:
    """A second answer is joined if, and only if, it begins with the first; else it says where it stops to agree."""
    added, out, splice = spliced(Replayed(partial(before)), *pieces(other, lengths))
    if other.startswith(before):
        assert before + added == other
        return
    agreed = next((place for place, (a, b) in enumerate(zip(before, other, strict=False)) if a != b), len(other))
    assert splice.refusal is not None
    assert (out, splice.refusal.at) == ([], agreed)
    assert splice.refusal.contradicts


@given(texts, st.data(), sizes)
def test_prefill_is_exact_at_every_cut(text: str, data: st.DataObject, lengths: list[int]) -> None:
    """A model that goes on behind what it was shown gives the whole answer: no space, line or half character is
    doubled or lost, although the end of the delivered text was not sent."""
    delivered = partial(text[: data.draw(st.integers(0, len(text)))])
    if not METHODS["prefill"].can(request(), delivered, ABLE):
        return
    shown = METHODS["prefill"].ask(request(), delivered).messages[-1].text
    rest = text[len(shown) :]
    added, _, splice = spliced(Prefilled(delivered), *pieces(rest, lengths))
    if splice.refusal is None:
        assert delivered.text + added == text
    else:  # a rest that reads like the beginning of a text, without the space that a model goes on with
        assert splice.refusal.code in ("anew", "echo", "preface")
        assert not rest[:1].isspace() or letters(rest).startswith(letters(shown)[:8])


def letters(text: str) -> str:
    """What is left of a text without the marks in front of it, in small letters."""
    return re.sub(r"\A[\W_]*", "", text).casefold()


@given(texts, st.data(), sizes)
def test_prefill_echoed_is_exact_too(text: str, data: st.DataObject, lengths: list[int]) -> None:
    """A provider that is known to send the unfinished turn again in front."""
    delivered = partial(text[: data.draw(st.integers(0, len(text)))])
    if not METHODS["prefill"].can(request(), delivered, ABLE):
        return
    added, _, splice = spliced(Prefilled(delivered, echoes=True), *pieces(text, lengths))
    assert (delivered.text + added, splice.refusal) == (text, None)


@given(prose, st.data(), sizes)
def test_instruct_repeats_nothing(text: str, data: st.DataObject, lengths: list[int]) -> None:
    """A reply that says the last words again, from wherever, and goes on: joined exactly, or refused; never doubled."""
    delivered = partial(text[: data.draw(st.integers(0, len(text)))])
    if not METHODS["instruct"].can(request(), delivered, ABLE):
        return
    body = split_end(delivered.text)[0]
    start = data.draw(st.integers(0, len(body)))
    added, _, splice = spliced(Instructed(delivered), *pieces(text[start:], lengths))
    again = body[start:].lstrip()
    if splice.refusal is None and len(again) >= 6 and len(set(again)) >= 3 and text.count(again) == 1:
        assert delivered.text + added == text


@pytest.mark.parametrize(
    ("delivered", "answer"),
    [
        ("one two ", "one two three"),
        ("one two", "One, two, three."),
        ("1", "1, 2, 3"),
        ("The", "The sky is blue."),
        ("The sky is", "The sky was blue."),
        ("{", '{"a": 1}'),
        ('{"a": ', '{"a": 1}'),
        ("ha", "ha ha"),
        ("- one\n", "- one\n- two"),
        ("The sky is bl", "Sunlight is scattered."),
        ("It is blue because ", "Sunlight is scattered."),
        ("a b", "a"),
        ("It is", "Sure! Here is the rest of it: blue."),
        ("It is", "Continuing from where I stopped: blue."),
        ("中文", "中文字"),
        ("The sky", "\n\nThe sky is blue."),
        ("The sky is blue because air sc", "\nThe sky is blue because air scatters"),
        ("The sky is blue because air sc", "\u200bThe sky is blue because air scatters"),
        ("The sky is blue because air sc", "# The sky is blue because air scatters"),
        ("The sky is", " **The sky is** blue"),
        ("The sky is", "**THE SKY IS** blue"),
        ("Happy birthday to you,\n", "\nHappy birthday to you,\nHappy"),
        ("The", "Because of the air."),
        ("Git", "Hub is a site."),
        ("The sky", "Sure! Continuing: blue."),
        ("The sky", "\n\nSure, here is the rest: blue."),
        ("The sky", "sky is blue"),
        ("- ", "- one"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 99])
def test_a_target_that_begins_anew_is_not_joined(delivered: str, answer: str, size: int) -> None:
    """However little was delivered: an answer that starts over is refused, never put behind it."""
    added, out, splice = spliced(Prefilled(partial(delivered)), *pieces(answer, [size]))
    assert splice.refusal is not None
    assert (added, out) == ("", [])


@pytest.mark.parametrize(
    ("delivered", "rest"),
    [
        ("one two ", " three"), ("get", "ElementById(x)"), ("The sky is bl", "ue."), ("x = ", "1"), ("Hello", ""),
        ("It was late. ", "The cat slept."), ("Yes", ", sure."), ("I", "'m here."), ("The cat", " and the cat"),
        ("The sky", "\n\nis blue"),
        ("ha ha", " ha"), ("The", "rmal"), ("say", "ing so"), ("- one", "\n- two"),
        ("1.\n", "2."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 99])
def test_a_target_that_goes_on_is_joined(delivered: str, rest: str, size: int) -> None:
    """A doubt needs a reason: what does not read like a beginning is put behind what was delivered."""
    _, _, splice = spliced(Prefilled(partial(delivered)), *pieces(rest, [size]))
    assert splice.refusal is None


def test_the_first_letters_are_enough_to_go_on() -> None:
    """A text that cannot be a new beginning is not held back until more of it is known."""
    matcher = Prefilled(partial("The sky is"))
    assert matcher.take(TextDelta(" b")) == [TextDelta(" b")]
    assert Prefilled(partial("The sky is bl")).take(TextDelta("ue")) == [TextDelta("ue")]


def test_encrypted_reasoning_behind_the_delivered_part_is_delivered() -> None:
    """A replay swallows what was delivered and nothing behind it, an encrypted block of reasoning least of all."""
    sealed = ReasoningDelta("", None, "abc")
    _, out, _ = spliced(Replayed(partial("Hello")), TextDelta("Hello"), sealed, TextDelta(" world"))
    assert out[1:-1] == [sealed, TextDelta(" world")]
    assert partial("Hello", sealed).fixed


@pytest.mark.parametrize("together", [True, False])
def test_reasoning_alone_may_begin_anew(together: bool) -> None:
    """No word of the answer had come: other reasoning takes the place of the delivered part, announced by a restart."""
    matcher = METHODS["replay"].matcher(partial(ReasoningDelta("Let me see")), False)
    new = [ReasoningDelta("Let us "), ReasoningDelta("count"), TextDelta("One.")]
    _, out, splice = spliced(matcher, *new, together=together)
    assert out == [Seam("a:m", "b:m", "prefill", 0, restart=True), *new, STOP]
    assert splice.refusal is None


def test_the_same_reasoning_goes_on_without_a_restart() -> None:
    """A model that reasons in the same words again is joined where it was cut."""
    matcher = METHODS["replay"].matcher(partial(ReasoningDelta("Let me")), False)
    _, out, _ = spliced(matcher, ReasoningDelta("Let me see"), TextDelta("One."))
    assert out == [Seam("a:m", "b:m", "prefill", 0), ReasoningDelta(" see"), TextDelta("One."), STOP]


def test_an_answer_without_reasoning_takes_the_place_of_reasoning() -> None:
    """Another target may not reason at all, or less than was delivered."""
    matcher = METHODS["replay"].matcher(partial(ReasoningDelta("Let me see")), False)
    _, out, _ = spliced(matcher, ReasoningDelta("Let"), TextDelta("One."))
    assert out == [Seam("a:m", "b:m", "prefill", 0, restart=True), ReasoningDelta("Let"), TextDelta("One."), STOP]


def test_signed_reasoning_alone_begins_anew() -> None:
    """A signature cannot be delivered twice, so nothing is compared; a tool call or a text still forbids it."""
    signed = ReasoningDelta("Let me see", "S")
    matcher = METHODS["replay"].matcher(partial(signed), False)
    _, out, _ = spliced(matcher, signed, TextDelta("One."))
    assert out == [Seam("a:m", "b:m", "prefill", 0, restart=True), signed, TextDelta("One."), STOP]
    assert METHODS["replay"].can(request(), partial(signed), ABLE)
    assert not METHODS["replay"].can(request(), partial(signed, "One"), ABLE)
    assert not METHODS["replay"].can(request(), partial(signed, ToolCall(0, "1", "look", "{}", {})), ABLE)


def request(*messages: Message, **fields: object) -> Request:
    """A plain one."""
    given = messages or (Message(role="user", content="hi"),)
    return Request(messages=given, target=Target("llamacpp:m"), **fields)  # type: ignore[arg-type]


# -- the table ----------------------------------------------------------------------------------


def test_the_table_is_total() -> None:
    """Every method that a policy can name is a row, and every refusal has words."""
    assert set(METHODS) == set(get_args(RecoveryMethod))
    assert all(words.format(at=1) for words in REFUSALS.values())


@pytest.mark.parametrize("method", get_args(RecoveryMethod))
def test_a_method_is_used_only_where_the_model_can(method: RecoveryMethod) -> None:
    """Nothing works across a tool call but the provider's own resume, and that only where it has one."""
    row, fixed = METHODS[method], partial("Hi", ToolCall(0, "1", "look", "{}", {}))
    unable = Capabilities()
    assert row.can(request(), fixed, ABLE) is False
    assert row.can(request(), partial("Hi"), unable) is (method not in ("native", "prefill"))
    assert row.can(request(output={}), partial("Hi"), ABLE) is (method not in ("native", "prefill", "instruct"))
    assert row.can(request(), partial(" \n"), ABLE) is (method in ("replay", "restart"))


@pytest.mark.parametrize("method", ["prefill", "instruct"])
def test_the_cap_is_reduced_by_what_was_delivered(method: RecoveryMethod) -> None:
    """By the largest of three low guesses, and never below one token; a replay needs the whole cap."""
    ask = METHODS[method].ask
    assert ask(request(max_tokens=50), partial("a", "b", "c")).max_tokens == 47
    assert ask(request(max_tokens=50), partial("x" * 80)).max_tokens == 37
    assert ask(request(max_tokens=50), partial("a", Usage(output_tokens=12))).max_tokens == 38
    assert ask(request(max_tokens=50), partial("a", Usage(output_tokens=70))).max_tokens == 1
    assert ask(request(), partial("a")).max_tokens is None
    assert METHODS["replay"].ask(request(max_tokens=50), partial("a")).max_tokens == 50


def test_an_unfinished_turn_in_parts_grows() -> None:
    """The caller's own prefill may be a list of parts."""
    begun = Message(role="assistant", content=(TextPart(text="One"),))
    sent = METHODS["prefill"].ask(request(Message(role="user", content="Count"), begun), partial(", two ")).messages
    assert len(sent) == 2
    assert sent[-1].text == "One, two"


# -- the details --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delivered", "shown"),
    [
        ("Hello", "Hello"),
        ("Hello \n", "Hello"),
        ("Hello 👩\u200d", "Hello"),
        ("Hello 👩🏽\u200d", "Hello"),
        ("Hello 👩\u200d👧\u200d", "Hello"),
        ("Hello 👩\u200d🚀", "Hello 👩\u200d🚀"),
        ("Oslo 🇳", "Oslo"),
        ("Oslo 🇳🇴", "Oslo 🇳🇴"),
        ("🇳🇴🇸", "🇳🇴"),
        ("cafe", "cafe"),
        ("cafe\u0301", "cafe\u0301"),
    ],
)
def test_what_is_not_whole_is_kept_back(delivered: str, shown: str) -> None:
    """White space at the end, half an emoji and half a flag are not shown to the model."""
    assert split_end(delivered) == (shown, delivered[len(shown) :])


@pytest.mark.parametrize(
    ("kept", "lead", "joined"),
    [
        (" ", " ", ""),
        (" ", "  ", " "),
        (" ", "", ""),
        (" ", "\n\n", "\n\n"),
        ("\n", "\n\n", "\n"),
        ("\n\n", "\n", ""),
        ("\n\n", " ", ""),
        ("\n", "\n    ", "    "),
        ("\n    ", "\n    ", ""),
        (" \n", "\n\n  ", "\n  "),
    ],
)
def test_white_space_meets_white_space(kept: str, lead: str, joined: str) -> None:
    """What stands already is not repeated; what is more is added; what is less takes nothing back."""
    assert behind(kept, lead) == joined


@pytest.mark.parametrize(
    ("delivered", "rest", "whole"),
    [
        ("Hello wor", "ld", "Hello world"),
        ("Hello ", " world", "Hello world"),
        ("Hello ", "world", "Hello world"),
        ("|----------------", "----------------|", "|--------------------------------|"),
        ("1.\n", "\n2.", "1.\n2."),
        ("cafe", "\u0301 noir", "cafe\u0301 noir"),
        ("The cat sat there. ", "The dog lay.", "The cat sat there. The dog lay."),
        ("The sky is blue because", "The sky is blue because of", "The sky is blue because of"),
    ],
)
def test_prefill_takes_a_repetition_for_what_it_is(delivered: str, rest: str, whole: str) -> None:
    """A refrain, a rule and a stammer are the answer; the unfinished turn sent again is not."""
    added, _, splice = spliced(Prefilled(partial(delivered)), *pieces(rest, [3]))
    assert (delivered + added, splice.refusal) == (whole, None)


@pytest.mark.parametrize(
    ("delivered", "rest", "code"),
    [
        ("The sky is blue because", "The sky is blue because", "echo"),
        ("The sky is blue because", "The sky is blue, and here is why", "anew"),
        ("A family: 👩\u200d", " 👩 and", "half_character"),
    ],
)
def test_prefill_refuses_what_does_not_go_on(delivered: str, rest: str, code: str) -> None:
    """An echo and no more, a fresh start, half a character that stays half."""
    _, out, splice = spliced(Prefilled(partial(delivered)), *pieces(rest, [4]))
    assert splice.refusal is not None
    assert (out, splice.refusal.code) == ([], code)


@pytest.mark.parametrize(
    ("body", "gap", "reply", "code"),
    [
        ("Code:\n```py\nx = 1", "\n", "```py\nx = 2", "fence"),
        ("```py\nx = 1", "\n", "```\nThat is all.", None),
        ("```py\nx =", "", "```\n 1", "fence"),
        ("Here is code:", "\n", "```py\nx", None),
        ("He said (", "", "Well, no)", None),
        ("in the city of", " ", "Paris, they", None),
        ("in the city of", "", "Paris, they", "anew"),
        ("is blue.", "", "# The sky", "anew"),
        ("is blue", "", "... because", "anew"),
        ("Java", "", "script is", None),
        ("the end", "", "Okay, here you go", "preface"),
        ("the end", "", "Continuing from where I left off: x", "preface"),
        ("the answer is", " ", "sure to come", None),
        ("what is here", " ", "is what there is", None),
    ],
)
def test_a_reply_gives_itself_away(body: str, gap: str, reply: str, code: str | None) -> None:
    """Prefaces, reopened code blocks and sentences that cannot stand there, beside innocent ones."""
    assert objection(body, gap, reply) == code


def test_the_longest_overlap_counts() -> None:
    """Of two ways in which a reply says the end again, the longer one; single letters and patterns are chance."""
    for body, reply, length in [
        ("to be or not to be", "to be or not to be, that", 18),
        ("to be or not to be", "to be, that", 5),
        ("the sky is", "is blue", 2),
        ("the end", "done", 0),
        ("=======", "=======", 0),
    ]:
        overlap = Overlap(body)
        for letter in reply:
            overlap.feed(letter)
        assert (overlap.length, overlap.open) == (length, False), body


def test_reasoning_waits_for_the_text_that_it_belongs_to() -> None:
    """A prefilled model that thinks again first: nothing leaves until its text is known to go on."""
    matcher = Prefilled(partial("The sky is blue because"))
    assert matcher.take(ReasoningDelta("Hm")) == []
    assert matcher.take(TextDelta("The sky is bl")) == []
    assert matcher.take(TextDelta("ue, since")) == []
    assert matcher.refusal is not None
    added, out, _ = spliced(Prefilled(partial("The sky")), ReasoningDelta("Hm"), TextDelta(" is"))
    assert (added, [chunk.type for chunk in out]) == (" is", ["seam", "reasoning_delta", "text_delta", "finished"])


def test_a_tool_call_may_follow() -> None:
    """A continuation may go on with a tool call, in text's place or behind it."""
    call = ToolCall(0, "1", "look", "{}", {})
    for matcher in (Prefilled(partial("Let me see ")), Replayed(partial("Let me see "))):
        said = [TextDelta("Let me see ")] if isinstance(matcher, Replayed) else []
        _, out, splice = spliced(matcher, *said, call)
        assert ([chunk.type for chunk in out], splice.refusal) == (["seam", "tool_call", "finished"], None)


def test_counts_stand_behind_the_seam() -> None:
    """A count that came while nothing was decided leaves with the content, the last one only."""
    _, out, splice = spliced(Replayed(partial("Hi")), Usage(1), TextDelta("Hi"), Usage(2), TextDelta("!"))
    assert [chunk.type for chunk in out] == ["seam", "usage", "text_delta", "finished"]
    assert out[1] == splice.usage == Usage(2)


def test_a_provider_resumes_exactly_and_a_restart_must_bring_something() -> None:
    """Nothing is compared; but an empty answer takes the place of none."""
    assert spliced(Resumed(), TextDelta("x"))[0] == "x"
    assert spliced(Resumed())[1] == [Seam("a:m", "b:m", "prefill"), STOP]
    assert spliced(Restarted())[1] == []
