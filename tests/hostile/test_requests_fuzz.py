"""Requests of random and mutated values, to every provider's encoder: refused in words, or made into bytes.

What a caller gives ends as a request, as StreamMisused, or as a StreamError that says what is not possible. It never
ends as an exception of msgspec, pydantic, json or Python.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from resilient_stream import Client, ImagePart, Message, StreamError, StreamMisused, TextPart
from resilient_stream.contract import Endpoint, HttpRequest
from resilient_stream.errors import ErrorKind
from resilient_stream.fitting.features import unsupported
from resilient_stream.fitting.signatures import for_its_target
from resilient_stream.providers import adapter_for, families_of
from tests.dialect_rules import check
from tests.test_history import WAYS, sent
from tests.testing.test_conformance import ENDPOINTS

SEED = 20260202
CASES = 6_000
REFUSALS = {ErrorKind.UNSUPPORTED_FEATURE, ErrorKind.CLIENT_CONFIG, ErrorKind.INVALID_REQUEST}
CLIENT = Client("openai:m")


def deep(levels: int, inside: Any = 1) -> Any:
    """Lists and objects in one another."""
    value = inside
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def circle() -> Any:
    """A list that is inside itself."""
    made: list[Any] = []
    made.append({"x": made})
    return made


ODD: tuple[Callable[[], Any], ...] = (
    lambda: None, lambda: True, lambda: 0, lambda: -1, lambda: 10**30, lambda: 1.5, lambda: math.nan, lambda: math.inf,
    lambda: "", lambda: " ", lambda: "\x00", lambda: "\ud83d", lambda: "\u2028\x1b[2J", lambda: "x" * 10_000,
    lambda: b"x", lambda: bytearray(b"x"), lambda: {1, 2}, object, lambda: Exception, list, dict, tuple,
    lambda: [None], lambda: {"": ""}, lambda: {1: 2}, lambda: {"type": "text"}, lambda: {"type": "file", "file": {}},
    lambda: {"type": "image_url", "image_url": 3}, lambda: {"type": "object"}, lambda: {"$ref": "#/$defs/x"},
    lambda: deep(50), lambda: deep(3_000), circle, lambda: iter(["x"]), lambda: (each for each in [USER]),
    lambda: Message(role="user", content="x"), lambda: TextPart(text="x"), lambda: ImagePart(url="data:,"),
    lambda: "{", lambda: "[]", lambda: "null", lambda: "auto", lambda: "tool", lambda: "assistant", lambda: "system",
    lambda: "data:image/png;base64,", lambda: "https://example.org/a.png", lambda: ImagePart.model_construct(url=""),
)  # fmt: skip
USER = {"role": "user", "content": "x"}

TEXTS = ("", " ", "\x00", "\ud83d", "\udc69\ud83d", "\u2028\x1b[2J", "x" * 70, "é", "{", "[]", "null", '{"a": NaN}',
         '{"a": "\\ud83d"}', "[" * 3_000, "none", "data:image/png;base64,", "s3://b/k.png", "#/$defs/A")  # fmt: skip
"""Texts in the place of other texts."""


def whole() -> dict[str, Any]:
    """A request with everything in it, to be broken."""
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"n": 1}'}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
    thought = {"type": "reasoning", "text": "Hm.", "signature": "s", "redacted": None, "signed_by": "anthropic:claude"}
    return {
        "prompt": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}, picture], "name": "me"},
            {"role": "assistant", "content": [thought, {"type": "text", "text": "x"}],
             "tool_calls": [call, {**call, "id": "c2"}]},
            {"role": "tool", "tool_call_id": "c2", "content": "2"},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "1"}, picture]},
            {"role": "developer", "content": "French."},
            {"role": "user", "content": "Go"},
        ],
        "system": "s",
        "tools": [
            {"type": "function", "function": {"name": "look", "description": "d", "parameters": {
                "type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}}},
            {"name": "other", "strict": True},
        ],
        "tool_choice": "auto",
        "output": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}},
        "max_tokens": 10, "temperature": 0.5, "top_p": 0.9, "stop": ["\n"], "seed": 1, "reasoning": "low",
        "extra": {"user": "u", "nested": {"a": [1]}}, "metadata": {"k": "v"},
    }  # fmt: skip


def places(value: Any, depth: int = 12) -> list[tuple[Any, Any]]:
    """The places in it, as a container and a key."""
    found: list[tuple[Any, Any]] = []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found.append((value, key))
        found += places(item, depth - 1) if depth else []
    return found


def mutate(dice: random.Random, given: dict[str, Any]) -> None:
    """One place of it replaced, removed, doubled, given another name, or swapped with another."""
    box, key = dice.choice(places(given))
    what = dice.randrange(10)
    if what > 5 and isinstance(box[key], str) and key not in ("role", "type", "tool_call_id", "id"):
        box[key] = dice.choice(TEXTS)
        return
    if what == 0:
        del box[key]
    elif what == 1 and isinstance(box, list):
        box.insert(key, box[key])
    elif what == 2 and isinstance(box, dict) and box is not given:
        box[dice.choice(["content", "type", "extra_field", "\ud83d", "arguments", "text"])] = box.pop(key)
    elif what == 3:
        other, place = dice.choice(places(given))
        box[key], other[place] = other[place], box[key]
    else:
        box[key] = dice.choice(ODD)()


def made(dice: random.Random) -> dict[str, Any]:
    """The options of a request: whole but for a few mutations, some options left out."""
    given = whole()
    for name in list(given):
        if name != "prompt" and dice.random() < 0.5:
            del given[name]
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        mutate(dice, given)
    return given


def outcome(given: dict[str, Any], target: Any) -> str:
    """What becomes of a request; an exception that is not ours leaves."""
    try:
        options = {name: value for name, value in given.items() if name != "prompt"}
        request = CLIENT.stream(given.get("prompt", ""), **options, to=target)._call.request
    except StreamMisused as error:
        return "misused" if len(str(error)) < 2_000 else "a complaint of many pages"
    adapter = adapter_for(target.provider)
    if unsupported(request, adapter.capabilities(request.model)) is not None:
        return "unsupported"
    place = ENDPOINTS.get(target.provider) or Endpoint(base_url=adapter.base_url or "http://localhost", api_key="key")
    try:
        sent = adapter.encode(for_its_target(request, families_of), place)
    except StreamError as error:
        return "refused" if error.kind in REFUSALS else f"refused as {error.kind}"
    if isinstance(sent, HttpRequest):
        json.loads(sent.body)
    return "sent"


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
@pytest.mark.parametrize("part", range(4))
def test_no_request_raises_what_is_not_ours(part: int) -> None:
    """Seeded, so a failure comes again: the number of the case and its seed are in the message."""
    counts: Counter[str] = Counter()
    for number in range(CASES // 4):
        seed = SEED + part * CASES + number
        dice = random.Random(seed)
        target = dice.choice(WAYS)
        try:
            counts[outcome(made(dice), target)] += 1
        except Exception as error:
            raise AssertionError(
                f"case {seed}, sent to {target}: {type(error).__name__}: {str(error)[:300]}"
            ) from error
    print(counts)
    assert counts.keys() <= {"misused", "unsupported", "refused", "sent"}
    assert counts["sent"] > 50
    assert counts["misused"] > 50


# -- conversations that are right -----------------------------------------------------------------

TALKS = 150
SAID = ("Yes.", "No: {}", " spaced ", "é\ud83d", "21", '{"a": 1}', "[1]", "x\x00y")


def talk(dice: random.Random) -> list[dict[str, Any]]:
    """A conversation as users and other programs write it: ids that come again, results in any order."""
    turns: list[dict[str, Any]] = [{"role": "system", "content": "s"}] * dice.randrange(2)
    turns.append({"role": "user", "content": "Hi"})
    for _ in range(dice.randrange(1, 5)):
        turns += dice.choice((_spoken, _called, _called))(dice)
        if dice.random() < 0.3:
            turns.append({"role": dice.choice(("system", "developer")), "content": "From now on, French."})
        if turns[-1]["role"] == "assistant" or dice.random() < 0.5:
            turns.append({"role": "user", "content": dice.choice(SAID)})
    return [*turns, {"role": "user", "content": "And now?"}]


def _spoken(dice: random.Random) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": dice.choice(SAID)}]


def _called(dice: random.Random) -> list[dict[str, Any]]:
    ids = [dice.choice(("call_0", "call_1", "functions.look:0", "x" * 90, "a")) for _ in range(dice.randrange(1, 4))]
    calls = [{"id": id, "function": {"name": "look", "arguments": "{}"}, "place": dice.choice((None, 0))} for id in ids]
    results = [{"role": "tool", "tool_call_id": id, "content": dice.choice(SAID)} for id in ids]
    dice.shuffle(results)
    thought = {"type": "reasoning", "text": "Hm.", "signature": "s", "signed_by": "anthropic:claude-opus-4-5"}
    said = {"type": "text", "text": dice.choice(SAID)}
    content = dice.choice(("", "Let me see.", [thought, said], [thought]))
    return [{"role": "assistant", "content": content, "tool_calls": calls}, *results]


@pytest.mark.parametrize("target", WAYS, ids=str)
def test_a_conversation_that_is_right_is_taken_everywhere(target: Any) -> None:
    """Every dialect's rules hold for what is sent: unique ids, results in order, turns that alternate."""
    for number in range(TALKS):
        given = talk(random.Random(SEED + number))
        request = CLIENT.stream(given, to=target)._call.request
        url, body = sent(target, request.messages)
        try:
            check(url, body)
        except AssertionError as error:
            raise AssertionError(f"talk {SEED + number}: {error}: {body.decode()[:1000]}") from error
