"""Every adapter keeps the rules, and the rules catch one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from resilient_stream.chunks import Chunk, TextDelta
from resilient_stream.contract import Endpoint
from resilient_stream.credentials.claude_code import Program
from resilient_stream.errors import ErrorKind, Failure
from resilient_stream.providers import adapter_for, known_providers
from resilient_stream.providers.google.vertex import Place
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.recording.format import Ending, Head, Line, lines_of
from resilient_stream.testing import RULES, check_adapter
from resilient_stream.testing.conformance import KEY
from resilient_stream.testing.dialects import DIALECTS, Said

TEXT = "Hello, wörld ☃"
PIECES = ("Hello", ", wö", "rld ☃")


def written(dialect: str) -> bytes:
    """A whole answer as the stand-in of a dialect writes it."""
    row, said = DIALECTS[dialect], Said(model="m")
    events = [*row.preamble(said)]
    for piece in PIECES:
        said.texts.append(piece)
        events += row.text(said, piece)
    return b"".join(row.frame(event, None) for event in (*events, *row.end(said, "stop")))


def in_one_piece(dialect: str) -> bytes:
    """The same answer to a request without streaming."""
    said = Said(model="m", texts=[*PIECES])
    return msgspec.json.encode(DIALECTS[dialect].whole(said, "stop"))


def cohere() -> bytes:
    """Cohere's events."""
    texts = [{"type": "content-delta", "delta": {"message": {"content": {"text": piece}}}} for piece in PIECES]
    events: list[dict[str, Any]] = [*texts, {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}]
    return b"".join(b"data: %b\n\n" % msgspec.json.encode(event) for event in events)


def claude_code() -> bytes:
    """What the program prints."""
    pieces = [{"type": "stream_event", "event": {"delta": {"type": "text_delta", "text": text}}} for text in PIECES]
    return "".join(json.dumps(line) + "\n" for line in (*pieces, {"type": "result", "subtype": "success"})).encode()


def replay() -> bytes:
    """A recorded answer of OpenAI's, as it is played back."""
    lines = (Line(head=Head("openai:m")), *lines_of(written("openai"), 400), Line(ended=Ending(how="end", after=1.0)))
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


ANSWERS: dict[str, Callable[[], bytes]] = {
    **dict.fromkeys((*HOSTS, "azure"), lambda: written("openai")),
    **dict.fromkeys((f"{host}-responses" for host in (*HOSTS, "azure")), lambda: written("openai-responses")),
    "ollama": lambda: written("ollama"),
    "anthropic": lambda: written("anthropic"),
    "bedrock": lambda: written("bedrock"),
    "gemini": lambda: written("gemini"),
    "gemini-interactions": lambda: written("gemini-interactions"),
    "cohere": cohere,
    "vertex": lambda: written("gemini"),
    "claude-code": claude_code,
    "replay": replay,
}
"""How a whole answer of each provider looks."""

WHOLE: dict[str, str] = {
    **dict.fromkeys((*HOSTS, "azure"), "openai"),
    **dict.fromkeys((f"{host}-responses" for host in (*HOSTS, "azure")), "openai-responses"),
    **{name: name for name in ("ollama", "anthropic", "bedrock", "gemini", "gemini-interactions", "cohere")},
    "vertex": "gemini",
}
"""Whose words a whole answer of each provider is in; who is not here has none."""

ENDPOINTS: dict[str, Endpoint] = {
    "vertex": Endpoint(base_url="https://provider.test", api_key=KEY, credentials=Place("project", "global")),
    "claude-code": Endpoint(base_url="", api_key=KEY, credentials=Program("/usr/bin/claude", None)),
}
"""Where an address and a key are not enough."""


@pytest.mark.parametrize("provider", known_providers())
def test_every_adapter_of_ours_keeps_the_rules(provider: str) -> None:
    """No provider is exempt; a new one without an answer here fails."""
    adapter, dialect = adapter_for(provider), WHOLE.get(provider)
    assert adapter.capabilities("m").whole is (dialect is not None)
    whole = in_one_piece(dialect) if dialect else None
    check_adapter(adapter, ANSWERS[provider](), text=TEXT, endpoint=ENDPOINTS.get(provider), whole=whole)


@pytest.mark.parametrize(
    ("provider", "dialect", "model", "options"),
    [
        ("bedrock", "bedrock-invoke", "anthropic.claude-x", {"api": "invoke"}),
        ("bedrock", "bedrock", "amazon.nova-x", {}),
        ("vertex", "anthropic", "claude-x", {}),
    ],
)
def test_a_providers_other_dialects_keep_them_too(
    provider: str, dialect: str, model: str, options: dict[str, Any]
) -> None:
    """Streamed and in one piece, chosen by an option or by the model's name."""
    check_adapter(
        adapter_for(provider), written(dialect), text=TEXT, model=model, endpoint=ENDPOINTS.get(provider),
        options=options, whole=in_one_piece(dialect),
    )  # fmt: skip


class Broken:
    """An adapter that does one thing wrong: what is given here is in place of the real one's."""

    def __init__(self, **wrong: Any) -> None:
        self.__dict__.update(wrong)

    def __getattr__(self, name: str) -> Any:
        return getattr(adapter_for("openai"), name)


class Eager:
    """A decoder that takes every end for a whole answer, and nothing twice the same."""

    failure: Failure | None = None
    done = False
    progress = 0

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def feed(self, data: bytes) -> Any:
        """As the real one does."""
        return self._inner.feed(data)

    def finish(self) -> Any:
        """Always whole."""
        self.done = True
        return self._inner.finish()


class Hasty:
    """A decoder of whole answers that gives what comes as it comes."""

    def __init__(self, request: Any) -> None:
        self.spans: dict[str, tuple[int, int]] = {}
        self.failure: Failure | None = None
        self.done = False

    def feed(self, data: bytes) -> list[Chunk]:
        """At once."""
        return [TextDelta(data.decode(errors="replace"))]

    def finish(self) -> list[Chunk]:
        """It was not all."""
        self.failure = Failure(kind=ErrorKind.STREAM_INTERRUPTED)
        return []


def leaks(request: Any, endpoint: Any) -> Any:
    """The key in the URL."""
    sent = adapter_for("openai").encode(request, endpoint)
    return msgspec.structs.replace(sent, url=f"{sent.url}?key={endpoint.api_key}", headers={})  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"title": None}, "title is not a str"),
        ({"capabilities": lambda model: {}}, "gives Capabilities"),
        ({"encode": leaks}, "It is in the url"),
        ({"encode": leaks}, "X-Own is missing"),
        ({"decoder": lambda request: Eager(adapter_for("openai").decoder(request))}, "it is complete"),
        ({"encode": lambda request, endpoint: adapter_for("openai").encode(replace(request, stream=True), endpoint)},
         "the same request as for a stream"),
        ({"whole_decoder": Hasty}, "In pieces of 1 bytes it is a failure"),
        ({"whole_decoder": Hasty}, "it is taken for an answer"),
        ({"classify": lambda *_: None}, "gives a Failure"),
        ({"classify": lambda *_: 1 / 0}, "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_a_broken_adapter_is_told_what_is_wrong(wrong: dict[str, Any], rule: str) -> None:
    """The rules are not blind, and each says in a sentence what it wants."""
    with pytest.raises(AssertionError, match=rule):
        check_adapter(
            Broken(**wrong),
            written("openai"),
            text=TEXT,
            whole=in_one_piece("openai"),  # type: ignore[arg-type]
        )


def test_another_text_is_noticed() -> None:
    """The answer that was given must say what it is said to say."""
    with pytest.raises(AssertionError, match="The text is"):
        check_adapter(adapter_for("openai"), written("openai"), text="Something else")


def test_each_rule_is_a_sentence() -> None:
    """The docstring of a rule is what is told when it is broken."""
    assert all(rule.__doc__ and rule.__doc__.endswith(".") for rule in RULES)
