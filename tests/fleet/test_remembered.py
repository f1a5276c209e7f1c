"""What is known by a key, in bounded memory, and from several threads."""

from __future__ import annotations

import threading
import time

from resilient_stream.fleet.remembered import Remembered


class SlowKey(str):
    """A key that lets other threads run whenever it is looked up."""

    def __hash__(self) -> int:
        time.sleep(0)
        return super().__hash__()


def test_threads_that_look_up_one_key_share_one_value() -> None:
    """Two values of one target would each be told a half of what happens there."""
    known: Remembered[SlowKey, object] = Remembered()
    found: list[object] = []

    def look_up() -> None:
        found.extend(known.of(SlowKey("a"), object) for _ in range(200))

    threads = [threading.Thread(target=look_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 800
    assert len(set(map(id, found))) == 1


def test_a_value_that_is_false_is_a_value() -> None:
    """It is not made anew."""
    known: Remembered[str, list[int]] = Remembered()
    assert known.of("a", list) is known.of("a", list)
