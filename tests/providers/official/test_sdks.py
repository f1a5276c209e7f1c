"""Our requests beside the official SDKs', for the same conversations, as a loopback server receives them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

import pytest

from resilient_stream import Client
from resilient_stream.testing import End, FakeProvider, ReceivedRequest, Text

from .conversations import CONVERSATIONS
from .sdks import SDKS, Sdk

# What the SDKs warn about among themselves is not ours.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

ANSWER = [Text('{"capital":{"name":"Bern","river":"Aare"},"others":[]}'), End()]
"""Of the shape that is asked for: the SDKs check it."""

PAIRS = [(name, conversation) for name, row in SDKS.items() for conversation in row.wanted]


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """The places in which two JSON values differ; a missing one is a difference where it stands."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in ours.keys() | theirs.keys():
            inner = f"{place}.{name}" if place else name
            if name in ours and name in theirs:
                yield from differences(ours[name], theirs[name], inner)
            else:
                yield inner
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{place}.{number}")
    elif ours != theirs or type(ours) is not type(theirs):
        yield place


@functools.cache
def compared(name: str) -> dict[str, set[str]]:
    """Where the requests of a row differ: path, headers and places in the body, for each conversation."""
    row = SDKS[name]
    pytest.importorskip(row.module, reason="needs the extra: sdks")
    with FakeProvider.in_thread(ANSWER) as provider:
        asyncio.run(ask_ours(provider, row))
        row.send(provider, list(row.wanted.values()))
        ours, theirs = provider.requests[: len(row.wanted)], provider.requests[len(row.wanted) :]
    return {
        conversation: differing(row, *pair)
        for conversation, pair in zip(row.wanted, zip(ours, theirs, strict=True), strict=True)
    }


async def ask_ours(provider: FakeProvider, row: Sdk) -> None:
    """All conversations of a row from us."""
    options = {"base_url": provider.url, **row.options} if row.provider == "azure" else row.options
    async with Client(provider.target(row.provider, model=row.model, **options)) as client:
        for conversation in row.wanted:
            asked = CONVERSATIONS[conversation].items()
            await client.complete(**{name: value for name, value in asked if name not in row.without})


def differing(row: Sdk, ours: ReceivedRequest, theirs: ReceivedRequest) -> set[str]:
    """What differs between two requests, as the row's provider reads them."""
    found = set(differences(row.normal(ours.json), row.normal(theirs.json)))
    found |= {name for name in row.headers if ours.headers.get(name) != theirs.headers.get(name)}
    return found if ours.path == theirs.path else found | {"path"}


@pytest.mark.parametrize(("name", "conversation"), PAIRS)
def test_we_send_what_the_official_sdk_sends(name: str, conversation: str) -> None:
    """The same path, key and JSON, but for what the row allows."""
    assert compared(name)[conversation] - SDKS[name].allowed.keys() == set()


@pytest.mark.parametrize("name", SDKS)
def test_every_difference_that_is_allowed_is_there(name: str) -> None:
    """The tables of allowed differences have no line that could go; an SDK may move on, and then this says so."""
    assert SDKS[name].allowed.keys() - set().union(*compared(name).values()) == set()


@pytest.mark.parametrize("name", SDKS)
def test_every_conversation_is_sent_or_said_to_be_left_out(name: str) -> None:
    """No row forgets one."""
    row = SDKS[name]
    assert row.wanted.keys() | row.left_out.keys() == CONVERSATIONS.keys()
    assert not row.wanted.keys() & row.left_out.keys()


def test_a_difference_is_found_wherever_it_is() -> None:
    """The comparison is not blind: values, types, lengths, and what only one side has."""
    ours = {"a": [1, {"b": 2}], "c": 1, "d": [1], "e": 0}
    theirs = {"a": [1, {"b": 3}], "d": [1, 2], "e": False, "f": None}
    assert set(differences(ours, theirs)) == {"a.1.b", "c", "d", "e", "f"}
