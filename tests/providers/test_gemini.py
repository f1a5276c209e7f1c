"""Gemini's dialect: what its events mean, and what a request becomes.

The events are written here as the API's pages and the recordings have them; whole recorded answers are in
test_recordings.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream.chunks import (
    Chunk,
    Finished,
    Raw,
    ReasoningDelta,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from resilient_stream.contract import Decoder, Endpoint, Request
from resilient_stream.errors import ErrorKind, Failure, error_for
from resilient_stream.messages import FunctionCall, ImagePart, Message, ReasoningPart, TextPart, to_messages, to_tools
from resilient_stream.providers import adapter_for
from resilient_stream.providers.google.ends import FAILED_REASONS, FINISH_REASONS
from resilient_stream.providers.google.gemini import ADAPTER, Gemini
from resilient_stream.providers.google.partial_arguments import PartialArguments, steps_of
from resilient_stream.providers.google.request import encode_body
from resilient_stream.providers.google.stream import gemini_decoder
from resilient_stream.target import Target

# -- what arrives -----------------------------------------------------------------------------


def _sse(*events: Any) -> bytes:
    return b"".join(f"data: {json.dumps(event)}\r\n\r\n".encode() for event in events)


def _event(*parts: dict[str, Any], finish: str | None = None, usage: Any = None, **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [*parts], "role": "model"}, "index": 0}
    event: dict[str, Any] = {"candidates": [candidate], **fields}
    if finish is not None:
        candidate["finishReason"] = finish
    if usage is not None:
        event["usageMetadata"] = usage
    return event


def _text(text: str, **fields: Any) -> dict[str, Any]:
    return _event({"text": text}, **fields)


def _called(signature: str | None = None, **call: Any) -> dict[str, Any]:
    return {"functionCall": call} | ({"thoughtSignature": signature} if signature else {})


def _piece(path: str, *, more: bool = True, **value: Any) -> dict[str, Any]:
    """A streamed piece of arguments; `more`: the call goes on."""
    call: dict[str, Any] = {"partialArgs": [{"jsonPath": path, **value}]}
    call |= {"willContinue": True} if more else {}
    return _event({"functionCall": call})


def _decoder(**options: Any) -> Any:
    target = Target("gemini:gemini-2.5-flash", **options)
    return ADAPTER.decoder(Request(messages=to_messages("hi"), target=target))


def _read(*events: Any, **options: Any) -> tuple[list[Chunk], Decoder]:
    """The chunks of an answer that arrives in one read, and the decoder."""
    decoder = _decoder(**options)
    return [*decoder.feed(_sse(*events)), *decoder.finish()], decoder


def _calls(chunks: list[Chunk]) -> list[ToolCall]:
    return [chunk for chunk in chunks if isinstance(chunk, ToolCall)]


STOP = _text("", finish="STOP")
STOPPED = Finished("stop", "STOP")


def test_text_is_handed_out_in_order_and_the_end_comes_last() -> None:
    """Text becomes TextDeltas; the counts and then the finish reason come last."""
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}
    chunks, decoder = _read(_text("Hel"), _text("lo"), _text("", finish="STOP", usage=usage))
    assert chunks == [TextDelta("Hel"), TextDelta("lo"), Usage(9, 2), STOPPED]
    assert decoder.done
    assert decoder.failure is None


def test_nothing_is_over_before_the_body_ends() -> None:
    """A finish reason is an end marker but not the end: older models send STOP with every event."""
    decoder = _decoder()
    assert decoder.feed(_sse(_text("a", finish="STOP"))) == [TextDelta("a")]
    assert not decoder.done
    assert decoder.feed(_sse(_text("b", finish="MAX_TOKENS"))) == [TextDelta("b")]
    assert decoder.finish() == [Finished("length", "MAX_TOKENS", "output_truncated")]
    assert decoder.done
    assert decoder.finish() == []


def test_any_split_gives_the_same_answer() -> None:
    """One byte at a time, a read is decoded as in one piece, apart from how often the counts are told."""
    body = _sse(
        _event({"text": "hm", "thought": True}, usage={"promptTokenCount": 1}, responseId="r", modelVersion="m"),
        _text("é𝄞"),
        _text("b", usage={"promptTokenCount": 1, "candidatesTokenCount": 3}),
        _event(_called("s", name="f", args={"x": 1}), finish="STOP"),
    )
    whole, drops = _decoder(), _decoder()
    once = [*whole.feed(body), *whole.finish()]
    pieces = [chunk for at in range(len(body)) for chunk in drops.feed(body[at : at + 1])] + drops.finish()
    assert [c for c in pieces if type(c) is not Usage] == [c for c in once if type(c) is not Usage]
    assert [c for c in pieces if type(c) is Usage] == [Usage(1), Usage(1, 3)]
    assert (drops.model, drops.response_id) == (whole.model, whole.response_id) == ("m", "r")


def test_reads_of_text_alone_are_decoded_as_such_and_anything_else_is_not_lost() -> None:
    """The quick way is taken once text flows, is left for a read with anything else, and is found again."""
    decoder = _decoder()
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 1, "totalTokenCount": 10}
    assert decoder.feed(_sse(_text("a", usage=counts))) == [TextDelta("a"), Usage(9, 1)]
    assert decoder._reader.plain
    # One event and several; the same counts are told once, new ones once a read.
    assert decoder.feed(_sse(_text("b", usage=counts))) == [TextDelta("b")]
    more = counts | {"candidatesTokenCount": 4}
    assert decoder.feed(_sse(_text("c", usage=counts), _text("", usage=counts), _text("d", usage=more))) == [
        TextDelta("c"), TextDelta("d"), Usage(9, 4),
    ]  # fmt: skip
    assert decoder.feed(_sse(_text("!", usage=more | {"totalTokenCount": 13}))) == [TextDelta("!")]
    assert decoder._reader.plain
    assert decoder.feed(_sse(_text("e"), _event({"text": "f", "thought": True}))) == [
        TextDelta("e"), ReasoningDelta("f"),
    ]  # fmt: skip
    assert not decoder._reader.plain
    assert decoder.feed(_sse(_text("g"))) == [TextDelta("g")]
    assert decoder._reader.plain
    assert decoder.feed(_sse(_text("h", finish="STOP"))) == [TextDelta("h")]
    assert decoder.finish() == [STOPPED]


@pytest.mark.parametrize(
    "event",
    [
        _event({"text": "x", "thought": True}),
        _event({"text": "x", "thoughtSignature": "s"}),
        _event({"text": "x"}, {"text": "y"}),
        _event({"text": "x", "partMetadata": {}}),
        _event(_called(name="f", args={})),
        _text("x", error={"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}),
        {"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}},
        {"candidates": [], "promptFeedback": {"blockReason": "SAFETY"}},
        {"candidates": [{"content": {"parts": [{"text": "other"}]}, "index": 1}]},
        [{"error": {"code": 500, "status": "INTERNAL", "message": "Internal error"}}],
    ],
)
def test_the_quick_way_reads_what_the_whole_one_reads(event: Any) -> None:
    """In the middle of a text an event means the same as at its beginning."""
    begun, fresh = _decoder(), _decoder()
    begun.feed(_sse(_text("a")))
    fresh._reader.seen = True  # text came before it
    assert begun._reader.plain
    assert begun.feed(_sse(event)) == fresh.feed(_sse(event))
    assert begun.failure == fresh.failure


def test_thoughts_are_reasoning_and_never_text() -> None:
    """Thought parts become ReasoningDeltas; a signature comes on a delta of its own, also from text and alone."""
    chunks, _ = _read(
        _event({"text": "Hm.", "thought": True}),
        _event({"text": "Paris", "thoughtSignature": "sig1"}),
        _event({"text": "", "thoughtSignature": "sig2"}),
        _event({"thoughtSignature": "sig3"}, finish="STOP"),
    )
    assert chunks == [
        ReasoningDelta("Hm."), TextDelta("Paris"), ReasoningDelta("", "sig1"), ReasoningDelta("", "sig2"),
        ReasoningDelta("", "sig3"), STOPPED,
    ]  # fmt: skip


# -- tool calls -------------------------------------------------------------------------------


def test_parallel_calls_are_whole_at_once_and_the_reason_says_so() -> None:
    """STOP after tool calls is reason tool_calls; a call keeps its signature; missing args are {}."""
    chunks, _ = _read(_event(_called("sig", name="sum", args={"a": 1, "b": [2.5]}), _called(name="now"), finish="STOP"))
    assert chunks == [
        ToolCallDelta(0, "call_0", "sum", '{"a":1,"b":[2.5]}'),
        ToolCall(0, "call_0", "sum", '{"a":1,"b":[2.5]}', {"a": 1, "b": [2.5]}, "sig"),
        ToolCallDelta(1, "call_1", "now", "{}"),
        ToolCall(1, "call_1", "now", "{}", {}),
        Finished("tool_calls", "STOP"),
    ]


def test_an_id_is_the_provider_s_or_one_that_no_other_turn_has() -> None:
    """Gemini's own id stays; a made-up one has the response's id in it, so two turns do not clash."""
    chunks, _ = _read(_event(_called(name="f", id="cxk8o6f8"), _called(name="f"), responseId="eCS5", finish="STOP"))
    assert [call.id for call in _calls(chunks)] == ["cxk8o6f8", "call_1_eCS5"]


def test_arguments_that_are_no_object_are_an_error_on_the_call() -> None:
    """The call arrives with its text and without `parsed`; the stream goes on."""
    chunks, decoder = _read(_event(_called(name="f", args=[1])), STOP)
    assert _calls(chunks) == [ToolCall(0, "call_0", "f", "[1]", None)]
    assert decoder.done


def test_streamed_arguments_are_put_together_by_their_paths() -> None:
    """Pieces of strings are joined, lists and objects grow, and an empty piece without willContinue ends the call."""
    chunks, decoder = _read(
        _event(_called("sig", name="cook", willContinue=True)),
        _piece("$.dish.name", stringValue="Las", willContinue=True),
        _piece("$.dish.name", stringValue="agna"),
        _piece("$.dish.steps[0]", stringValue="Boil"),
        _piece("$.dish.steps[1]", stringValue="Bake"),
        _piece("$.portions", numberValue=4),
        _piece("$.dish.spicy", boolValue=False),
        _piece("$.dish.note", nullValue="NULL_VALUE"),
        _event(_called(willContinue=True)),
        _event(_called()),
        STOP,
    )
    value = {
        "dish": {"name": "Lasagna", "steps": ["Boil", "Bake"], "spicy": False, "note": None},
        "portions": 4,
    }
    [call] = _calls(chunks)
    assert (call.name, call.parsed, call.signature) == ("cook", value, "sig")
    assert chunks[0] == ToolCallDelta(0, "call_0", "cook", "")
    assert "".join(chunk.arguments for chunk in chunks if isinstance(chunk, ToolCallDelta)) == call.arguments
    assert chunks[-1] == Finished("tool_calls", "STOP")
    assert decoder.progress == 8  # pieces make no chunk, but the model is at work


def test_a_call_without_its_last_piece_is_whole_when_the_next_begins_or_the_answer_stops() -> None:
    """A call is whole without an empty last piece and without a piece that lacks willContinue."""
    chunks, _ = _read(
        _event(_called(name="a", willContinue=True)),
        _piece("$.x", numberValue=1),
        _event(_called(name="b", willContinue=True)),
        _piece("$.y", numberValue=2),
        STOP,
    )
    assert [(call.index, call.name, call.parsed) for call in _calls(chunks)] == [(0, "a", {"x": 1}), (1, "b", {"y": 2})]


def test_a_tool_without_parameters_may_stream_no_argument() -> None:
    """A name and an empty last piece are a call with {}; a second empty piece is nothing."""
    chunks, _ = _read(_event(_called(name="now", willContinue=True)), _event(_called()), _event(_called()), STOP)
    assert [(call.name, call.parsed) for call in _calls(chunks)] == [("now", {})]


def test_half_a_call_cannot_be_acted_upon() -> None:
    """A call that max_tokens cut has no `parsed`, though its pieces so far are an object."""
    chunks, _ = _read(
        _event(_called(name="rm", willContinue=True)),
        _piece("$.path", stringValue="/tm", willContinue=True),
        _text("", finish="MAX_TOKENS"),
    )
    assert _calls(chunks) == [ToolCall(0, "call_0", "rm", '{"path":"/tm"}', None)]
    assert chunks[-1] == Finished("length", "MAX_TOKENS", "output_truncated")


def test_a_call_that_is_cut_off_is_no_call() -> None:
    """Without a finish reason a call that had not ended is not handed out."""
    chunks, decoder = _read(_event(_called(name="rm", willContinue=True)), _piece("$.path", stringValue="/"))
    assert _calls(chunks) == []
    assert decoder.failure == Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="no_end_marker")


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$.a", ["a"]),
        ("$.a.b[0][12].c", ["a", "b", 0, 12, "c"]),
        ("$['a b'][\"it's\"]", ["a b", "it's"]),
        (r"$['it\'s']", ["it's"]),
        ("$.größe-1", ["größe-1"]),
    ],
)
def test_paths_are_read(path: str, steps: list[str | int]) -> None:
    """Names, indexes and quoted names, as RFC 9535 writes the path of one value."""
    assert steps_of(path) == steps


@pytest.mark.parametrize("path", ["", "$", "a", "$.", "$.a[", "$.a[*]", "$..a", "$.a[-1]", None, 5, "$" + ".a" * 65])
def test_other_paths_are_refused(path: Any) -> None:
    """What is not the path of one value is not guessed at."""
    with pytest.raises(LookupError):
        steps_of(path)


@pytest.mark.parametrize("path", ["$.a[3]", "$.a[999999999]", "$.a.b", "$.a", "$[0]", "$.s.t", "$.s[0]", "$.a[0].x"])
def test_a_piece_that_does_not_fit_breaks_the_call(path: str) -> None:
    """A gap in a list, a name in a list, a value in place of an object: the call says that it is broken."""
    arguments = PartialArguments()
    for known in ({"jsonPath": "$.a[0]", "stringValue": "x"}, {"jsonPath": "$.s", "stringValue": "y"}):
        arguments.take(known)
    assert not arguments.broken
    arguments.take({"jsonPath": path, "numberValue": 1})
    assert arguments.broken
    chunks, _ = _read(_event(_called(name="f", willContinue=True)), _piece("$.a[5]", stringValue="x", more=False), STOP)
    assert _calls(chunks)[0].parsed is None


# -- what is not modelled ---------------------------------------------------------------------


def test_what_is_not_modelled_keeps_the_clock_quiet_and_comes_raw() -> None:
    """A part of a new type is a block that can be sent back; another answer beside the first is passed on."""
    other = {"candidates": [{"index": 1, "content": {"parts": [{"text": "two"}]}}]}
    for raw in (False, True):
        chunks, decoder = _read(_event({"somethingNew": 1}), other, STOP, raw=raw)
        found = [chunk for chunk in chunks if isinstance(chunk, Raw) and chunk.standing != "extra"]
        assert found == [
            Raw("gemini", "somethingNew", {"somethingNew": 1}, "block"),
            Raw("gemini", "candidate", {"content": {"parts": [{"text": "two"}]}, "index": 1}),
        ]
        assert decoder.progress == 1


@pytest.mark.parametrize("raw", [False, True])
def test_what_stands_beside_a_text_is_not_overlooked(raw: bool) -> None:
    """The quick way is for events of text alone."""
    decoder = _decoder(raw=raw)
    decoder.feed(_sse(_text("a")))
    cited = _text("b")
    cited["candidates"][0]["citationMetadata"] = {"citations": [{"uri": "u"}]}
    chunks = [chunk for chunk in decoder.feed(_sse(cited)) if not isinstance(chunk, Raw)]
    assert chunks == [TextDelta("b"), Source("u")]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"candidates": []},
        {"candidates": None, "usageMetadata": None},
        {"candidates": [{"index": 0}]},
        {"candidates": [{"content": {}, "finishReason": "FINISH_REASON_UNSPECIFIED"}]},
        {"candidates": [{"content": {"role": "model", "parts": None}}]},
        {"candidates": [{"content": {"parts": [{"text": ""}]}, "safetyRatings": [{"category": "NEW_ONE"}]}]},
        {"usageMetadata": {"trafficType": "ON_DEMAND"}},
        {"promptFeedback": {"safetyRatings": []}},
    ],
)
def test_events_that_say_nothing_are_nothing(event: dict[str, Any]) -> None:
    """No candidates, no content, no parts, unknown enum values: no chunk, no failure, no sign of work."""
    chunks, decoder = _read(event, _text("a", finish="STOP"))
    assert chunks == [TextDelta("a"), STOPPED]
    assert decoder.progress == 0


def test_counts_are_told_as_the_provider_counts_and_the_last_ones_stand() -> None:
    """Each count has its field; one Usage a read at most, the last; counts that are no numbers are unknown."""
    first = {"promptTokenCount": 50, "totalTokenCount": 50}
    last = {
        "promptTokenCount": 54, "candidatesTokenCount": 14, "thoughtsTokenCount": 62,
        "cachedContentTokenCount": 32, "totalTokenCount": 130,
    }  # fmt: skip
    chunks, _ = _read(_text("a", usage=first), _text("b", usage=last), STOP)
    assert [chunk for chunk in chunks if isinstance(chunk, Usage)] == [Usage(54, 14, 62, 32)]
    chunks, _ = _read(_text("a", usage={"promptTokenCount": "many", "candidatesTokenCount": -1}), STOP)
    assert chunks == [TextDelta("a"), STOPPED]


# -- the ends ---------------------------------------------------------------------------------

# google-genai's FinishReason, and Model Armor's, which Vertex adds.
ALL_REASONS = (
    "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT",
    "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL", "IMAGE_PROHIBITED_CONTENT",
    "NO_IMAGE", "IMAGE_RECITATION", "IMAGE_OTHER", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE", "PUP_LIMITED_DISABLED", "MODEL_ARMOR",
)  # fmt: skip


def test_every_finish_reason_is_good_or_bad() -> None:
    """The tables are total over the known reasons, and no reason is in both."""
    assert set(FINISH_REASONS) | set(FAILED_REASONS) == set(ALL_REASONS)
    assert not set(FINISH_REASONS) & set(FAILED_REASONS)


@pytest.mark.parametrize("reason", FINISH_REASONS)
def test_a_good_reason_after_content_never_raises(reason: str) -> None:
    """An answer cut by a limit or a filter is one; the reason, its kind and the explanation are on Finished."""
    event = _text("No", finish=reason)
    event["candidates"][0]["finishMessage"] = "because"
    chunks, decoder = _read(event)
    assert chunks == [TextDelta("No"), Finished(*_meaning(reason), "because")]
    assert decoder.failure is None


def _meaning(raw: str) -> tuple[Any, str, str | None]:
    reason, kind = FINISH_REASONS[raw]
    return reason, raw, kind


@pytest.mark.parametrize("reason", [*FAILED_REASONS, "FAKE_ENUM"])
def test_any_other_reason_is_a_failure_also_after_content(reason: str) -> None:
    """Known-bad reasons have their kind, unknown ones are a server error; what came before is delivered."""
    usage = {"promptTokenCount": 50}
    chunks, decoder = _read(_text("So"), _text("", finish=reason, usage=usage))
    assert chunks == [TextDelta("So"), Usage(50)]
    assert decoder.failure is not None
    assert decoder.failure.kind is FAILED_REASONS.get(reason, ErrorKind.SERVER_ERROR)
    assert decoder.failure.code == reason
    assert not decoder.done


@pytest.mark.parametrize(
    ("reason", "kind", "retryable", "fallback"),
    [
        ("SAFETY", "content_filtered", False, False),
        ("PROHIBITED_CONTENT", "content_filtered", False, False),
        ("RECITATION", "content_filtered", True, True),
        ("IMAGE_RECITATION", "content_filtered", True, True),
        ("LANGUAGE", "model_output_invalid", True, True),
        ("OTHER", "model_output_invalid", True, True),
        ("MALFORMED_FUNCTION_CALL", "model_output_invalid", True, True),
        ("TOO_MANY_TOOL_CALLS", "output_truncated", False, False),
        ("MISSING_THOUGHT_SIGNATURE", "invalid_request", False, False),
        ("PUP_LIMITED_DISABLED", "permission_denied", False, True),
    ],
)
def test_a_reason_without_an_answer(reason: str, kind: str, retryable: bool, fallback: bool) -> None:
    """A finish reason without any content is a failure; its kind says whether to retry and whether to fall back."""
    chunks, decoder = _read({"candidates": [{"finishReason": reason, "index": 0}]})
    assert chunks == []
    assert decoder.failure is not None
    error = error_for(decoder.failure)
    assert (error.kind, error.retryable, error.fallback) == (kind, retryable, fallback)


def test_an_empty_answer_is_one() -> None:
    """STOP or a limit without any content ends a whole answer."""
    assert _read(STOP)[0] == [STOPPED]
    assert _read(_text("", finish="MAX_TOKENS"))[0] == [Finished("length", "MAX_TOKENS", "output_truncated")]


def test_a_finish_message_that_may_quote_the_model_is_not_shown() -> None:
    """The malformed call is the user's data; a complaint about the request is for the developer."""
    for reason, shown in (("MALFORMED_FUNCTION_CALL", ""), ("MISSING_THOUGHT_SIGNATURE", "said")):
        _, decoder = _read({"candidates": [{"finishReason": reason, "finishMessage": "said"}]})
        assert decoder.failure is not None
        assert decoder.failure.detail == shown


def test_a_reason_may_be_a_number() -> None:
    """Older deployments send the enum's number."""
    assert _read(_text("a", finish=1))[0] == [TextDelta("a"), STOPPED]
    assert _read(_text("a", finish=99))[1].failure is not None


def test_a_blocked_prompt_is_a_failure() -> None:
    """promptFeedback with a block reason and no candidates: content_filtered, the reason in its code."""
    chunks, decoder = _read(
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4}}
    )
    assert chunks == [Usage(4)]
    assert decoder.failure == Failure(kind=ErrorKind.CONTENT_FILTERED, code="PROHIBITED_CONTENT")


ERROR = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "body",
    [
        _sse(ERROR),
        _sse([ERROR]),
        json.dumps(ERROR, indent=2).encode(),
        json.dumps([ERROR], indent=2).replace("\n", "\r\n").encode(),
        b"data: " + json.dumps(ERROR).encode(),
    ],
    ids=["event", "list", "bare", "bare list", "no blank line"],
)
def test_an_error_after_good_events_is_classified_in_any_shape(body: bytes) -> None:
    """An error is found as an event, as a list of one and as a bare body; what came before it stays."""
    decoder = _decoder()
    chunks = [*decoder.feed(_sse(_text("First", finish="STOP"))), *decoder.feed(body), *decoder.finish()]
    assert chunks == [TextDelta("First")]
    assert decoder.failure is not None
    assert decoder.failure.kind is ErrorKind.PROVIDER_OVERLOADED
    assert not decoder.done
    assert decoder.feed(_sse(_text("more"))) == []


def test_without_a_finish_reason_the_answer_is_cut() -> None:
    """A clean end of the body is not enough, unless the target says so."""
    for events in ((), (_text("a"),), ({"this": [{"is": {"not": "it"}}]},)):
        _, decoder = _read(*events)
        assert decoder.failure == Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="no_end_marker")
    chunks, decoder = _read(_text("a"), terminal="eof_ok")
    assert (chunks, decoder.done, decoder.failure) == ([TextDelta("a")], True, None)
    assert not _read(terminal="eof_ok")[1].done


def test_half_an_event_after_a_finish_reason_is_a_cut() -> None:
    """With models that send STOP in every event, what shows the cut is the event that is not whole."""
    body = _sse(_text("a", finish="STOP"))
    half = _sse(_text("b", finish="STOP"))
    for end in range(4, len(half) - 4):
        decoder = _decoder()
        chunks = [*decoder.feed(body + half[:end]), *decoder.finish()]
        assert chunks == [TextDelta("a")]
        assert decoder.failure == Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="no_end_marker")
    decoder = _decoder()
    assert [*decoder.feed(body + half[:-4]), *decoder.finish()] == [TextDelta("a"), TextDelta("b"), STOPPED]


def test_bytes_that_are_no_json_end_the_answer() -> None:
    """The good events before it are delivered; the failure carries nothing of the text."""
    decoder = _decoder()
    assert decoder.feed(_sse(_text("a")) + b"data: {secret\r\n\r\n" + _sse(STOP)) == [TextDelta("a")]
    assert decoder.failure is not None
    assert decoder.failure.kind is ErrorKind.PROTOCOL_ERROR
    assert "secret" not in decoder.failure.detail


def test_two_values_in_one_event_are_no_json() -> None:
    """Reads are decoded as one array, in which a second value must not pass for another event."""
    decoder = _decoder()
    decoder.feed(_sse(_text("a")))
    one = json.dumps(_text("b")).encode()
    assert decoder.feed(b"data: " + one + b"," + one + b"\r\n\r\n" + _sse(_text("c"))) == []
    assert decoder.failure is not None
    assert decoder.failure.kind is ErrorKind.PROTOCOL_ERROR


def test_an_event_above_the_bound_is_a_failure() -> None:
    """An event above max_event_bytes is a failure, so one event cannot fill the memory."""
    decoder = gemini_decoder("gemini", max_event_bytes=2048)
    decoder.feed(_sse(_text("a")))
    decoder.feed(b"data: " + b"x" * 3000)
    assert decoder.failure is not None
    assert decoder.failure.kind is ErrorKind.BUFFER_LIMIT


# -- what is sent -----------------------------------------------------------------------------

ENDPOINT = Endpoint(base_url="https://example.test", api_key="k", headers={"x-extra": "1"})
TOOLS = to_tools([{"name": "weather", "description": "Look it up.", "parameters": {"type": "object"}}])


def _request(prompt: Any = "hi", model: str = "gemini-2.5-flash", **fields: Any) -> Request:
    return Request(messages=to_messages(prompt), target=Target(f"gemini:{model}"), **fields)


def _body(prompt: Any = "hi", model: str = "gemini-2.5-flash", **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(ADAPTER.encode(_request(prompt, model, **fields), ENDPOINT).body)
    return body


def _config(**fields: Any) -> Any:
    return _body(**fields).get("generationConfig")


def test_the_adapter_is_found_by_its_name() -> None:
    """`gemini` is a provider of its own, with the variables that Google's SDK reads."""
    assert isinstance(adapter_for("gemini"), Gemini)
    assert ADAPTER.key_variables == ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    assert ADAPTER.url_variable == "GEMINI_BASE_URL"
    assert not ADAPTER.capabilities("gemini-2.5-flash").prefill


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("tunedModels/mine", "tunedModels/mine"),
        ("a b?c", "models/a%20b%3Fc"),
    ],
)
def test_the_request_goes_to_the_model_s_own_address(model: str, path: str) -> None:
    """The version is ours to add; a model's full name stays; the key travels in a header, never in the URL."""
    sent = ADAPTER.encode(_request(model=model), ENDPOINT)
    assert sent.url == f"https://example.test/v1beta/{path}:streamGenerateContent?alt=sse"
    assert sent.headers == {
        "Content-Type": "application/json", "Accept": "text/event-stream", "x-goog-api-key": "k", "x-extra": "1",
    }  # fmt: skip


def test_a_plain_question_is_sent_as_little_more_than_itself() -> None:
    """Nothing is sent that was not asked for."""
    assert _body("hi") == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_a_whole_conversation() -> None:
    """System text in its own field; roles user and model; a result by its function's name; one turn per role."""
    messages = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Weather in Rome and Oslo?"),
        Message(
            role="assistant",
            content="I'll look.",
            tool_calls=(
                FunctionCall(id="call_0", name="weather", arguments='{"city": "Rome"}', signature="sig"),
                FunctionCall(id="call_1", name="wind", arguments=""),
            ),
        ),
        Message(role="tool", tool_call_id="call_0", content='{"degrees": 21}'),
        Message(role="tool", tool_call_id="call_1", content="calm"),
        Message(role="developer", content="Use Celsius."),
        Message(role="user", content="Well?"),
    ]
    assert _body(messages) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Weather in Rome and Oslo?"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "I'll look."},
                    {"functionCall": {"name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "sig"},
                    {"functionCall": {"name": "wind", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "weather", "response": {"degrees": 21}}},
                    {"functionResponse": {"name": "wind", "response": {"result": "calm"}}},
                    {"text": "<system>\nUse Celsius.\n</system>"},
                    {"text": "Well?"},
                ],
            },
        ],
    }


def test_a_result_belongs_to_the_last_call_of_its_id() -> None:
    """Ids may come again in a later turn; a result without a known call has the name that the message has."""
    again = [
        Message(role="user", content="go"),
        Message(role="assistant", tool_calls=(FunctionCall(id="call_0", name="first"),)),
        Message(role="tool", tool_call_id="call_0", content="[1]"),
        Message(role="assistant", tool_calls=(FunctionCall(id="call_0", name="second"),)),
        Message(role="tool", tool_call_id="call_0", content=""),
        Message(role="tool", tool_call_id="other", name="third", content="x"),
    ]
    parts = [part for content in _body(again)["contents"] for part in content["parts"]]
    assert [part["functionResponse"] for part in parts if "functionResponse" in part] == [
        {"name": "first", "response": {"result": "[1]"}},
        {"name": "second", "response": {"result": ""}},
        {"name": "third", "response": {"result": "x"}},
    ]


def test_ids_go_back_when_they_are_gemini_s_own() -> None:
    """Its newer models match results by id; an id made up here, or by another provider, means nothing to it."""
    for id, sent in (("cxk8o6f8", {"id": "cxk8o6f8"}), ("call_0_eCS5", {}), ("toolu_01AbCd", {})):
        turns = [
            Message(role="user", content="go"),
            Message(role="assistant", tool_calls=(FunctionCall(id=id, name="f"),)),
            Message(role="tool", tool_call_id=id, content="{}"),
        ]
        _, called, answered = (content["parts"][0] for content in _body(turns)["contents"])
        assert called["functionCall"] == {"name": "f", "args": {}} | sent
        assert answered["functionResponse"] == {"name": "f", "response": {}} | sent


def test_calls_of_another_model_pass_gemini_3() -> None:
    """It refuses a turn whose first call has no signature; Google's placeholder stands in, once and there only."""
    calls = (FunctionCall(id="a", name="f"), FunctionCall(id="b", name="g"))
    turns = [Message(role="user", content="go"), Message(role="assistant", tool_calls=calls)]
    for model, expected in (
        ("gemini-3-pro-preview", ["skip_thought_signature_validator", None]),
        ("gemini-2.5-flash", [None, None]),
    ):
        parts = _body(turns, model)["contents"][1]["parts"]
        assert [part.get("thoughtSignature") for part in parts] == expected
    signed = Message(role="assistant", tool_calls=(calls[0].model_copy(update={"signature": "s"}), calls[1]))
    parts = _body([turns[0], signed], "gemini-3-pro-preview")["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == ["s", None]


def test_reasoning_goes_back_when_it_is_signed() -> None:
    """A signed thought as a thought, a bare signature on an empty part; without a signature it stays away."""
    parts = (
        ReasoningPart(text="Hm.", signature="s1"),
        ReasoningPart(signature="s2"),
        ReasoningPart(text="unsigned"),
        TextPart(text="Yes."),
    )
    turns = [Message(role="user", content="go"), Message(role="assistant", content=parts)]
    assert _body(turns)["contents"][1]["parts"] == [
        {"text": "Hm.", "thought": True, "thoughtSignature": "s1"},
        {"text": "", "thoughtSignature": "s2"},
        {"text": "Yes."},
    ]


def test_images_go_as_data_or_as_a_link() -> None:
    """A data URL becomes inlineData, any other fileData, with its type where the ending tells it."""
    parts = (
        TextPart(text="What is it?"),
        ImagePart(url="data:image/webp;base64,QUJD"),
        ImagePart(url="https://x.test/a.JPG?size=1"),
        ImagePart(url="https://x.test/files/abc"),
    )
    assert _body([Message(role="user", content=parts)])["contents"][0]["parts"] == [
        {"text": "What is it?"},
        {"inlineData": {"mimeType": "image/webp", "data": "QUJD"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.test/a.JPG?size=1"}},
        {"fileData": {"fileUri": "https://x.test/files/abc"}},
    ]


def test_a_picture_as_a_tool_s_result_stands_beside_it() -> None:
    """The response has the text, the next part the picture."""
    result = (TextPart(text="a plot"), ImagePart(url="data:image/png;base64,QUJD"))
    turns = [Message(role="tool", tool_call_id="x", name="plot", content=result)]
    assert _body(turns)["contents"][0]["parts"] == [
        {"functionResponse": {"name": "plot", "response": {"result": "a plot"}}},
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
    ]


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        [Message(role="user", content=())],
        [Message(role="user", content=(TextPart(text=""),))],
        [Message(role="system", content="s")],
    ],
)
def test_an_empty_turn_is_a_single_space(prompt: Any) -> None:
    """Gemini refuses a request without contents, and a turn without parts."""
    assert _body(prompt)["contents"] == [{"role": "user", "parts": [{"text": " "}]}]


def test_a_turn_of_calls_alone_has_no_space() -> None:
    """The space is for nothing at all."""
    turn = Message(role="assistant", tool_calls=(FunctionCall(id="a", name="f"),))
    assert _body([Message(role="user", content="go"), turn])["contents"][1]["parts"] == [
        {"functionCall": {"name": "f", "args": {}}}
    ]


def test_tools_are_sent_with_their_whole_json_schema() -> None:
    """`parameters` would take a part of OpenAPI only."""
    assert _body(tools=TOOLS)["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "Look it up.", "parametersJsonSchema": {"type": "object"}}
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_the_choice_of_a_tool(choice: str, config: dict[str, Any]) -> None:
    """The three words, or one tool by its name."""
    assert _body(tools=TOOLS, tool_choice=choice)["toolConfig"] == {"functionCallingConfig": config}


def test_every_setting_has_its_field() -> None:
    """Limits, sampling, stop sequences and the schema of the answer."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    config = _config(max_tokens=99, temperature=0, top_p=0.9, stop=("END",), seed=7, output=schema, reasoning=2048)
    assert config == {
        "maxOutputTokens": 99, "temperature": 0, "topP": 0.9, "stopSequences": ["END"], "seed": 7,
        "responseMimeType": "application/json", "responseJsonSchema": schema,
        "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "reasoning", "expected"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-flash", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128, "includeThoughts": False}),
        ("gemini-2.5-flash", 0, {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "MINIMAL", "includeThoughts": False}),
        ("gemini-3-flash-preview", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("models/gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3-pro-preview", "high", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3-pro-preview", -1, {"thinkingBudget": -1, "includeThoughts": True}),
        ("gemini-flash-latest", "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-4-argon", "xhigh", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_reasoning_is_asked_for_as_the_model_takes_it(model: str, reasoning: Any, expected: dict[str, Any]) -> None:
    """A level from Gemini 3 on, a budget before; a budget as it is; never both, which Gemini refuses."""
    assert _config(model=model, reasoning=reasoning) == {"thinkingConfig": expected}


def test_extra_is_merged_last_and_deep() -> None:
    """Objects are merged, so that one setting does not drop the others; all else is replaced."""
    extra = {
        "generationConfig": {"topK": 40, "temperature": 1, "thinkingConfig": {"includeThoughts": False}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "tools": [{"googleSearch": {}}],
    }
    body = _body(temperature=0, reasoning=512, max_tokens=5, tools=TOOLS, extra=extra)
    assert body["generationConfig"] == {
        "maxOutputTokens": 5, "temperature": 1, "topK": 40,
        "thinkingConfig": {"thinkingBudget": 512, "includeThoughts": False},
    }  # fmt: skip
    assert body["safetySettings"] == extra["safetySettings"]
    assert body["tools"] == [{"googleSearch": {}}]
    assert body["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


def test_the_body_is_the_same_for_vertex() -> None:
    """`encode_body` needs neither the address nor the key."""
    assert encode_body(_request(tools=TOOLS)) == _body(tools=TOOLS)


def test_http_errors_are_classified_by_google_s_rules() -> None:
    """A bad key is a 400 here."""
    body = json.dumps({
        "error": {
            "code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
            "details": [{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
        }
    }).encode()  # fmt: skip
    assert ADAPTER.classify(400, {}, body).kind is ErrorKind.AUTHENTICATION
