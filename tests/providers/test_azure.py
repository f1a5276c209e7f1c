"""OpenAI's dialects at Azure's addresses: where a request goes, with which key or token, and what is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import AuthenticationFailed, Client, PermanentError, RetryPolicy, Target
from resilient_stream.contract import Endpoint, Request, ResumePoint
from resilient_stream.credentials.endpoint import resolve
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for
from resilient_stream.providers.openai.azure import AzureAccess
from resilient_stream.testing import End, FakeProvider, Status, Text

RESOURCE = "https://res.openai.azure.com"
DATED = "2024-12-01-preview"


def sent(name: str, base_url: str, version: str | None = None, **fields: Any) -> Any:
    """The request that leaves for a deployment."""
    endpoint = Endpoint(base_url=base_url, api_key="secret", credentials=AzureAccess(api_version=version))
    request = Request(messages=to_messages("hi"), target=Target(name), **fields)
    return adapter_for(name.partition(":")[0]).encode(request, endpoint)


@pytest.mark.parametrize(
    ("name", "base_url", "version", "url"),
    [
        ("azure:dep", RESOURCE, None, f"{RESOURCE}/openai/v1/chat/completions"),
        ("azure:dep", RESOURCE, DATED, f"{RESOURCE}/openai/deployments/dep/chat/completions?api-version={DATED}"),
        ("azure:dep", RESOURCE, "preview", f"{RESOURCE}/openai/v1/chat/completions?api-version=preview"),
        ("azure:dep", f"{RESOURCE}/openai/v1", None, f"{RESOURCE}/openai/v1/chat/completions"),
        # The v1 API refuses a dated version, which the environment may have for something else.
        ("azure:dep", f"{RESOURCE}/openai/v1", DATED, f"{RESOURCE}/openai/v1/chat/completions"),
        ("azure:dep", f"{RESOURCE}/openai", DATED,
         f"{RESOURCE}/openai/deployments/dep/chat/completions?api-version={DATED}"),
        ("azure:x", f"{RESOURCE}/openai/deployments/dep", DATED,
         f"{RESOURCE}/openai/deployments/dep/chat/completions?api-version={DATED}"),
        ("azure:x", "https://res.services.ai.azure.com/models", DATED,
         f"https://res.services.ai.azure.com/models/chat/completions?api-version={DATED}"),
        ("azure-responses:dep", RESOURCE, None, f"{RESOURCE}/openai/v1/responses"),
        ("azure-responses:dep", RESOURCE, DATED, f"{RESOURCE}/openai/responses?api-version={DATED}"),
    ],
)  # fmt: skip
def test_where_a_request_goes(name: str, base_url: str, version: str | None, url: str) -> None:
    """A resource's address and a version become the deployment's or the v1 API's; other paths are taken as they are."""
    assert sent(name, base_url, version).url == url


def test_the_body_is_openais_with_the_deployment_as_the_model() -> None:
    """Nothing is said differently, except to old API versions, which know no `stream_options`."""
    body = json.loads(sent("azure:dep", RESOURCE, DATED).body)
    assert (body["model"], body["stream_options"]) == ("dep", {"include_usage": True})
    assert "stream_options" not in json.loads(sent("azure:dep", RESOURCE, "2024-06-01").body)


def test_a_resumed_answer_keeps_both_queries() -> None:
    """The version goes behind what the resume asks for."""
    resumed = sent("azure-responses:dep", RESOURCE, DATED, resume=ResumePoint(response_id="r", sequence=3))
    assert resumed.url == f"{RESOURCE}/openai/responses/r?stream=true&starting_after=3&api-version={DATED}"


def test_a_key_and_a_token_have_a_header_each() -> None:
    """`api-key` for a key; `Authorization` for an Entra ID token, which goes before a key. No repr shows one."""
    request = Request(messages=to_messages("hi"), target=Target("azure:dep"))
    access = AzureAccess(token="entra")
    for token, header in ((None, ("api-key", "secret")), ("entra", ("Authorization", "Bearer entra"))):
        endpoint = Endpoint(base_url=RESOURCE, api_key="secret", credentials=AzureAccess(token=token))
        headers = adapter_for("azure").encode(request, endpoint).headers
        assert [(name, headers[name]) for name in ("api-key", "Authorization") if name in headers] == [header]
    assert "entra" not in repr(access) + repr(Target("azure:dep", azure_ad_token="entra"))


async def test_the_environment_is_read_as_azures_sdk_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoint, key and version; what the target says comes first."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{RESOURCE}/")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "from-environment\n")
    monkeypatch.setenv("OPENAI_API_VERSION", DATED)
    found = await resolve(Target("azure:dep"), adapter_for("azure"))
    assert isinstance(found, Endpoint)
    assert (found.base_url, found.api_key) == (RESOURCE, "from-environment")
    assert found.credentials == AzureAccess(api_version=DATED)
    own = await resolve(Target("azure:dep", api_key="own", api_version="preview"), adapter_for("azure"))
    assert isinstance(own, Endpoint)
    assert (own.api_key, own.credentials.api_version) == ("own", "preview")


@pytest.mark.parametrize(
    ("key", "option", "variable", "token"),
    [
        (None, None, "env", "env"),
        (None, "own", "env", "own"),
        ("key", None, "env", None),  # a key given to the target is meant, whatever the environment has
        ("key", "own", None, "own"),
        (None, "  ", None, None),
    ],
)
async def test_which_token_counts(
    monkeypatch: pytest.MonkeyPatch, key: str | None, option: str | None, variable: str | None, token: str | None
) -> None:
    """The target's token, then its key, then the environment's token."""
    if variable:
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", variable)
    options = {} if option is None else {"azure_ad_token": option}
    target = Target("azure:dep", base_url=RESOURCE, api_key=key or (None if token else "x"), **options)
    found = await resolve(target, adapter_for("azure"))
    assert isinstance(found, Endpoint)
    assert found.credentials.token == token


async def test_a_token_callable_is_asked_before_each_attempt() -> None:
    """So a token that ran out is replaced by the very next attempt; sync and async callables alike."""
    tokens = iter(["first", "second"])

    async def token() -> str:
        return next(tokens)

    async with FakeProvider([Status(503)], [Text("Hello"), End()]) as provider:
        target = provider.target("azure", model="dep", api_key=None, azure_ad_token=token)
        async with Client(target, retry=RetryPolicy(initial=0.001)) as client:
            transcript = await client.complete("hi")
    assert transcript.text == "Hello"
    assert [request.headers["authorization"] for request in provider.requests] == ["Bearer first", "Bearer second"]
    assert not any("api-key" in request.headers for request in provider.requests)


async def test_a_token_callable_that_fails_is_named_without_its_message() -> None:
    """Its own error is the cause; what it said may be secret."""

    def broken() -> str:
        raise KeyError("tenant-secret")

    async with Client(Target("azure:dep", base_url=RESOURCE, azure_ad_token=broken)) as client:
        with pytest.raises(AuthenticationFailed) as caught:
            await client.complete("hi")
    assert "KeyError" in str(caught.value)
    assert "tenant-secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["azure:dep", "azure-responses:dep"])
async def test_what_is_missing_is_named(name: str) -> None:
    """Without an address, and then without a key, the message has the variables to set."""
    async with Client(name) as client:
        with pytest.raises(PermanentError, match="AZURE_OPENAI_ENDPOINT") as caught:
            await client.complete("hi")
    assert caught.value.kind == "client_config"
    async with Client(Target(name, base_url=RESOURCE)) as client:
        with pytest.raises(AuthenticationFailed, match="AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN"):
            await client.complete("hi")


async def test_a_deployment_answers_through_the_chain() -> None:
    """The dated address, over a real socket, in both dialects."""
    async with FakeProvider() as provider:
        for name, path in (("azure", "deployments/dep/chat/completions"), ("azure-responses", "responses")):
            target = provider.target(name, model="dep", base_url=provider.url, api_version="2025-04-01-preview")
            async with Client(target) as client:
                transcript = await client.complete("hi")
            assert transcript.outcome == "complete"
            assert provider.requests[-1].path == f"/openai/{path}?api-version=2025-04-01-preview"
            assert provider.requests[-1].headers["api-key"] == "test"
