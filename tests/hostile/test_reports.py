"""Whatever somebody writes into the store: what is no report is left out, and no size or depth of it harms."""

from __future__ import annotations

import random
from functools import partial

import msgspec
import pytest

from resilient_stream.fleet.report import LARGEST, MOST_TARGETS, Figures, Report, read, written
from tests.processor import seconds

GOOD = written(Report(process="p", targets=[Figures(target="openai:m", requests=1.5, first={3: 1})]))

pack = msgspec.msgpack.encode


def with_field(place: int, value: object) -> bytes:
    """A report with another value in one place of its only target."""
    version, process, (target,) = msgspec.msgpack.decode(GOOD)
    target[place] = value
    return pack([version, process, [target]])


RUBBISH = {
    "nothing": b"",
    "text": b"OK",
    "bytes": b"\xff\xc1\x00" * 50,
    "JSON": b'{"version": 1}',
    "another version": pack([2, "p", []]),
    "no list": pack({"version": 1, "process": "p", "targets": []}),
    "half": GOOD[: len(GOOD) // 2],
    "more behind it": GOOD + GOOD,
    "a long name": with_field(0, "x" * 1000),
    "no text": with_field(0, 5),
    "broken text": GOOD.replace(b"openai", b"op\xff\xfeai"),
    "not a number": with_field(5, float("nan")),
    "infinite": with_field(5, float("inf")),
    "negative": with_field(7, -1),
    "huge": with_field(7, 2**63),
    "a bucket that is none": with_field(9, {64: 1}),
    "a negative bucket": with_field(9, {-1: 1}),
    "many targets": pack([1, "p", [["openai:m"]] * (MOST_TARGETS + 1)]),
    "deep": b"\x93\x01\xa1p\x91" + b"\x91" * (LARGEST - 5),
    "deep behind what is known": b"\x94\x01\xa1p\x90" + b"\x91" * (LARGEST - 5),
    "a size that is not there": b"\xdd\xff\xff\xff\xff",
}


@pytest.mark.parametrize("what", RUBBISH)
def test_rubbish_is_left_out(what: str) -> None:
    """And what is good beside it is read."""
    assert read([RUBBISH[what], GOOD, RUBBISH[what]]) == read([GOOD])
    assert len(read([GOOD])) == 1


def test_a_later_version_may_add_fields() -> None:
    """What is behind the known fields is not read."""
    version, process, (target,) = msgspec.msgpack.decode(GOOD)
    assert read([pack([version, process, [[*target, "new"]], "new"])]) == read([GOOD])


def test_no_change_of_a_byte_raises() -> None:
    """5,000 records with a few bytes changed are read, or left out; each number stays within its bounds."""
    chance = random.Random(14)
    for _ in range(5000):
        record = bytearray(GOOD)
        for _ in range(chance.randint(1, 4)):
            record[chance.randrange(len(record))] = chance.randrange(256)
        for report in read([bytes(record)]):
            assert all(0 <= mine.requests <= 1e12 and 0 <= mine.in_flight <= 10**12 for mine in report.targets)


def test_as_many_as_are_read_take_a_bounded_time() -> None:
    """The most bytes that the store gives out, as one kind of rubbish or another."""
    for record in (b"\x93\x01\xa1p\x91" + b"\x91" * (LARGEST - 5), b"\x93\x01\xd9\xff" + b"x" * (LARGEST - 4)):
        assert read([record] * 256) == []
        assert seconds(partial(read, [record] * 256), soon=1) < 1
