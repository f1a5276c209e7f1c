"""Tools that run at the provider: one name for all, each provider's own words, and functions beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from resilient_stream import Client, HostedTool, InvalidRequest, Message, StreamMisused, Target, Tool
from resilient_stream.contract import Endpoint, Request
from resilient_stream.fitting.features import unsupported
from resilient_stream.messages import to_hosted
from resilient_stream.providers import adapter_for
from resilient_stream.testing import End, FakeProvider, Text

pytestmark = pytest.mark.usefixtures("nothing_left")

SEARCH = HostedTool("web_search")
RUN = HostedTool("code_execution")
SERVER = HostedTool("mcp", server_label="docs", server_url="https://mcp.example.com", authorization="t0ken")


def encode(target: str, *tools: Any, options: Mapping[str, Any] = {}) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The body and the headers of a request with these hosted tools."""
    made = Target(target, **options)
    adapter = adapter_for(made.provider)
    hosted = tuple(own for tool in tools if (own := to_hosted(tool, "tools[0]")) is not None)
    request = Request(messages=(Message(role="user", content="Hi"),), target=made, hosted=hosted)
    assert (failure := unsupported(request, adapter.capabilities(made.model))) is None, failure
    sent = adapter.encode(request, Endpoint(base_url=made.base_url or adapter.base_url))
    return msgspec.json.decode(sent.body, type=dict[str, Any]), sent.headers  # type: ignore[union-attr]


def lacking(target: str, tool: Any) -> Any:
    """What is said of a tool that a target does not have."""
    made = Target(target)
    own = to_hosted(tool, "tools[0]")
    assert own is not None
    request = Request(messages=(Message(role="user", content="Hi"),), target=made, hosted=(own,))
    failure = unsupported(request, adapter_for(made.provider).capabilities(made.model))
    return failure and failure.facts["feature"]


FOUND = {"enable": True, "search_engine": "search-prime", "search_result": True}

SENT: list[tuple[str, HostedTool, Any]] = [
    ("anthropic:claude-opus-4-6", SEARCH, {"type": "web_search_20260318", "name": "web_search"}),
    ("anthropic:claude-haiku-4-5", HostedTool("web_search", max_uses=3),
     {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}),
    ("anthropic:claude-opus-4-6", HostedTool("web_fetch"), {"type": "web_fetch_20260318", "name": "web_fetch"}),
    ("anthropic:claude-haiku-4-5", RUN, {"type": "code_execution_20250825", "name": "code_execution"}),
    ("openai-responses:gpt-5", SEARCH, {"type": "web_search"}),
    ("openai-responses:gpt-5", HostedTool("file_search", vector_store_ids=["vs_1"]),
     {"type": "file_search", "vector_store_ids": ["vs_1"]}),
    ("openai-responses:gpt-5", RUN, {"type": "code_interpreter", "container": {"type": "auto"}}),
    ("openai-responses:gpt-5", HostedTool("image_generation", quality="low"),
     {"type": "image_generation", "quality": "low"}),
    ("openai-responses:gpt-5", SERVER, {"type": "mcp", **SERVER.options}),
    ("xai-responses:grok-4", HostedTool("x_search"), {"type": "x_search"}),
    ("groq:openai/gpt-oss-20b", SEARCH, {"type": "browser_search"}),
    ("openrouter:a/b", HostedTool("web_search", max_results=3),
     {"type": "openrouter:web_search", "parameters": {"max_results": 3}}),
    ("openrouter:a/b", HostedTool("web_fetch"), {"type": "openrouter:web_fetch"}),
    ("zai:glm-4.6", SEARCH, {"type": "web_search", "web_search": FOUND}),
    ("zai:glm-4.6", HostedTool("web_search", count=5, search_result=False),
     {"type": "web_search", "web_search": {**FOUND, "count": 5, "search_result": False}}),
    ("mistral:m", HostedTool("file_search", library_ids=["l"]), {"type": "document_library", "library_ids": ["l"]}),
    ("mistral:m", HostedTool("image_generation"), {"type": "image_generation"}),
    ("gemini:gemini-2.5-flash", SEARCH, {"googleSearch": {}}),
    ("gemini:gemini-2.5-flash", HostedTool("url_context"), {"urlContext": {}}),
    ("gemini:gemini-2.5-flash", HostedTool("file_search", fileSearchStoreNames=["s"]),
     {"fileSearch": {"fileSearchStoreNames": ["s"]}}),
    ("gemini-interactions:gemini-2.5-flash", SEARCH, {"type": "google_search"}),
    ("gemini-interactions:gemini-2.5-flash", SERVER,
     {"type": "mcp_server", "name": "docs", "url": "https://mcp.example.com",
      "headers": {"Authorization": "Bearer t0ken"}}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "tool", "sent"), SENT)
def test_a_name_stands_for_each_providers_own_tool(target: str, tool: HostedTool, sent: Any) -> None:
    """With the options that were given, where the provider has its options."""
    assert encode(target, tool)[0]["tools"] == [sent]


@pytest.mark.parametrize("model", ["gpt-5-search-api", "gpt-4o-mini-search-preview-2025-03-11"])
@pytest.mark.parametrize("options", [{}, {"base_url": "http://127.0.0.1:1/v1"}])
def test_a_search_of_openais_chat_completions_is_a_field_of_the_body(model: str, options: dict[str, Any]) -> None:
    """Its models for searching take options in place of a tool; also behind a proxy."""
    body, _ = encode(f"openai:{model}", HostedTool("web_search", search_context_size="low"), options=options)
    assert body["web_search_options"] == {"search_context_size": "low"}
    assert "tools" not in body
    assert encode(f"openai:{model}", SEARCH)[0]["web_search_options"] == {}
    assert "web_search_options" not in encode(f"openai:{model}")[0]


def test_nova_is_given_its_own_tools() -> None:
    """Bedrock's Converse has them beside the functions."""
    body, _ = encode("bedrock:us.amazon.nova-premier-v1:0", SEARCH, {"systemTool": {"name": "nova_code_interpreter"}})
    tools = body["toolConfig"]["tools"]
    assert tools == [{"systemTool": {"name": "nova_grounding"}}, {"systemTool": {"name": "nova_code_interpreter"}}]
    with pytest.raises(InvalidRequest, match="hosted tools by api='invoke'"):
        encode("bedrock:us.amazon.nova-premier-v1:0", SEARCH, options={"api": "invoke"})


def test_a_server_of_anthropics_stands_beside_the_tools() -> None:
    """Its tools are a toolset; named ones are the only ones, and the header announces them."""
    body, headers = encode("anthropic:claude-haiku-4-5", SERVER)
    assert body["mcp_servers"] == [
        {"type": "url", "name": "docs", "url": "https://mcp.example.com", "authorization_token": "t0ken"}
    ]
    assert body["tools"] == [{"type": "mcp_toolset", "mcp_server_name": "docs"}]
    assert headers["anthropic-beta"] == "mcp-client-2025-11-20"
    only = HostedTool("mcp", server_label="docs", server_url="https://mcp.example.com", allowed_tools=["find"])
    assert encode("anthropic:claude-haiku-4-5", only)[0]["tools"][0] == {
        "type": "mcp_toolset", "mcp_server_name": "docs", "default_config": {"enabled": False},
        "configs": {"find": {"enabled": True}},
    }  # fmt: skip
    assert "anthropic-beta" not in encode("anthropic:claude-haiku-4-5", SEARCH)[1]


@pytest.mark.parametrize("target", ["anthropic:claude-haiku-4-5", "gemini-interactions:gemini-2.5-flash"])
def test_a_server_whose_tools_nobody_approves_is_the_same_everywhere(target: str) -> None:
    """OpenAI has to be told; an API without approvals is not, but one that is asked for is never dropped."""
    given = {"server_label": "docs", "server_url": "https://mcp.example.com"}
    never, always = (HostedTool("mcp", **given, require_approval=when) for when in ("never", "always"))
    assert "require_approval" not in str(encode(target, never)[0])
    assert "require_approval" in str(encode(target, always)[0])
    assert encode("openai-responses:gpt-5", never)[0]["tools"][0]["require_approval"] == "never"


OWN: list[tuple[str, dict[str, Any]]] = [
    ("anthropic:claude-haiku-4-5", {"type": "web_search_20260209", "name": "web_search", "max_uses": 1}),
    ("anthropic:claude-haiku-4-5", {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}),
    ("openai-responses:gpt-5", {"type": "web_search_preview_2025_03_11", "search_context_size": "low"}),
    ("openai-responses:gpt-5", {"type": "mcp", "server_label": "a", "server_url": "https://a.example"}),
    ("gemini:gemini-2.5-flash", {"googleSearch": {}}),
    ("gemini:gemini-2.5-flash", {"google_search": {}}),
    ("gemini:gemini-2.5-flash", {"urlContext": {}, "codeExecution": {}}),
    ("gemini-interactions:gemini-2.5-flash", {"type": "google_search"}),
    ("openrouter:a/b", {"type": "openrouter:datetime"}),
    ("vertex:claude-haiku-4-5", {"type": "web_search_20250305", "name": "web_search"}),
]


@pytest.mark.parametrize(("target", "tool"), OWN)
def test_a_providers_own_dict_is_sent_as_it_is(target: str, tool: dict[str, Any]) -> None:
    """To the dialect that it belongs to."""
    if target.startswith("vertex"):
        assert lacking(target, tool) is None
    else:
        assert encode(target, tool)[0]["tools"] == [tool]


@pytest.mark.parametrize(
    ("target", "tool", "said"),
    [
        ("anthropic:claude-haiku-4-5", HostedTool("image_generation"),
         "the hosted tool 'image_generation' (it has code_execution, mcp, tool_search, web_fetch, web_search)"),
        ("openai:gpt-5", SEARCH, "the hosted tool 'web_search' (it has no hosted tools; openai-responses has more)"),
        ("openai:gpt-5-search-api", RUN,
         "the hosted tool 'code_execution' (it has web_search; openai-responses has more)"),
        ("xai:grok-4", SEARCH, "the hosted tool 'web_search' (it has no hosted tools; xai-responses has more)"),
        ("azure:gpt-5", SEARCH, "the hosted tool 'web_search' (it has no hosted tools; azure-responses has more)"),
        ("mistral:m", SEARCH, "the hosted tool 'web_search' (it has file_search, image_generation)"),
        ("ollama:qwen3", SEARCH, "the hosted tool 'web_search' (it has no hosted tools)"),
        ("claude-code:default", RUN, "the hosted tool 'code_execution' (it has no hosted tools)"),
        ("vertex:claude-haiku-4-5", SEARCH, "the hosted tool 'web_search' (it has no hosted tools)"),
        ("openai-responses:gpt-5", OWN[0][1], "'web_search_20260209', a tool of another provider or API"),
        ("anthropic:claude-haiku-4-5", {"type": "web_search"}, "'web_search', a tool of another provider or API"),
        ("anthropic:claude-haiku-4-5", {"googleSearch": {}}, "'googleSearch', a tool of another provider or API"),
        ("gemini:gemini-2.5-flash", {"type": "google_search"}, "'google_search', a tool of another provider or API"),
        ("cohere:command-a", {"type": "web_search"}, "'web_search', a tool of another provider or API"),
    ],
)  # fmt: skip
def test_what_a_target_does_not_have_is_said_with_what_it_has(target: str, tool: Any, said: str) -> None:
    """Before anything is sent."""
    assert lacking(target, tool) == said


# -- through a client -------------------------------------------------------------------------


def weather(city: str, days: int = 1) -> str:
    """The weather in a city."""
    raise AssertionError("a stream runs no function")


async def test_functions_and_hosted_tools_stand_side_by_side() -> None:
    """A function of stream() is described and never called; every kind of tool goes into the one list."""
    async with FakeProvider([Text("Hi."), End()]) as provider:
        target = provider.target("anthropic", model="claude-haiku-4-5")
        tools = [weather, SEARCH, Tool(name="look"), {"type": "web_fetch_20250910", "name": "web_fetch"}]
        async with Client(target) as client:
            await client.complete("Hi", tools=tools)
        sent = provider.requests[0].json["tools"]
    assert [tool["name"] for tool in sent] == ["weather", "look", "web_search", "web_fetch"]
    assert sent[0]["description"] == "The weather in a city."
    assert sent[0]["input_schema"]["required"] == ["city"]


async def test_a_conversation_takes_them_beside_its_functions() -> None:
    """The conversation runs its functions; the provider runs the others."""
    async with FakeProvider([Text("Hi."), End()]) as provider:
        async with Client(provider.target("gemini", model="gemini-2.5-flash")) as client:
            async for _ in client.converse("Hi", tools=[weather, SEARCH]):
                pass
        sent = provider.requests[0].json["tools"]
    assert [[*tool] for tool in sent] == [["functionDeclarations"], ["googleSearch"]]


async def test_a_target_without_it_is_not_asked_and_the_next_one_is() -> None:
    """By name or as an own dict."""
    for tool, asked in ((SEARCH, "gemini"), ({"googleSearch": {}}, "gemini")):
        async with FakeProvider([Text("Hi."), End()]) as provider:
            targets = provider.target("cohere"), provider.target(asked, model="gemini-2.5-flash")
            async with Client(*targets) as client:
                assert (await client.complete("Hi", tools=[tool])).text == "Hi."
            (request,) = provider.requests
            assert request.json["tools"] == [{"googleSearch": {}}]


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (SEARCH, "tools: give a list of tools, not HostedTool"),
        ([weather, 3], r"tools\[1\]: give a Tool or a dict, not int"),
        ([{"type": "function", "function": {"nme": "x"}}], r"tools\[0\]\.nme: not a known field"),
        ([{"type": "mcp", "server": object()}], r"tools\[0\]\.server: JSON has no object"),
    ],
)
async def test_what_is_no_tool_is_refused_by_its_place(tools: Any, said: str) -> None:
    """Also behind others."""
    async with Client("openai:gpt") as client:
        with pytest.raises(StreamMisused, match=said):
            client.stream("Hi", tools=tools)


def test_a_repr_has_no_options() -> None:
    """A key of an MCP server is one of them."""
    assert "t0ken" not in repr(SERVER)
    assert repr(SERVER) == "HostedTool(name='mcp')"


def test_options_have_to_be_values_of_json() -> None:
    """They are checked when the tool is made."""
    with pytest.raises(StreamMisused, match=r"HostedTool\('mcp'\)\.headers: JSON has no object"):
        HostedTool("mcp", headers=object())
