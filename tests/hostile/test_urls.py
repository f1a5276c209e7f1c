"""Hostile names in addresses, at every provider: each stays in its place, or is refused before anything is sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from resilient_stream import Client, RetryPolicy, StreamError, Target
from resilient_stream.contract import Endpoint, Request, ResumePoint
from resilient_stream.credentials.endpoint import wrong_address
from resilient_stream.messages import Message
from resilient_stream.providers import adapter_for, known_providers
from resilient_stream.providers.bedrock.signature import SigningKey
from resilient_stream.providers.google.vertex import Place
from resilient_stream.providers.openai.azure import AzureAccess
from resilient_stream.providers.shared.urls import in_host, joined, segment, segments
from tests.loopback import Loopback, chat

HOST = "https://api.test"
HOSTILE = [
    "..", ".", "../../../evil", "%2e%2e/%2e%2e/evil", "%2E%2E", "..%2f..%2fevil", "%252e%252e", "a/../../evil", "a/./b",
    "x?key=1", "x#f", "x%3Fkey=1", "x&y=1", "a b", "x\r\nX-Evil: 1", "x\ny", "x\x00y", "ü/é", "models/../../evil",
    "models/..", "publishers/../evil", "publishers/google/models/../../../evil", "projects/../../evil",
    "tunedModels/x?",
    "//evil.test/x", "https://evil.test/x", "@evil.test", "x:evil", "x;evil", "x\\..\\evil", "..\\evil", "x\ud83d", "/",
    "a//b", "x/", "​..", "..;/evil", "．．/evil",
]  # fmt: skip
PREFIXES = {
    "azure": "/openai/deployments/",
    "gemini": "/v1beta/",
    "vertex": "/v1/",
    "bedrock": "/model/",
}
"""Where a provider's models are, for those that have the name in the path."""

HTTP = [name for name in known_providers() if name not in ("claude-code", "replay")]
CREDENTIALS: dict[str, Any] = {
    "azure": AzureAccess(api_version="2024-10-21"),
    "azure-responses": AzureAccess(api_version="2025-03-01-preview"),
    "vertex": Place("project", "us-central1"),
    "bedrock": None,
}


def encoded(provider: str, model: str, base_url: str = HOST, **more: Any) -> Any:
    """What an adapter would send."""
    credentials = more.pop("credentials", CREDENTIALS.get(provider))
    endpoint = Endpoint(base_url=base_url, api_key="KEY", credentials=credentials)
    target = Target(f"{provider}:{model}", **more.pop("options", {}))
    request = Request(messages=(Message(role="user", content="Hi"),), target=target, targets=(target,), **more)
    return adapter_for(provider).encode(request, endpoint)


def sound(url: str) -> None:
    """Nothing of it is read otherwise than it was written: no step up, no other query, no raw character."""
    parts = urlsplit(url)
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert parts.netloc == "api.test"
    assert not parts.fragment
    for part in parts.path.split("/"):
        assert unquote(part) not in (".", "..")
    assert set(parts.query.split("&")) <= {"", "alt=sse", "api-version=2024-10-21", "api-version=2025-03-01-preview"}


@pytest.mark.parametrize("provider", HTTP)
def test_a_model_stays_in_its_place(provider):
    """The path is under the provider's own, whatever the model is called; or the request is refused."""
    for stream in (True, False):
        plain = urlsplit(encoded(provider, "plain", stream=stream).url).path
        for model in HOSTILE:
            try:
                request = encoded(provider, model, stream=stream)
            except StreamError as error:
                assert error.kind == "client_config"  # noqa: PT017
                continue
            except UnicodeEncodeError:  # of a body; the whole chain names it (test_unforeseen)
                assert "\ud83d" in model
                continue
            sound(request.url)
            path = urlsplit(request.url).path
            assert path.startswith(PREFIXES.get(provider, plain)), model
            if provider in ("azure", "bedrock"):  # one segment
                assert path.count("/") == plain.count("/"), model


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "%2E.", "%252e%252E", "", "%2525252e."], ids=ascii)
@pytest.mark.parametrize("provider", ["azure", "bedrock", "gemini", "vertex"])
def test_a_step_up_is_refused(provider, name):
    """Before anything is sent, as a fault of the configuration."""
    names = {"gemini": f"models/{name}", "vertex": f"publishers/google/models/{name}"}
    with pytest.raises(StreamError) as caught:
        encoded(provider, names.get(provider, name))
    assert caught.value.kind == "client_config"


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_every_other_name_stays_in_its_place(name):
    """Projects, locations, versions, and the ids by which a stream is resumed."""
    attempts: list[Any] = [
        lambda: encoded("vertex", "m", credentials=Place(name, "us-central1")),
        lambda: encoded("vertex", "claude-x", credentials=Place("p", name)),
        lambda: encoded("openai-responses", "m", resume=ResumePoint(response_id=name, sequence=3)),
        lambda: encoded("azure-responses", "m", resume=ResumePoint(response_id=name, sequence=3)),
        lambda: encoded("gemini-interactions", "m", resume=ResumePoint(response_id=name, sequence=name)),
    ]
    for attempt in attempts:
        try:
            url = attempt().url
        except StreamError as error:
            assert error.kind == "client_config"  # noqa: PT017
            continue
        except UnicodeEncodeError:
            assert "\ud83d" in name
            continue
        assert url.startswith(HOST)
        assert url.isascii()
        assert url.isprintable()
        assert all(unquote(part) not in (".", "..") for part in urlsplit(url).path.split("/"))
        assert not urlsplit(url).fragment


@pytest.mark.parametrize("version", ["2024-10-21&key=1", "x#y", "a b", "../x", "2024\r\nX: 1"])
def test_an_api_version_is_one_value(version):
    """An API version stays one field of the query, whatever it contains."""
    url = encoded("azure", "m", credentials=AzureAccess(api_version=version)).url
    assert urlsplit(url).query.count("&") == 0
    assert urlsplit(url).query.startswith("api-version=")
    assert url.isprintable()
    assert " " not in url


@pytest.mark.parametrize(
    ("provider", "model", "path"),
    [
        ("gemini", "gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:streamGenerateContent"),
        ("gemini", "models/gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:streamGenerateContent"),
        ("gemini", "tunedModels/mine", "/v1beta/tunedModels/mine:streamGenerateContent"),
        ("vertex", "claude-sonnet-4@20250514",
         "/v1/projects/project/locations/us-central1/publishers/anthropic/models/claude-sonnet-4@20250514"
         ":streamRawPredict"),
        ("vertex", "publishers/meta/models/llama",
         "/v1/projects/project/locations/us-central1/publishers/meta/models/llama:streamGenerateContent"),
        ("bedrock", "us.anthropic.claude-3-5-v1:0", "/model/us.anthropic.claude-3-5-v1:0/converse-stream"),
        ("bedrock", "arn:aws:bedrock:eu-1:1:inference-profile/eu.x",
         "/model/arn:aws:bedrock:eu-1:1:inference-profile%2Feu.x/converse-stream"),
        ("azure", "my-gpt", "/openai/deployments/my-gpt/chat/completions"),
    ],
)  # fmt: skip
def test_ordinary_names_are_written_as_ever(provider, model, path):
    """Slashes where they are the dialect's own, versions and ARNs as their providers document them."""
    assert urlsplit(encoded(provider, model).url).path == path


@pytest.mark.parametrize("name", ["us east", "us/east", "evil.test#", "x@y", "..", "-x", "", "x:1", "a.b", "é", "x\n"])
def test_a_region_that_is_no_part_of_a_host_is_refused(name):
    """A region is written into the host's name."""
    with pytest.raises(StreamError) as caught:
        in_host(name, "region")
    assert caught.value.kind == "client_config"


@pytest.mark.parametrize(
    ("provider", "options", "variables"),
    [
        ("vertex", {"location": "evil.test/x#", "project": "p"}, {}),
        ("bedrock", {"region": "x@evil.test/"}, {"AWS_BEARER_TOKEN_BEDROCK": "k"}),
        ("bedrock-mantle", {}, {"AWS_REGION": "x/../evil.test", "AWS_BEARER_TOKEN_BEDROCK": "k"}),
        ("snowflake", {}, {"SNOWFLAKE_ACCOUNT": "evil.test/x?", "SNOWFLAKE_TOKEN": "k"}),
        ("cloudflare", {}, {"CLOUDFLARE_ACCOUNT_ID": "..", "CLOUDFLARE_API_TOKEN": "k"}),
        ("databricks", {}, {"DATABRICKS_HOST": "evil test", "DATABRICKS_TOKEN": "k"}),
    ],
)
async def test_names_of_the_environment_do_not_lead_elsewhere(monkeypatch, provider, options, variables):
    """Refused by name, with nothing sent."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if provider == "vertex":
        pytest.importorskip("google.auth")
        import google.oauth2.credentials

        options = {**options, "credentials": google.oauth2.credentials.Credentials(token="t")}
    async with Client(Target(f"{provider}:m", **options), retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("Hi", deadline=5)
    assert caught.value.kind == "client_config"


def test_a_slash_in_a_part_of_a_path_is_a_letter():
    """A slash inside one part of a path is escaped; only `segments` keeps slashes."""
    assert segment("a/b c?#%ü") == "a%2Fb%20c%3F%23%25%C3%BC"
    assert segments("a/b c") == "a/b%20c"
    assert joined("https://h/v1/?key=1", "/x", ["y=2"]) == "https://h/v1/x?y=2&key=1"


# -- base URLs --------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "cohere", "ollama", "openai-responses", "azure"])
def test_a_base_urls_own_query_stays_a_query(provider):
    """A gateway's `?key=…` goes behind the path."""
    url = urlsplit(encoded(provider, "m", base_url=f"{HOST}/gate/?key=1").url)
    assert "key=1" in url.query.split("&")
    assert url.path.startswith("/gate/")
    assert "key" not in url.path


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "azure", "vllm", "ollama"])
async def test_a_login_in_the_base_url_is_basic_authentication(provider):
    """Where the key is elsewhere, or there is none."""
    async with Loopback(chat("Hello")) as server:
        base = f"http://me:p%40ss@127.0.0.1:{server.port}/v1"
        key = {"api_key": "KEY"} if provider not in ("vllm", "ollama") else {}
        async with Client(Target(f"{provider}:m", base_url=base, **key), retry=RetryPolicy.off()) as client:
            stream = client.stream("Hi", deadline=5)
            try:
                await stream.collect()
            except StreamError as error:
                assert error.kind != "client_config"  # noqa: PT017
        assert server.seen[0].headers["authorization"] == "Basic bWU6cEBzcw=="
        assert "me:" not in server.seen[0].headers["host"]


@pytest.mark.parametrize("provider", ["openai", "openai-responses", "cohere", "mistral", "deepseek"])
async def test_a_login_beside_a_bearer_key_is_refused_in_words(provider):
    """Only one Authorization header can be sent; nothing is shown, nothing is sent, no exception of aiohttp's."""
    async with Loopback(chat("Hello")) as server:
        base = f"http://me:PASSWORD@127.0.0.1:{server.port}/v1"
        async with Client(Target(f"{provider}:m", base_url=base, api_key="KEY")) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hi", deadline=5)
    error = caught.value
    assert error.kind == "client_config"
    assert "Authorization" in error.message
    assert "PASSWORD" not in f"{error} {error.to_dict()} {error.__cause__!r} {error.__context__!r}"
    assert not server.seen


@pytest.mark.parametrize(
    "url",
    [
        "http://me:SECRET@h:99999/v1", "http://me:SECRET@h:x/v1", "http://me:SECRET@[::1/v1", "http://me:SEC#RET@h/v1",
        "http://me:SEC RET@h/v1", "http://me:SECRET@/v1", "http://h:0/SECRET", "http://h\\@SECRET/v1", "http://SECRET<h>/",
        "http://h/v1\nSECRET", "http://h/../SECRET", "unix:///SECRET", "ftp://SECRET", "SECRET",
    ],
)  # fmt: skip
async def test_an_address_that_is_none_is_said_without_its_secrets(monkeypatch, url):
    """A wrong address is refused without its secrets in message, cause or traceback, and not by aiohttp."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    async with Client(Target("openai:m", api_key="k"), retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("Hi", deadline=5)
    error: BaseException | None = caught.value
    assert caught.value.kind == "client_config"
    while error is not None:
        assert "SECRET" not in f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "SECRET" not in str(caught.value.to_dict())


@pytest.mark.parametrize("url", ["http://h", "https://h:8/x", "http://[::1]:80/v1", "http://a_b/", "http://höst/ü?x=ü"])
def test_good_addresses_are_taken(url):
    """Underscores, IPv6, and letters of all languages."""
    assert wrong_address(url) is None


async def test_a_key_of_sigv4_signs_the_path_that_is_sent():
    """What is quoted is signed as it is."""
    pytest.importorskip("botocore")
    key = SigningKey(access_key="a", secret_key="s", region="eu-1", now="20150830T123600Z")
    endpoint = Endpoint(base_url=HOST, credentials=key)
    target = Target("bedrock:a b/c")
    request = Request(messages=(Message(role="user", content="Hi"),), target=target, targets=(target,))
    sent = adapter_for("bedrock").encode(request, endpoint)
    assert sent.url == f"{HOST}/model/a%20b%2Fc/converse-stream"  # type: ignore[union-attr]


async def test_what_is_quoted_arrives_as_it_is():
    """aiohttp neither unquotes nor resolves anything."""
    async with Loopback(chat("Hello")) as server:
        base = f"http://127.0.0.1:{server.port}/a%2Fb/%2541"
        async with Client(Target("openai:m", base_url=base, api_key="k")) as client:
            await client.complete("Hi", deadline=5)
        assert server.seen[0].path == "/a%2Fb/%2541/chat/completions"
