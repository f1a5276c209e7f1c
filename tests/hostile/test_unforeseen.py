"""Whatever goes wrong inside, the caller gets an error of this library and the next target is still asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from resilient_stream import Client, Limits, RetryPolicy, StreamError, Target
from resilient_stream.chunks import TextDelta
from resilient_stream.classify.unforeseen import unforeseen
from resilient_stream.errors import ErrorKind
from resilient_stream.providers import adapter_for
from resilient_stream.providers.openai.chat import OpenAIChat
from tests.loopback import HEAD, Loopback, chat, delta, status

FAST = RetryPolicy(initial=0.001)


class Surprise(Exception):
    """An exception that no table knows."""


class _Decoder:
    """A decoder that gives one text and then meets what it cannot take."""

    failure = None
    done = False
    progress = 0
    model = response_id = None

    def __init__(self, gives: bool) -> None:
        self._gives = gives

    def feed(self, data: bytes) -> list[Any]:
        if self._gives:
            self._gives = False
            return [TextDelta("Hel")]
        raise Surprise("feed")

    def finish(self) -> list[Any]:
        raise Surprise("finish")


class Weak(OpenAIChat, frozen=True):
    """An adapter with a bug in one place. msgspec structs are frozen, so the place is part of the name."""

    def encode(self, request: Any, endpoint: Any) -> Any:
        if self.name == "weak-encode":
            raise Surprise("encode")
        return super().encode(request, endpoint)

    def decoder(self, request: Any) -> Any:
        return (
            _Decoder(self.name == "weak-late")
            if self.name in ("weak-decode", "weak-late")
            else super().decoder(request)
        )

    def classify(self, *values: Any, **more: Any) -> Any:
        if self.name == "weak-classify":
            raise Surprise("classify")
        return super().classify(*values, **more)


@pytest.fixture(autouse=True)
def weak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers called "weak-…" beside the known ones."""
    known = adapter_for

    def found(name: str) -> Any:
        host = known("openai").host._replace(title="Weak", keys=())  # type: ignore[attr-defined]
        return Weak(name, host) if name.startswith("weak-") else known(name)

    for module in ("engine.attempt", "call_options", "engine.middleware.buffered", "engine.middleware.recover"):
        monkeypatch.setattr(f"resilient_stream.{module}.adapter_for", found)


CASES: dict[str, tuple[ErrorKind, Callable[[], Any]]] = {
    "encode": (ErrorKind.CLIENT_CONFIG, lambda: chat("never")),
    "decode": (ErrorKind.PROTOCOL_ERROR, lambda: chat("never")),
    "classify": (ErrorKind.AUTHENTICATION, lambda: status(401, {"error": "?"})),
}


@pytest.mark.parametrize("place", CASES)
@pytest.mark.usefixtures("nothing_left")
async def test_an_unforeseen_exception_is_an_error_of_ours(place: str) -> None:
    """It is a StreamError of a known kind, with the exception behind it, and printable."""
    kind, script = CASES[place]
    async with Loopback(script(), script(), script()) as server, Client(_target(place, server), retry=FAST) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("Hi")
    assert caught.value.kind is kind
    assert isinstance(caught.value.__cause__, Surprise)
    assert caught.value.transcript is not None
    assert str(caught.value)


@pytest.mark.parametrize("place", CASES)
async def test_the_next_target_is_still_asked(place: str) -> None:
    """A fault that is perhaps of one target alone does not end the call."""
    _, script = CASES[place]
    async with Loopback(script(), script()) as bad, Loopback(chat("Hello")) as good:
        async with Client(_target(place, bad), good.target(), retry=RetryPolicy.off()) as client:
            answer = await client.complete("Hi")
    assert answer.text == "Hello"
    assert answer.attempts[-1].error is None


async def test_what_came_before_it_is_kept() -> None:
    """A decoder that fails in mid-answer fails the stream, and the text before it stays."""
    async with Loopback([HEAD, delta("Hel"), 0.005, delta("lo"), "stall"]) as server:
        async with Client(_target("late", server), retry=RetryPolicy.off()) as client:
            stream = client.stream("Hi")
            with pytest.raises(StreamError) as caught:
                await stream.collect()
    assert stream.transcript.text == "Hel"
    assert stream.transcript.outcome == "failed"
    assert caught.value.kind in (ErrorKind.PROTOCOL_ERROR, ErrorKind.STREAM_INTERRUPTED)


@pytest.mark.usefixtures("nothing_left")
async def test_a_decoder_that_fails_while_closing_keeps_nothing_open() -> None:
    """What arrived unread is decoded at the close; an exception there must not leave the connection open."""
    async with Loopback([HEAD, delta("Hel"), 0.003, delta("lo"), "stall"]) as server:
        async with Client(_target("late", server), retry=RetryPolicy.off()) as client:
            stream = client.stream("Hi")
            await anext(stream)
            await asyncio.sleep(0.01)  # the second piece arrives and is not read
            stream.close()
            assert stream.transcript.outcome == "abandoned"
            async with asyncio.timeout(10):
                await server.seen[0].left.wait()


async def test_a_fault_in_the_chain_itself_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what a link raises that stands outside of the attempt."""
    monkeypatch.setattr("resilient_stream.engine.middleware.retry._Plan.ended", _raise)
    limits = Limits(max_concurrency=1)  # a place has to be waited for, so there is a chain from the beginning
    async with Loopback(chat("Hello")) as server, Client(server.target(), limits=limits) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("Hi")
    assert isinstance(caught.value.__cause__, Surprise)
    assert caught.value.kind is ErrorKind.PROTOCOL_ERROR


async def test_what_a_users_own_link_raises_is_the_users() -> None:
    """A middleware of the user's may raise what it likes; it is not renamed."""

    async def link(request: Any, call: Any, call_next: Any) -> Any:
        raise Surprise("mine")
        yield []

    async with Loopback(chat("Hello")) as server, Client(server.target(), middlewares=[link]) as client:
        with pytest.raises(Surprise):
            await client.complete("Hi")


def _target(place: str, server: Loopback) -> Target:
    return Target(f"weak-{place}:m", base_url=server.url, api_key="k")


def _raise(*_: Any) -> None:
    raise Surprise("link")


def test_a_status_whose_body_is_lost_has_no_words() -> None:
    """The kind is that of the status, and nothing is said in the provider's name."""
    failure = unforeseen(ValueError("x"), status=500, sent=True)
    assert (failure.kind, failure.code, failure.detail) == ("server_error", "unexpected", "")
