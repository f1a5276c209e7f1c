"""Format `ai-sdk`: every item has its part, in an order that Vercel's package accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docs import tables
from resilient_stream import (
    ErrorKind,
    File,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolProgress,
    ToolResult,
    TurnStarted,
    Usage,
)
from resilient_stream.chunks import Chunk, FinishReason
from resilient_stream.formats import ai_sdk
from resilient_stream.formats.ai_sdk import FINISH_REASONS, AiSdkWriter
from resilient_stream.formats.writer import Ending, Item
from resilient_stream.messages import TextPart
from tests.formats.page import REASONS, Page
from tests.formats.samples import ABOUT, CLASSES, ITEMS, SAMPLES, WHOLE, failure, written

RESTART = Seam("openai:a", "anthropic:b", "restart", 0, True)
CALL = ToolCall(0, "c1", "add", '{"a":1}', {"a": 1})


def shown(items: list[Any], ending: Ending = WHOLE, writer: AiSdkWriter | None = None) -> Page:
    """The message of a page after this answer."""
    return Page().feed(written(writer or AiSdkWriter(), items, ending))


# -- it is total, and always in order -----------------------------------------------------------

WRITTEN_AS: dict[str, list[list[str]]] = {
    "text_delta": [["text-start", "text-delta"]] * 3,
    "reasoning_delta": [["reasoning-start", "reasoning-delta"], [], []],
    "tool_call_delta": [["tool-input-start", "tool-input-delta"]] * 2,
    "tool_call": [["tool-input-available"], ["tool-input-error"]],
    "source": [["source-url"], ["source-document"]],
    "file": [["file"], ["text-start", "text-delta", "text-end", "file"], ["data-file"]],
    "server_tool_call": [["tool-input-available"], ["tool-input-available", "tool-approval-request"]],
    "server_tool_result": [
        ["tool-input-available", "tool-output-available"],
        ["tool-input-available", "tool-output-error"],
    ],
    "logprobs": [["data-logprobs"]],
    "usage": [["message-metadata"]] * 2,
    "finished": [["message-metadata"]] * 2,
    "seam": [["data-seam"], ["finish-step", "data-seam", "start-step"]],
    "raw": [["data-raw"], ["data-raw"]],
    "turn_started": [[]],
    "tool_progress": [["tool-input-available", "tool-output-available"]] * 2,
    "tool_result": [
        ["tool-input-available", "tool-output-available"],
        ["tool-input-available", "tool-output-error"],
        ["tool-input-available", "tool-output-available"],
    ],
}
"""What stands between the start of the step and its end for each sample, alone in its answer."""


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.type)
def test_each_item_has_its_parts(kind: Any) -> None:
    """The format is total over what a stream or a conversation yields; a signature alone has no part."""
    for item, expected in zip(SAMPLES[kind], WRITTEN_AS[kind.type], strict=True):
        read = shown([item]).read
        assert read[:2] == ["start", "start-step"]
        assert read[-2:] == ["finish-step", "finish"]
        assert [part for part in read[2:-2] if part not in ("text-end", "reasoning-end") or "file" in read] == expected


def test_the_table_has_each_class() -> None:
    """A class without a row would be written as an item that the page does not know."""
    assert set(ai_sdk._PARTS) == set(CLASSES) - {TurnStarted}
    assert set(get_args(Chunk)) <= set(ai_sdk._PARTS)


def test_the_documents_table_has_each_class() -> None:
    """The table of parts in docs/formats.md has each class of an item once, and no other."""
    page = (Path(tables.__file__).parent / "formats.md").read_text()
    rows = page.partition("| ours | there |")[2].partition("\n\n")[0].splitlines()
    named = [name for row in rows[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(kind.__name__ for kind in CLASSES)


def test_a_class_that_is_newer_than_the_format_is_written_as_it_is() -> None:
    """It is not lost, and does not end the answer."""

    class Hologram(msgspec.Struct):
        type = "hologram"
        text = ""
        rays: int = 0

    assert shown([Hologram(3)]).of("data-item")[0]["data"] == {"type": "hologram", "rays": 3}


endings = st.sampled_from([WHOLE, Ending("failed", failure()), Ending("cancelled", stopped=True), Ending("abandoned")])


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(ITEMS), max_size=14), endings, st.booleans())
def test_any_answer_is_in_order(items: list[Item], ending: Ending, resets: bool) -> None:
    """Whatever comes, and wherever it ends: no part before its start, no result without its call, all closed."""
    page = shown(items, ending, AiSdkWriter(resets=resets))
    assert page.done
    assert page.id == "id_1"
    assert (page.error is not None) == (ending.error is not None)
    assert (page.reason not in (None, "error")) == (ending.outcome == "complete")
    if RESTART not in items:
        assert page.text == "".join(item.text for item in items)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(ITEMS), max_size=10), st.integers(1, 4))
def test_batches_change_nothing(items: list[Item], size: int) -> None:
    """What one network read brings together is written as if it had come alone."""
    writer = AiSdkWriter()
    frames = writer.begin(ABOUT)
    for start in range(0, len(items), size):
        frames += writer.write(items[start : start + size])
    assert frames + writer.end(WHOLE) == written(AiSdkWriter(), items)


# -- the bytes ----------------------------------------------------------------------------------


def test_the_bytes_of_an_answer() -> None:
    """The parts of a short answer, exactly."""
    said = written(AiSdkWriter(), [ReasoningDelta("hm"), TextDelta("Hel"), TextDelta("lo"), Usage(3, 2)], WHOLE)
    usage = (
        b'{"input_tokens":3,"output_tokens":2,"reasoning_tokens":null,"cached_input_tokens":null,'
        b'"cache_write_tokens":null,"certainty":"exact"}'
    )
    assert said == [
        b'data: {"type":"start","messageId":"id_1"}\n\n',
        b'data: {"type":"start-step"}\n\n',
        b'data: {"type":"reasoning-start","id":"reasoning-1"}\n\n',
        b'data: {"type":"reasoning-delta","id":"reasoning-1","delta":"hm"}\n\n',
        b'data: {"type":"reasoning-end","id":"reasoning-1"}\n\n',
        b'data: {"type":"text-start","id":"text-1"}\n\n',
        b'data: {"type":"text-delta","id":"text-1","delta":"Hel"}\n\n',
        b'data: {"type":"text-delta","id":"text-1","delta":"lo"}\n\n',
        b'data: {"type":"message-metadata","messageMetadata":{"usage":%b}}\n\n' % usage,
        b'data: {"type":"text-end","id":"text-1"}\n\n',
        b'data: {"type":"finish-step"}\n\n',
        b'data: {"type":"finish","finishReason":"stop","messageMetadata":{"outcome":"complete","usage":%b,'
        b'"finishReason":"stop"}}\n\n' % usage,
        b"data: [DONE]\n\n",
    ]


def test_the_head_names_the_protocol() -> None:
    """The package tells the stream by this header, and a heartbeat is a comment."""
    assert AiSdkWriter.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert AiSdkWriter.media_type == "text/event-stream"
    assert AiSdkWriter.heartbeat.startswith(b":")


# -- ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", get_args(FinishReason))
def test_each_finish_reason_has_a_word_of_the_package(reason: FinishReason) -> None:
    """It refuses a whole stream for any other."""
    assert FINISH_REASONS[reason] in REASONS
    assert shown([], Ending("complete", finish_reason=reason)).reason == FINISH_REASONS[reason]


def test_a_failure_is_an_error_with_its_metadata_before_it() -> None:
    """`useChat` stops reading at the error, so what it is to know stands before it."""
    page = shown([TextDelta("half")], Ending("failed", failure()))
    assert page.read[-4:] == ["finish-step", "message-metadata", "error", "finish"]
    assert page.reason == "error"
    assert page.error == f"{failure().title}: {failure().message}"
    assert page.metadata["outcome"] == "failed"
    assert page.metadata["error"]["kind"] == "connection_lost"


@pytest.mark.parametrize(
    ("ending", "said"), [(Ending("cancelled", stopped=True), "stopped"), (Ending("deadline"), "deadline")]
)
def test_a_stop_is_an_abort(ending: Ending, said: str) -> None:
    """It is neither an error nor a finish, and says who ended it."""
    page = shown([TextDelta("half")], ending)
    assert (page.aborted, page.error, page.reason) == (said, None, None)
    assert page.metadata["outcome"] == ending.outcome


def test_a_refusal_is_what_the_page_shows() -> None:
    """`useChat` makes the whole body the message of its error, so it is words."""
    refusal = AiSdkWriter().refusal(failure(ErrorKind.RATE_LIMITED))
    assert refusal.status == 429
    assert refusal.headers["content-type"].startswith("text/plain")
    assert refusal.body.startswith(b"Rate limited: ")


def test_an_answer_may_go_on_with_the_pages_message() -> None:
    """With the id of that message the page adds to it; else it is a new one."""
    assert shown([], writer=AiSdkWriter("m7")).id == "m7"


# -- seams --------------------------------------------------------------------------------------


def test_a_text_goes_on_over_a_seam() -> None:
    """A word that two targets wrote stays one text."""
    page = shown([TextDelta("un"), Seam("a:b", "c:d", "prefill", 3), TextDelta("broken")])
    assert [part["text"] for part in page.of("text")] == ["unbroken"]
    assert page.of("data-seam")[0]["data"] == {
        "source": "a:b", "target": "c:d", "method": "prefill", "overlap": 3, "restart": False,
    }  # fmt: skip


def test_a_restart_is_a_step_of_its_own() -> None:
    """What is void stands in a step before it, so that a page can leave it out; calls begin anew."""
    page = shown([TextDelta("old"), CALL, RESTART, TextDelta("new"), CALL])
    kinds = [part["type"] for part in page.parts]
    assert kinds == ["step-start", "text", "tool-add", "data-seam", "step-start", "text", "tool-add"]
    assert [part["toolCallId"] for part in page.of("tool-add")] == ["c1", "c1"]


def test_a_restart_takes_the_step_back_where_the_page_can() -> None:
    """Version 7 of the package removes what is void, and only that."""
    items = [TextDelta("one"), TurnStarted(2), TextDelta("old"), CALL, RESTART, TextDelta("new")]
    page = shown(items, writer=AiSdkWriter(resets=True))
    assert page.text == "onenew"
    assert page.of("tool-add") == []
    assert page.of("data-seam")[0]["data"]["restart"] is True


def test_what_was_taken_back_is_not_known_any_more() -> None:
    """A text that was open is closed, and a result of a call that is gone brings it."""
    items = [CALL, TextDelta("old"), RESTART, TextDelta("new"), ToolResult("c1", "add", "2", False, 0.1)]
    page = shown(items, writer=AiSdkWriter(resets=True))
    assert page.text == "new"
    assert page.of("tool-add")[0]["output"] == "2"


# -- tools --------------------------------------------------------------------------------------


def test_a_call_is_streamed_and_then_whole() -> None:
    """The fragments come under the id of the whole call, and its result after it."""
    pieces = [ToolCallDelta(0, "c1", "add", ""), ToolCallDelta(0, "c1", "add", '{"a":1}')]
    page = shown([*pieces, CALL, ToolResult("c1", "add", '{"sum": 2}', False, 0.1)])
    (call,) = page.of("tool-add")
    assert (call["state"], call["input"], call["output"]) == ("output-available", {"a": 1}, {"sum": 2})
    assert page._partial["c1"] == '{"a":1}'


def test_calls_of_one_id_are_told_apart_as_the_conversation_does() -> None:
    """A conversation gives calls that have no id of their own one, and its results have it."""
    bare = ToolCall(0, "", "add", "{}", {})
    twice = [TurnStarted(2), bare, msgspec.structs.replace(bare, index=1), CALL, msgspec.structs.replace(CALL, index=3)]
    results = [ToolResult(f"call_2_{index}_{index}", "add", "ok", False, 0.0) for index in (0, 1, 3)]
    page = shown([*twice, *results])
    assert [call["toolCallId"] for call in page.of("tool-add")] == ["call_2_0_0", "call_2_1_1", "c1", "call_2_3_3"]
    assert [call["state"] for call in page.of("tool-add")] == [
        "output-available", "output-available", "input-available", "output-available",
    ]  # fmt: skip
    assert page.read.count("tool-input-available") == 4  # no result had to bring a call of its own


def test_a_fragment_that_belongs_to_no_open_call_is_left_out() -> None:
    """One without an id waits for the whole call, and one behind it cannot make it a piece again."""
    assert shown([ToolCallDelta(0, "", "add", "{")]).read == ["start", "start-step", "finish-step", "finish"]
    (call,) = shown([ToolCallDelta(0, "c1", "add", "{"), CALL, ToolCallDelta(0, "c1", "add", "}")]).of("tool-add")
    assert call["state"] == "input-available"


def test_a_call_that_must_not_run_is_an_error() -> None:
    """Its text is shown, and why; also where its arguments are an object but it is not trusted."""
    page = shown([ToolCall(0, "a", "x", "{", None), ToolCall(1, "b", "x", "{}", {}, error="two names")])
    assert [(call["state"], call["input"], call["errorText"]) for call in page.of("tool-x")] == [
        ("output-error", "{", "The arguments of this call are not a JSON object."),
        ("output-error", "{}", "two names"),
    ]


def test_progress_is_a_preliminary_output() -> None:
    """The page shows it until the result comes."""
    page = shown([CALL, ToolProgress("c1", "add", "half", 1, 2)])
    (call,) = page.of("tool-add")
    assert call["preliminary"] is True
    assert call["output"] == {"message": "half", "progress": 1, "total": 2}


@pytest.mark.parametrize(
    ("content", "output"),
    [("20 degrees", "20 degrees"), ("[1, 2]", [1, 2]), ("{not json", "{not json"), ("3", "3"), ("", "")],
)
def test_a_result_has_its_own_form(content: str, output: Any) -> None:
    """Objects and lists are values, and text stays text, also where it looks like more."""
    assert shown([CALL, ToolResult("c1", "add", content, False, 0.1)]).of("tool-add")[0]["output"] == output


def test_a_result_with_parts_has_its_parts() -> None:
    """Pictures come along."""
    page = shown([CALL, ToolResult("c1", "add", "a", False, 0.1, (TextPart(text="a"),))])
    assert page.of("tool-add")[0]["output"] == [{"type": "text", "text": "a"}]


def test_a_call_that_is_not_there_is_brought_once() -> None:
    """Its progress and its result come without it, where a page joins late; the page refuses them without a call."""
    page = shown(
        [ToolProgress("c9", "add"), ToolProgress("c9", "add", "half"), ToolResult("c9", "add", "2", False, 0.1)]
    )
    assert page.read.count("tool-input-available") == 1
    assert [call["output"] for call in page.of("tool-add")] == ["2"]


def test_what_ran_at_the_provider_is_marked() -> None:
    """The page does not run it; a call without an id has one; a tool that waits asks for an approval."""
    calls = [
        ServerToolCall("", "search", "q"),
        ServerToolResult("", "search", None),
        ServerToolCall("w", "x", waits=True),
    ]
    page = shown(calls)
    (search,) = page.of("tool-search")
    assert (search["toolCallId"], search["output"], search["providerExecuted"]) == ("server-1", None, True)
    assert page.of("tool-x")[0]["state"] == "approval-requested"
    (output,) = (frame for frame in written(AiSdkWriter(), calls) if b"tool-output-available" in frame)
    assert b'"providerExecuted":true' in output


# -- the rest -----------------------------------------------------------------------------------


def test_a_file_is_a_data_url() -> None:
    """Its bytes as base64; one with an address keeps it."""
    page = shown([File("image/png", b"\x89PNG"), File("image/png", url="https://a.test/b.png")])
    assert [part["url"] for part in page.of("file")] == ["data:image/png;base64,iVBORw==", "https://a.test/b.png"]


def test_what_is_no_content_is_not_kept_in_the_message() -> None:
    """The page hears of it, and its message does not grow by it."""
    page = shown([Raw("p", "e", 1, "extra"), *SAMPLES[Logprobs], Raw("p", "e", 2)])
    assert page.read[2:-2] == ["data-raw", "data-logprobs", "data-raw"]
    assert [part["data"]["data"] for part in page.parts if part["type"].startswith("data-")] == [2]


def test_a_tool_without_a_name_has_one() -> None:
    """The part of a tool is called by it."""
    page = shown([ToolCall(0, "a", "", "{}", {}), ServerToolCall("b", ""), ToolResult("c", "", "", False, 0.1)])
    assert [part["toolCallId"] for part in page.of("tool-unnamed")] == ["a", "b", "c"]


def test_what_stays_at_the_server_is_not_sent() -> None:
    """Signatures, encrypted reasoning and blocks in the provider's own form are of no use in a page."""
    secret = "c2VjcmV0"
    items = [
        ReasoningDelta("hm"), ReasoningDelta("", secret), ReasoningDelta("", None, secret),
        ToolCall(0, "c", "n", "{}", {}, secret), ServerToolCall("w", "s", "", None, {"x": secret}),
        ServerToolResult("w", "s", None, False, {"x": secret}), File("a/b", b"1", native={"x": secret}),
    ]  # fmt: skip
    assert secret.encode() not in b"".join(written(AiSdkWriter(), items))


def test_a_value_with_too_many_levels_does_not_end_the_answer() -> None:
    """An event that was kept raw may have more of them than can be written."""
    deep: Any = None
    for _ in range(2000):
        deep = [deep]
    page = shown([Raw("p", "e", deep), ToolCall(0, "c", "n", "{}", {"a": deep}), ServerToolResult("w", "s", deep)])
    assert "more than" in json.dumps(page.of("data-raw"))
    assert page.of("tool-n")[0]["state"] == "output-error"
