"""What an answer of the Responses API has beyond text and calls: read once, and sent again as the API takes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from resilient_stream import Client, HostedTool, Message, OpaquePart, Target, Tool, Transcript
from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
)
from resilient_stream.contract import Endpoint, Request, ResumePoint
from resilient_stream.fitting.signatures import for_its_target
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for, families_of
from resilient_stream.testing import FakeProvider, serve_bytes
from tests.corpus.dialects import named_sse
from tests.corpus.hosted import HOSTED, PIXEL
from tests.dialect_rules import check
from tests.providers.test_openai_responses import decoder, encode, ended, event, read, sse, text

NAME = "openai-responses:gpt-5-mini"
HOSTS = ["openai-responses", "azure-responses", "xai-responses", "openrouter-responses", "bedrock-mantle-responses"]
CASES = HOSTED["openai-responses"]


def history(chunks: list[Chunk], target: str = NAME) -> list[Message]:
    """What is kept of an answer."""
    transcript = Transcript()
    transcript.target = target
    transcript._receive(chunks)
    transcript._ready.clear()
    transcript._end("complete", None)
    return transcript.as_history()


def sent(messages: list[Message], target: str = NAME, **fields: Any) -> dict[str, Any]:
    """The body of the next request, which has to follow the API's rules."""
    asked = Request(messages=tuple(messages), target=Target(target), **fields)
    adapter = adapter_for(asked.target.provider)
    endpoint = Endpoint(base_url="https://example.test/v1", api_key="k")
    outgoing = adapter.encode(for_its_target(asked, families_of), endpoint)
    check(outgoing.url, outgoing.body)
    body: dict[str, Any] = json.loads(outgoing.body)
    return body


def items(messages: list[Message], target: str = NAME) -> list[dict[str, Any]]:
    """The items between the question before and the one after."""
    asked = [Message(role="user", content="hi"), *messages, Message(role="user", content="and?")]
    found: list[dict[str, Any]] = sent(asked, target)["input"][1:-1]
    return found


def answer(case: str) -> list[Chunk]:
    """The chunks of an answer of the corpus."""
    return read(*CASES[case].events)[0]


def done(item: Mapping[str, Any], place: int = 0) -> dict[str, Any]:
    """The end of an item."""
    return event("response.output_item.done", output_index=place, item=item)


# -- reading ------------------------------------------------------------------------------------


def test_a_tool_is_told_while_it_runs() -> None:
    """A program and an MCP server's tool leave when their arguments are whole, and their results when they are."""
    events = CASES["hosted"].events
    told = [each["type"] for each in events].index("response.code_interpreter_call_code.done")
    before, _ = read(*events[: told + 1])
    assert before[-1] == ServerToolCall("ci_1", "code_interpreter", "print(6*7)")
    after = read(*events)[0][len(before) :]
    result = next(chunk for chunk in after if isinstance(chunk, ServerToolResult))
    assert (result.id, result.result[0]) == ("ci_1", {"type": "logs", "logs": "42\n"})
    assert [chunk.id for chunk in after if isinstance(chunk, ServerToolCall)] == ["mcp_1", "ig_1"]


def test_what_a_tool_was_given_and_found() -> None:
    """Arguments as text and as an object, except of programs; results in the provider's own form."""
    chunks = answer("hosted")
    calls = {chunk.id: chunk for chunk in chunks if isinstance(chunk, ServerToolCall)}
    results = {chunk.id: chunk.result for chunk in chunks if isinstance(chunk, ServerToolResult)}
    assert calls["ws_1"].parsed == {"type": "search", "query": "weather Oslo"}
    assert results["ws_1"] == [{"type": "url", "url": "https://yr.example/oslo"}]
    assert (calls["mcp_1"].arguments, calls["mcp_1"].parsed) == ('{"q":"Oslo"}', {"q": "Oslo"})
    assert (results["mcp_1"], results["fs_1"][0]["file_id"]) == ("A city.", "file-1")
    assert calls["ig_1"].parsed == {"prompt": "A dot."}
    assert calls["ci_1"].parsed is None


@pytest.mark.parametrize(
    ("item", "failed"),
    [
        ({"type": "mcp_call", "error": {"type": "http_error", "code": 500, "message": "no"}}, True),
        ({"type": "web_search_call", "status": "failed"}, True),
        ({"type": "mcp_call", "output": "x", "error": None}, False),
    ],
)
def test_a_tool_that_failed_says_so(item: dict[str, Any], failed: bool) -> None:
    """The error stands in place of the result."""
    [_, result, _] = read(done({"id": "x", "name": "f", **item}), ended())[0]
    assert isinstance(result, ServerToolResult)
    assert result.is_error is failed
    assert result.result == (item.get("error") or item.get("output"))


def test_a_request_for_approval_waits() -> None:
    """It is seen as a call that has not run, under the tool's own name, and the answer ends for it."""
    *_, call, _, finished = answer("approval")
    assert isinstance(call, ServerToolCall)
    assert (call.name, call.arguments, call.waits) == ("edit", '{"page":"Oslo"}', True)
    assert call.native["type"] == "mcp_approval_request"
    assert finished == Finished("tool_calls", "completed")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "computer_call", "call_id": "c", "action": {"type": "screenshot"}, "pending_safety_checks": []},
        {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}, "environment": {"type": "local"}},
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
        {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"},
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"paths": ["a"]}},
    ],
)
def test_what_the_caller_has_to_run_is_a_block(item: dict[str, Any]) -> None:
    """No tool of the provider's: the caller gets it as it came, and the answer ends for it, unless it went on."""
    item = {"id": "i", "status": "completed", **item}
    chunks, _ = read(done(item), ended())
    assert chunks == [Raw("openai-responses", item["type"], item, "block"), Finished("tool_calls", "completed")]
    message = {"type": "message", "content": [{"type": "output_text", "text": "So."}]}
    assert read(done(item), done(message, 1), ended())[0][-1] == Finished("stop", "completed")


def test_results_that_are_items_of_their_own_find_their_calls() -> None:
    """By the id that both have or, where there is none, in their order."""
    search = {"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": {"paths": ["a"]}}
    found = {"type": "tool_search_output", "call_id": None, "execution": "server", "tools": [{"name": "a"}]}
    shell = {
        "type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]},
        "environment": {"type": "container_reference", "container_id": "x"},
    }  # fmt: skip
    output = {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a"}]}
    given = [
        {"id": "t1", **search}, {"id": "s1", **shell}, {"id": "t2", **search},
        {"id": "o1", **found}, {"id": "o2", **output}, {"id": "o3", **found},
    ]  # fmt: skip
    chunks, _ = read(*(done(item, place) for place, item in enumerate(given)), ended())
    named = [(chunk.type, chunk.id) for chunk in chunks if isinstance(chunk, ServerToolCall | ServerToolResult)]
    assert [id for kind, id in named if kind == "server_tool_call"] == ["t1", "c", "t2"]
    assert [id for kind, id in named if kind == "server_tool_result"] == ["t1", "c", "t2"]


def test_partial_pictures_are_no_content() -> None:
    """They are shown with raw=True alone; the whole picture has bytes and a media type."""
    for raw in (False, True):
        chunks, _ = read(*CASES["hosted"].events, raw=raw)
        partial = [chunk for chunk in chunks if isinstance(chunk, Raw) and "partial_image" in chunk.event]
        assert [chunk.content for chunk in partial] == [False] * raw
    picture = next(chunk for chunk in answer("hosted") if isinstance(chunk, File) and chunk.id == "ig_1")
    assert picture.media_type == "image/png"
    assert picture.data is not None
    assert picture.data.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("result", "made"),
    [
        (PIXEL, ("image/png", True, "")),
        ("/9j/4AAQ", ("image/jpeg", True, "")),
        ("https://x.test/a.webp", ("image/webp", False, "https://x.test/a.webp")),
        ("https://[bad", ("image/*", False, "https://[bad")),
        (f"data:image/gif;base64,{PIXEL}", ("image/gif", True, "")),
        ("data:image/png;base64,?", ("image/*", False, "")),
        ("å", ("image/*", False, "")),
    ],
)
def test_a_picture_in_any_form(result: str, made: tuple[str, bool, str]) -> None:
    """Base64 text, a data URL, a link, and what is neither."""
    item = {"type": "image_generation_call", "id": "i", "status": "completed", "result": result}
    [file] = [chunk for chunk in read(done(item), ended())[0] if isinstance(chunk, File)]
    assert (file.media_type, file.data is not None, file.url) == made


NOTE = {"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 1, "end_index": 3}


def _cited(*events: dict[str, Any]) -> list[tuple[int | None, int | None]]:
    return [(chunk.start, chunk.end) for chunk in read(*events, ended())[0] if isinstance(chunk, Source)]


def _part(number: int, said: str, item: int = 0, note: bool = True) -> list[dict[str, Any]]:
    at = {"output_index": item, "content_index": number}
    added = event("response.output_text.annotation.added", annotation=NOTE, **at)
    return [
        event("response.content_part.added", part={"type": "output_text"}, **at),
        event("response.output_text.delta", delta=said, **at),
        *([added] if note else []),
        event("response.output_text.done", text=said, **at),
    ]


def test_a_citation_is_placed_in_the_whole_text() -> None:
    """Its places are characters of its part: of the second part, of the second message, and beyond 16 bits."""
    assert _cited(*_part(0, "abc"), *_part(1, "defg")) == [(1, 3), (4, 6)]
    assert _cited(*_part(0, "👩🏽‍🚀", note=False), *_part(0, "defg", 1)) == [(5, 7)]
    assert _cited(*_part(0, "abc", note=False), *_part(1, "defg")) == [(4, 6)]


def test_a_citation_of_a_file_is_a_place_and_a_file_only_if_the_model_made_it() -> None:
    """A quoted document is a source; what a program wrote is a file, too, once."""
    quoted = {"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 2}
    made = {
        "type": "container_file_citation",
        "file_id": "cfile-2",
        "filename": "b.csv",
        "start_index": 0,
        "end_index": 2,
    }
    plain = {"type": "file_path", "file_id": "file-3", "index": 1}
    content = [{"type": "output_text", "text": "abc", "annotations": [quoted, made, made, plain]}]
    chunks, _ = read(done({"type": "message", "content": content}), ended())
    sources = [(chunk.id, chunk.title, chunk.start, chunk.end) for chunk in chunks if isinstance(chunk, Source)]
    assert sources[0] == ("file-1", "a.pdf", 2, 2)
    assert len(sources) == 4
    files = [(chunk.id, chunk.media_type) for chunk in chunks if isinstance(chunk, File)]
    assert files == [("cfile-2", "text/csv"), ("file-3", "application/octet-stream")]


def test_an_annotation_of_a_new_kind_is_passed_on() -> None:
    """One that names no source has no class."""
    new = event("response.output_text.annotation.added", output_index=0, annotation={"type": "mood", "mood": "calm"})
    chunks, _ = read(text("a"), new, ended())
    assert chunks[1] == Raw("openai-responses", "mood", {"type": "mood", "mood": "calm"})


TOKENS = [{"token": each, "logprob": -0.1, "top_logprobs": []} for each in ("a", "b", "c")]


@pytest.mark.parametrize("extra", [{"top_logprobs": 2}, {"include": ["message.output_text.logprobs"]}])
def test_probabilities_come_once_and_only_when_asked_for(extra: dict[str, Any]) -> None:
    """Beside the text, and what only the whole message has; nothing for a request that did not ask."""
    message = {"type": "message", "content": [{"type": "output_text", "text": "a-bc", "logprobs": TOKENS}]}
    said = [{**text(each, place), "logprobs": TOKENS[place : place + 1]} for place, each in enumerate("ab")]
    said[1:1] = [{**text("", 1), "logprobs": []}, text("-", 1)]
    events = [*said, done(message), ended()]
    asked = Request(messages=to_messages("hi"), target=Target(NAME), extra=extra)
    reader = adapter_for("openai-responses").decoder(asked)
    chunks = [chunk for each in events for chunk in reader.feed(sse(each))]
    assert [token for chunk in chunks if isinstance(chunk, Logprobs) for token in chunk.tokens] == TOKENS
    assert [len(chunk.tokens) for chunk in chunks if isinstance(chunk, Logprobs)] == [1, 1, 1]
    assert type(chunks[1]) is Logprobs
    assert not any(isinstance(chunk, Logprobs) for chunk in read(*events)[0])


def test_an_answer_in_one_piece_says_the_same() -> None:
    """Tools, files, citations and their places, also behind a long text."""
    long = {"type": "message", "content": [{"type": "output_text", "text": "x" * 9000}]}
    output = [long, *CASES["hosted"].events[-1]["response"]["output"]]
    asked = Request(
        messages=to_messages("hi"), target=Target(NAME), extra={"tools": [{"type": "web_search"}]}, stream=False
    )
    reader = adapter_for("openai-responses").whole_decoder(asked)  # type: ignore[attr-defined]
    reader.feed(json.dumps({"id": "r", "status": "completed", "output": output}).encode())
    chunks = reader.finish()
    streamed = [chunk for chunk in answer("hosted") if isinstance(chunk, ServerToolCall | File)]
    whole = [chunk for chunk in chunks if isinstance(chunk, ServerToolCall | File)]
    assert [(chunk.type, chunk.id) for chunk in whole] == [(chunk.type, chunk.id) for chunk in streamed]
    assert [(chunk.start, chunk.end) for chunk in chunks if isinstance(chunk, Source)] == [(9000, 9011), (9026, 9043)]


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_answer_is_the_rest_wherever_it_broke(case: str) -> None:
    """Tools that were running, what was cited, where parts began: together both streams say what one says."""
    events = CASES[case].events
    whole = read(*events)[0]
    for place in range(1, len(events)):
        first = decoder(background=True)
        before = first.feed(sse(*events[:place]))
        asked = Request(messages=to_messages("hi"), target=Target(NAME, background=True), resume=first.resume_point)
        rest = adapter_for("openai-responses").decoder(asked).feed(sse(*events[place:]))
        assert _joined([*before, *rest]) == _joined(whole), f"broken before event {place}"


def _joined(chunks: list[Chunk]) -> list[Any]:
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
    return [text, *(chunk for chunk in chunks if not isinstance(chunk, TextDelta))]


def test_an_answer_that_only_its_end_has_keeps_its_order() -> None:
    """Items leave as they stand in it, reasoning with its proof, as if each had come by itself."""
    last = CASES["hosted"].events[-1]
    alone = [done(item, place) for place, item in enumerate(last["response"]["output"])]
    kept = (ServerToolCall, ServerToolResult, File, Source, ReasoningDelta)
    whole, each = (
        [chunk for chunk in read(*events)[0] if isinstance(chunk, kept)] for events in ([last], [*alone, last])
    )
    assert whole == each
    assert [item["type"] for item in items(history(read(last)[0]))].count("reasoning") == 2


def test_a_place_that_cannot_be_known_is_not_told() -> None:
    """A message that began in another stream, of which nobody noted where."""
    resumed = adapter_for("openai-responses").decoder(
        Request(
            messages=to_messages("hi"),
            target=Target(NAME, background=True),
            resume=ResumePoint(response_id="r", sequence=3),
        )
    )
    content = [{"type": "output_text", "text": "abc", "annotations": [NOTE]}]
    [source, _] = resumed.feed(sse(done({"type": "message", "content": content}), ended()))
    assert isinstance(source, Source)
    assert (source.url, source.start, source.end) == ("https://a.test", None, None)


# -- sending again --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_items_go_back_in_their_order(host: str) -> None:
    """Each reasoning item in front of what it led to; a picture without the fields that the input refuses."""
    target = f"{host}:gpt-5-mini"
    found = items(history(answer("hosted"), target), target)
    assert [item["type"] for item in found] == [
        "mcp_list_tools", "reasoning", "web_search_call", "file_search_call", "reasoning", "code_interpreter_call",
        "mcp_call", "image_generation_call", "message",
    ]  # fmt: skip
    assert found[2] == CASES["hosted"].events[-1]["response"]["output"][2]
    assert found[7] == {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PIXEL}
    [part] = found[8]["content"]
    notes = [(part["text"][note["start_index"] : note["end_index"]], note["type"]) for note in part["annotations"]]
    assert notes == [("Cold today.", "url_citation"), ("sandbox:/plot.png", "container_file_citation")]


def test_others_get_its_text() -> None:
    """Another host of the same dialect cannot read the items, and no reasoning of the turn is sent to it."""
    found = items(history(answer("hosted")), "xai-responses:grok-4")
    assert [item["type"] for item in found] == ["message"]
    assert found[0]["content"][0]["text"].startswith("[image: image/png]Cold today.")


APPROVE = OpaquePart(
    provider="openai-responses",
    data={"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
)
SCREEN = OpaquePart(
    provider="openai-responses",
    data={"type": "computer_call_output", "call_id": "call_cu1", "output": {"type": "computer_screenshot"}},
)


@pytest.mark.parametrize(
    ("case", "part", "kinds"),
    [
        ("approval", APPROVE, ["mcp_list_tools", "reasoning", "mcp_approval_request", "mcp_approval_response"]),
        ("computer", SCREEN, ["reasoning", "computer_call", "computer_call_output"]),
    ],
)
def test_the_caller_answers_in_the_apis_own_form(case: str, part: OpaquePart, kinds: list[str]) -> None:
    """An approval and a screenshot are items between the turns; nothing is left of a message that had only them."""
    asked = [Message(role="user", content="hi"), *history(answer(case)), Message(role="user", content=[part])]
    assert [item.get("type", "message") for item in sent(asked)["input"]] == ["message", *kinds]


@pytest.mark.parametrize(("case", "kinds"), [("approval", ["mcp_list_tools"]), ("computer", [])])
def test_what_nobody_answered_stays_away(case: str, kinds: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """The API refuses a call without its output, and reasoning without what it led to."""
    assert [item["type"] for item in items(history(answer(case)))] == kinds


def test_what_is_left_out_leaves_the_rest_alone() -> None:
    """Only the reasoning in front of it goes along; a picture that never came would be looked up by its id."""
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": None}}
    click = {"type": "computer_call", "id": "cu", "call_id": "c", "status": "completed", "pending_safety_checks": []}
    failed = {"type": "image_generation_call", "id": "ig", "status": "failed", "result": None}
    given = [failed, {**thought, "id": "rs1"}, search, {**thought, "id": "rs2"}, click]
    chunks, _ = read(*(done(item, place) for place, item in enumerate(given)), ended())
    assert [item["id"] for item in items(history(chunks))] == ["rs1", "ws"]


def test_an_item_of_the_callers_goes_to_its_provider_only() -> None:
    """To another one it is left out, as any block that only its provider can read."""
    asked = [Message(role="user", content="hi"), Message(role="assistant", content="Hm."),
             Message(role="user", content=[APPROVE, {"type": "text", "text": "go"}])]  # fmt: skip
    assert sent(asked, "xai-responses:grok-4")["input"][-1] == {"role": "user", "content": "go"}
    assert len(sent(asked, "xai-responses:grok-4")["input"]) == 3


def test_a_tool_whose_block_never_came_takes_its_reasoning_along() -> None:
    """A program that was told and never ended cannot be sent again; nor can the reasoning in front of it."""
    thought = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAA"}
    program = {"type": "code_interpreter_call", "id": "ci", "code": "", "container_id": "c"}
    chunks, _ = read(
        done(thought),
        event("response.output_item.added", output_index=1, item=program),
        event("response.code_interpreter_call_code.done", output_index=1, code="1"),
        text("So."),
        ended(),
    )
    assert [item["type"] for item in items(history(chunks))] == ["message"]


def test_a_call_of_a_function_keeps_its_program_and_its_group() -> None:
    """Both go back with it, and the program with its output; another host gets the plain call."""
    caller = {"type": "program", "caller_id": "call_p"}
    item = {
        "type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": "{}",
        "caller": caller, "namespace": "tools",
    }  # fmt: skip
    for events in ([done(item), ended()], [ended(output=[item])], [text("Hm."), ended(output=[item])]):
        turn = history(read(*events)[0])
        asked = [Message(role="user", content="hi"), *turn, Message(role="tool", tool_call_id="c1", content="1")]
        *_, call, output = sent(asked)["input"]
        assert (call["caller"], call["namespace"], output["caller"]) == (caller, "tools", caller)
        assert "caller" not in json.dumps(sent(asked, "xai-responses:grok-4"))


# -- asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("web_search", "web_search_call.action.sources"),
        ("web_search_2025_08_26", "web_search_call.action.sources"),
        ("web_search_preview", None),
        ("code_interpreter", "code_interpreter_call.outputs"),
        ("file_search", "file_search_call.results"),
        ("mcp", None),
    ],
)
def test_what_a_tool_found_is_asked_for_with_it(kind: str, name: str | None) -> None:
    """Only with a tool of that type in the request, and only at hosts that know the field."""
    extra = {"tools": [{"type": kind}]}
    assert encode("openai-responses:m", extra=extra).get("include") == ([name] if name else None)
    assert "include" not in encode("vllm-responses:m", extra=extra)
    assert "include" not in encode("openai-responses:m", tools=(Tool(name="web_search"),))


def test_it_is_asked_for_with_a_hosted_tool() -> None:
    """Under the one name for all providers, too."""
    tools = (HostedTool("web_search"), HostedTool("code_execution"), Tool(name="f"))
    names = ["web_search_call.action.sources", "code_interpreter_call.outputs"]
    target = Target("openai-responses:m")
    asked = Request(messages=to_messages("hi"), target=target, tools=tools[2:], hosted=tools[:2])
    sent = adapter_for("openai-responses").encode(asked, Endpoint(base_url="https://example.test/v1"))
    assert json.loads(sent.body)["include"] == names


def test_what_the_caller_asks_for_stands() -> None:
    """Probabilities bring their field along; a list of the caller's own is sent as it is."""
    both = encode("openai-responses:gpt-5", extra={"top_logprobs": 3, "tools": [{"type": "web_search"}]})
    assert both["include"] == [
        "reasoning.encrypted_content", "web_search_call.action.sources", "message.output_text.logprobs",
    ]  # fmt: skip
    own = encode("openai-responses:gpt-5", extra={"include": [], "tools": [{"type": "web_search"}]})
    assert own["include"] == []


async def test_a_whole_turn_over_a_socket() -> None:
    """The answer arrives with its sources, files and tools, and goes back as it came (loopback)."""
    body = named_sse(CASES["hosted"].events)
    again = named_sse(CASES["hosted"].events)
    async with FakeProvider(serve_bytes(body), serve_bytes(again)) as server:
        async with Client(server.target("openai-responses")) as client:
            first = await client.complete("hi", extra={"tools": [{"type": "web_search"}]})
            await client.complete(
                [Message(role="user", content="hi"), *first.as_history(), Message(role="user", content="?")]
            )
    assert [source.url for source in first.sources] == ["https://yr.example/oslo", ""]
    assert [file.media_type for file in first.files] == ["image/png"] * 3
    assert len(first.server_tools) == 12
    assert dict(first.unmodelled) == {}
    assert [item.get("type") for item in server.requests[1].json["input"]].count("reasoning") == 2


# -- recordings ---------------------------------------------------------------------------------

SOUND = b"RIFF\0\0\0\0WAVEfmt " + bytes(range(32))
WORDS = {"type": "output_text", "text": "Hello.", "annotations": []}
AS_ITEM = {"type": "message", "role": "assistant", "content": [WORDS]}


def heard(*pieces: bytes) -> list[dict[str, Any]]:
    """Pieces of a recording, each encoded on its own."""
    return [event("response.audio.delta", delta=base64.b64encode(piece).decode()) for piece in pieces]


def spoken(*words: str) -> list[dict[str, Any]]:
    """Pieces of its words."""
    return [event("response.audio.transcript.delta", delta=piece) for piece in words]


def test_a_recording_is_one_file_with_its_words() -> None:
    """The pieces of both leave together at the end; the API takes no recording back, so the words go back."""
    parts = [*heard(SOUND[:10]), *spoken("Hel", "lo."), *heard(SOUND[10:])]
    over = [event("response.audio.done"), event("response.audio.transcript.done")]
    chunks, read_to_end = read(*parts, *over, ended())
    file = File("audio/wav", SOUND, text="Hello.", native=AS_ITEM)
    assert [chunk for chunk in chunks if not isinstance(chunk, Finished)] == [file]
    assert read_to_end.failure is None
    assert read_to_end.unmodelled == {}  # type: ignore[attr-defined]
    assert items(history([file])) == [AS_ITEM]
    [wordless, *_], _ = read(*heard(SOUND), ended())
    assert wordless == File("audio/wav", SOUND, native={})
    assert items(history([wordless])) == []


def test_half_a_recording_is_kept_and_the_rest_follows_when_the_answer_goes_on() -> None:
    """A cut gives what has come; the resumed stream gives what comes then."""
    begun = [event("response.created", response={"id": "r"}), *heard(SOUND[:10]), *spoken("Hel")]
    first = decoder(background=True)
    chunks = [*first.feed(sse(*begun).removesuffix(b"data: [DONE]\n\n")), *first.finish()]
    assert [(chunk.data, chunk.text) for chunk in chunks if isinstance(chunk, File)] == [(SOUND[:10], "Hel")]
    point = first.resume_point  # type: ignore[attr-defined]
    chunks, _ = read(*heard(SOUND[10:]), *spoken("lo."), ended(), background=True, resume=point)
    assert [(chunk.data, chunk.text) for chunk in chunks if isinstance(chunk, File)] == [(SOUND[10:], "lo.")]


def test_sound_that_cannot_be_read_is_passed_on() -> None:
    """What is no base64 is a `Raw`, and counted; the recording has the rest."""
    odd = event("response.audio.delta", delta="<wave>")
    chunks, read_to_end = read(*heard(SOUND[:10]), odd, *heard(SOUND[10:]), ended())
    assert chunks[0] == Raw("openai-responses", "response.audio.delta", {"delta": "<wave>"})
    assert [chunk.data for chunk in chunks if isinstance(chunk, File)] == [SOUND]
    assert read_to_end.unmodelled == {"response.audio.delta": 1}  # type: ignore[attr-defined]
