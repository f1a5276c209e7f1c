"""The chat model for langchain: what is asked, what comes back as its messages and errors, and when it is closed."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
from typing import Any

import pytest

from resilient_stream import (
    Client,
    HostedTool,
    Recovery,
    RetryPolicy,
    StreamError,
    StreamInterrupted,
    StreamMisused,
    Usage,
)
from resilient_stream.chunks import File, Source, TextDelta, ToolCall
from resilient_stream.testing import CallTool, Cut, End, FakeProvider, Stall, Status, Text

from .answers import ANSWERS, PICTURE, UNEVEN, Scripted, as_history

pytest.importorskip("langchain_core", reason="the adapter needs langchain-core")

from langchain_core import exceptions as theirs
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
)
from pydantic import BaseModel

from resilient_stream.integrations.langchain import ResilientChat
from resilient_stream.sync.background import background

ONCE = RetryPolicy(attempts=1)


class City(BaseModel):
    """A city."""

    name: str
    people: int


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


async def asked(model: Any, prompt: Any, *, live: bool) -> Any:
    """The message of a whole answer, or the sum of its pieces."""
    if not live:
        return await model.ainvoke(prompt)
    pieces = [piece async for piece in model.astream(prompt)]
    return pieces[0] if len(pieces) == 1 else pieces[0] + pieces[1:]


# -- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
async def test_a_text_comes_with_its_counts_and_who_gave_it(live: bool) -> None:
    """An answer has its text as a string, its tokens, the reason of its end, and the model that answered."""
    async with (
        FakeProvider([Text("Hel", "lo"), End(usage=Usage(12, 3))]) as fake,
        Client(fake.target("gemini")) as client,
    ):
        answer = await asked(ResilientChat(client=client), "Hi", live=live)
    assert answer.content == "Hello"
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (12, 3)
    said = {
        "target": "gemini:fake-model",
        "model_name": "fake-model",
        "finish_reason": "stop",
        "raw_finish_reason": "STOP",
    }
    assert said.items() <= answer.response_metadata.items()


def test_code_without_a_loop_is_answered_too() -> None:
    """`invoke`, `stream` and `batch` need no event loop, and use the same client."""
    with FakeProvider.in_thread([Text("Hel", "lo"), End()]) as fake:
        model = ResilientChat(client=Client(fake.target("openai")))
        assert model.invoke("Hi").content == "Hello"
        assert [piece.content for piece in model.stream("Hi")] == ["Hel", "lo", ""]
        assert [answer.content for answer in model.batch(["a", "b"])] == ["Hello", "Hello"]
        assert model.client in background().clients  # whose streams are ended with the process


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_what_is_answered_goes_back_as_the_library_itself_sends_it(name: str, live: bool, version: str) -> None:
    """Thoughts with their proofs, calls, searches, pictures and blocks survive langchain's history, in their order,
    also after it was stored as JSON, and in both forms that langchain keeps messages in."""
    scripted = Scripted(ANSWERS[name], (TextDelta("Good."),))
    async with scripted.client() as client:
        model = ResilientChat(client=client, output_version=version)
        stored = json.dumps(messages_to_dict([await asked(model, "Hi", live=live)]))
        [answer] = messages_from_dict(json.loads(stored))
        results = [ToolMessage("sunny", tool_call_id=call["id"]) for call in answer.tool_calls]
        await model.ainvoke(["Hi", answer, *results, "Sure?"])
    expected = await as_history(ANSWERS[name])
    [sent] = scripted.messages[1:2]
    assert sent.parts == expected[0].parts
    assert [(call.id, call.name, call.signature, call.signed_by) for call in sent.tool_calls] == [
        (call.id, call.name, call.signature, call.signed_by) for call in expected[0].tool_calls
    ]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("a signed thought", ["reasoning", "text"]),
        ("two signed thoughts", ["reasoning", "reasoning", "text"]),
        ("an encrypted thought", ["reasoning", "reasoning", "text"]),
        ("a thought before an encrypted one", ["reasoning", "reasoning", "text"]),
        ("a call in one piece", ["text", "tool_call"]),
        ("a search", ["text", "server_tool_call", "server_tool_result", "text"]),
        ("a picture", ["text", "image"]),
        ("a block", ["non_standard", "text"]),
    ],
)
@pytest.mark.parametrize("live", [True, False])
async def test_everything_is_a_content_block_of_its_kind(name: str, kinds: list[str], live: bool) -> None:
    """Reasoning, calls, what ran at the provider and files are langchain's standard blocks, in their order."""
    said = (ANSWERS | UNEVEN)[name]
    async with Scripted(said).client() as client:
        answer = await asked(ResilientChat(client=client), "Hi", live=live)
    assert [block["type"] for block in answer.content_blocks] == kinds
    assert "".join(chunk.text for chunk in said) == answer.text


async def test_sources_are_annotations() -> None:
    """What a passage rests on is an annotation of the message, with its place in the text."""
    source = Source("https://x.example", "A page", "sunny", 0, 5, "1")
    async with Scripted((TextDelta("Sunny."), source)).client() as client:
        answer = await asked(ResilientChat(client=client), "Hi", live=True)
    [cited] = [each for block in answer.content_blocks for each in block.get("annotations", ())]
    assert cited == {
        "type": "citation", "url": "https://x.example", "title": "A page", "cited_text": "sunny", "id": "1",
        "start_index": 0, "end_index": 5,
    }  # fmt: skip


async def test_a_file_that_is_only_referred_to_keeps_its_address() -> None:
    """A recording by its address and a document by its id are blocks that say where it is."""
    files = (
        File("audio/mpeg", url="https://x.example/a.mp3"),
        File("application/pdf", id="f1"),
        File("image/png", PICTURE),
    )
    async with Scripted((TextDelta("Here."), *files)).client() as client:
        answer = await asked(ResilientChat(client=client), "Hi", live=False)
    sound, page, picture = answer.content[1:]
    assert (sound["type"], sound["url"], page["type"], page["file_id"]) == (
        "audio",
        "https://x.example/a.mp3",
        "file",
        "f1",
    )
    assert (picture["type"], picture["mime_type"]) == ("image", "image/png")


async def test_a_call_that_must_not_be_run_is_invalid_or_ends_the_stream() -> None:
    """In a whole answer it is among the invalid calls, with the reason; in a stream, where langchain would complete its
    arguments and run it, it is an error."""
    broken = ToolCall(0, "c", "weather", '{"city": "Os', None)
    async with Scripted((broken,)).client() as client:
        model = ResilientChat(client=client)
        answer = await model.ainvoke("Hi")
        assert not answer.tool_calls
        [call] = answer.invalid_tool_calls
        assert (call["args"], call["error"]) == ('{"city": "Os', "the arguments are no object")
        with pytest.raises(StreamError) as caught:
            await asked(model, "Hi", live=True)
    assert caught.value.kind.value == "model_output_invalid"


async def test_tokens_are_counted_as_langchain_does() -> None:
    """What was read from a cache or written to it is part of the input, also for a provider that counts it apart."""
    usage = Usage(10, 5, reasoning_tokens=3, cached_input_tokens=80, cache_write_tokens=7)
    async with Scripted((TextDelta("Hm"),), usage=usage).client("anthropic") as client:
        answer = await ResilientChat(client=client).ainvoke("Hi")
    assert answer.usage_metadata == {
        "input_tokens": 97, "output_tokens": 5, "total_tokens": 102,
        "input_token_details": {"cache_read": 80, "cache_creation": 7}, "output_token_details": {"reasoning": 3},
    }  # fmt: skip


# -- tools and objects --------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
async def test_a_tool_is_called_and_its_result_goes_back(dialect: str, live: bool) -> None:
    """A bound function is called by the model, and the model gets its result; a failed one says so in its words."""
    scripts = ([CallTool("weather", {"city": "Oslo"}), End()], [Text("Take a hat."), End()])
    async with FakeProvider(*scripts) as fake, Client(fake.target(dialect)) as client:
        model = ResilientChat(client=client).bind_tools([weather])
        answer = await asked(model, "Hi", live=live)
        [call] = answer.tool_calls
        assert (call["name"], call["args"]) == ("weather", {"city": "Oslo"})
        result = ToolMessage("sunny in Oslo", tool_call_id=call["id"], status="error")
        assert (await asked(model, ["Hi", answer, result], live=live)).text == "Take a hat."
        assert "sunny in Oslo" in str(fake.requests[1].json)


async def test_pieces_of_a_call_come_as_they_arrive() -> None:
    """The name comes first and once, then the arguments piece by piece."""
    async with Scripted(ANSWERS["a call"]).client() as client:
        pieces = [piece async for piece in ResilientChat(client=client).astream("Hi")]
    made = [
        piece.tool_call_chunks[0] for piece in pieces if isinstance(piece, AIMessageChunk) and piece.tool_call_chunks
    ]
    assert [(each["name"], each["args"]) for each in made] == [("weather", ""), (None, '{"city": "Oslo"}')]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("any", "required"), (True, "required"), ("auto", "auto"), ("none", "none"), (None, None),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "function", "function": {"name": "weather"}}),
    ],
)  # fmt: skip
async def test_a_choice_of_tools_is_carried(choice: Any, sent: Any) -> None:
    """langchain's words for a choice of tools reach the provider in its own."""
    async with FakeProvider() as fake, Client(fake.target("openai")) as client:
        await ResilientChat(client=client).bind_tools([weather], tool_choice=choice).ainvoke("Hi")
    assert fake.requests[0].json.get("tool_choice") == sent


async def test_tools_of_all_kinds_are_bound() -> None:
    """Functions, models, tools that run at the provider, and a provider's own dicts."""
    own = {"type": "web_search_20250305", "name": "web_search", "max_uses": 1}
    anthropic = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}
    async with FakeProvider() as fake, Client(fake.target("anthropic", model="claude-sonnet-4-5")) as client:
        tools = [weather, City, anthropic, own, HostedTool("code_execution")]
        await ResilientChat(client=client).bind_tools(tools).ainvoke("Hi")
    assert [tool["name"] for tool in fake.requests[0].json["tools"]] == [
        "weather", "City", "look", "web_search", "code_execution",
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling"])
@pytest.mark.parametrize("live", [True, False])
async def test_an_object_is_asked_for_in_each_way(method: str, live: bool) -> None:
    """A pydantic model comes back as its instance, by the provider's schema or by a tool."""
    values = {"name": "Oslo", "people": 700000}
    script = (
        [CallTool("City", values), End()]
        if method == "function_calling"
        else [Text('{"name": "Oslo", ', '"people": 700000}'), End()]
    )
    async with FakeProvider(script) as fake, Client(fake.target("openai")) as client:
        model = ResilientChat(client=client).with_structured_output(City, method=method)
        found = [each async for each in model.astream("Hi")][-1] if live else await model.ainvoke("Hi")
        assert found == City(name="Oslo", people=700000)
        assert ("response_format" in fake.requests[0].json) == (method != "function_calling")


async def test_an_object_that_does_not_fit_is_langchains_to_handle() -> None:
    """A parser's error leaves as it does with any model, or is kept beside the raw message where that was asked for."""
    async with FakeProvider([Text('{"name": "Oslo"}'), End()]) as fake, Client(fake.target("openai")) as client:
        model = ResilientChat(client=client)
        with pytest.raises(theirs.OutputParserException):
            await model.with_structured_output(City).ainvoke("Hi")
        kept = await model.with_structured_output(City, include_raw=True).ainvoke("Hi")
    assert (kept["raw"].content, kept["parsed"]) == ('{"name": "Oslo"}', None)
    assert isinstance(kept["parsing_error"], theirs.OutputParserException)


async def test_a_schema_in_an_apis_form_is_read() -> None:
    """`response_format` with a JSON schema, as langchain's agents bind it, is the same as `output`."""
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": City.model_json_schema()}}
    async with FakeProvider([Text("{}"), End()]) as fake, Client(fake.target("openai")) as client:
        await ResilientChat(client=client).ainvoke("Hi", response_format=form)
        assert fake.requests[0].json["response_format"]["json_schema"]["schema"]["title"] == "City"
        with pytest.raises(StreamMisused, match="response_format"):
            await ResilientChat(client=client).ainvoke("Hi", response_format={"type": "json_object"})


async def test_a_refusal_is_a_block_and_ends_a_structured_output() -> None:
    """A model that declines says so in a block of its own, and langchain's parsers raise their refusal."""
    async with Scripted((TextDelta("I will not."),), reason="refusal").client() as client:
        pass
    refused = [Text("No."), End("refusal")]
    async with FakeProvider(refused) as fake, Client(fake.target("anthropic")) as client:
        answer = await ResilientChat(client=client).ainvoke("Hi")
        assert [block["type"] for block in answer.content_blocks] == ["text", "refusal"]
        with pytest.raises(theirs.ModelRefusalError):
            await ResilientChat(client=client).with_structured_output(City).ainvoke("Hi")


# -- what is asked ------------------------------------------------------------------------------


async def test_settings_are_carried() -> None:
    """Settings of the model, bound ones, and those of a call reach the provider, the last one said before others."""
    async with FakeProvider() as fake, Client(fake.target("openai", model="gpt-4.1")) as client:
        model = ResilientChat(
            client=client, temperature=0.5, max_tokens=7, stop=["x"], options={"seed": 3, "user": "u"}
        )
        await model.bind(top_p=0.9, parallel_tool_calls=True).ainvoke(
            "Hi", temperature=0.1, extra={"store": True}, timeout=9
        )
        await model.ainvoke("Hi", stop=["y"], model="gpt-4o")
        await model.ainvoke("Hi", to=[fake.target("openai", model="other")])
        with pytest.raises(StreamMisused, match="model="):
            await model.ainvoke("Hi", model="openai:gpt-4o", to="openai:gpt-4o")
    first, second, third = (request.json for request in fake.requests)
    expected = {"temperature": 0.1, "top_p": 0.9, "stop": ["x"], "seed": 3, "store": True}
    assert expected.items() <= first.items()
    assert (second["stop"], second["model"], second["temperature"]) == (["y"], "gpt-4o", 0.5)
    assert third["model"] == "other"


@pytest.mark.parametrize(
    ("given", "said"),
    [({"logit_bias": {}}, "logit_bias"), ({"parallel_tool_calls": False}, "parallel_tool_calls"), ({"n": 2}, "'n'")],
)
async def test_an_option_that_cannot_be_carried_is_refused_by_name(given: Any, said: str) -> None:
    """Nothing that was asked for is dropped: the complaint names it, and nothing is sent."""
    async with FakeProvider() as fake, Client(fake.target("openai")) as client:
        with pytest.raises(StreamMisused, match=said):
            await ResilientChat(client=client).ainvoke("Hi", **given)
    assert not fake.requests
    with pytest.raises(ValueError, match="api_key"):
        ResilientChat(client=client, api_key="x")


async def test_files_are_carried() -> None:
    """Pictures, documents and texts in langchain's standard blocks, in its older ones, and in the shapes of APIs."""
    content: list[Any] = [
        "Look:",
        {"type": "image", "url": "https://x.example/a.png"},
        {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "https://x.example/b.png", "detail": "low"}},
        {"type": "file", "base64": "JVBERi0=", "mime_type": "application/pdf", "filename": "a.pdf"},
        {"type": "file", "source_type": "url", "url": "https://x.example/a.pdf", "mime_type": "application/pdf"},
        {"type": "file", "file_id": "file-1", "mime_type": "application/pdf"},
        {"type": "text-plain", "text": "words", "mime_type": "text/plain", "title": "a.txt"},
    ]
    scripted = Scripted((TextDelta("Nice."),))
    async with scripted.client() as client:
        await ResilientChat(client=client).ainvoke([SystemMessage("Be nice."), HumanMessage(content)])
    [system, user] = scripted.messages
    [text, link, data, shaped, pdf, older, upload, plain] = user.parts
    assert (system.role, system.content, text.text) == ("system", "Be nice.", "Look:")
    assert (link.url, data.data(), data.cache) == ("https://x.example/a.png", ("image/png", "iVBORw0KGgo="), True)
    assert (shaped.url, shaped.detail) == ("https://x.example/b.png", "low")
    assert (pdf.name, pdf.media_type, older.url, upload.id) == (
        "a.pdf",
        "application/pdf",
        "https://x.example/a.pdf",
        "file-1",
    )
    assert (plain.plain_text, plain.name) == ("words", "a.txt")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (RemoveMessage(id="1"), "RemoveMessage"),
        (HumanMessage([{"type": "hologram"}]), "hologram"),
        (ChatMessage("x", role="boss"), "role"),
    ],
)
async def test_a_message_that_cannot_be_carried_is_refused_by_name(message: Any, said: str) -> None:
    """A message or a block that has no place here is named, and nothing is sent."""
    async with FakeProvider() as fake, Client(fake.target("openai")) as client:
        with pytest.raises(StreamMisused, match=said):
            await ResilientChat(client=client).ainvoke(["Hi", message])
    assert not fake.requests


async def test_a_history_of_another_librarys_model_is_read() -> None:
    """Signed reasoning of langchain's own model goes back to the family of models that signed it; a call stands in its
    place, a word for a picture; what ran at the provider is left out."""
    earlier = AIMessage(
        [
            {"type": "reasoning", "reasoning": "I see.", "extras": {"signature": "proof"}},
            {"type": "server_tool_call", "id": "s1", "name": "web_search", "args": {}},
            {"type": "tool_call", "id": "c1", "name": "weather", "args": {}},
            {"type": "text", "text": "Sunny."},
            {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
        ],
        tool_calls=[{"id": "c1", "name": "weather", "args": {}, "type": "tool_call"}],
        response_metadata={"model_provider": "anthropic", "model_name": "claude-sonnet-4-5", "output_version": "v1"},
    )
    scripted = Scripted((TextDelta("Good."),))
    async with scripted.client() as client:
        await ResilientChat(client=client).ainvoke(["Hi", earlier, ToolMessage("sunny", tool_call_id="c1"), "Sure?"])
    [thought, text, picture] = scripted.messages[1].parts
    assert (thought.signature, thought.signed_by, text.text) == ("proof", "anthropic:claude-sonnet-4-5", "Sunny.")
    assert [(call.id, call.place) for call in scripted.messages[1].tool_calls] == [("c1", 1)]
    assert picture.text == "[image: image/png]"


# -- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    ("script", "name"),
    [
        ([Status(400)], "ModelInvalidRequestError"),
        ([Status(401)], "ModelAuthenticationError"),
        ([Status(403)], "ModelPermissionDeniedError"),
        ([Status(404)], "ModelNotFoundError"),
        ([Status(429)], "ModelRateLimitError"),
        ([Status(503)], "ModelAPIError"),
        ([Cut()], "ModelConnectionError"),
        ([Status(400, body={"error": {"message": "x", "code": "context_length_exceeded"}})], "ContextOverflowError"),
    ],
)
async def test_failures_are_errors_of_both(script: Any, name: str, live: bool) -> None:
    """A failure is our own error, and langchain's at the same time; it can be pickled, as ours."""
    async with (
        FakeProvider(script) as fake,
        Client(fake.target("openai"), fake.target("openai", model="b"), retry=ONCE) as client,
    ):
        with pytest.raises(getattr(theirs, name)) as caught:
            await asked(ResilientChat(client=client), "Hi", live=live)
    error = caught.value
    assert isinstance(error, StreamError)
    again = pickle.loads(pickle.dumps(error))
    assert (again.kind, again.message) == (error.kind, error.message)


async def test_what_was_received_is_on_the_error() -> None:
    """An answer that breaks and cannot be continued raises, and its text is not lost."""
    async with (
        FakeProvider([Text("Half an "), Cut()], [Status(500)]) as fake,
        Client(fake.target("openai"), retry=ONCE) as client,
    ):
        with pytest.raises(StreamInterrupted) as caught:
            await ResilientChat(client=client).ainvoke("Hi")
    assert caught.value.transcript is not None
    assert caught.value.transcript.text == "Half an "


@pytest.mark.parametrize("live", [True, False])
async def test_an_answer_that_dies_is_continued_by_another_vendor(live: bool) -> None:
    """A primary that dies in the middle is continued at another vendor's model, and the caller has one whole answer."""
    first, second = (
        FakeProvider([Text("Half an "), Cut()], [Status(500)]),
        FakeProvider([Text("Half an ", "answer."), End()]),
    )
    async with first, second, Client(first.target("openai"), second.target("anthropic"), retry=ONCE) as client:
        answer = await asked(ResilientChat(client=client), "Hi", live=live)
    assert (answer.text, answer.response_metadata["target"]) == ("Half an answer.", "anthropic:fake-model")
    assert answer.response_metadata["continued"][0]["source"] == "openai:fake-model"


async def test_a_stream_is_never_begun_anew() -> None:
    """What a stream gave cannot be taken back, so a restart is no way to go on; a whole answer may be begun anew."""
    scripts = ([Text("One."), Cut()], [Text("Two."), End()])
    async with (
        FakeProvider(*scripts) as fake,
        Client(fake.target("openai"), recovery=Recovery(methods=("restart",))) as client,
    ):
        model = ResilientChat(client=client)
        assert (await model.ainvoke("Hi")).content == "Two."
        fake.play(*scripts)
        with pytest.raises(StreamInterrupted):
            await asked(model, "Hi", live=True)


# -- the end ------------------------------------------------------------------------------------


async def test_leaving_a_stream_closes_the_connection() -> None:
    """A consumer that leaves in the middle closes the upstream at once."""
    async with FakeProvider([Text("One ", "two "), Stall()]) as fake, Client(fake.target("openai")) as client:
        async for _ in ResilientChat(client=client).astream("Hi"):
            break
        [request] = await fake.wait_closed(timeout=1)
    assert request.closed_by_client


def test_leaving_a_stream_without_a_loop_closes_the_connection() -> None:
    """The same in code without an event loop."""
    with FakeProvider.in_thread([Text("One ", "two "), Stall()]) as fake:
        for _ in ResilientChat(client=Client(fake.target("openai"))).stream("Hi"):
            break
        [request] = fake.block_until_closed(timeout=1)
    assert request.closed_by_client


@pytest.mark.parametrize("live", [True, False])
async def test_cancelling_a_call_closes_the_connection(live: bool) -> None:
    """A call that is cancelled from outside closes the upstream at once."""
    async with FakeProvider([Text("One "), Stall()]) as fake, Client(fake.target("openai")) as client:
        task = asyncio.create_task(asked(ResilientChat(client=client), "Hi", live=live))
        while not fake.open:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [request] = await fake.wait_closed(timeout=1)
    assert request.closed_by_client


def test_a_call_in_a_history_is_written_as_json() -> None:
    """Whatever language the arguments are in, they go back unescaped."""
    from resilient_stream.integrations.langchain.asking import to_messages

    call = {"id": "c", "name": "x", "args": {"name": "你好"}, "type": "tool_call"}
    [message] = to_messages([AIMessage("", tool_calls=[call])])
    assert "你好" in message.tool_calls[0].arguments


def test_without_the_framework_the_complaint_names_the_extra() -> None:
    """Whoever imports the adapter without langchain-core is told what to install."""
    hide = "import sys; sys.modules['langchain_core'] = None\n"
    code = hide + "import resilient_stream.integrations.langchain"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'resilient-stream[langchain]'" in done.stderr
