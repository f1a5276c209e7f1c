"""Format `text`: what is sent, and when the body must not look whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pytest

from resilient_stream import ErrorKind, ReasoningDelta, Seam, TextDelta, TurnStarted
from resilient_stream.formats.text import TextWriter
from resilient_stream.formats.writer import Ending, Writer
from resilient_stream.outcome.transcript import Outcome
from tests.formats.samples import ITEMS, WHOLE, failure, written

RESTART = Seam("openai:a", "anthropic:b", "restart", 0, True)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.type)
def test_each_item_gives_its_text_and_nothing_else(item: Any) -> None:
    """The format is total over what a stream or a conversation yields."""
    writer: Writer = TextWriter()
    assert b"".join(writer.write([item])) == item.text.encode()


def test_each_piece_of_text_is_a_frame() -> None:
    """Pieces stay pieces, so that each is sent as it comes, and nothing else is sent for an empty one."""
    assert written(TextWriter(), [TextDelta("a"), TextDelta(""), TextDelta("é")]) == [b"a", "é".encode()]


def test_texts_of_two_turns_do_not_run_together() -> None:
    """An empty line stands between them, and none before the first or behind the last."""
    said = [
        TurnStarted(1),
        TextDelta("Let me see."),
        TurnStarted(2),
        TurnStarted(3),
        TextDelta("It is 20."),
        TextDelta(" Yes."),
    ]
    assert b"".join(written(TextWriter(), [*said, TurnStarted(4)])) == b"Let me see.\n\nIt is 20. Yes."


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_only_a_whole_answer_may_look_whole(outcome: Outcome) -> None:
    """After any other end the connection is to be broken off, also when somebody stopped the answer."""
    writer = TextWriter()
    assert writer.write([TextDelta("half")])
    assert not writer.cut
    assert writer.end(Ending(outcome)) == []
    assert writer.cut is (outcome != "complete")


@pytest.mark.parametrize(
    ("before", "cut", "body"),
    [([TextDelta("old")], True, b"old"), ([ReasoningDelta("hm")], False, b"new"), ([], False, b"new")],
)
def test_what_was_sent_cannot_be_taken_back(before: Sequence[Any], cut: bool, body: bytes) -> None:
    """A recovery that begins anew ends the body, unless no text was sent before it."""
    writer = TextWriter()
    assert b"".join(written(writer, [*before, RESTART, TextDelta("new")], WHOLE)) == body
    assert writer.cut is cut


def test_a_refusal_is_words() -> None:
    """The status is the kind's own, and the body what a person is to read."""
    refusal = TextWriter().refusal(failure(ErrorKind.RATE_LIMITED))
    assert refusal.status == 429
    assert refusal.headers["retry-after"] == "3"
    assert refusal.body == b"Rate limited: openai is limiting how fast you may send requests. It asks to wait 2.5 s.\n"


def test_a_seam_that_goes_on_changes_nothing() -> None:
    """Two targets wrote one text."""
    writer = TextWriter()
    assert written(writer, [TextDelta("un"), Seam("a:b", "c:d", "prefill", 2), TextDelta("broken")]) == [
        b"un",
        b"broken",
    ]
    assert not writer.cut


def test_half_a_surrogate_pair_does_not_end_the_answer() -> None:
    """It is replaced, since UTF-8 cannot have it."""
    assert TextWriter().write([TextDelta("a\ud83d")]) == [b"a?"]
