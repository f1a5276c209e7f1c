"""A provider's own resume, with a small provider that has one: where it broke is where it goes on."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import msgspec
import pytest

from resilient_stream import Client, QuotaExhausted, Recovery, Target
from resilient_stream.chunks import TextDelta
from resilient_stream.contract import Batch, Capabilities, Decoder, Endpoint, HttpRequest, Request, ResumePoint
from resilient_stream.providers import _OWN
from resilient_stream.providers.openai.chat import OpenAIChat
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.testing import (
    CallTool,
    CleanEnd,
    Cut,
    End,
    Event,
    FakeProvider,
    ReceivedRequest,
    Script,
    Sleep,
    Text,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

PIECES = ("The", " sky", " is", " blue", ".")


class ResumableDecoder:
    """Counts the text events of another decoder."""

    def __init__(self, inner: Decoder, begins: int) -> None:
        self._inner = inner
        self.resume_point = ResumePoint(response_id="r1", sequence=begins)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def feed(self, data: bytes) -> Batch:
        """Count, too."""
        batch = self._inner.feed(data)
        seen = self.resume_point.sequence + sum(type(chunk) is TextDelta for chunk in batch)
        self.resume_point = ResumePoint(response_id="r1", sequence=seen)
        return batch


class Resumable(OpenAIChat, frozen=True):
    """OpenAI's dialect, with a field that asks for an answer from event n on."""

    def capabilities(self, model: str) -> Capabilities:
        """It resumes."""
        return Capabilities(native_resume=True)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """With the field."""
        sent = super().encode(request, endpoint)
        if request.resume is None:
            return sent
        body = {**msgspec.json.decode(sent.body), "starting_after": request.resume.sequence}
        return msgspec.structs.replace(sent, body=msgspec.json.encode(body))

    def decoder(self, request: Request) -> Any:
        """Goes on counting where the other ended."""
        return ResumableDecoder(super().decoder(request), request.resume.sequence if request.resume else 0)


@pytest.fixture(autouse=True)
def resumable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider "resumable"."""
    module = ModuleType("resilient_stream.providers.resumable")
    module.ADAPTER = Resumable("resumable", HOSTS["openai"])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(_OWN, "resumable", ".resumable:ADAPTER")


def two_at_a_time(request: ReceivedRequest) -> Script:
    """From where it is asked for, two pieces; then the connection is lost, if there is more."""
    rest = PIECES[request.json.get("starting_after", 0) :]
    return [Text(*rest), End()] if len(rest) < 3 else [Text(*rest[:2]), Sleep(0.002), Cut()]


def target(provider: FakeProvider) -> Target:
    """It speaks OpenAI's dialect."""
    return Target("resumable:m", base_url=provider.base_url("openai"), api_key="k")


async def test_the_provider_goes_on_where_it_ended() -> None:
    """Each break is taken up after the last event that was decoded: exact, nothing compared, a seam each."""
    async with FakeProvider(two_at_a_time) as provider, Client(target(provider)) as client:
        transcript = await client.complete("hi")
    assert transcript.text == "".join(PIECES)
    assert [(seam.method, seam.overlap) for seam in transcript.seams] == [("native", 0)] * 2
    assert [request.json.get("starting_after") for request in provider.requests] == [None, 2, 4]


async def test_also_across_a_tool_call() -> None:
    """The one method that goes on behind one."""
    first = [Text("Hi"), CallTool("look", {}), Sleep(0.002), Cut()]
    async with FakeProvider(first, [End()]) as provider, Client(target(provider)) as client:
        transcript = await client.complete("hi")
    assert [seam.method for seam in transcript.seams] == ["native"]


async def test_only_at_the_target_that_died() -> None:
    """Another target does not have the answer: an error that this one does not get over ends it there."""
    gone = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    first = [Text("The", " sky"), Event(gone), CleanEnd()]
    async with FakeProvider(first) as one, FakeProvider(two_at_a_time, [Text(*PIECES), End()]) as other:
        async with Client(target(one), target(other), recovery=Recovery(methods=("native",))) as client:
            with pytest.raises(QuotaExhausted):
                await client.complete("hi")
        assert not other.requests
