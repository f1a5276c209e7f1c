"""The same for chat completions, Cohere and Ollama: citations, pictures, recordings, tools that the host ran.

Hosts of OpenAI's shape differ in what they add, so an answer may name its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.corpus.dialects import Event, chat_chunk
from tests.corpus.hosted import PIXEL, Hosted

__all__ = ["HOSTED_CHAT"]

_COUNTS = [11, 7, 0, 0, None]
_USAGE = {
    "prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}  # fmt: skip
_TEXTS = ("Grüße", " aus Oslo [1].")
_PAGE = {"url": "https://yr.example/oslo", "title": "Oslo"}
_RESULT = {**_PAGE, "snippet": "Cold.", "date": "2026-01-01", "source": "web"}
_PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}, "index": 0}
_NOTE = {"type": "file", "file": {"hash": "h1", "name": "a.pdf", "content": [{"type": "text", "text": "Cold."}]}}
_FOUND = {"output": "Title: Oslo", "search_results": {"results": [{**_PAGE, "content": "Cold.", "score": 0.9}]}}
_PLOT = {"code_results": [{"png": PIXEL}]}


def _chat(*deltas: Mapping[str, Any], **top: Any) -> list[Event]:
    """Write an answer of these deltas. top: fields that come with each chunk."""
    chunks = [{**chat_chunk(delta), **top} for delta in deltas]
    last = {**chat_chunk({}, "stop"), **top}
    return [*chunks, last, {**last, "choices": [], "usage": _USAGE}, "[DONE]"]


def _text(*pieces: str) -> list[dict[str, Any]]:
    return [{"content": piece} for piece in pieces]


def _cited(start: int, end: int) -> dict[str, Any]:
    return {"type": "url_citation", "url_citation": {**_PAGE, "start_index": start, "end_index": end}}


def _ran(index: int, kind: str, arguments: str, **result: Any) -> dict[str, Any]:
    return {"executed_tools": [{"index": index, "type": kind, "arguments": arguments, **result}]}


def _expected(text: str, *beside: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "finish": "stop", "usage": _COUNTS, "beside": list(beside), **more}


_SOUND = [
    {"id": "audio_1", "transcript": "Grü"}, {"transcript": "ße."},
    *({"data": PIXEL[at : at + 30]} for at in range(0, 96, 30)), {"expires_at": 4102444800},
]  # fmt: skip

_CHAT = {
    "annotations": Hosted(
        _chat(*_text(*_TEXTS), {"content": "", "annotations": [_cited(6, 14)]}),
        _expected("".join(_TEXTS), "source https://yr.example/oslo 6 14"),
    ),
    "recording": Hosted(
        _chat(*({"audio": piece} for piece in _SOUND)), _expected("Grüße.", "file image/png 70"),
    ),
    "search-results": Hosted(
        _chat(*_text(*_TEXTS), citations=[_PAGE["url"]], search_results=[_RESULT]),
        _expected("".join(_TEXTS), "source https://yr.example/oslo None None"), "perplexity",
    ),
    "pictures-and-notes": Hosted(
        _chat(*_text("Here."), {"content": "", "images": [_PICTURE]}, {"content": "", "annotations": [_NOTE]}),
        _expected("Here.", "file image/png 70", "raw annotations block"), "openrouter",
    ),
    "picture-alone": Hosted(
        _chat({"content": "", "images": [_PICTURE]}), _expected("", "file image/png 70"), "openrouter",
    ),
    "executed-tools": Hosted(
        _chat(
            {"reasoning": "I look."}, _ran(0, "search", '{"query":"Oslo"}', search_results={"results": []}),
            _ran(0, "search", '{"query":"Oslo"}', **_FOUND), _ran(1, "python", "plot()", **_PLOT), *_text("Cold", "."),
        ),
        _expected(
            "Cold.", "server_tool_call executed_0 search", "server_tool_result executed_0 search",
            "server_tool_call executed_1 python", "server_tool_result executed_1 python", "file image/png 70",
            reasoning="I look.",
        ),
        "groq",
    ),
    "references": Hosted(
        _chat(
            {"content": [{"type": "text", "text": "Cold"}, {"type": "reference", "reference_ids": [0]}]},
            *_text(" today."),
        ),
        _expected("Cold today.", "source 0 4 4"), "mistral",
    ),
}  # fmt: skip


def _cohere(*events: Event) -> list[Event]:
    """Write an answer with the text in block 0."""
    tokens = {"input_tokens": 11, "output_tokens": 7}
    end = {"finish_reason": "COMPLETE", "usage": {"billed_units": tokens, "tokens": tokens, "cached_tokens": 0}}
    return [
        {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "citations": []}}},
        _block("start", type="text", text=""), *(_block("delta", text=piece) for piece in _TEXTS), _block("end"),
        *events, {"type": "message-end", "id": "c1", "delta": end},
    ]  # fmt: skip


def _block(step: str, **content: str) -> Event:
    return {"type": f"content-{step}", "index": 0, "delta": {"message": {"content": content}}}


_SOURCES = [
    {"type": "document", "id": "d1", "document": {"id": "d1", **_PAGE, "snippet": "Cold."}},
    {"type": "tool", "id": "weather:0", "tool_output": {"content": "-3 °C"}},
]
_CITATION = {"start": 10, "end": 14, "text": "Oslo", "sources": _SOURCES, "type": "TEXT_CONTENT"}
_COHERE = {
    "citations": Hosted(
        _cohere(
            {"type": "citation-start", "index": 0, "delta": {"message": {"citations": _CITATION}}},
            {"type": "citation-end", "index": 0},
        ),
        {
            "text": "".join(_TEXTS), "finish": "COMPLETE", "usage": [11, 7, None, 0, None],
            "beside": ["source https://yr.example/oslo 10 14", "source weather:0 10 14"],
        },
    ),
}  # fmt: skip

_HEAD = {"model": "m-1", "created_at": "2026-01-01T00:00:00Z"}
_OLLAMA = {
    "picture": Hosted(
        [
            {**_HEAD, "message": {"role": "assistant", "content": "Here."}, "done": False},
            {**_HEAD, "message": {"role": "assistant", "content": "", "images": [PIXEL]}, "done": False},
            {**_HEAD, "message": {"role": "assistant", "content": ""}, "done_reason": "stop", "done": True,
             "total_duration": 5, "prompt_eval_count": 11, "eval_count": 7},
        ],
        {"text": "Here.", "finish": "stop", "usage": [11, 7, None, None, None], "beside": ["file image/png 70"]},
    ),
}  # fmt: skip

HOSTED_CHAT: Mapping[str, Mapping[str, Hosted]] = {"openai-chat": _CHAT, "cohere": _COHERE, "ollama-chat": _OLLAMA}
