"""The model for pydantic-ai: what is asked, what comes back as its parts, errors and events, and when it is closed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from resilient_stream import Client, FunctionCall, Message, RetryPolicy, StreamError, StreamInterrupted, Target, Usage
from resilient_stream.chunks import ReasoningDelta, TextDelta, ToolCall
from resilient_stream.testing import CallTool, Cut, End, Event, FakeProvider, Preamble, Stall, Status, Text

from .answers import ANSWERS, CALL, UNEVEN, Scripted, as_history

pytest.importorskip("pydantic_ai", reason="the adapter needs pydantic-ai")

from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    BinaryContent,
    CachePoint,
    DocumentUrl,
    ImageUrl,
    NativeOutput,
    PromptedOutput,
    ToolOutput,
    UploadedFile,
)
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelHTTPError,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_ai.messages import (
    FilePart,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.native_tools import (
    CodeExecutionTool,
    FileSearchTool,
    ImageGenerationTool,
    MCPServerTool,
    WebFetchTool,
    WebSearchTool,
    XSearchTool,
)
from pydantic_ai.settings import ToolOrOutput

from resilient_stream.integrations.pydantic_ai import ResilientModel
from resilient_stream.integrations.pydantic_ai.asking import to_options

ONCE = RetryPolicy(attempts=1)
ASK = [ModelRequest(parts=[UserPromptPart("Hi")])]


class City(BaseModel):
    name: str
    people: int


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def answer_of(result: Any) -> ModelResponse:
    """The last answer of a run."""
    response = result.all_messages()[-1]
    assert isinstance(response, ModelResponse)
    return response


# -- answers ------------------------------------------------------------------------------------


async def test_a_text_comes_with_its_counts_and_who_gave_it() -> None:
    """A whole answer has its text, its tokens, the reason of its end, and the model and provider that answered."""
    async with (
        FakeProvider([Text("Hel", "lo"), End(usage=Usage(12, 3))]) as fake,
        Client(fake.target("gemini")) as client,
    ):
        result = await Agent(ResilientModel(client), instructions="Be short.").run("Hi")
    answer = answer_of(result)
    assert (result.output, answer.model_name, answer.provider_name) == ("Hello", "fake-model", "google")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.finish_reason) == (12, 3, "stop")
    assert answer.state == "complete"
    assert answer.provider_details is not None
    assert {"finish_reason": "STOP", "target": "gemini:fake-model"}.items() <= answer.provider_details.items()
    assert fake.requests[0].json["systemInstruction"]["parts"][0]["text"] == "Be short."


async def test_a_stream_gives_pieces_as_they_come() -> None:
    """Text arrives piece by piece, and the end has the counts."""
    async with FakeProvider([Text("Hel", "lo"), End()]) as fake, Client(fake.target("openai")) as client:
        async with Agent(ResilientModel(client)).run_stream("Hi") as result:
            pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        assert pieces == ["Hel", "lo"]
        assert answer_of(result).usage.output_tokens == 2


def compared(messages: Iterable[Message]) -> list[Message]:
    """Messages with a list of parts each, and arguments as values: pydantic-ai writes JSON in its own way."""

    def arguments(call: FunctionCall) -> FunctionCall:
        return call.model_copy(update={"arguments": json.loads(call.arguments)})

    return [
        each.model_copy(update={"content": each.parts, "tool_calls": tuple(map(arguments, each.tool_calls))})
        for each in messages
    ]


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("live", [True, False])
async def test_what_is_answered_goes_back_as_the_library_itself_sends_it(name: str, live: bool) -> None:
    """Thoughts with their proofs, calls, searches, pictures and blocks survive pydantic-ai's history, in their order,
    also after it was stored as JSON."""
    scripted = Scripted(ANSWERS[name], (TextDelta("Good."),))
    async with scripted.client() as client:
        model = ResilientModel(client)
        parameters = ModelRequestParameters()
        if live:
            async with model.request_stream(ASK, None, parameters) as stream:
                async for _ in stream:
                    pass
                answer = stream.get()
        else:
            answer = await model.request(ASK, None, parameters)
        stored = ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json([answer]))
        calls = [part for part in stored[0].parts if isinstance(part, ToolCallPart)]
        results = [ToolReturnPart(part.tool_name, "sunny", part.tool_call_id) for part in calls]
        await model.request([*ASK, *stored, ModelRequest(parts=results)], None, parameters)
    expected = await as_history(ANSWERS[name])
    assert compared(scripted.messages[1:2]) == compared(expected)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("a signed thought", [ThinkingPart, TextPart]),
        ("two signed thoughts", [ThinkingPart, ThinkingPart, TextPart]),
        ("an encrypted thought", [ThinkingPart, ThinkingPart, TextPart]),
        ("a thought before an encrypted one", [ThinkingPart, ThinkingPart, TextPart]),
        ("a call", [ToolCallPart]),
        ("a search", [TextPart, NativeToolCallPart, NativeToolReturnPart, TextPart]),
        ("a picture", [TextPart, FilePart]),
    ],
)
async def test_everything_is_a_part_of_its_kind(name: str, kinds: list[type]) -> None:
    """Reasoning, calls, what ran at the provider, and files are pydantic-ai's own parts; those proven name the
    provider."""
    async with Scripted((ANSWERS | UNEVEN)[name]).client() as client:
        answer = await ResilientModel(client).request(ASK, None, ModelRequestParameters())
    assert [type(part) for part in answer.parts] == kinds
    assert {part.provider_name for part in answer.parts if getattr(part, "signature", None)} <= {"anthropic"}


async def test_a_call_keeps_its_place() -> None:
    """A call that stands between a thought and a text goes back between them."""
    answer = (ReasoningDelta("I look.", signature="proof"), CALL, TextDelta("One moment."))
    scripted = Scripted(answer, (TextDelta("Good."),))
    async with scripted.client() as client:
        await Agent(ResilientModel(client), tools=[weather]).run("Hi")
    assert compared(scripted.messages[1:2]) == compared(await as_history(answer))


@pytest.mark.parametrize("live", [True, False])
async def test_a_call_that_contradicts_itself_is_not_run(live: bool) -> None:
    """A call whose pieces contradict each other ends the run, whatever its arguments look like."""
    bad = ToolCall(0, "c", "weather", "{}", None, error="the call was given two names")
    async with Scripted((bad,)).client() as client:
        agent = Agent(ResilientModel(client), tools=[weather])
        with pytest.raises(UnexpectedModelBehavior, match="two names"):
            if live:
                async with agent.run_stream("Hi") as result:
                    await result.get_output()
            else:
                await agent.run("Hi")


@pytest.mark.parametrize(
    ("reason", "theirs", "state"),
    [
        ("stop", "stop", "complete"),
        ("length", "length", "complete"),
        ("tool_calls", "tool_call", "complete"),
        ("content_filter", "content_filter", "complete"),
        ("refusal", "content_filter", "complete"),
        ("pause", None, "suspended"),
        ("other", None, "complete"),
    ],
)
async def test_each_reason_of_an_end_has_a_name(reason: str, theirs: str | None, state: str) -> None:
    """The reason of an end is pydantic-ai's word for it; a paused answer is one that is gone on with."""
    async with Scripted((TextDelta("Hm"),), reason=reason).client() as client:
        answer = await ResilientModel(client).request(ASK, None, ModelRequestParameters())
    assert (answer.finish_reason, answer.state) == (theirs, state)


async def test_tokens_are_counted_as_pydantic_ai_does() -> None:
    """What was read from a cache or written to it is part of the input, also for a provider that counts it apart."""
    usage = Usage(10, 5, reasoning_tokens=3, cached_input_tokens=80, cache_write_tokens=7)
    async with Scripted((TextDelta("Hm"),), usage=usage).client("anthropic") as client:
        counted = (await ResilientModel(client).request(ASK, None, ModelRequestParameters())).usage
    assert (counted.input_tokens, counted.output_tokens) == (97, 5)
    assert (counted.cache_read_tokens, counted.cache_write_tokens) == (80, 7)
    assert counted.details == {"reasoning_tokens": 3}


# -- tools and objects --------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
async def test_tools_are_called_until_the_model_is_done(dialect: str, live: bool) -> None:
    """The agent runs the tool that the model calls, and the model gets its result."""
    scripts = ([CallTool("weather", {"city": "Oslo"}), End()], [Text("Take a hat."), End()])
    async with FakeProvider(*scripts) as fake, Client(fake.target(dialect)) as client:
        agent = Agent(ResilientModel(client), tools=[weather])
        if live:
            async with agent.run_stream("Hi") as result:
                output = await result.get_output()
        else:
            output = (await agent.run("Hi")).output
        assert output == "Take a hat."
        assert "sunny in Oslo" in str(fake.requests[1].json)


@pytest.mark.parametrize("form", [NativeOutput, PromptedOutput, ToolOutput])
async def test_an_object_is_asked_for_in_each_way(form: Any) -> None:
    """By the provider's schema, in words, or by a tool: the agent gives the object; broken ones are asked for anew by
    pydantic-ai itself."""
    good, bad = {"name": "Oslo", "people": 700000}, {"name": "Oslo"}
    make = (
        (lambda each: CallTool("final_result", each))
        if form is ToolOutput
        else (lambda each: Text(str(each).replace("'", '"')))
    )
    async with FakeProvider([make(bad), End()], [make(good), End()]) as fake, Client(fake.target("openai")) as client:
        result = await Agent(ResilientModel(client), output_type=form(City), retries=1).run("Hi")
        assert result.output == City(name="Oslo", people=700000)
        assert ("response_format" in fake.requests[0].json) == (form is NativeOutput)
        assert len(fake.requests) == 2


def parameters(**given: Any) -> ModelRequestParameters:
    """What pydantic-ai asks for, with tools that have these names."""
    from pydantic_ai.tools import ToolDefinition

    tools = {
        name: [ToolDefinition(name=each) for each in names] for name, names in given.items() if name.endswith("tools")
    }
    visible = dict.fromkeys(given.get("function_tools", ()), "visible")
    rest = {name: value for name, value in given.items() if not name.endswith("tools")}
    return ModelRequestParameters(**tools, tool_visibility=visible, **rest)


FUNCTIONS = {"function_tools": ["a", "b"]}
BOTH = {**FUNCTIONS, "output_tools": ["out"], "allow_text_output": False}


@pytest.mark.parametrize(
    ("choice", "offered", "names", "must"),
    [
        (None, FUNCTIONS, ["a", "b"], None),
        ("auto", BOTH, ["a", "b", "out"], "required"),
        ("none", FUNCTIONS, ["a", "b"], "none"),
        ("none", BOTH, ["out"], "required"),
        ("required", FUNCTIONS, ["a", "b"], "required"),
        (["b"], FUNCTIONS, ["b"], "required"),
        (ToolOrOutput(function_tools=["b"]), BOTH, ["b", "out"], "required"),
        (ToolOrOutput(function_tools=[]), BOTH, ["out"], "required"),
    ],
)
def test_a_choice_of_tools_follows_pydantic_ais_rules(choice: Any, offered: Any, names: list[str], must: Any) -> None:
    """A choice is about functions; the tools for the output stay unless a function is demanded."""
    options = to_options({"tool_choice": choice}, parameters(**offered))
    assert [tool.name for tool in options["tools"]] == names
    assert options.get("tool_choice") == must


async def test_a_tool_that_runs_at_the_provider_is_asked_for_by_name() -> None:
    """A search in the web goes to the provider as its own tool, with the options that were given."""
    from pydantic_ai.capabilities import NativeTool

    async with FakeProvider() as fake, Client(fake.target("anthropic", model="claude-sonnet-4-5")) as client:
        tool = NativeTool(WebSearchTool(max_uses=2, user_location={"city": "Oslo"}))
        await Agent(ResilientModel(client), capabilities=[tool]).run("Hi")
    sent = fake.requests[0].json["tools"][0]
    assert (sent["name"], sent["max_uses"]) == ("web_search", 2)
    assert sent["user_location"] == {"type": "approximate", "city": "Oslo"}


SERVER = {"server_label": "docs", "server_url": "https://mcp.example.com", "require_approval": "never"}


@pytest.mark.parametrize(
    ("tool", "provider", "wanted"),
    [
        (MCPServerTool(id="docs", url="https://mcp.example.com"), "openai-responses", SERVER),
        (
            MCPServerTool(
                id="docs", url="https://mcp.example.com", authorization_token="t", description="d",
                allowed_tools=["a"], headers={"x-a": "b"},
            ), "xai-responses",
            SERVER | {"authorization": "t", "server_description": "d", "allowed_tools": ["a"], "headers": {"x-a": "b"}},
        ),
        (
            MCPServerTool(id="mail", url="x-openai-connector:connector_gmail"), "openai-responses",
            {"server_label": "mail", "connector_id": "connector_gmail", "require_approval": "never"},
        ),
        (
            FileSearchTool(file_store_ids=["vs_1"], max_num_results=3), "openai-responses",
            {"vector_store_ids": ["vs_1"], "max_num_results": 3},
        ),
        (FileSearchTool(file_store_ids=("s",)), "gemini", {"fileSearchStoreNames": ["s"]}),
        (FileSearchTool(file_store_ids=["s"]), "gemini-interactions", {"file_search_store_names": ["s"]}),
        (
            XSearchTool(
                allowed_x_handles=["a"], from_date=datetime(2026, 1, 2, tzinfo=UTC), to_date=datetime(2026, 2, 1),
                enable_image_understanding=True,
            ), "xai-responses",
            {
                "from_date": "2026-01-02", "to_date": "2026-02-01", "allowed_x_handles": ["a"],
                "enable_image_understanding": True,
            },
        ),
    ],
)  # fmt: skip
def test_tools_that_run_at_the_provider_keep_their_fields(tool: Any, provider: str, wanted: dict[str, Any]) -> None:
    """Under the names that the provider has for them, and nothing is lost."""
    made = to_options({}, ModelRequestParameters(native_tools=[tool]), provider)["tools"][0]
    assert made.options == wanted
    assert made.name in ("mcp", "file_search", "x_search")


@pytest.mark.parametrize(
    ("tool", "field"),
    [
        (XSearchTool(include_output=True), "include_output"),
        (FileSearchTool(file_store_ids=["s"], provider_settings={"xai": {"instructions": "x"}}), "provider_settings"),
    ],
)
def test_a_field_of_such_a_tool_that_has_no_place_is_refused(tool: Any, field: str) -> None:
    """It says which one."""
    with pytest.raises(UserError, match=field):
        to_options({}, ModelRequestParameters(native_tools=[tool]), "xai-responses")


@pytest.mark.parametrize(
    ("targets", "tools"),
    [
        (["anthropic:claude-sonnet-4-5"], {WebSearchTool, WebFetchTool, CodeExecutionTool, MCPServerTool}),
        (["xai-responses:grok-4"], {WebSearchTool, CodeExecutionTool, MCPServerTool, FileSearchTool, XSearchTool}),
        (["cohere:command-a"], set()),
        (["cohere:command-a", "mistral:mistral-large"], {FileSearchTool, ImageGenerationTool}),
    ],
)
def test_a_model_says_which_tools_its_targets_have(targets: list[str], tools: set[type[Any]]) -> None:
    """So pydantic-ai takes its own tool where it has one, and leaves out one that is optional; one target is enough."""
    model = ResilientModel(Client(*(Target(name, api_key="k" * 20) for name in targets)))
    assert model.profile["supported_native_tools"] == tools


async def test_an_mcp_server_is_asked_for_at_each_provider() -> None:
    """In each provider's own words; a provider without approvals is not told that there are none."""
    from pydantic_ai.capabilities import NativeTool

    tool = NativeTool(MCPServerTool(id="docs", url="https://mcp.example.com"))
    sent: dict[str, Any] = {}
    for provider, model in (("anthropic", "claude-sonnet-4-5"), ("openai-responses", "gpt-5")):
        async with FakeProvider() as fake, Client(fake.target(provider, model=model)) as client:
            await Agent(ResilientModel(client), capabilities=[tool]).run("Hi")
        sent[provider] = fake.requests[0].json
    assert sent["anthropic"]["mcp_servers"] == [{"type": "url", "name": "docs", "url": "https://mcp.example.com"}]
    assert sent["anthropic"]["tools"] == [{"type": "mcp_toolset", "mcp_server_name": "docs"}]
    assert sent["openai-responses"]["tools"] == [{"type": "mcp", **SERVER}]


# -- what is asked ------------------------------------------------------------------------------


async def test_settings_are_carried() -> None:
    """Each setting of pydantic-ai that has an option here reaches the provider."""
    settings: Any = {
        "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": 3, "presence_penalty": 0.1,
        "frequency_penalty": 0.2, "stop_sequences": ["x"], "extra_headers": {"x-a": "b"}, "extra_body": {"store": True},
        "timeout": 9, "parallel_tool_calls": True, "thinking": "low",
    }  # fmt: skip
    async with FakeProvider() as fake, Client(fake.target("openai", model="gpt-4.1")) as client:
        await Agent(ResilientModel(client), model_settings=settings).run("Hi")
    sent = fake.requests[0]
    expected = {
        "temperature": 0.5, "top_p": 0.9, "seed": 3, "presence_penalty": 0.1, "frequency_penalty": 0.2, "stop": ["x"],
        "store": True,
    }  # fmt: skip
    assert expected.items() <= sent.json.items()
    assert 7 in (sent.json.get("max_tokens"), sent.json.get("max_completion_tokens"))
    assert sent.headers["x-a"] == "b"
    assert to_options({"timeout": 9}, ModelRequestParameters())["deadline"] == 9
    assert to_options({}, ModelRequestParameters(thinking="low"))["reasoning"] == "low"
    assert to_options({}, ModelRequestParameters(thinking=False))["reasoning"] == "none"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"openai_reasoning_effort": "low"}, "openai_reasoning_effort"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"timeout": object()}, "timeout"),
        ({"tool_choice": ["nobody"]}, "nobody"),
        ({"temperature": -1}, "temperature"),
    ],
)
async def test_a_setting_that_cannot_be_carried_is_refused_by_name(settings: Any, said: str) -> None:
    """Nothing that was asked for is dropped: the complaint names it, and nothing is sent."""
    async with FakeProvider() as fake, Client(fake.target("openai")) as client:
        with pytest.raises(UserError, match=said):
            await ResilientModel(client).request(ASK, settings, ModelRequestParameters())
    assert not fake.requests


async def test_files_are_carried() -> None:
    """Pictures, documents and recordings reach the model: an address, bytes, an upload; with marks for the cache."""
    png, pdf = BinaryContent(b"\x89PNG\r\n\x1a\n0", media_type="image/png"), b"%PDF-1.4"
    prompt = [
        "Look:",
        ImageUrl("https://x.example/a.png", vendor_metadata={"detail": "low"}),
        png,
        CachePoint(ttl="1h"),
        BinaryContent(pdf, media_type="application/pdf"),
        DocumentUrl("https://x.example/a.pdf"),
        UploadedFile("file-1", "anthropic"),
    ]
    scripted = Scripted((TextDelta("Nice."),))
    async with scripted.client() as client:
        await Agent(ResilientModel(client)).run(prompt)
    [text, link, data, document, page, upload] = scripted.messages[0].parts
    assert (text.text, link.url, link.detail) == ("Look:", "https://x.example/a.png", "low")
    assert (data.data()[0], data.cache) == ("image/png", "1h")
    assert (document.media_type, document.way, page.media_type, page.way) == (
        "application/pdf",
        "data",
        "application/pdf",
        "url",
    )
    assert upload.id == "file-1"


async def test_a_file_that_a_tool_gives_is_carried() -> None:
    """A picture in a tool's result goes to the model with the result."""

    def photo() -> list[Any]:
        """A photo."""
        return ["Here:", BinaryContent(b"\x89PNG\r\n\x1a\n0", media_type="image/png")]

    scripted = Scripted((ToolCall(0, "c", "photo", "{}", {}),), (TextDelta("Nice."),))
    async with scripted.client() as client:
        await Agent(ResilientModel(client), tools=[photo]).run("Hi")
    result = scripted.messages[-1]
    assert (result.role, result.text, [part.type for part in result.parts]) == ("tool", "Here:", ["text", "image_url"])


@pytest.mark.parametrize(
    ("item", "said"),
    [(ImageUrl("https://x.example/a.png", force_download=True), "ImageUrl"), (CachePoint(), "CachePoint")],
)
async def test_content_that_cannot_be_carried_is_refused_by_name(item: Any, said: str) -> None:
    """What would have to be fetched here, and a mark with nothing in front of it."""
    async with FakeProvider() as fake, Client(fake.target("openai")) as client:
        with pytest.raises(UserError, match=said):
            await Agent(ResilientModel(client)).run([item])


async def test_a_history_of_another_librarys_model_is_read() -> None:
    """Signed reasoning of pydantic-ai's own model goes back to the family of models that signed it; what ran at the
    provider is left out, and what OpenAI keeps by an id too."""
    earlier = ModelResponse(
        parts=[
            ThinkingPart("I see.", signature="proof", provider_name="anthropic"),
            ThinkingPart("", id="rs_1", signature="encrypted", provider_name="openai"),
            NativeToolCallPart("web_search", {}, "s1", provider_name="anthropic"),
            TextPart("Sunny."),
        ],
        model_name="claude-sonnet-4-5",
        provider_name="anthropic",
    )
    scripted = Scripted((TextDelta("Good."),))
    async with scripted.client() as client:
        await Agent(ResilientModel(client)).run("Sure?", message_history=[earlier])
    [thought, text] = scripted.messages[0].parts
    assert (thought.signature, thought.signed_by, text.text) == ("proof", "anthropic:claude-sonnet-4-5", "Sunny.")


# -- failures -----------------------------------------------------------------------------------

BLOCKED = {"error": {"message": "blocked", "code": "content_filter", "type": "invalid_request_error"}}


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    ("script", "theirs", "kind"),
    [
        ([Status(400)], ModelHTTPError, "invalid_request"),
        ([Status(401)], ModelHTTPError, "authentication"),
        ([Status(429, {"retry-after": "7"})], ModelHTTPError, "rate_limited"),
        ([Status(503)], ModelHTTPError, "server_error"),
        ([Cut()], ModelAPIError, "connection_lost"),
        ([Status(400, body=BLOCKED)], ContentFilterError, "content_filtered"),
        ([Preamble(), Event("{"), Event("{"), End()], UnexpectedModelBehavior, "protocol_error"),
    ],
)
async def test_failures_are_pydantic_ais_own_errors(script: Any, theirs: type, kind: str, live: bool) -> None:
    """Each failure is of the class that pydantic-ai's own models raise, before the first content already, with our
    words, and our error as its cause."""
    async with FakeProvider(script) as fake:
        client = Client(fake.target("openai"), fake.target("openai", model="another"), retry=ONCE)
        model = ResilientModel(client)
        with pytest.raises(theirs) as caught:
            if live:
                async with model.request_stream(ASK, None, ModelRequestParameters()):
                    pass
            else:
                await model.request(ASK, None, ModelRequestParameters())
        await client.aclose()
    ours = caught.value.__cause__
    assert isinstance(ours, StreamError)
    assert ours.kind.value in (kind, "provider_overloaded")
    if isinstance(caught.value, ModelHTTPError):
        assert caught.value.status_code == ours.status
        assert caught.value.body == ours.to_dict()
        assert (caught.value.headers or {}).get("retry-after") == ("7" if kind == "rate_limited" else None)
    else:
        assert str(ours) in str(caught.value)


async def test_what_was_received_is_on_the_cause() -> None:
    """An answer that breaks and cannot be continued raises, and its text is not lost."""
    async with (
        FakeProvider([Text("Half an "), Cut()], [Status(500)]) as fake,
        Client(fake.target("openai"), retry=ONCE) as client,
    ):
        with pytest.raises(ModelAPIError) as caught:
            async with Agent(ResilientModel(client)).run_stream("Hi") as result:
                await result.get_output()
    assert isinstance(caught.value.__cause__, StreamInterrupted)
    assert caught.value.__cause__.transcript.text == "Half an "


@pytest.mark.parametrize("live", [True, False])
async def test_an_answer_that_dies_is_continued_by_another_vendor(live: bool) -> None:
    """A primary that dies in the middle is continued at another vendor's model, and the agent has one whole answer."""
    first, second = FakeProvider([Text("Half an "), Cut()]), FakeProvider([Text("Half an ", "answer."), End()])
    async with first, second, Client(first.target("openai"), second.target("anthropic"), retry=ONCE) as client:
        await first.accept()
        first.play([Text("Half an "), Cut()], [Status(500)])
        agent = Agent(ResilientModel(client))
        if live:
            async with agent.run_stream("Hi") as result:
                assert await result.get_output() == "Half an answer."
        else:
            result = await agent.run("Hi")
            assert result.output == "Half an answer."
    answer = answer_of(result)
    assert answer.provider_name == "anthropic"
    assert answer.provider_details is not None
    assert answer.provider_details["continued"][0]["source"] == "openai:fake-model"


# -- the end ------------------------------------------------------------------------------------


async def test_leaving_a_stream_closes_the_connection() -> None:
    """A consumer that leaves in the middle closes the upstream at once."""
    async with FakeProvider([Text("One ", "two "), Stall()]) as fake, Client(fake.target("openai")) as client:
        async with ResilientModel(client).request_stream(ASK, None, ModelRequestParameters()) as stream:
            async for _ in stream:
                break
        [request] = await fake.wait_closed(timeout=10)
    assert request.closed_by_client


async def test_cancelling_a_stream_closes_the_connection() -> None:
    """`cancel()` closes the upstream, wakes whoever waits for it, and leaves what was received, marked as cut."""
    async with FakeProvider([Text("One "), Stall()]) as fake, Client(fake.target("openai")) as client:
        async with ResilientModel(client).request_stream(ASK, None, ModelRequestParameters()) as stream:
            seen = asyncio.Event()

            async def read() -> None:
                async for _ in stream:
                    seen.set()

            reader = asyncio.create_task(read())
            await seen.wait()
            await stream.cancel()
            await asyncio.wait_for(reader, 10)
            assert (stream.get().state, stream.get().parts[0].content) == ("interrupted", "One ")
        [request] = await fake.wait_closed(timeout=10)
    assert request.closed_by_client


@pytest.mark.parametrize("live", [True, False])
async def test_cancelling_a_run_closes_the_connection(live: bool) -> None:
    """A run that is cancelled from outside closes the upstream at once."""
    async with FakeProvider([Text("One "), Stall()]) as fake, Client(fake.target("openai")) as client:
        agent = Agent(ResilientModel(client))

        async def run() -> None:
            if live:
                async with agent.run_stream("Hi") as result:
                    await result.get_output()
            else:
                await agent.run("Hi")

        task = asyncio.create_task(run())
        while not fake.open:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [request] = await fake.wait_closed(timeout=10)
    assert request.closed_by_client


def test_without_the_framework_the_complaint_names_the_extra() -> None:
    """Whoever imports the adapter without pydantic-ai is told what to install."""
    hide = "import sys; sys.modules['pydantic_ai'] = None\n"
    code = hide + "import resilient_stream.integrations.pydantic_ai"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'resilient-stream[pydantic-ai]'" in done.stderr
