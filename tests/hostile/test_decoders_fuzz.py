"""Mutated answers of every dialect, streamed and in one piece: no exception, no read that takes long, nothing odd said.

A seed makes a run repeatable. For a long run, which takes two minutes:

    RESILIENT_STREAM_DECODER_FUZZ=200000 pytest -q -s tests/hostile/test_decoders_fuzz.py
"""

from __future__ import annotations

import base64
import collections
import itertools
import json
import os
import random
import re
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from resilient_stream import Message, Target, ToolCall
from resilient_stream.contract import Batch, Decoder, Request
from resilient_stream.providers import adapter_for
from resilient_stream.testing.dialects import DIALECTS, Called
from resilient_stream.testing.dialects.dialect import Said, sse
from resilient_stream.text.arguments import parse_arguments
from tests.processor import corrected
from tests.providers.recordings import aws_message

CASES = int(os.environ.get("RESILIENT_STREAM_DECODER_FUZZ", "3000"))
SEED = int(os.environ.get("RESILIENT_STREAM_DECODER_SEED", "1"))
SLOW = 0.1
"""Seconds of the processor's time for one read."""
CORPUS = Path(__file__).parents[1] / "data" / "answers"


class Seed(NamedTuple):
    """An answer to be mutated. decoder: a fresh one, with `raw` or not. frame: an event as bytes."""

    name: str
    decoder: Callable[[bool], Decoder]
    events: Sequence[Any]
    frame: Callable[[Any], bytes]


PROVIDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("openai", {}),
    "anthropic": ("anthropic", {}),
    "gemini": ("gemini", {}),
    "gemini-interactions": ("gemini-interactions", {}),
    "openai-responses": ("openai-responses", {}),
    "ollama": ("ollama", {}),
    "bedrock": ("bedrock", {}),
    "bedrock-invoke": ("bedrock", {"api": "invoke"}),
    "cohere": ("cohere", {}),
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {"claude-code": ("claude-code", {})}
FILES = {
    "anthropic-messages": "anthropic", "cohere": "cohere", "gemini": "gemini", "openai-chat": "openai",
    "gemini-interactions": "gemini-interactions", "openai-responses": "openai-responses", "ollama-chat": "ollama",
}  # fmt: skip


def _decoder(name: str, whole: bool) -> Callable[[bool], Decoder]:
    provider, options = {**PROVIDERS, **OTHERS}[name]
    adapter: Any = adapter_for(provider)
    messages = (Message(role="user", content="Hello"),)

    def made(raw: bool) -> Decoder:
        target = Target(f"{provider}:m", api_key="k", raw=raw, **options)
        request = Request(messages=messages, target=target, stream=not whole, max_event_bytes=200_000)
        decoder: Decoder = adapter.whole_decoder(request) if whole else adapter.decoder(request)
        return decoder

    return made


def _spoken(name: str) -> Iterator[Seed]:
    """A small answer, as the stand-in for a provider writes it: text and two calls."""
    dialect, said = DIALECTS[name], Said("m", usage_wanted=True)
    events = dialect.preamble(said)
    for piece in ("Hello", " w\u00f6rld \U0001f469", " and\n"):
        said.texts.append(piece)
        events += dialect.text(said, piece)
    for number, arguments in enumerate(('{"city": "Oslo", "days": [1, 2.5]}', "{}")):
        said.calls.append(Called(f"call_{number}", "weather", arguments))
        events += dialect.call(said, said.calls[-1])
    yield Seed(f"{name}, whole", _decoder(name, True), [dialect.whole(said, "tool_calls")], _json)
    yield Seed(name, _decoder(name, False), events + dialect.end(said, "tool_calls"), _framed(name))


def _json(event: Any) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()


def _framed(name: str) -> Callable[[Any], bytes]:
    """An event's bytes; one whose JSON was changed as text is framed as it is."""
    if name in ("ollama", "claude-code"):
        return lambda event: _json(event) + b"\n"
    if name.startswith("bedrock"):
        as_text = _invoked if name == "bedrock-invoke" else _conversed
        return lambda event: as_text(_json(event))
    return lambda event: b"data: %b\n\n" % event if isinstance(event, bytes) else sse(event)


def _invoked(event: bytes) -> bytes:
    return aws_message("chunk", b'{"bytes": "%b"}' % base64.b64encode(event))


def _conversed(event: bytes) -> bytes:
    found = re.fullmatch(rb'\{"(\w+)": (.*)\}', event, re.DOTALL)
    return aws_message(found[1].decode(), found[2]) if found else aws_message("contentBlockDelta", event)


def _recorded(file: str, name: str) -> Iterator[Seed]:
    """The answers of the corpus, in events."""
    for line in (CORPUS / f"{file}.jsonl").read_text().splitlines():
        row = json.loads(line)
        lines = [part.strip("\r").removeprefix("data: ") for part in str(row.get("body", "")).split("\n")]
        events = [json.loads(text) for text in lines if text.startswith("{") and text.endswith("}")]
        if events:
            yield Seed(f"{name}, {row['case']}", _decoder(name, False), events, _framed(name))


WRITTEN: Sequence[tuple[str, str, list[Any]]] = (
    ("bedrock-invoke", "Titan", [{"outputText": "a", "index": 0}, {"outputText": "b", "completionReason": "FINISH"}]),
    ("bedrock-invoke", "Llama", [{"generation": "a", "stop_reason": None}, {"generation": "", "stop_reason": "stop"}]),
    ("bedrock-invoke", "Mistral", [{"outputs": [{"text": "a"}]}, {"outputs": [{"text": "", "stop_reason": "stop"}]}]),
    ("bedrock-invoke", "Cohere", [
        {"text": "a", "is_finished": False}, {"is_finished": True, "finish_reason": "COMPLETE"},
    ]),
    ("bedrock-invoke", "Nova", [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "a"}, "contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}}, {"metadata": {"usage": {"inputTokens": 1}}},
    ]),
    ("bedrock-invoke", "DeepSeek", [
        {"choices": [{"text": "a", "stop_reason": None}]}, {"choices": [{"text": "", "stop_reason": "stop"}]},
    ]),
    ("claude-code", "a run", [
        {"type": "system", "model": "m", "session_id": "s"},
        {"type": "stream_event", "event": {"type": "content_block_delta", "delta": {"text": "a"}}},
        {"type": "assistant", "message": {"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"}},
        {"type": "result", "subtype": "success", "usage": {"input_tokens": 1}, "result": "a"},
    ]),
)  # fmt: skip
"""Dialects that no stand-in speaks."""


def _seeds() -> list[Seed]:
    spoken = [seed for name in PROVIDERS for seed in _spoken(name)]
    written = [Seed(f"{name}, {case}", _decoder(name, False), events, _framed(name)) for name, case, events in WRITTEN]
    return [*spoken, *written, *itertools.chain.from_iterable(_recorded(file, name) for file, name in FILES.items())]


# -- mutations --------------------------------------------------------------------------------

ODD: Sequence[Any] = (
    None, True, False, 0, -1, 2**63, 1e300, 0.5, "", " ", "x", "null", "\x00", [], {}, [None], [[]], {"": None},
    "error", {"text": "x"}, {"type": "text"}, ["x"], "[DONE]", "\ufffd", "\ufffe\ufdd0\ufdd0",
)  # fmt: skip
TEXTS = (
    b"1e999", b"-1e400", b"9" * 30, b"9" * 5_000, b'"\\ud83d"', b'"\\udc69x"', b'"\\u0000"', b"[" * 900 + b"]" * 900,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"[" * 100_000, b'"\xff"', b'"\xed\xa0\xbd"', b"NaN", b"-", b'"x', b"tru",
    b'{"a":1,"a":2}', b'"{\\"a\\": \\"\\\\ud83d\\"}"', b"0" * 100, b'"' + b"\\ud83d" * 300 + b'"',
)  # fmt: skip
EVENTS = (
    b"null", b"", b'""', b"0", b"[]", b"{}", b"[{}]", b"[DONE]", b"{", b"\xff", b"keep-alive",
    b'{"error": {"message": 1}}', b'{"error": "x"}', b'{"type": "error"}', b'{"message": "x"}',
    b'[{"error": {"code": 1e999}}]',
)  # fmt: skip
BYTES = (b"", b"\0", b"\xff", b'"', b"\n", b"\\", b"}", b"{")
MARK = "\u2603 here"


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield from _places(each, (*path, step))


def _changed(value: Any, path: tuple[Any, ...], new: Callable[[Any], Any]) -> Any:
    if not path:
        return new(value)
    step, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[step] = _changed(copy[step], tuple(rest), new)
    return copy


def _renamed(value: Any, dice: random.Random) -> Any:
    """An object with one field less, more, or under another name."""
    if not isinstance(value, dict) or not value:
        return dice.choice(ODD)
    fields = dict(value)
    name = dice.choice(list(fields))
    kept = fields.pop(name)
    if dice.random() < 0.6:
        fields[dice.choice((name + "x", "index", "type", "error", "text", "id", "delta"))] = kept
    return fields


def mutated_event(event: Any, dice: random.Random) -> Any:
    """One value somewhere in it changed: for an odd one, for odd JSON text, or a field gone."""
    if not isinstance(event, dict | list):
        return dice.choice(EVENTS)
    path = dice.choice(list(_places(event)))
    kind = dice.random()
    if kind < 0.4:
        return _changed(event, path, lambda _: dice.choice(ODD))
    if kind < 0.6:
        return _changed(event, path, lambda value: _renamed(value, dice))
    marked = json.dumps(_changed(event, path, lambda _: MARK)).encode()
    return marked.replace(json.dumps(MARK).encode(), dice.choice(TEXTS))


def mutated(events: Sequence[Any], dice: random.Random) -> list[Any]:
    """Events changed, dropped, doubled, moved, or with odd ones in between."""
    found = list(events)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3, 6))):
        place = dice.randrange(len(found))
        kind = dice.random()
        if kind < 0.6:
            found[place] = mutated_event(found[place], dice)
        elif kind < 0.7 and len(found) > 1:
            del found[place]
        elif kind < 0.8:
            found.insert(dice.randrange(len(found) + 1), found[place])
        elif kind < 0.9:
            found.insert(place, dice.choice(EVENTS))
        else:
            found.insert(dice.randrange(len(found)), found.pop(place))
    return found


def flipped(body: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, gone, or too many."""
    data = bytearray(body)
    for _ in range(dice.choice((0, 0, 0, 1, 2, 5))):
        place = dice.randrange(len(data) or 1)
        data[place : place + dice.choice((0, 1, 1, 8))] = dice.choice(BYTES)
    return bytes(data[: dice.randrange(len(data) + 1)] if dice.random() < 0.1 else data)


def split(body: bytes, dice: random.Random) -> Iterator[bytes]:
    """In one read, in some, or in very many."""
    if dice.random() < 0.05:
        return (body[at : at + 3] for at in range(0, min(len(body), 6_000), 3))
    cuts = sorted(dice.randrange(len(body) + 1) for _ in range(dice.choice((0, 0, 1, 2, 9))))
    return (body[a:b] for a, b in itertools.pairwise([0, *cuts, len(body)]) if a < b)


# -- what must hold ---------------------------------------------------------------------------


class Run:
    """One run of the fuzz: how reads went, and what was wrong."""

    def __init__(self) -> None:
        self.wrong: collections.Counter[str] = collections.Counter()
        self.ends: collections.Counter[str] = collections.Counter()
        self.slowest = 0.0
        self.first: dict[str, str] = {}

    def complain(self, what: str, seed: Seed, number: int) -> None:
        """Remember it, and the first case of its kind."""
        self.wrong[what] += 1
        self.first.setdefault(what, f"{seed.name}, case {number}")

    def timed(self, read: Callable[[], Batch], seed: Seed, number: int) -> Batch:
        """What a read gives, and how long it takes."""
        begin = time.thread_time()
        try:
            return read()
        except Exception as error:
            self.complain(f"{type(error).__name__}: {str(error)[:60]}", seed, number)
            return []
        finally:
            took = corrected(time.thread_time() - begin, SLOW)
            self.slowest = max(self.slowest, took)
            if took > SLOW:
                self.complain("slow", seed, number)

    def case(self, seed: Seed, number: int) -> None:
        """One answer, from its mutation to its end."""
        dice = random.Random(f"{SEED}-{number}")
        body = flipped(b"".join(map(seed.frame, mutated(seed.events, dice))), dice)
        decoder = seed.decoder(dice.random() < 0.3)
        chunks: Batch = []
        for read in split(body, dice):
            over = decoder.done or decoder.failure is not None
            batch = self.timed(lambda read=read: decoder.feed(read), seed, number)  # type: ignore[misc]
            if over and batch:
                self.complain("chunks after the end", seed, number)
            chunks += batch
        chunks += self.timed(decoder.finish, seed, number)
        self.judge(decoder, chunks, seed, number)

    def judge(self, decoder: Decoder, chunks: Batch, seed: Seed, number: int) -> None:
        """An end of one kind, texts that can be written down, and calls that are what their texts say."""
        if decoder.done == (decoder.failure is not None):
            self.complain("neither done nor failed, or both", seed, number)
        self.ends[str(decoder.failure.kind) if decoder.failure is not None else "done"] += 1
        if not all(name is None or type(name) is str for name in (decoder.model, decoder.response_id)):
            self.complain("a name that is no text", seed, number)
        try:
            repr(chunks).encode()
            f"{decoder.model}{decoder.response_id}{decoder.failure}".encode()
        except UnicodeEncodeError:
            self.complain("half a character", seed, number)
        for call in (chunk for chunk in chunks if isinstance(chunk, ToolCall)):
            runs = call.parsed is not None
            if runs and (not call.name or call.error or call.parsed != parse_arguments(call.arguments)):
                self.complain("a call that contradicts itself", seed, number)


def test_mutated_answers_raise_nothing_and_hold_nothing() -> None:
    """Every decoder ends every answer in one way, in time, with chunks that can be kept."""
    seeds, run = _seeds(), Run()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.monotonic()
    for number in range(CASES):
        run.case(seeds[number % len(seeds)], number)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    took = time.monotonic() - begin
    print(f"{CASES} cases of {len(seeds)} answers in {took:.0f} s; slowest read {run.slowest:.3f} s")
    print(f"memory grew by {grown} MiB at most; {dict(run.ends.most_common())}")
    assert {what: (count, run.first[what]) for what, count in run.wrong.items()} == {}
    assert grown < 150


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_answers_that_are_mutated_are_good_ones(name: str) -> None:
    """Without a mutation each is read to its end, with its text and its calls: else the fuzz would try nothing."""
    for seed in (seed for seed in _seeds() if seed.name in (name, f"{name}, whole")):
        decoder = seed.decoder(False)
        chunks = [*decoder.feed(b"".join(map(seed.frame, seed.events))), *decoder.finish()]
        assert (decoder.done, decoder.failure) == (True, None), seed.name
        assert "".join(chunk.text for chunk in chunks) == "Hello w\u00f6rld \U0001f469 and\n"
        assert [call.parsed for call in chunks if isinstance(call, ToolCall)][1] == {}
