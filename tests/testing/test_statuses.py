"""A scripted status means in each dialect what the documents say that it means."""

from __future__ import annotations

import json

import pytest

from resilient_stream import Client, RetryPolicy, StreamError
from resilient_stream.classify.generic import GENERIC
from resilient_stream.kinds import ErrorKind
from resilient_stream.providers import adapter_for
from resilient_stream.testing import FakeProvider, Status
from resilient_stream.testing.dialects import DIALECTS

PROVIDERS = ("openai", "anthropic", "gemini", "bedrock", "cohere", "ollama", "azure", "mistral", "openai-responses",
             "gemini-interactions")  # fmt: skip
STATUSES = sorted({*GENERIC.statuses, 418, 500, 507} - {407, 499, 511, 598, 599})


def meant(status: int) -> ErrorKind:
    """What the table of statuses says; what is not in it goes by its hundred."""
    verdict = GENERIC.statuses.get(status)
    return verdict.kind if verdict else ErrorKind.INVALID_REQUEST if status < 500 else ErrorKind.SERVER_ERROR


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_body_of_a_status_has_its_kind(dialect: str, status: int) -> None:
    """The dialect's own names of errors lead to the same kind as the status alone."""
    body = DIALECTS[dialect].error(status, f"fake error {status}")
    adapter = adapter_for(dialect.removesuffix("-invoke"))
    assert adapter.classify(status, {}, json.dumps(body).encode()).kind == meant(status)


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503, 529])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_scripted_status_raises_its_kind(provider: str, status: int) -> None:
    """Over a socket, as a test of an application would script it."""
    async with FakeProvider([Status(status)]) as fake:
        async with Client(fake.target(provider), retry=RetryPolicy.off()) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hello")
    assert caught.value.kind == meant(status)
