"""Answers with more than text and calls of functions: searches, programs, pictures, citations, files.

Each dialect has its own, so each is written down as its events, and beside them what is to be read of them.
`beside` has a line for each chunk that is neither text nor a call: its type, and what tells it from others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

__all__ = ["HOSTED", "PIXEL", "Hosted"]

Item: TypeAlias = dict[str, Any]


class Hosted(NamedTuple):
    """One answer. events: as the dialect sends them. expected: what is to be read of it. provider: whose it is, if not
    the dialect's own."""

    events: list[Any]
    expected: Mapping[str, Any]
    provider: str = ""


# -- OpenAI's Responses -----------------------------------------------------------------------

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

_THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAsearch"}
_THOUGHT_AGAIN = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAAprogram"}
_SEARCH = {
    "type": "web_search_call", "id": "ws_1", "status": "completed",
    "action": {"type": "search", "query": "weather Oslo", "sources": [{"type": "url", "url": "https://yr.example/oslo"}]},
}  # fmt: skip
_FOUND = {
    "type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["oslo"],
    "results": [{"file_id": "file-1", "filename": "notes.pdf", "score": 0.9, "text": "Oslo is cold."}],
}  # fmt: skip
_PROGRAM = {
    "type": "code_interpreter_call", "id": "ci_1", "status": "completed", "container_id": "cntr_1",
    "code": "print(6*7)",
    "outputs": [{"type": "logs", "logs": "42\n"}, {"type": "image", "url": f"data:image/png;base64,{PIXEL}"}],
}  # fmt: skip
_PICTURE = {
    "type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PIXEL, "output_format": "png",
    "revised_prompt": "A dot.", "size": "1024x1024", "quality": "low", "background": "opaque", "action": "generate",
}  # fmt: skip
_LIST = {
    "type": "mcp_list_tools", "id": "mcpl_1", "server_label": "wiki", "error": None,
    "tools": [{"name": "ask", "description": None, "annotations": None, "input_schema": {"type": "object"}}],
}  # fmt: skip
_ASKED = {
    "type": "mcp_call", "id": "mcp_1", "status": "completed", "server_label": "wiki", "name": "ask",
    "arguments": '{"q":"Oslo"}', "output": "A city.", "error": None, "approval_request_id": None,
}  # fmt: skip
_TEXTS = ("Cold today. ", "See the plot: sandbox:/plot.png")
_NOTES = (
    {"type": "url_citation", "url": "https://yr.example/oslo", "title": "Oslo", "start_index": 0, "end_index": 11},
    {"type": "container_file_citation", "container_id": "cntr_1", "file_id": "cfile_1", "filename": "plot.png",
     "start_index": 14, "end_index": 31},
)  # fmt: skip
_MESSAGE = {
    "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
    "content": [
        {"type": "output_text", "text": text, "annotations": [note], "logprobs": []}
        for text, note in zip(_TEXTS, _NOTES, strict=True)
    ],
}  # fmt: skip
_APPROVAL = {
    "type": "mcp_approval_request", "id": "mcpr_1", "server_label": "wiki", "name": "edit",
    "arguments": '{"page":"Oslo"}',
}  # fmt: skip
_CLICK = {
    "type": "computer_call", "id": "cu_1", "call_id": "call_cu1", "status": "completed",
    "action": {"type": "click", "button": "left", "x": 3, "y": 4}, "pending_safety_checks": [],
}  # fmt: skip


def _response(*items: Item) -> list[Any]:
    """Number the events of an answer with these items."""
    base = {"id": "resp_1", "object": "response", "model": "m-1", "status": "in_progress", "output": []}
    events: list[Item] = [{"type": "response.created", "response": base}]
    for place, item in enumerate(items):
        at = {"output_index": place, "item_id": item["id"]}
        begun = {name: value for name, value in item.items() if name not in _LATE}
        events += [
            {"type": "response.output_item.added", "output_index": place, "item": {**begun, **_blank(item)}},
            *({**step, **at} for step in _steps(item)),
            {"type": "response.output_item.done", "output_index": place, "item": item},
        ]
    usage = {"input_tokens": 90, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 40,
             "output_tokens_details": {"reasoning_tokens": 12}, "total_tokens": 130}  # fmt: skip
    whole = {**base, "status": "completed", "output": list(items), "usage": usage}
    events.append({"type": "response.completed", "response": whole})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


_LATE = frozenset({"action", "outputs", "results", "queries", "result", "output", "tools"})
"""What an item does not have when it begins."""


def _blank(item: Item) -> Item:
    """What is empty when an item begins."""
    blank = {"code": "", "arguments": "", "content": [], "status": "in_progress", "tools": []}
    kept = () if item["type"] == "mcp_approval_request" else blank.items()
    return {name: value for name, value in kept if name in item}


def _steps(item: Item) -> Iterator[Item]:
    """Give the events between the beginning and the end of an item."""
    kind = item["type"]
    if kind.endswith("_call"):
        yield {"type": f"response.{kind}.in_progress"}
    if kind == "code_interpreter_call":
        yield {"type": "response.code_interpreter_call_code.delta", "delta": item["code"]}
        yield {"type": "response.code_interpreter_call_code.done", "code": item["code"]}
        yield {"type": "response.code_interpreter_call.interpreting"}
    if kind == "mcp_call":
        yield {"type": "response.mcp_call_arguments.delta", "delta": item["arguments"]}
        yield {"type": "response.mcp_call_arguments.done", "arguments": item["arguments"]}
    if kind == "image_generation_call":
        yield {"type": "response.image_generation_call.partial_image", "partial_image_b64": PIXEL,
               "partial_image_index": 0}  # fmt: skip
    if kind == "message":
        yield from _text_steps(item["content"])
    elif kind.endswith("_call"):
        yield {"type": f"response.{kind}.completed"}


def _text_steps(parts: list[Item]) -> Iterator[Item]:
    for number, part in enumerate(parts):
        at = {"content_index": number}
        empty = {**part, "text": "", "annotations": []}
        yield {"type": "response.content_part.added", "part": empty, **at}
        for piece in re.findall(r"\S+\s*", part["text"]):
            yield {"type": "response.output_text.delta", "delta": piece, **at}
        for order, note in enumerate(part["annotations"]):
            yield {"type": "response.output_text.annotation.added", "annotation": note, "annotation_index": order, **at}
        yield {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **at}
        yield {"type": "response.content_part.done", "part": part, **at}


_COUNTS = [90, 40, 12, 0, None]

HOSTED: Mapping[str, Mapping[str, Hosted]] = {
    "openai-responses": {
        "hosted": Hosted(
            _response(_LIST, _THOUGHT, _SEARCH, _FOUND, _THOUGHT_AGAIN, _PROGRAM, _ASKED, _PICTURE, _MESSAGE),
            {
                "text": "".join(_TEXTS), "finish": "completed", "usage": _COUNTS,
                "beside": [
                    "server_tool_call mcpl_1 mcp_list_tools", "server_tool_result mcpl_1 mcp_list_tools",
                    "server_tool_call ws_1 web_search", "server_tool_result ws_1 web_search",
                    "server_tool_call fs_1 file_search", "server_tool_result fs_1 file_search",
                    "server_tool_call ci_1 code_interpreter", "server_tool_result ci_1 code_interpreter",
                    "file image/png 70",
                    "server_tool_call mcp_1 ask", "server_tool_result mcp_1 ask",
                    "server_tool_call ig_1 image_generation", "server_tool_result ig_1 image_generation",
                    "file image/png 70",
                    "source https://yr.example/oslo 0 11",
                    "source cfile_1 26 43", "file image/png cfile_1",
                ],
            },
        ),
        "approval": Hosted(
            _response(_LIST, _THOUGHT, _APPROVAL),
            {
                "text": "", "finish": "completed", "usage": _COUNTS,
                "beside": [
                    "server_tool_call mcpl_1 mcp_list_tools", "server_tool_result mcpl_1 mcp_list_tools",
                    "server_tool_call mcpr_1 edit",
                ],
            },
        ),
        "computer": Hosted(
            _response(_THOUGHT, _CLICK),
            {"text": "", "finish": "completed", "usage": _COUNTS, "beside": ["raw computer_call block"]},
        ),
    },
}  # fmt: skip
