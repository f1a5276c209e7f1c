"""Vertex AI: whose dialect, at which address, with what key; and where the token comes from."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import google.auth
import google.auth.exceptions
import pytest

from resilient_stream import Client, Message, RetryPolicy, StreamError, Target
from resilient_stream.chunks import TextDelta
from resilient_stream.contract import Endpoint, HttpRequest, Request
from resilient_stream.credentials import google as credentials
from resilient_stream.errors import Failure
from resilient_stream.providers.google.vertex import ADAPTER, Place, publisher_of
from resilient_stream.testing import FakeProvider, Status

PLACE = Place("my-project", "europe-west1")
HOST = "https://europe-west1-aiplatform.googleapis.com"


class Login:
    """What google-auth gives: a token, whether it is valid, and a way to a new one."""

    def __init__(self, valid: bool = True) -> None:
        self.valid = valid
        self.token = "first"
        self.refreshed: list[int] = []

    def refresh(self, request: object) -> None:
        """A new token; notes in which thread it was fetched."""
        self.refreshed.append(threading.get_ident())
        self.valid, self.token = True, f"token-{len(self.refreshed)}"


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No project, location or login of this machine is used."""
    for variable in (*credentials.PROJECTS, *credentials.LOCATIONS):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(credentials, "_found", {})


def encode(model: str, *, endpoint: Endpoint | None = None, **fields: Any) -> HttpRequest:
    """What a request becomes."""
    place = endpoint or Endpoint(base_url=HOST, api_key="t", credentials=PLACE, headers={"X-Team": "a"})
    request = Request(target=Target(f"vertex:{model}"), messages=(Message(role="user", content="hi"),), **fields)
    return ADAPTER.encode(request, place)


async def resolve(target: Target, key: str | None = None, base_url: str = "", attempt: int = 1) -> Endpoint | Failure:
    """What an attempt is sent with."""
    return await credentials.resolve(target, ADAPTER, base_url, key, attempt)


def test_gemini_is_asked_in_its_project_and_location() -> None:
    """Google's model under Google as publisher, with a bearer token and the target's own headers."""
    sent = encode("gemini-2.5-flash")
    path = "projects/my-project/locations/europe-west1/publishers/google/models/gemini-2.5-flash"
    assert sent.url == f"{HOST}/v1/{path}:streamGenerateContent?alt=sse"
    assert (sent.headers["Authorization"], sent.headers["X-Team"]) == ("Bearer t", "a")
    assert json.loads(sent.body)["contents"][0]["role"] == "user"


def test_claude_is_asked_without_its_name_in_the_body() -> None:
    """The model stands in the address, the version in the body."""
    sent = encode("claude-sonnet-4-5@20250929", extra={"top_k": 3})
    body = json.loads(sent.body)
    assert sent.url.endswith("/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict")
    assert (body["anthropic_version"], body["stream"], body["top_k"]) == ("vertex-2023-10-16", True, 3)
    assert "model" not in body


def test_an_api_key_needs_no_project() -> None:
    """The express mode: the key knows its project."""
    sent = encode(
        "gemini-2.5-flash", endpoint=Endpoint(base_url=HOST, api_key="k", credentials=Place("", "", express=True))
    )
    assert sent.url == f"{HOST}/v1/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert sent.headers["x-goog-api-key"] == "k"


@pytest.mark.parametrize(
    ("model", "publisher"),
    [
        ("gemini-2.5-pro", "google"),
        ("claude-haiku-4-5", "anthropic"),
        ("publishers/meta/models/llama-4", "meta"),
        ("projects/p/locations/l/publishers/anthropic/models/claude-x", "anthropic"),
    ],
)
def test_the_name_says_whose_dialect_it_is(model: str, publisher: str) -> None:
    """A model's dialect is found by the beginning of its name, or by its path."""
    assert publisher_of(model) == publisher


HELLO = {
    "claude": b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n',
    "gemini": b'data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]}}]}\n\n',
}


def test_each_dialect_has_its_own_decoder_and_abilities() -> None:
    """Prefill and the like are the model's, wherever it is asked."""
    request = Request(target=Target("vertex:claude-haiku-4-5"), messages=(Message(role="user", content="hi"),))
    assert ADAPTER.decoder(request).feed(HELLO["claude"]) == [TextDelta("Hello")]
    other = Request(target=Target("vertex:gemini-2.5-pro"), messages=request.messages)
    assert ADAPTER.decoder(other).feed(HELLO["gemini"]) == [TextDelta("Hello")]
    assert ADAPTER.capabilities("claude-3-5-haiku@20241022").prefill
    assert not ADAPTER.capabilities("gemini-2.5-pro").prefill


async def test_the_address_follows_the_location(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address has the location of the option or of the environment; by default it is global."""
    login = Login()
    found = await resolve(Target("vertex:m", credentials=login, project="p", location="us-east5"))
    assert isinstance(found, Endpoint)
    assert found.base_url == "https://us-east5-aiplatform.googleapis.com"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "by-environment")
    found = await resolve(Target("vertex:m", credentials=login))
    assert isinstance(found, Endpoint)
    assert (found.base_url, found.credentials) == (
        "https://aiplatform.googleapis.com",
        Place("by-environment", "global"),
    )


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-east5", "us-east5-aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
    ],
)
async def test_a_region_a_continent_and_the_world_have_their_hosts(location: str, host: str) -> None:
    """Each kind of location has the host that both official SDKs use."""
    found = await resolve(Target("vertex:m", credentials=Login(), project="p", location=location))
    assert isinstance(found, Endpoint)
    assert found.base_url == f"https://{host}"


async def test_a_token_is_used_until_it_is_no_longer_valid() -> None:
    """Refreshed when google-auth says so, and for an attempt after a failed one; never on the loop's thread."""
    login = Login()
    target = Target("vertex:m", credentials=login, project="p")
    tokens = []
    for attempt in (1, 1, 2):
        found = await resolve(target, attempt=attempt)
        assert isinstance(found, Endpoint)
        tokens.append(found.api_key)
    login.valid = False
    found = await resolve(target)
    assert isinstance(found, Endpoint)
    assert [*tokens, found.api_key] == ["first", "first", "token-1", "token-2"]
    assert threading.get_ident() not in login.refreshed


async def test_an_expired_token_is_refreshed_once() -> None:
    """A 401 with a login that can be refreshed is tried again with a new token, once."""
    login = Login()
    async with FakeProvider([Status(401)]) as provider:
        target = provider.target("gemini", base_url=provider.url)
        vertex = Target("vertex:gemini-2.5-flash", base_url=target.base_url, project="p", credentials=login)
        async with Client(vertex, retry=RetryPolicy(initial=0.001)) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
        sent = [request.headers["authorization"] for request in provider.requests]
    assert caught.value.kind == "authentication"
    assert sent == ["Bearer first", "Bearer token-1"]


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (google.auth.exceptions.DefaultCredentialsError("no"), "authentication", "no Google Cloud credentials"),
        (google.auth.exceptions.RefreshError("revoked secret"), "authentication", "RefreshError"),
        (google.auth.exceptions.TransportError("no route"), "connect_failed", "token server"),
    ],
)
async def test_no_token_is_an_error_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: str, said: str
) -> None:
    """google-auth's exceptions never leave; their words may hold secrets and are not shown."""

    def fails(**_: object) -> None:
        raise raised

    monkeypatch.setattr(google.auth, "default", fails)
    async with Client(Target("vertex:gemini-2.5-flash", project="p"), retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi")
    assert caught.value.kind == kind
    assert said in caught.value.message
    assert "secret" not in str(caught.value)


async def test_a_missing_project_or_package_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which variable to set or what to install."""
    found = await resolve(Target("vertex:m", credentials=Login()))
    assert isinstance(found, Failure)
    assert "GOOGLE_CLOUD_PROJECT" in found.facts["reason"]
    monkeypatch.setitem(sys.modules, "google.auth", None)
    found = await resolve(Target("vertex:m", project="p"))
    assert isinstance(found, Failure)
    assert "pip install 'resilient-stream[vertex]'" in found.facts["reason"]


async def test_a_key_is_the_express_mode() -> None:
    """No login is looked for where there is a key."""
    found = await resolve(Target("vertex:m"), key="k")
    assert isinstance(found, Endpoint)
    assert found.credentials.express
