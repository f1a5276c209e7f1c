"""Types that tests ask for, and a server that answers with texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from resilient_stream import Client
from tests.engine.scripted import Answer, ScriptedTransport, client_over

__all__ = ["BAD", "GOOD", "Stop", "Trip", "asking", "sent", "speaking"]


class Stop(BaseModel):
    """One place of a trip."""

    place: str
    nights: int


class Trip(BaseModel):
    """A trip."""

    title: str
    stops: list[Stop]


GOOD = json.dumps({"title": "Italy", "stops": [{"place": "Rome", "nights": 3}, {"place": "Pisa", "nights": 12}]})
BAD = json.dumps({"title": "Italy", "stops": [{"place": "Rome"}]})


def speaking(text: str, *, size: int = 8, reason: str = "stop", together: bool = False) -> Answer:
    """A streamed chat completion with this text, in one network read for each piece or in a single one."""
    events = list(_events(text, size, reason))
    return Answer(b"".join(events)) if together else Answer(*events)


def _events(text: str, size: int, reason: str) -> Iterator[bytes]:
    for start in range(0, len(text), size):
        yield _event({"delta": {"content": text[start : start + size]}})
    yield _event({"delta": {}, "finish_reason": reason})
    yield b"data: [DONE]\n\n"


def _event(choice: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, **choice}]}).encode()


def asking(*texts: str | Answer, targets: int = 1, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client whose requests are answered with these texts, in order."""
    answers = [speaking(text) if isinstance(text, str) else text for text in texts]
    return client_over(*answers, targets=targets, **options)


def sent(transport: ScriptedTransport, place: int = 0) -> dict[str, Any]:
    """The body of a request."""
    body: dict[str, Any] = json.loads(transport.requests[place].body)
    return body
