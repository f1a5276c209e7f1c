"""Events of a Messages API stream: what each item of an answer is written as, and how it ends."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from resilient_stream.conversation.progress import ToolProgress
from resilient_stream.conversation.turns import ToolResult, TurnStarted
from resilient_stream.failures import ErrorKind, Failure
from resilient_stream.fitting.told import left_out
from resilient_stream.formats.writer import About, Ending
from resilient_stream.integrations.anthropic import MessagesWriter, Refused, refusal_of, write_whole
from resilient_stream.integrations.anthropic.errors import ERRORS
from resilient_stream.integrations.anthropic.events import _MAKE, LEFT_OUT
from resilient_stream.integrations.anthropic.proofs import Proof, unwrapped
from resilient_stream.outcome.making import error_for
from resilient_stream.outcome.transcript import Transcript

CLAUDE = About("abc", 1_700_000_000, "claude", "anthropic:claude-opus-5")
GPT = About("abc", 1_700_000_000, "gpt", "openai:gpt")
WHOLE = Ending("complete", None, "stop", Usage(3, 4), target="openai:gpt")
STOP = Finished("stop", "stop")


def events(*items: Any, about: About = GPT, ending: Ending = WHOLE, writer: MessagesWriter | None = None) -> list[Any]:
    """Everything that is written for these items, decoded."""
    writer = writer or MessagesWriter()
    frames = [*writer.begin(about), *(frame for item in items for frame in writer.write([item])), *writer.end(ending)]
    made = []
    for frame in frames:
        name, data, empty, last = frame.split(b"\n")
        assert (empty, last) == (b"", b"")
        made.append(json.loads(data.removeprefix(b"data: ")))
        assert name == b"event: " + made[-1]["type"].encode()
    return made


def content(*items: Any, about: About = GPT, ending: Ending = WHOLE) -> list[Any]:
    """The events between the beginning and the end of a good answer."""
    first, *made, delta, last = events(*items, about=about, ending=ending)
    assert (first["type"], delta["type"], last) == ("message_start", "message_delta", {"type": "message_stop"})
    return made


def transcript(*items: Any, target: str = "openai:gpt") -> Transcript:
    """A complete transcript of these chunks."""
    made = Transcript()
    made._receive(list(items))
    if any(isinstance(item, Seam) and item.restart for item in items):
        made._restart()
    made.target = target
    return made


def blocks(*items: Any, target: str = "openai:gpt") -> list[Any]:
    """The content of the whole message of these chunks."""
    about = About("abc", 1, target.partition(":")[2], target)
    message: dict[str, Any] = json.loads(write_whole(transcript(*items, target=target), about))
    found: list[Any] = message["content"]
    return found


def start(index: int, **block: Any) -> dict[str, Any]:
    """The event that begins a block."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    """An event of a block."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    """The event that ends a block."""
    return {"type": "content_block_stop", "index": index}


def test_an_answer_has_its_beginning_its_text_its_counts_and_its_end() -> None:
    """The counts that came with the first chunks stand in the first event, the last ones at the end."""
    writer = MessagesWriter()
    assert writer.begin(CLAUDE) == []
    frames = writer.write([Usage(7, 1, None, 2), TextDelta("Hel"), TextDelta('l"o\n…'), TextDelta("")])
    frames += writer.write([Finished("length", "max_tokens"), Usage(7, 9, 3, 2, 1)])
    end = Ending("complete", None, "length", Usage(7, 9, 3, 2, 1), target=CLAUDE.target)
    first, *made, last, marker = [json.loads(each.split(b"data: ")[1]) for each in [*frames, *writer.end(end)]]
    assert first["message"] == {
        "id": "msg_abc", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": 2},
    }  # fmt: skip
    assert made == [
        start(0, type="text", text=""), delta(0, "text_delta", text="Hel"), delta(0, "text_delta", text='l"o\n…'),
        stop(0),
    ]  # fmt: skip
    assert last["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
    assert last["usage"] == {
        "input_tokens": 7, "output_tokens": 9, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1,
        "output_tokens_details": {"thinking_tokens": 3},
    }  # fmt: skip
    assert marker == {"type": "message_stop"}
    assert writer.end(end) == []


def test_counts_are_as_anthropic_counts() -> None:
    """OpenAI's input has cached tokens in it and Anthropic's has not; Gemini's output leaves out reasoning."""
    ends = [
        Ending("complete", None, "stop", Usage(10, 4, 2, 6), target=target) for target in ("openai:gpt", "gemini:pro")
    ]
    made = [events(STOP, ending=end)[-2]["usage"] for end in ends]
    assert [(each["input_tokens"], each["output_tokens"]) for each in made] == [(4, 4), (4, 6)]


def test_a_name_and_an_id_can_be_given() -> None:
    """A gateway answers under the name that was asked for, and the request has an id."""
    writer = MessagesWriter(model="my-claude", request_id="req_1")
    assert events(STOP, writer=writer)[0]["message"]["model"] == "my-claude"
    assert writer.headers == {"cache-control": "no-store", "request-id": "req_1"}


# -- thinking -----------------------------------------------------------------------------------


def test_claudes_thoughts_have_claudes_signatures() -> None:
    """A thought, one that is hidden, and text, each a block of its own."""
    items = (ReasoningDelta("Hm"), ReasoningDelta("."), ReasoningDelta("", "S"), ReasoningDelta("", None, "R"))
    assert content(*items, TextDelta("A"), STOP, about=CLAUDE) == [
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Hm"),
        delta(0, "thinking_delta", thinking="."),
        delta(0, "signature_delta", signature="S"),
        stop(0),
        start(1, type="redacted_thinking", data="R"),
        stop(1),
        start(2, type="text", text=""),
        delta(2, "text_delta", text="A"),
        stop(2),
    ]
    assert blocks(*items, TextDelta("A"), STOP, target=CLAUDE.target) == [
        {"type": "thinking", "thinking": "Hm.", "signature": "S"},
        {"type": "redacted_thinking", "data": "R"},
        {"type": "text", "text": "A"},
    ]


@pytest.mark.parametrize(
    ("items", "proof"),
    [
        ((ReasoningDelta("Hm."),), Proof("openai:gpt")),
        ((ReasoningDelta("Hm."), ReasoningDelta("", "S")), Proof("openai:gpt", "S")),
    ],
)
def test_a_thought_of_another_vendor_has_who_thought_it_for_a_signature(items: Any, proof: Proof) -> None:
    """So that it comes back to its own provider, and to no other."""
    (block, _) = blocks(*items, TextDelta("A"), STOP)
    assert block["thinking"] == "Hm."
    assert unwrapped(block["signature"]) == proof


def test_a_hidden_thought_of_another_vendor_is_a_hidden_block() -> None:
    """Its encrypted form comes back with who made it."""
    (block,) = blocks(ReasoningDelta("", None, "E"), STOP)
    assert block["type"] == "redacted_thinking"
    assert unwrapped(block["data"]) == Proof("openai:gpt", redacted="E")


def test_a_thought_that_was_cut_has_no_signature() -> None:
    """What Claude had not signed when another target went on is shown, and nobody takes it back."""
    made = content(
        ReasoningDelta("Hm"), Seam("anthropic:claude-5", "openai:gpt", "replay"), TextDelta("A"), about=CLAUDE
    )
    assert made[2:4] == [delta(0, "signature_delta", signature=""), stop(0)]


# -- tools --------------------------------------------------------------------------------------


def test_a_call_is_written_as_its_pieces_come() -> None:
    """What no piece had comes with the whole call, and the next call is the next block."""
    items = (
        TextDelta("So: "),
        ToolCallDelta(0, "t1", "look", ""),
        ToolCallDelta(0, "", "", '{"at"'),
        ToolCall(0, "t1", "look", '{"at": 1}', {"at": 1}),
        ToolCall(1, "", "stop", "", {}),
        Finished("tool_calls", "tool_calls"),
    )
    ending = Ending("complete", None, "tool_calls", Usage(3, 4), target="openai:gpt")
    assert content(*items, ending=ending)[3:] == [
        start(1, type="tool_use", id="t1", name="look", input={}),
        delta(1, "input_json_delta", partial_json='{"at"'),
        delta(1, "input_json_delta", partial_json=": 1}"),
        stop(1),
        start(2, type="tool_use", id="toolu_abc_1", name="stop", input={}),
        delta(2, "input_json_delta", partial_json="{}"),
        stop(2),
    ]
    assert events(*items, ending=ending)[-2]["delta"]["stop_reason"] == "tool_use"
    assert blocks(*items)[1:] == [
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
        {"type": "tool_use", "id": "toolu_abc_1", "name": "stop", "input": {}},
    ]


def test_calls_whose_pieces_are_mixed_are_blocks_one_after_the_other() -> None:
    """The second call is written when it is whole."""
    made = content(
        ToolCallDelta(0, "t0", "a", '{"n'),
        ToolCallDelta(1, "t1", "b", '{"m":'),
        ToolCallDelta(0, "", "", '": {}}'),
        ToolCall(0, "t0", "a", '{"n": {}}', {"n": {}}),
        ToolCallDelta(1, "t1", "b", "{}}"),
        ToolCall(1, "t1", "b", '{"m":{}}', {"m": {}}),
    )
    assert [event["index"] for event in made] == sorted(event["index"] for event in made)
    pieces: dict[int, str] = {}
    for event in made:
        if event["type"] == "content_block_delta":
            pieces[event["index"]] = pieces.get(event["index"], "") + event["delta"]["partial_json"]
    assert pieces == {0: '{"n": {}}', 1: '{"m":{}}'}


def test_what_comes_between_the_pieces_of_a_call_stands_behind_it() -> None:
    """A thought, text and another call wait until the call is whole, or the answer ends."""
    begun, rest = ToolCallDelta(0, "t0", "a", '{"n'), ToolCall(0, "t0", "a", '{"n":1}', {"n": 1})
    between = (TextDelta("A"), ReasoningDelta("Hm."), ToolCall(1, "t1", "b", "{}", {}))
    whole = [block["type"] for block in blocks(begun, *between, rest, STOP)]
    assert whole == ["tool_use", "text", "thinking", "tool_use"]
    ending = Ending("complete", None, "length", target="openai:gpt")
    cut = content(begun, TextDelta("A"), ending=ending)
    assert [event["content_block"]["type"] for event in cut if "content_block" in event] == ["tool_use", "text"]


@pytest.mark.parametrize("arguments", ["null", "", " ", "None"])
def test_a_call_without_arguments_has_an_empty_object(arguments: str) -> None:
    """However its provider writes that there are none."""
    items = (ToolCallDelta(0, "t", "a", arguments), ToolCall(0, "t", "a", arguments, {}))
    assert blocks(*items) == [{"type": "tool_use", "id": "t", "name": "a", "input": {}}]
    assert [event["delta"] for event in content(*items) if "delta" in event] == [
        {"type": "input_json_delta", "partial_json": "{}"}
    ]


@pytest.mark.parametrize(
    "call", [ToolCall(0, "t", "a", "{", None), ToolCall(0, "t", "a", "{}", {}, None, "It has no name.")]
)
def test_a_call_that_must_not_be_run_is_an_error(call: ToolCall) -> None:
    """A client would run it, or fail at it; the answer ends with an error instead of an end."""
    last = events(TextDelta("A"), call, STOP)[-1]
    assert last["type"] == "error"
    assert last["error"]["details"] == {"error_code": "model_output_invalid"}
    with pytest.raises(Refused, match="not valid"):
        write_whole(transcript(call, STOP), GPT)


def test_a_call_that_contradicts_its_pieces_is_an_error() -> None:
    """What a client has put together is not what the model meant."""
    last = events(ToolCallDelta(0, "t", "a", '{"n": 1'), ToolCall(0, "t", "a", '{"m": 2}', {"m": 2}), STOP)[-1]
    assert last["type"] == "error"


def test_each_thought_has_the_proof_of_who_thought_it() -> None:
    """Also where another vendor went on: before the seam it is the one that broke off."""
    seam = Seam("deepseek:r1", "openai:gpt", "replay")
    items = (ReasoningDelta("A"), seam, ReasoningDelta("B"), TextDelta("C"), STOP)
    first, second, _ = blocks(*items)
    assert (unwrapped(first["signature"]), unwrapped(second["signature"])) == (
        Proof("deepseek:r1"),
        Proof("openai:gpt"),
    )


def test_while_the_model_is_silent_there_are_pings() -> None:
    """The event that the API itself has for it, which SDKs skip."""
    assert MessagesWriter().heartbeat == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert MessagesWriter().numbered


def test_a_call_that_max_tokens_cut_is_no_error() -> None:
    """The API shows its beginning in a stream, and a whole message has none of it."""
    call = ToolCall(0, "t", "a", '{"at', None)
    length = Finished("length", "length")
    ending = Ending("complete", None, "length", Usage(3, 4), target="openai:gpt")
    assert content(ToolCallDelta(0, "t", "a", '{"at'), call, length, ending=ending)[-1] == stop(0)
    assert blocks(TextDelta("A"), call, length) == [{"type": "text", "text": "A"}]


def test_the_proof_of_a_call_is_a_hidden_block_behind_it() -> None:
    """Gemini refuses its own calls without it, and a call of Anthropic's has no place for it."""
    call = ToolCall(0, "", "look", "{}", {}, "G")
    about = About("abc", 1, "pro", "gemini:pro")
    use, proof = [event["content_block"] for event in content(call, about=about) if "content_block" in event]
    assert unwrapped(proof["data"]) == Proof("gemini:pro", "G", call=use["id"])


def test_who_called_is_written_with_a_call_of_claudes() -> None:
    """A call that a program of Anthropic's made has its caller; where the pieces came first, it stands behind."""
    caller = {"type": "code_execution_20250825", "tool_id": "x"}
    call = ToolCall(0, "t", "a", "{}", {}, json.dumps({"caller": caller}))
    assert blocks(call, target=CLAUDE.target)[0]["caller"] == caller
    use, proof = blocks(ToolCallDelta(0, "t", "a", ""), call, target=CLAUDE.target)
    assert "caller" not in use
    assert unwrapped(proof["data"]) == Proof(CLAUDE.target, call.signature, call="t")


NATIVE_CALL = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
NATIVE_RESULT = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}


def test_tools_that_ran_at_anthropic_are_its_own_blocks() -> None:
    """The call with its input as a piece, the result whole."""
    items = (
        ServerToolCall("s", "web_search", "{}", {}, NATIVE_CALL),
        ServerToolResult("s", "web_search", [], False, NATIVE_RESULT),
        Raw("anthropic", "compaction", {"type": "compaction", "content": "…"}, "block"),
    )
    assert content(*items, about=CLAUDE) == [
        start(0, type="server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":"q"}'),
        stop(0),
        start(1, **NATIVE_RESULT),
        stop(1),
        start(2, type="compaction", content="…"),
        stop(2),
    ]
    assert blocks(*items, target=CLAUDE.target)[:2] == [NATIVE_CALL, NATIVE_RESULT]


def test_tools_that_ran_elsewhere_are_left_out_and_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A block of another provider is none that a client of Anthropic's could send back."""
    left_out.cache_clear()  # once for each process
    call = ServerToolCall("w", "web_search", "{}", {}, {"type": "web_search_call", "id": "w"})
    result = ServerToolResult("w", "web_search", None, False, None)
    assert content(call, result, Raw("openai", "x", {"type": "x"}, "block"), Logprobs(({},))) == []
    assert "a tool that another provider ran" in caplog.text


# -- sources and files --------------------------------------------------------------------------


def test_sources_are_citations_of_the_text() -> None:
    """Anthropic's as they came; a page that another provider found as one of the web; one without an address not."""
    native = {"type": "page_location", "cited_text": "q", "document_index": 0}
    page = {
        "type": "web_search_result_location", "cited_text": "q", "title": "T", "url": "https://a.example",
        "encrypted_index": "",
    }  # fmt: skip
    (block,) = blocks(
        Source(url="https://a.example", title="T", quote="q"),
        TextDelta("A"),
        Source(native=native),
        Source(id="d1"),
        STOP,
    )
    assert block == {"type": "text", "text": "A", "citations": [page, native]}


def test_a_file_is_words() -> None:
    """The API's answers have no pictures; a file that is part of a tool's result is there already."""
    assert blocks(File("image/png", b"x"), STOP) == [{"type": "text", "text": "[image: image/png]"}]
    assert blocks(File("audio/wav", b"x", text="Hello"), STOP) == [{"type": "text", "text": "Hello"}]
    assert blocks(File("image/png", url="https://a.example/b"), STOP)[0]["text"].endswith(" https://a.example/b")
    assert blocks(File("file/unknown", id="f"), STOP) == []


# -- seams, conversations, ends -----------------------------------------------------------------


def test_text_goes_on_where_another_target_goes_on() -> None:
    """A reader sees one text in one block."""
    seam = Seam("openai:gpt", "anthropic:claude-5", "replay")
    assert blocks(TextDelta("Half "), seam, TextDelta("whole."), STOP) == [{"type": "text", "text": "Half whole."}]
    assert content(TextDelta("Half "), seam, TextDelta("whole.")) == [
        start(0, type="text", text=""), delta(0, "text_delta", text="Half "), delta(0, "text_delta", text="whole."),
        stop(0),
    ]  # fmt: skip


def test_an_answer_that_begins_anew_is_an_error_where_it_has_begun() -> None:
    """A whole message, and a stream of which nothing was written, have only what came last."""
    seam = Seam("openai:gpt", "anthropic:claude-5", "restart", restart=True)
    last = events(TextDelta("Half "), seam, TextDelta("whole."))[-1]
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")
    assert len(content(seam, TextDelta("whole."))) == 3
    assert blocks(TextDelta("Half "), seam, TextDelta("whole."), STOP) == [{"type": "text", "text": "whole."}]


def test_an_answer_with_a_missing_middle_is_no_whole_message() -> None:
    """What was too long to be kept is not left out in silence."""
    made = transcript(TextDelta("Half"), STOP)
    made.omitted = 7
    with pytest.raises(Refused, match="7 characters"):
        write_whole(made, GPT)


def test_a_conversation_is_one_message_with_the_calls_that_are_left() -> None:
    """What a tool here has answered is not the client's to answer."""
    made = content(
        TurnStarted(1),
        ToolCallDelta(0, "t", "a", "{}"),
        ToolCall(0, "t", "a", "{}", {}),
        ToolProgress("t", "a", "…"),
        ToolResult("t", "a", "1", False, 0.1),
        TurnStarted(2),
        TextDelta("One."),
        ToolCall(0, "u", "b", "{}", {}),
    )
    assert [event["content_block"]["type"] for event in made if "content_block" in event] == ["text", "tool_use"]
    assert made[3]["content_block"]["id"] == "u"


def test_each_item_has_a_row() -> None:
    """A new class of chunk cannot be forgotten: it is written, or there is a reason why not."""
    items = {each.type for each in (*get_args(Chunk), TurnStarted, ToolResult, ToolProgress)}
    assert set(_MAKE) | set(LEFT_OUT) == items
    assert not set(_MAKE) & set(LEFT_OUT)


@pytest.mark.parametrize(
    ("finished", "said"),
    [
        (Finished("stop", "stop_sequence"), "stop_sequence"),
        (Finished("length", "model_context_window_exceeded"), "model_context_window_exceeded"),
        (Finished("pause", "pause_turn"), "pause_turn"),
        (Finished("content_filter", "SAFETY", "content_filtered"), "refusal"),
        (Finished("other", "WHO_KNOWS"), "end_turn"),
        (Finished("length", "MAX_TOKENS"), "max_tokens"),
    ],
)
def test_why_the_model_stopped_is_anthropics_word(finished: Finished, said: str) -> None:
    """Its own where it is the provider, else the nearest."""
    ending = Ending("complete", None, finished.reason, target="openai:gpt")
    assert events(finished, ending=ending)[-2]["delta"]["stop_reason"] == said


def test_the_words_of_a_refusal_are_its_details() -> None:
    """OpenAI's refusal is not part of the text."""
    ending = Ending("complete", None, "refusal", target="openai:gpt")
    delta = events(Finished("refusal", "stop", "refusal", "I will not."), ending=ending)[-2]["delta"]
    assert delta["stop_reason"] == "refusal"
    assert delta["stop_details"]["explanation"] == "I will not."


def test_a_failure_in_the_middle_is_an_error_event_and_nothing_after_it() -> None:
    """In Anthropic's way: its own type of error, our words, our kind, and no end marker."""
    failed = Ending("failed", error_for(Failure(kind=ErrorKind.PROVIDER_OVERLOADED)), target="openai:gpt")
    made = events(TextDelta("A"), ending=failed, writer=MessagesWriter(request_id="req_1"))
    last = made[-1]
    assert [event["type"] for event in made[-2:]] == ["content_block_delta", "error"]
    assert last["error"]["type"] == "overloaded_error"
    assert last["error"]["details"] == {"error_code": "provider_overloaded"}
    assert last["request_id"] == "req_1"
    assert events(ending=Ending("abandoned", None, stopped=True))[-1]["error"]["message"] == "The answer was stopped."


# -- errors -------------------------------------------------------------------------------------


def test_each_kind_of_failure_has_a_status_and_a_type() -> None:
    """A new kind cannot be forgotten, and no SDK tries again what was tried here."""
    assert set(ERRORS) == set(ErrorKind)
    for kind in ErrorKind:
        error = error_for(Failure(kind=kind, retry_after=3.0))
        status, headers, body = MessagesWriter(request_id="req_1", advice=True).refusal(error)
        said = json.loads(body)
        assert (status, said["error"]["type"]) == ERRORS[kind]
        assert (headers["x-should-retry"], headers["request-id"], headers["retry-after"]) == ("false", "req_1", "3")
        assert said["type"] == "error"
        assert error.message in said["error"]["message"]
        assert error.resolution in said["error"]["message"]


def test_a_request_that_is_not_served_is_an_invalid_request() -> None:
    """With its own words, and as Anthropic writes errors."""
    status, headers, body = refusal_of(Refused("top_k must be a number", "top_k"), "req_1")
    assert (status, headers["x-should-retry"]) == (400, "false")
    assert json.loads(body) == {
        "type": "error", "error": {"type": "invalid_request_error", "message": "top_k must be a number"},
        "request_id": "req_1",
    }  # fmt: skip
