"""Every recorded answer of every dialect: read whole, in pieces, cut, and the errors among them.

A test here holds for all dialects. What only one of them promises is in that dialect's own test.
"""

from __future__ import annotations

import bisect
import json
import random
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import pytest

from resilient_stream.chunks import Finished
from tests.providers.recordings import (
    CORRECTIONS,
    DIALECTS,
    Recording,
    differences,
    expected,
    odd_ones,
    read,
    recordings,
    splits,
)

SEED = 20260101
CUTS = 15
LONG = 4 * 1024
"""Bytes of a recording from which it is not read byte by byte all through, and cut at fewer places: a third of them
have most of all bytes, and say nothing else in their middle."""
ODD_ONES = 60
"""Of one event."""

_NOT_HERE = pytest.param(None, marks=pytest.mark.skip(reason="the shared recordings are not here"), id="none")


def _every(dialect: str, *, errors: bool) -> list[Recording]:
    return [recording for recording in recordings(dialect) if (recording.status >= 400) is errors]


def every_answer(test: Callable[[Recording], None]) -> Any:
    """Run a test over each answer of one dialect. Thousands of tests of a millisecond would take longer to begin than
    to run; what fails is named by its recording."""

    def over_a_dialect(dialect: str) -> None:
        wrong = [error for recording in _every(dialect, errors=False) for error in _errors(test, recording)]
        if wrong:
            raise ExceptionGroup(f"{test.__doc__} {len(wrong)} of its answers", wrong)

    over_a_dialect.__name__, over_a_dialect.__doc__ = test.__name__, test.__doc__
    return pytest.mark.parametrize("dialect", DIALECTS)(over_a_dialect)


def _errors(test: Callable[[Recording], None], recording: Recording) -> Iterator[Exception]:
    try:
        test(recording)
    except Exception as error:
        error.add_note(recording.name)
        yield error


REFUSALS = [
    pytest.param(recording, id=recording.name) for dialect in DIALECTS for recording in _every(dialect, errors=True)
]


@every_answer
def test_a_whole_answer_is_what_it_is_known_to_be(recording: Recording) -> None:
    """Text, reasoning, calls, finish reason and usage are those that were written down, or the provider's own SDK's."""
    reading = read(recording, [recording.body])
    assert differences(reading.answer, expected(recording)) == {}
    assert reading.complete is (reading.failure is None)


@every_answer
def test_the_end_comes_once_and_last(recording: Recording) -> None:
    """There is at most one Finished, nothing after it, and none in an answer that failed."""
    chunks = read(recording, [recording.body]).chunks
    finished = [place for place, chunk in enumerate(chunks) if isinstance(chunk, Finished)]
    assert finished in ([], [len(chunks) - 1])


@every_answer
def test_an_answer_does_not_depend_on_how_the_network_cut_it(recording: Recording) -> None:
    """Byte by byte and at random splits, the same bytes give the same answer, failures included."""
    whole = read(recording, [recording.body])
    ways = [_byte_by_byte(recording.body)]
    ways += [splits(recording.body, SEED + mean, mean) for mean in (17, 90, 700, 4000)]
    for pieces in ways:
        reading = read(recording, pieces)
        assert differences(reading.answer, whole.answer) == {}
        assert reading.done is whole.done


def _byte_by_byte(body: bytes) -> list[bytes]:
    """All of a short body, the ends of a long one."""
    begin, end = (len(body), len(body)) if len(body) < LONG else (LONG // 2, len(body) - LONG // 2)
    single = [body[place : place + 1] for place in (*range(begin), *range(end, len(body)))]
    return [*single[:begin], *([body[begin:end]] if begin < end else []), *single[begin:]]


@every_answer
def test_text_that_is_read_by_itself_is_the_text_that_the_decoder_reads(recording: Recording) -> None:
    """One event a read: what a decoder offers for single pieces of text gives the same answer, chunk for chunk."""
    events = re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", recording.body)
    quick, whole = recording.decoder(), recording.decoder()
    for event in events:
        lone = getattr(quick, "lone_text", None)
        assert ((lone is not None and lone.read(event)) or quick.feed(event)) == whole.feed(event)
    assert quick.finish() == whole.finish()
    assert (quick.failure, quick.done, quick.model) == (whole.failure, whole.done, whole.model)


@every_answer
def test_raw_events_change_nothing_else(recording: Recording) -> None:
    """With raw=True the answer is the same; there is only more beside it."""
    reading = read(recording, splits(recording.body, SEED, 300), raw=True)
    assert differences(reading.answer, read(recording, [recording.body]).answer) == {}


@every_answer
def test_a_cut_answer_never_claims_to_be_whole(recording: Recording) -> None:
    """Cut anywhere before the end marker it is not complete, and what was read is the beginning of the answer."""
    whole = read(recording, [recording.body]).answer
    for place in _cuts(recording):
        reading = read(recording, splits(recording.body[:place], SEED + place, 500))
        begun = reading.answer
        assert not reading.complete or ended(recording, place), f"complete after {place} bytes"
        assert whole.text.startswith(begun.text), f"other text after {place} bytes"
        assert whole.reasoning.startswith(begun.reasoning)
        assert [call for call in begun.calls if call not in whole.calls] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_server_can_make_a_decoder_raise(dialect: str) -> None:
    """A field of a wrong type, at any place of each kind of event, is a failure or nothing, never an exception."""
    shapes = {}
    for recording in _every(dialect, errors=False):
        shapes |= {_shape(event): (recording, event) for event in _samples(recording)}
    for recording, event in shapes.values():
        for odd in _some(odd_ones(event), ODD_ONES):
            decoder = recording.decoder(raw=True)
            for payload in (odd, event):
                decoder.feed(DIALECTS[dialect].frame(payload))
            decoder.finish()
            assert decoder.done or decoder.failure is not None, (recording.name, odd)


def _shape(value: object) -> Hashable:
    """The names and types of what is in an event."""
    if isinstance(value, dict):
        return tuple((name, _shape(inside)) for name, inside in value.items())
    return ("list", *dict.fromkeys(map(_shape, value))) if isinstance(value, list) else type(value)


def _some(found: Iterable[object], most: int) -> list[object]:
    """The first of them, which replace the outermost things, and others at random."""
    every = list(found)
    return every[: most // 2] + random.Random(SEED).sample(every[most // 2 :], min(most // 2, len(every[most // 2 :])))


def _samples(recording: Recording) -> list[object]:
    """Some events of a recording as JSON values, the last two among them."""
    dialect = DIALECTS[recording.dialect]
    found = [json.loads(data) for data in dialect.payload.findall(dialect.text(recording.body))]
    return random.Random(SEED).sample(found, min(2, len(found))) + found[-2:]


def _cuts(recording: Recording) -> list[int]:
    """Random places, the ends of the first events, and all around the end marker."""
    chance = random.Random(SEED)
    body = recording.body
    places = {chance.randrange(len(body)) for _ in range(CUTS if len(body) < LONG else CUTS // 5)}
    places |= {found.end() for found in list(re.finditer(rb"\r?\n\r?\n", body))[:10]}
    # The first place where the end marker is there: it stays from then on.
    end = bisect.bisect_left(range(len(body)), True, key=lambda place: ended(recording, place))
    return sorted(place for place in places | set(range(end - 25, end + 5)) if 0 <= place < len(body))


def ended(recording: Recording, place: int) -> bool:
    """Whether an end marker stands in the first `place` bytes."""
    dialect = DIALECTS[recording.dialect]
    return bool(dialect.ended.search(dialect.text(recording.body[:place])))


def test_every_correction_is_of_a_recording_and_still_needed() -> None:
    """The table of corrections has no line that could go."""
    found = (recording for dialect in DIALECTS for recording in recordings(dialect))
    known = {recording.name: recording for recording in found if "oracle" in recording.about}
    if not known:
        pytest.skip("the shared recordings are not here")
    unused = [
        name for name, (_, right) in CORRECTIONS.items() if name not in known or not _differs(known[name], right.keys())
    ]
    assert unused == []


def _differs(recording: Recording, names: Iterable[str]) -> bool:
    naive = DIALECTS[recording.dialect].oracle(recording)
    return differences(expected(recording), naive).keys() == set(names)


# -- errors -----------------------------------------------------------------------------------

KINDS_OF_CLASS = {
    "BadRequestError": {"invalid_request", "context_length_exceeded", "model_not_found", "authentication"},
    "AuthenticationError": {"authentication"},
    "NotFoundError": {"model_not_found", "unexpected_response"},
    "cohere": {"context_length_exceeded"},
    "RateLimitError": {"rate_limited", "quota_exhausted", "insufficient_funds"},
    "OverloadedError": {"provider_overloaded"},
    "SDKError 400": {"model_not_found"},
    "ResponseError 404": {"model_not_found"},
    "ValidationException 400": {"invalid_request"},
    "ClientError 400": {"authentication", "invalid_request"},
    "ClientError 401": {"authentication"},
    "ClientError 403": {"permission_denied", "authentication"},
    "ClientError 404": {"model_not_found", "unexpected_response"},
    "ClientError 429": {"rate_limited", "quota_exhausted"},
}
"""The SDKs' classes follow the status; ours, what the body says."""


@pytest.mark.parametrize("recording", REFUSALS or [_NOT_HERE])
def test_an_http_error_has_the_kind_of_the_official_class(recording: Recording) -> None:
    """A recorded error is classified within what the official SDK's class allows."""
    failure = recording.adapter.classify(recording.status, recording.headers, recording.body)
    name = recording.oracle["error"]["type"].rpartition(".")[2]
    allowed = KINDS_OF_CLASS.get(name) or KINDS_OF_CLASS[f"{name} {recording.status}"]
    assert failure.kind.value in allowed
    assert failure.status == recording.status
