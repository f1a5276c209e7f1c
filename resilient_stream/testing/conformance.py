"""Checks whether a provider's adapter keeps the promises that the rest of the SDK relies on: `check_adapter`.

    def test_my_adapter():
        check_adapter(ADAPTER, whole_answer_as_bytes, text="Hello")

A rule here is one function and one sentence. It holds for every adapter, and each of ours is tested by it. No network
is needed, because an adapter is pure.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from ..chunks import Chunk, Finished
from ..contract import (
    Adapter,
    Capabilities,
    Decoder,
    Endpoint,
    HttpRequest,
    Outgoing,
    ProcessRequest,
    ReplayRequest,
    Request,
    WholeAdapter,
    WholeDecoder,
)
from ..failures import ErrorKind, Failure
from ..messages import Message
from ..target import Target
from ..wire.json_string import JsonString

__all__ = ["RULES", "check_adapter"]

KEY = "key-of-the-conformance-check"
PROMPT = "A prompt that the request has to carry."
GARBAGE = (b"\x00\xff\xfe", b"<html><body>Sign in</body></html>", b"{", b"data: {nope\n\n", b"\n" * 50)


def check_adapter(
    adapter: Adapter,
    answer: bytes,
    *,
    text: str,
    model: str = "model-x",
    endpoint: Endpoint | None = None,
    options: Mapping[str, Any] | None = None,
    whole: bytes | None = None,
) -> None:
    """Check an adapter against all `RULES`.

    answer: the body of a whole streamed answer, as it comes over the wire.
    text: the text of that answer.
    model: a name that the adapter takes.
    endpoint: for an adapter that needs more than an address and a key.
    options: the target's.
    whole: the body of the same answer in one piece, for an adapter that can ask for it (`Capabilities.whole`).
    Raises AssertionError with a line for each broken rule.
    """
    place = endpoint or Endpoint(base_url="https://provider.test", api_key=KEY, headers={"X-Own": "1"})
    case = _Case(adapter, answer, text, model, place, dict(options or {}), whole)
    broken = [f"{rule.__doc__} {problem}" for rule in RULES for problem in _problems(rule, case)]
    if broken:
        name = getattr(adapter, "name", adapter)
        raise AssertionError("\n".join([f"{name}: {len(broken)} broken rules", *(f"  - {line}" for line in broken)]))


@dataclass(slots=True)
class _Case:
    adapter: Adapter
    answer: bytes
    text: str
    model: str
    endpoint: Endpoint
    options: dict[str, Any] = field(default_factory=dict)
    whole: bytes | None = None

    def request(self, **fields: Any) -> Request:
        target = Target(f"{self.adapter.name}:{self.model}", **self.options)
        asked = {"messages": (Message(role="user", content=PROMPT),), "target": target}
        return Request(**{**asked, **fields})

    def read(self, pieces: list[bytes], **fields: Any) -> tuple[list[Chunk], Decoder]:
        decoder = self.adapter.decoder(self.request(**fields))
        chunks: list[Chunk] = []
        for piece in pieces:
            chunks += decoder.feed(piece)
            if decoder.failure is not None:
                return chunks, decoder
        return chunks + decoder.finish(), decoder

    def read_whole(self, pieces: list[bytes]) -> tuple[str, WholeDecoder]:
        """Return the text of an answer in one piece. The decoder says where its long texts are."""
        decoder = cast(WholeAdapter, self.adapter).whole_decoder(self.request(stream=False))
        early = [chunk for piece in pieces for chunk in decoder.feed(piece)]
        body = b"".join(pieces)
        texts = (chunk.text for chunk in early + decoder.finish())
        return "".join(_unfolded(text, body, decoder.spans) for text in texts), decoder


Rule = Callable[[_Case], Iterator[str]]


def _problems(rule: Rule, case: _Case) -> list[str]:
    try:
        return list(rule(case))
    except Exception as error:  # whatever an adapter raises is the finding
        return [f"It raised {type(error).__name__}: {error}"]


def _text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def _unfolded(text: str, body: bytes, spans: Mapping[str, tuple[int, int]]) -> str:
    return JsonString().feed(body[slice(*spans[text])]) if text in spans else text


# -- the rules: the docstring is what is said when one is broken ------------------------------


def names_itself(case: _Case) -> Iterator[str]:
    """An adapter has name, title, base_url, key_variables, url_variable, default_model and media_types."""
    wanted = {
        "name": str, "title": str, "base_url": str, "key_variables": tuple, "url_variable": str, "media_types": tuple,
    }  # fmt: skip
    for attribute, kind in wanted.items():
        if not isinstance(getattr(case.adapter, attribute, None), kind):
            yield f"{attribute} is not a {kind.__name__}."
    if not hasattr(case.adapter, "default_model"):
        yield "default_model is missing; None means that a target has to name one."


def says_what_it_can(case: _Case) -> Iterator[str]:
    """`capabilities(model)` gives Capabilities."""
    if not isinstance(case.adapter.capabilities(case.model), Capabilities):
        yield "It gives something else."


def encodes_the_same_twice(case: _Case) -> Iterator[str]:
    """`encode` is pure: the same request gives the same bytes, with the prompt in them."""
    first, second = (case.adapter.encode(case.request(), case.endpoint) for _ in range(2))
    if not isinstance(first, HttpRequest | ProcessRequest | ReplayRequest):
        yield "It gives neither an HttpRequest nor a ProcessRequest."
    elif first != second:
        yield "Two requests differ."
    elif PROMPT.encode() not in _content(first):
        yield "The prompt is not in the body."


def _content(sent: Outgoing) -> bytes:
    """Return the part of a request that the provider reads."""
    if isinstance(sent, ReplayRequest):
        return "".join(message.text for message in sent.messages).encode()
    return sent.body if isinstance(sent, HttpRequest) else sent.stdin


def keeps_the_key_to_itself(case: _Case) -> Iterator[str]:
    """The key is in a header (or the environment of a program) and nowhere else."""
    sent = case.adapter.encode(case.request(), case.endpoint)
    shown = repr(sent) + repr(case.endpoint)
    places = {"repr": shown, "body": _content(sent).decode()}
    if isinstance(sent, HttpRequest):
        places["url"] = sent.url
    yield from (f"It is in the {place}." for place, value in places.items() if KEY in value)


def sends_the_targets_headers(case: _Case) -> Iterator[str]:
    """The target's own headers are sent, over the adapter's."""
    sent = case.adapter.encode(case.request(), case.endpoint)
    if isinstance(sent, HttpRequest):
        yield from (f"{name} is missing." for name in case.endpoint.headers if name not in sent.headers)


def merges_extra_last(case: _Case) -> Iterator[str]:
    """`extra` is merged into a JSON body."""
    sent = case.adapter.encode(case.request(extra={"of_the_check": 1}), case.endpoint)
    if isinstance(sent, HttpRequest) and msgspec.json.decode(sent.body).get("of_the_check") != 1:
        yield "The field is not there."


def reads_the_answer(case: _Case) -> Iterator[str]:
    """A whole answer is read as whole, with its text, and Finished comes once and last."""
    chunks, decoder = case.read([case.answer])
    if decoder.failure is not None:
        yield f"It is a failure: {decoder.failure.kind}."
    if not decoder.done:
        yield "`done` is not set."
    if _text_of(chunks) != case.text:
        yield f"The text is {_text_of(chunks)!r}."
    ends = [place for place, chunk in enumerate(chunks) if isinstance(chunk, Finished)]
    if ends != [len(chunks) - 1]:
        yield f"Finished is at {ends} of {len(chunks)} chunks."


def reads_any_split(case: _Case) -> Iterator[str]:
    """An answer does not depend on how the network cut it."""
    whole = _text_of(case.read([case.answer])[0])
    for size in (1, 2, 3, 7, 16, 61, 250):
        pieces = [case.answer[place : place + size] for place in range(0, len(case.answer), size)]
        chunks, decoder = case.read(pieces)
        if _text_of(chunks) != whole or not decoder.done or decoder.failure is not None:
            yield f"In pieces of {size} bytes it is another one."


def takes_no_cut_for_whole(case: _Case) -> Iterator[str]:
    """A cut answer is never complete before its end marker, and is a failure of kind stream_interrupted or so."""
    half = [case.answer[:place] for place in range(len(case.answer) // 2)]
    for part in half:
        _, decoder = case.read([part])
        if decoder.done and decoder.failure is None:
            yield f"Cut after {len(part)} of {len(case.answer)} bytes it is complete."
            return
        if decoder.failure is None:
            yield f"Cut after {len(part)} of {len(case.answer)} bytes it is neither done nor a failure."
            return


def gives_the_beginning_of_a_cut(case: _Case) -> Iterator[str]:
    """The text of a cut answer is the beginning of the whole text."""
    chance = random.Random(1)
    for place in (chance.randrange(len(case.answer)) for _ in range(50)):
        said = _text_of(case.read([case.answer[:place]])[0])
        if not case.text.startswith(said):
            yield f"Cut after {place} bytes the text is {said!r}."


def finishes_once(case: _Case) -> Iterator[str]:
    """`finish` is idempotent, and nothing is read after the end."""
    _, decoder = case.read([case.answer])
    if decoder.finish() or decoder.feed(case.answer):
        yield "There were more chunks."


def never_raises(case: _Case) -> Iterator[str]:
    """A decoder never raises for what a server sends; it sets `failure`."""
    for garbage in (*GARBAGE, case.answer[: len(case.answer) // 3] + b"\x00\xff{]" + case.answer):
        _, decoder = case.read([garbage])
        if decoder.failure is None and not decoder.done:
            yield f"{garbage[:20]!r} is neither an answer nor a failure."


def bounds_an_event(case: _Case) -> Iterator[str]:
    """An event without an end is a failure of kind buffer_limit, not a full memory."""
    beginning = case.answer[: max(len(case.answer) // 4, 40)]
    head = beginning[: beginning.rfind(b"\n") + 1] if b"\n" in beginning else b""
    for start in (head + b'data: {"a": "', b'{"a": "'):
        _, decoder = case.read([start, *[b"x" * 1024] * 64], max_event_bytes=16 * 1024)
        if decoder.failure is not None and decoder.failure.kind in (ErrorKind.BUFFER_LIMIT, ErrorKind.PROTOCOL_ERROR):
            return
    yield "64 KiB were taken with a limit of 16."


def classifies_everything(case: _Case) -> Iterator[str]:
    """`classify` gives a Failure with the status for every answer there can be."""
    bodies = (b"", b"{}", b"[]", b"<html></html>", b"text", b'{"error": {"message": "no"}}', b"\xff\xfe", b"{")
    for status in (200, 302, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529):
        for body in bodies:
            found = case.adapter.classify(status, {}, body)
            if not isinstance(found, Failure):
                yield f"For {status} {body!r} it gives {found!r}."


def knows_the_common_statuses(case: _Case) -> Iterator[str]:
    """401 without a word is authentication, 429 rate_limited, 500 server_error; Retry-After is taken over."""
    if not case.adapter.key_variables and case.adapter.url_variable == "":
        return  # a program has no statuses
    wanted = {401: ErrorKind.AUTHENTICATION, 429: ErrorKind.RATE_LIMITED, 500: ErrorKind.SERVER_ERROR}
    for status, kind in wanted.items():
        found = case.adapter.classify(status, {"retry-after": "7"}, b"")
        if found.kind is not kind:
            yield f"{status} is {found.kind}."
        elif kind is ErrorKind.RATE_LIMITED and found.retry_after != 7:
            yield "Retry-After is lost."


# -- an answer in one piece, where the adapter has them and one is given ----------------------


def asks_for_one_piece(case: _Case) -> Iterator[str]:
    """`Request(stream=False)` asks for an answer in one piece: in the body, or at another address."""
    if not case.adapter.capabilities(case.model).whole:
        return
    streamed, whole = (case.adapter.encode(case.request(stream=stream), case.endpoint) for stream in (True, False))
    if streamed == whole:
        yield "It is the same request as for a stream."


def reads_the_whole_answer(case: _Case) -> Iterator[str]:
    """An answer in one piece says the same as its stream, however the network cut it."""
    if case.whole is None:
        return
    for size in (1, 7, 61, len(case.whole)):
        pieces = [case.whole[place : place + size] for place in range(0, len(case.whole), size)]
        said, decoder = case.read_whole(pieces)
        if decoder.failure is not None:
            yield f"In pieces of {size} bytes it is a failure: {decoder.failure.kind}."
        elif said != case.text or not decoder.done:
            yield f"In pieces of {size} bytes the text is {said!r}."


def gives_nothing_of_half_a_whole_answer(case: _Case) -> Iterator[str]:
    """A cut or damaged answer in one piece is a failure, and nothing of it is given."""
    if case.whole is None:
        return
    cuts = [case.whole[:place] for place in range(len(case.whole.rstrip()))]
    for body in (*cuts, *GARBAGE, case.whole[: len(case.whole) // 2] + b"]" + case.whole):
        said, decoder = case.read_whole([body])
        if said or decoder.done or decoder.failure is None:
            yield f"{body[-20:]!r} at its end, after {len(body)} of {len(case.whole)} bytes, it is taken for an answer."
            return


RULES: tuple[Rule, ...] = (
    names_itself, says_what_it_can, encodes_the_same_twice, keeps_the_key_to_itself, sends_the_targets_headers,
    merges_extra_last, reads_the_answer, reads_any_split, takes_no_cut_for_whole, gives_the_beginning_of_a_cut,
    finishes_once, never_raises, bounds_an_event, classifies_everything, knows_the_common_statuses,
    asks_for_one_piece, reads_the_whole_answer, gives_nothing_of_half_a_whole_answer,
)  # fmt: skip
"""Every rule, in the order in which they are checked."""
