"""Answers of Google's and Bedrock's dialects with searches, programs, pictures and citations; see `hosted`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.corpus.hosted import PIXEL, Hosted, Item

__all__ = ["CLOUDS"]

_TEXTS = ("Heute ", "in Tromsø: ", "kühl, 3 °C.")
_TEXT = "".join(_TEXTS)
_PAGE = "https://yr.example/tromso"


def _bytes(words: str) -> tuple[int, int]:
    """Begin and end of these words, as Google counts them: in bytes of UTF-8."""
    begin = len(_TEXT[: _TEXT.index(words)].encode())
    return begin, begin + len(words.encode())


def _points(words: str) -> str:
    """Begin and end of these words, as they are to be read: in code points."""
    begin = _TEXT.index(words)
    return f"{begin} {begin + len(words)}"


# -- Gemini -----------------------------------------------------------------------------------


def _event(*parts: Item, **candidate: Any) -> Item:
    said = {"content": {"role": "model", "parts": [*parts]}, "index": 0, **candidate}
    return {"candidates": [said], "modelVersion": "m-1", "responseId": "resp1"}


def _gemini(*events: Item, **last: Any) -> list[Any]:
    """Give the events their end and their counts."""
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 9, "thoughtsTokenCount": 30, "cachedContentTokenCount": 0}
    return [*events, {**_event({"text": ""}, finishReason="STOP", **last), "usageMetadata": usage}]


def _support(words: str, *pages: int) -> Item:
    begin, end = _bytes(words)
    return {"segment": {"startIndex": begin, "endIndex": end, "text": words}, "groundingChunkIndices": [*pages]}


_GROUNDING: Item = {
    "webSearchQueries": ["wetter tromsø"],
    "searchEntryPoint": {"renderedContent": "<div>wetter</div>"},
    "groundingChunks": [
        {"web": {"uri": _PAGE, "title": "yr.example"}},
        {"retrievedContext": {"uri": "gs://b/notes.pdf", "title": "notes.pdf", "text": "3 °C"}},
        {"web": {"uri": "https://other.example", "title": "other.example"}},
    ],
    "groundingSupports": [_support("Tromsø", 0), _support("kühl, 3 °C", 0, 1)],
}
_FETCHED = {"urlMetadata": [{"retrievedUrl": _PAGE, "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}]}
_GOOGLES_COUNTS = [20, 9, 30, 0, None]
_SEARCHED = Hosted(
    _gemini(
        _event({"text": _TEXTS[0]}, urlContextMetadata=_FETCHED), *(_event({"text": text}) for text in _TEXTS[1:]),
        groundingMetadata=_GROUNDING,
    ),
    {
        "text": _TEXT, "finish": "STOP", "usage": _GOOGLES_COUNTS,
        "beside": [
            f"source {_PAGE} {_points('Tromsø')}", f"source {_PAGE} {_points('kühl, 3 °C')}",
            f"source gs://b/notes.pdf {_points('kühl, 3 °C')}",
            "server_tool_call google_search google_search", "server_tool_result google_search google_search",
            "server_tool_call url_context url_context", "server_tool_result url_context url_context",
            "source https://other.example None None",
        ],
    },
)  # fmt: skip
_RAN = Hosted(
    _gemini(
        _event({"text": "I compute. "}),
        _event({"executableCode": {"language": "PYTHON", "code": "print(6*7)"}, "thoughtSignature": "c2lnMQ=="}),
        _event({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}}),
        _event({"inlineData": {"mimeType": "image/png", "data": PIXEL}, "thoughtSignature": "c2lnMg=="}),
        _event({"text": "It is 42.", "thoughtSignature": "c2lnMw=="}),
        citationMetadata={"citationSources": [{"startIndex": 11, "endIndex": 16, "uri": _PAGE}]},
    ),
    {
        "text": "I compute. It is 42.", "finish": "STOP", "usage": _GOOGLES_COUNTS,
        "beside": [
            "server_tool_call code_1 code_execution", "server_tool_result code_1 code_execution", "file image/png 70",
            f"source {_PAGE} 11 16",
        ],
    },
)  # fmt: skip
_CALLED = Hosted(
    _gemini(
        _event({"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "t1", "args": {"queries": ["wetter"]}},
                "thoughtSignature": "c2lnMQ=="}),
        _event({"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "id": "t1", "response": {"search_suggestions": "x"}},
                "thoughtSignature": "c2lnMg=="}),
        *(_event({"text": text}) for text in _TEXTS),
        groundingMetadata=_GROUNDING,
    ),
    {
        "text": _TEXT, "finish": "STOP", "usage": _GOOGLES_COUNTS,
        "beside": [
            "server_tool_call t1 GOOGLE_SEARCH_WEB", "server_tool_result t1 GOOGLE_SEARCH_WEB",
            f"source {_PAGE} {_points('Tromsø')}", f"source {_PAGE} {_points('kühl, 3 °C')}",
            f"source gs://b/notes.pdf {_points('kühl, 3 °C')}", "source https://other.example None None",
        ],
    },
)  # fmt: skip
_GEMINI = {"search": _SEARCHED, "program": _RAN, "server-tools": _CALLED}


# -- Interactions -----------------------------------------------------------------------------


def _interaction(*steps: tuple[Item, list[Item]]) -> list[Any]:
    """Give the events of these steps, each with its deltas."""
    whole = {"id": "int_1", "object": "interaction", "model": "m-1"}
    events: list[Item] = [{"event_type": "interaction.created", "interaction": {**whole, "status": "in_progress"}}]
    for index, (step, deltas) in enumerate(steps):
        events.append({"event_type": "step.start", "index": index, "step": step})
        events += ({"event_type": "step.delta", "index": index, "delta": delta} for delta in deltas)
        events.append({"event_type": "step.stop", "index": index})
    usage = {"total_input_tokens": 20, "total_cached_tokens": 0, "total_output_tokens": 9, "total_thought_tokens": 30}
    ended = {**whole, "status": "completed", "usage": usage}
    events.append({"event_type": "interaction.completed", "interaction": ended})
    numbered = ({**event, "event_id": str(number)} for number, event in enumerate(events))
    return [*((event["event_type"], event) for event in numbered), ("done", "[DONE]")]


_CITATION = {"type": "url_citation", "url": _PAGE, "title": "yr", "start_index": _bytes("Tromsø")[0],
             "end_index": _bytes("Tromsø")[1]}  # fmt: skip
_INTERACTION = Hosted(
    _interaction(
        ({"type": "thought"}, [{"type": "thought_signature", "signature": "c2lnMA=="}]),
        ({"type": "google_search_call", "id": "s1", "signature": ""},
         [{"type": "google_search_call", "arguments": {"queries": ["wetter"]}, "signature": "c2lnMQ=="}]),
        ({"type": "google_search_result", "call_id": "s1"},
         [{"type": "google_search_result", "result": [{"search_suggestions": "<p>"}], "signature": "c2lnMg=="}]),
        ({"type": "code_execution_call", "id": "c1"},
         [{"type": "code_execution_call", "arguments": {"language": "python", "code": "print(42)"}}]),
        ({"type": "code_execution_result", "call_id": "c1"}, [{"type": "code_execution_result", "result": "42\n"}]),
        ({"type": "model_output"}, [{"type": "image", "mime_type": "image/png", "data": PIXEL}]),
        ({"type": "model_output"}, [*({"type": "text", "text": text} for text in _TEXTS),
                                    {"type": "text_annotation_delta", "annotations": [_CITATION]}]),
    ),
    {
        "text": _TEXT, "finish": "completed", "usage": _GOOGLES_COUNTS,
        "beside": [
            "server_tool_call s1 google_search", "server_tool_result s1 google_search",
            "server_tool_call c1 code_execution", "server_tool_result c1 code_execution", "file image/png 70",
            f"source {_PAGE} {_points('Tromsø')}",
        ],
    },
)  # fmt: skip


# -- Bedrock ----------------------------------------------------------------------------------


def _converse(*blocks: tuple[Item, list[Item]]) -> Iterator[tuple[str, Item]]:
    yield "messageStart", {"role": "assistant"}
    for index, (start, deltas) in enumerate(blocks):
        if start:
            yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for delta in deltas:
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": "end_turn"}
    yield "metadata", {"usage": {"inputTokens": 20, "outputTokens": 9, "totalTokens": 29}, "metrics": {"latencyMs": 3}}


_WEB = {"location": {"web": {"url": _PAGE, "domain": "yr.example"}}}
_DOCUMENT = {"title": "notes", "source": "notes.pdf", "sourceContent": [{"text": "3 °C"}],
             "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 1}}}  # fmt: skip
_AWS_COUNTS = [20, 9, None, None, None]
_GROUNDED = Hosted(
    [*_converse(
        ({"toolUse": {"toolUseId": "tooluse_1", "name": "nova_grounding", "type": "server_tool_use"}},
         [{"toolUse": {"input": '{"query":'}}, {"toolUse": {"input": ' "wetter"}'}}]),
        ({"toolResult": {"toolUseId": "tooluse_1", "status": "success", "type": "nova_grounding_result"}},
         [{"toolResult": [{"text": "[HID"}]}, {"toolResult": [{"text": "DEN]"}]}]),
        ({}, [{"text": text} for text in _TEXTS[:2]]),
        ({}, [{"citation": _WEB}]),
        ({}, [{"text": _TEXTS[2]}]),
    )],
    {
        "text": _TEXT, "finish": "end_turn", "usage": _AWS_COUNTS,
        "beside": [
            "server_tool_call tooluse_1 nova_grounding", "server_tool_result tooluse_1 nova_grounding",
            f"source {_PAGE} 0 17",
        ],
    },
)  # fmt: skip
_CITED = Hosted(
    [*_converse(
        ({}, [{"reasoningContent": {"text": "Hm."}}, {"reasoningContent": {"signature": "c2lnbmVk"}}]),
        ({}, [{"text": text} for text in _TEXTS[:2]]),
        ({}, [{"text": _TEXTS[2]}, {"citation": _DOCUMENT}, {"citation": _WEB}]),
        ({"image": {"format": "png"}}, [{"image": {"source": {"bytes": PIXEL}}}]),
    )],
    {
        "text": _TEXT, "reasoning": "Hm.", "finish": "end_turn", "usage": _AWS_COUNTS,
        "beside": [
            f"source notes.pdf {_points(_TEXTS[2])}", f"source {_PAGE} {_points(_TEXTS[2])}", "file image/png 70",
        ],
    },
)  # fmt: skip

_PLACE = {"type": "char_location", "cited_text": "3 °C", "document_index": 0, "document_title": "notes.pdf",
          "start_char_index": 0, "end_char_index": 4}  # fmt: skip
_CLAUDES: list[tuple[Item, list[Item]]] = [
    ({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
     [{"type": "input_json_delta", "partial_json": '{"query": "wetter"}'}]),
    ({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
      "content": [{"type": "web_search_result", "url": _PAGE, "title": "yr", "encrypted_content": "x"}]}, []),
    ({"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in _TEXTS[:2]]),
    ({"type": "text", "text": "", "citations": []},
     [{"type": "citations_delta", "citation": _PLACE}, {"type": "text_delta", "text": _TEXTS[2]}]),
]  # fmt: skip


def _invoked() -> Iterator[Item]:
    usage = {"input_tokens": 20, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m-1", "usage": usage}
    yield {"type": "message_start", "message": message}
    for index, (block, deltas) in enumerate(_CLAUDES):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    counts = {"inputTokenCount": 20, "outputTokenCount": 9}
    yield {"type": "message_stop", "amazon-bedrock-invocationMetrics": counts}


_INVOKED = Hosted(
    [*_invoked()],
    {
        "text": _TEXT, "finish": "end_turn", "usage": _AWS_COUNTS,
        "beside": [
            "server_tool_call srvtoolu_1 web_search", "server_tool_result srvtoolu_1 web_search",
            f"source  {_points(_TEXTS[2])}",
        ],
    },
)  # fmt: skip

CLOUDS: Mapping[str, Mapping[str, Hosted]] = {
    "gemini": _GEMINI,
    "gemini-array": _GEMINI,
    "gemini-interactions": {"hosted": _INTERACTION},
    "bedrock-converse-stream": {"search": _GROUNDED, "cited": _CITED},
    "bedrock-invoke-stream": {"search": _INVOKED},
}
