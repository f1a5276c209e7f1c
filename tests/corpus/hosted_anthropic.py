"""Answers of Anthropic's dialect with searches, programs, MCP servers and citations; see `hosted`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tests.corpus.hosted import Hosted, Item

__all__ = ["ANTHROPIC"]

Block: TypeAlias = tuple[Item, list[Item]]

_TEXTS = ("In Tromsø it is ", "3 °C", ".")
_PAGE = "https://yr.example/tromso"
_CITED = {
    "type": "web_search_result_location", "url": _PAGE, "title": "yr.example", "cited_text": "3 °C",
    "encrypted_index": "e1",
}  # fmt: skip


def _input(text: str) -> list[Item]:
    return [{"type": "input_json_delta", "partial_json": text}]


def _thinking(text: str, signature: str) -> Block:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    return block, [
        {"type": "thinking_delta", "thinking": text},
        {"type": "signature_delta", "signature": signature},
    ]


def _said(text: str, *citations: Item) -> Block:
    cited = [{"type": "citations_delta", "citation": each} for each in citations]
    block = {"type": "text", "text": "", **({"citations": []} if citations else {})}
    return block, [*cited, {"type": "text_delta", "text": text}]


_SEARCH: list[Block] = [
    _thinking("I look it up.", "S1"),
    ({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}, _input('{"query": "Tromsø"}')),
    ({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
      "content": [{"type": "web_search_result", "url": _PAGE, "title": "yr.example", "encrypted_content": "c1"}]}, []),
]  # fmt: skip
_PROGRAM: list[Block] = [
    ({"type": "server_tool_use", "id": "srvtoolu_2", "name": "bash_code_execution", "input": {}},
     _input('{"command": "plot"}')),
    ({"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_2",
      "content": {"type": "bash_code_execution_result", "stdout": "", "stderr": "", "return_code": 0,
                  "content": [{"type": "bash_code_execution_output", "file_id": "file_1"}]}}, []),
    ({"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "ask", "server_name": "wiki", "input": {}},
     _input('{"q": "x"}')),
    ({"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": True,
      "content": [{"type": "text", "text": "gone"}]}, []),
]  # fmt: skip
_ANSWER = [_said(_TEXTS[0]), _said(_TEXTS[1], _CITED), _said(_TEXTS[2])]
_COMPACTED: list[Block] = [
    ({"type": "compaction", "content": None}, [{"type": "compaction_delta", "content": "So far."}])
]


def _message(blocks: Sequence[Block], stop: str) -> Iterator[Item]:
    usage = {"input_tokens": 20, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m-1", "usage": usage}
    yield {"type": "message_start", "message": message}
    for index, (block, deltas) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 9}}
    yield {"type": "message_stop"}


def _expected(stop: str, *beside: str, text: str = "", reasoning: str = "") -> dict[str, Any]:
    return {
        "text": text, "reasoning": reasoning, "finish": stop, "usage": [20, 9, None, None, None], "beside": [*beside],
    }  # fmt: skip


_SEARCHED = ("server_tool_call srvtoolu_1 web_search", "server_tool_result srvtoolu_1 web_search")

ANTHROPIC: Mapping[str, Mapping[str, Hosted]] = {
    "anthropic-messages": {
        "hosted": Hosted(
            [*_message([*_SEARCH, *_PROGRAM, *_ANSWER], "end_turn")],
            _expected(
                "end_turn", *_SEARCHED,
                "server_tool_call srvtoolu_2 bash_code_execution", "server_tool_result srvtoolu_2 bash_code_execution",
                "file application/octet-stream file_1",
                "server_tool_call mcptoolu_1 ask", "server_tool_result mcptoolu_1 ask",
                f"source {_PAGE} {len(_TEXTS[0])} {len(_TEXTS[0] + _TEXTS[1])}",
                text="".join(_TEXTS), reasoning="I look it up.",
            ),
        ),
        "paused": Hosted([*_message(_SEARCH[:2], "pause_turn")],
                         _expected("pause_turn", _SEARCHED[0], reasoning="I look it up.")),
        "compacted": Hosted([*_message([*_COMPACTED, _said("Go on.")], "end_turn")],
                            _expected("end_turn", "raw compaction block", text="Go on.")),
    },
}  # fmt: skip
