"""The text of a growing answer is joined once, however often it is read."""

from __future__ import annotations

from typing import Any

from resilient_stream.chunks import Chunk, Seam, TextDelta
from resilient_stream.outcome.joined import JoinedText
from resilient_stream.outcome.transcript import Transcript


class Counting(list[Chunk]):
    """A list that counts the elements that were taken out of it in slices."""

    taken = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        self.taken += len(found) if isinstance(place, slice) else 1
        return found


def test_reading_after_each_chunk_looks_at_each_chunk_once_or_twice():
    """A thousand reads of a thousand chunks are two thousand looks, not half a million."""
    chunks, joined = Counting(), JoinedText()
    for number in range(1000):
        chunks.append(TextDelta(f"{number} "))
        assert joined.of(chunks, 0, len(chunks)).endswith(f" {number} " if number else "0 ")
    assert chunks.taken <= 2 * len(chunks)


def test_a_shorter_text_than_before_is_right_too():
    """What was delivered may be asked for after what was received."""
    chunks, joined = [TextDelta("a"), TextDelta("b"), TextDelta("c")], JoinedText()
    assert [joined.of(chunks, begins, count) for begins, count in [(0, 3), (0, 3), (0, 1), (1, 3), (0, 2)]] == [
        "abc", "abc", "a", "bc", "ab",
    ]  # fmt: skip


def test_a_text_read_all_along_is_that_of_one_read_at_the_end():
    """Through evened pieces and a restart, what a transcript says after each chunk is what it has."""
    read, unread = Transcript(limit=4096), Transcript(limit=4096)
    for number in range(2000):
        batch: list[Chunk] = [TextDelta(f"{number};")]
        if number == 700:
            batch.insert(0, Seam("openai:a", "openai:b", "replay", 0, True))
        for transcript in (read, unread):
            if number == 700:
                transcript._restart()
            transcript._receive(list(batch))
            transcript._weigh(len(batch[-1].text))
            transcript._ready.clear()
        assert read.text.endswith(f"{number};")
    assert read.text == unread.text
    assert read.delivered == unread.delivered
