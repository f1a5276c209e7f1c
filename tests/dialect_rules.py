"""What each provider refuses in a conversation, written from its documentation and not from our encoders.

A checker gets a body as it would be sent and raises AssertionError for what that API answers with a 400. It knows
nothing of `Message`. A dialect without rules of its own is checked by what all have in common.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

__all__ = ["RULES", "check", "rules_of"]

Body: TypeAlias = Mapping[str, Any]


def openai_chat(body: Body, id: str = r".{1,40}", own: frozenset[str] = frozenset({"audio"})) -> None:
    """Every call answered before anything else is said; whole JSON; content absent only beside calls or a recording.

    own: fields of a turn in which the host takes back what it gave.
    """
    waiting: set[str] = set()
    for message in body["messages"]:
        role, calls = message["role"], message.get("tool_calls")
        assert role in ("system", "developer", "user", "assistant", "tool")
        if role == "tool":
            assert message["tool_call_id"] in waiting, "a result without its call"
            waiting.remove(message["tool_call_id"])
            assert isinstance(message["content"], str), "a result that is no text"
        else:
            assert not waiting, "a call without its result"
        assert message.get("content") or calls or message.keys() & own, "empty content"
        assert calls is None or calls, "an empty list of calls"
        _chat_own(message, own)
        for call in calls or ():
            assert re.fullmatch(id, call["id"], re.DOTALL), f"an id that is refused: {call['id']}"
            assert call["id"] not in waiting, "two calls with one id"
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"]), "a name that is refused"
            assert isinstance(json.loads(call["function"]["arguments"]), dict), "arguments that are no object"
            waiting.add(call["id"])
    assert not waiting, "a call without its result"


def _chat_own(message: Body, own: frozenset[str]) -> None:
    """A recording goes back by its id alone; a picture and a note on a file as they came; only in the model's turns."""
    fields = message.keys() & {"audio", "images", "annotations"}
    assert fields <= own, f"fields that the host does not take: {fields - own}"
    assert message["role"] == "assistant" or not fields, "what no user can give"
    assert all(message[name] for name in fields), "an empty field"
    assert message.get("audio", {"id": ""}).keys() == {"id"}, "a recording that is not named by its id"
    assert all(picture["image_url"]["url"] for picture in message.get("images", ())), "a picture without an address"
    assert {note["type"] for note in message.get("annotations", ())} <= {"file"}, (
        "an annotation that no host takes back"
    )


def openrouter_chat(body: Body) -> None:
    """OpenAI's, and more that is taken back."""
    openai_chat(body, own=frozenset({"audio", "images", "annotations"}))


def mistral_chat(body: Body) -> None:
    """OpenAI's, ids of nine letters and digits, and an answer to results before the user speaks again."""
    openai_chat(body, r"[a-zA-Z0-9]{9}")
    roles = [message["role"] for message in body["messages"]]
    assert ("tool", "user") not in pairwise(roles), "a user's turn right behind a result"


def cohere_chat(body: Body) -> None:
    """OpenAI's shape; nothing is known against any id. A citation says where its passage stands, and what it is."""
    openai_chat(body, r".+")
    for message in body["messages"]:
        for cited in message.get("citations", ()):
            assert message["role"] == "assistant", "a citation that no model made"
            assert message["content"][cited["start"] : cited["end"]] == cited["text"], "a citation of another text"
            assert cited["sources"], "a citation without sources"


def anthropic_messages(body: Body) -> None:
    """Turns alternate and begin with the user's; no empty text; results follow calls; thinking is proved; an id is
    used once in a conversation."""
    turns = [(turn["role"], _blocks(turn["content"])) for turn in body["messages"]]
    assert [role for role, _ in turns] == [("user", "assistant")[place % 2] for place in range(len(turns))]
    waiting: list[str] = []
    used: list[str] = []
    for role, blocks in turns:
        assert blocks, "a turn without content"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert sorted(results) == sorted(waiting), "results that are not those of the turn before"
        assert [block["type"] for block in blocks[: len(results)]] == ["tool_result"] * len(results)
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        used += waiting
        assert len(set(used)) == len(used), "two calls with one id"
        for block in blocks:
            _ANTHROPIC[block["type"]](block)
        _server_tools(blocks, is_last=blocks is turns[-1][1])
        if role == "assistant":
            assert blocks[-1]["type"] not in ("thinking", "redacted_thinking"), "a turn that ends in thinking"
    assert not waiting, "a call without its result"
    role, blocks = turns[-1]
    text = blocks[-1].get("text", "")
    assert role == "user" or text == text.rstrip(), "an unfinished turn that ends in white space"


def _server_tools(blocks: list[Any], is_last: bool) -> None:
    """A result follows its call; a call without a result is the last thing of a conversation, or waits for a function
    that it called itself."""
    made = [block["id"] for block in blocks if block["type"] in ("server_tool_use", "mcp_tool_use")]
    done = [block["tool_use_id"] for block in blocks if block["type"].endswith("_tool_result")]
    waits = any(block["type"] == "tool_use" for block in blocks)
    assert is_last or waits or set(made) <= set(done), "a server tool without its result"


def _blocks(content: Any) -> list[Any]:
    """A string is one block; a single space is how an empty turn is written."""
    if not isinstance(content, str):
        return list(content)
    return [{"type": "text", "text": content if content != " " else "(nothing)"}]


def _text(block: Body) -> None:
    assert block["text"].strip(), "a blank text"


def _thinking(block: Body) -> None:
    assert isinstance(block["thinking"], str)
    assert block["signature"], "thinking without a signature"


def _tool_use(block: Body) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]), f"an id that is refused: {block['id']}"
    assert block["name"]
    assert isinstance(block["input"], dict)


_ANTHROPIC: Mapping[str, Callable[[Body], None]] = {
    "text": _text,
    "thinking": _thinking,
    "tool_use": _tool_use,
    "redacted_thinking": lambda block: _text({"text": block["data"]}),
    "tool_result": lambda block: None,
    "server_tool_use": _tool_use,
    "mcp_tool_use": _tool_use,
    "fallback": lambda block: None,
    "compaction": lambda block: None,
    "container_upload": lambda block: None,
    **{
        f"{name}_tool_result": lambda block: None
        for name in (
            "web_search",
            "web_fetch",
            "code_execution",
            "bash_code_execution",
            "text_editor_code_execution",
            "tool_search",
            "mcp",
            "advisor",
        )
    },
}
"""The blocks that the API takes back, by the types of its own SDK."""


def gemini(body: Body) -> None:
    """Turns alternate; no empty part; as many responses as calls; Gemini 3 has a signature on the first call."""
    waiting: list[str] = []
    roles = [content["role"] for content in body["contents"]]
    assert roles[::2] == ["user"] * len(roles[::2])
    assert roles[1::2] == ["model"] * len(roles[1::2])
    assert roles[-1] == "user"
    for content in body["contents"]:
        assert content["parts"], "a turn without parts"
        answered = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
        assert answered == waiting, "responses that are not those of the calls before"
        calls = [part for part in content["parts"] if "functionCall" in part]
        waiting = [part["functionCall"]["name"] for part in calls]
        for part in content["parts"]:
            assert part.get("text") or part.get("thoughtSignature") or part.keys() & _GEMINI, f"an empty part: {part}"
            assert len(part.keys() & {*_GEMINI, "text"}) < 2, f"two parts in one: {part}"
            assert not part.get("thought") or part.get("thoughtSignature"), "a thought without a signature"
        for call in calls:
            assert isinstance(call["functionCall"]["args"], dict)
        _gemini_tools(content)
    assert not waiting, "a call without its response"


_GEMINI = frozenset({
    "functionCall", "functionResponse", "inlineData", "fileData", "executableCode", "codeExecutionResult", "toolCall",
    "toolResponse",
})  # fmt: skip
"""The fields of a part of which there is one, by the types of the official SDK."""


def _gemini_tools(content: Body) -> None:
    """What ran at Google stands in the model's turn, and a result follows what it is of."""
    ran = [part for part in content["parts"] if part.keys() & {"executableCode", "toolCall"}]
    done = [part for part in content["parts"] if part.keys() & {"codeExecutionResult", "toolResponse"}]
    assert content["role"] == "model" or not ran + done, "a tool of Google's in the user's turn"
    programs = sum("executableCode" in part for part in ran)
    assert sum("codeExecutionResult" in part for part in done) <= programs, "a result without its program"
    called = {part["toolCall"].get("id") for part in ran if "toolCall" in part}
    assert called >= {part["toolResponse"].get("id") for part in done if "toolResponse" in part}, (
        "no call for a response"
    )


def converse(body: Body) -> None:
    """Turns alternate and begin with the user's; no blank text; results follow calls; tools where there are calls."""
    turns = [(turn["role"], turn["content"]) for turn in body["messages"]]
    assert [role for role, _ in turns] == [("user", "assistant")[place % 2] for place in range(len(turns))]
    waiting: list[str] = []
    used: list[str] = []
    for role, blocks in turns:
        assert blocks, "a turn without content"
        results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        ran = [block["toolUse"]["toolUseId"] for block in blocks if block.get("toolUse", {}).get("type")]
        if role == "assistant":
            assert results == ran, "a tool that Bedrock ran without its result, or a result of another"
            results = []
        assert sorted(results) == sorted(waiting), "results that are not those of the turn before"
        waiting = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
        waiting = [id for id in waiting if id not in ran]
        used += waiting
        assert len(set(used)) == len(used), "two calls with one id"
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id) for id in waiting), "an id that is refused"
        assert all(block.get("text", "-").strip() for block in blocks), "a blank text"
        assert role == "user" or "reasoningContent" not in blocks[-1], "a turn that ends in thinking"
        assert not waiting or body["toolConfig"]["tools"], "a call without the tools"
        for block in blocks:
            thought = block.get("reasoningContent", {}).get("reasoningText")
            assert thought is None or thought["signature"], "thinking without a signature"
            assert len(block) == 1, "a block with two fields"
            assert block.keys() <= _CONVERSE, f"a block of no known kind: {block.keys()}"
            _cited(block.get("citationsContent"))
    assert not waiting, "a call without its result"


_CONVERSE = frozenset({
    "text", "image", "document", "video", "audio", "toolUse", "toolResult", "guardContent", "cachePoint",
    "reasoningContent", "citationsContent", "searchResult",
})  # fmt: skip
"""The kinds of blocks, by the service's own model."""


def _cited(content: Any) -> None:
    """Cited text has text, and citations of the service's own form."""
    if content is not None:
        assert all(part["text"].strip() for part in content["content"]), "a blank cited text"
        fields = {"title", "source", "sourceContent", "location"}
        assert all(citation.keys() <= fields for citation in content["citations"]), "a citation of another form"


def openai_responses(body: Body) -> None:
    """Every call has its output before the user speaks; reasoning is sealed or whole, and something follows it; items
    of the provider's own tools are whole, and those that wait for the caller are answered."""
    waiting: set[str] = set()
    kinds = [item.get("type", "message") for item in body["input"]]
    outputs = {
        item.get("call_id") or item.get("approval_request_id")
        for kind, item in zip(kinds, body["input"], strict=True)
        if kind.endswith(("_output", "_response"))
    }
    for kind, following, item in zip(kinds, [*kinds[1:], "end"], body["input"], strict=True):
        if kind == "reasoning":
            assert item.get("encrypted_content") or item.get("content"), "reasoning without what proves it"
            assert following in ("reasoning", "message", "function_call", *_RESPONSES), "reasoning that nothing follows"
        elif kind == "function_call":
            assert 0 < len(item["call_id"]) <= 64, f"an id that is refused: {item['call_id']}"
            assert item["call_id"] not in waiting, "two calls with one id"
            assert item["name"]
            assert isinstance(json.loads(item["arguments"]), dict), "arguments that are no object"
            waiting.add(item["call_id"])
        elif kind == "function_call_output":
            assert item["call_id"] in waiting, "an output without its call"
            waiting.remove(item["call_id"])
        elif kind in _RESPONSES:
            _own_item(item, outputs)
        else:
            assert kind == "message"
            assert item["content"], "empty content"
            assert item["role"] == "assistant" or not waiting, "a call without its output"
            _annotations(item["content"])
    assert not waiting, "a call without its output"


def _own_item(item: Body, outputs: set[Any]) -> None:
    """The fields of the SDK's input types, those that are demanded among them, and null only where it is allowed."""
    demanded, taken = (set(names.split()) for names in _RESPONSES[item["type"]])
    assert demanded <= item.keys(), f"{item['type']} without {demanded - item.keys()}"
    assert item.keys() - {"type"} <= demanded | taken, f"{item['type']} with {item.keys() - demanded - taken}"
    nulls = {name for name, value in item.items() if value is None}
    assert nulls <= {"code", "outputs"}, f"{item['type']} with null in {nulls}"
    if item["type"] == "mcp_approval_request":
        assert item["id"] in outputs, "a request for approval that nobody answered"
    if item["type"] == "computer_call":
        assert item["call_id"] in outputs, "a computer's action without its output"


def _annotations(content: Any) -> None:
    """A citation stands in its text."""
    for part in content if isinstance(content, list) else ():
        for note in part.get("annotations", ()):
            assert note["type"] in ("url_citation", "file_citation", "container_file_citation", "file_path")
            assert 0 <= note.get("start_index", 0) <= note.get("end_index", 0) <= len(part["text"]), "a place outside"


_RESPONSES: Mapping[str, tuple[str, str]] = {
    "web_search_call": ("id action status", ""),
    "file_search_call": ("id queries status", "results"),
    "code_interpreter_call": ("id code container_id outputs status", ""),
    "image_generation_call": ("id result status", ""),
    "computer_call": ("id call_id pending_safety_checks status", "action actions"),
    "computer_call_output": ("call_id output", "id acknowledged_safety_checks status"),
    "mcp_list_tools": ("id server_label tools", "error"),
    "mcp_call": ("id server_label name arguments", "approval_request_id error output status"),
    "mcp_approval_request": ("id server_label name arguments", ""),
    "mcp_approval_response": ("approval_request_id approve", "id reason"),
    "shell_call": ("call_id action", "id caller environment status"),
    "shell_call_output": ("call_id output", "id caller max_output_length status"),
    "apply_patch_call": ("call_id operation status", "id caller"),
    "tool_search_call": ("arguments", "id call_id execution status"),
    "tool_search_output": ("tools", "id call_id execution status"),
    "program": ("id call_id code fingerprint", ""),
    "program_output": ("id call_id result status", ""),
    "compaction": ("encrypted_content", "id"),
}
"""The items of its own tools that the API takes back: what each must have, and what else it may have."""


def gemini_interactions(body: Body) -> None:
    """Every call has its result before the user speaks; a thought is signed; no step is empty; what Google ran has its
    result behind it."""
    waiting: set[str] = set()
    ran: set[str] = set()
    for step in body["input"]:
        kind = step["type"]
        if kind == "thought":
            assert step["signature"], "a thought without its signature"
        elif kind == "function_call":
            assert step["id"], "a call without an id"
            assert step["id"] not in waiting, "two calls with one id"
            assert step["name"]
            assert isinstance(step["arguments"], dict), "arguments that are no object"
            waiting.add(step["id"])
        elif kind == "function_result":
            assert step["call_id"] in waiting, "a result without its call"
            waiting.remove(step["call_id"])
        elif kind in _GOOGLE_RAN:
            ran.add(step["id"])
        elif kind.endswith("_result"):
            assert kind.removesuffix("_result") + "_call" in _GOOGLE_RAN, f"a step of no known kind: {kind}"
            assert step["call_id"] in ran, "a result without its call"
            ran.remove(step["call_id"])
        else:
            assert kind in ("user_input", "model_output")
            assert step["content"], "empty content"
            assert all(part.get("text", "-") for part in step["content"]), "empty content"
            assert kind == "model_output" or not waiting, "a call without its result"
            assert kind == "model_output" or not ran, "what Google ran without its result"
    assert not waiting, "a call without its result"


_GOOGLE_RAN = frozenset({
    "google_search_call", "code_execution_call", "url_context_call", "file_search_call", "mcp_server_tool_call",
    "google_maps_call", "retrieval_call", "tool_search_call", "processing_call",
})  # fmt: skip
"""The steps of tools that Google runs, by the types of its own SDK."""


def ollama(body: Body) -> None:
    """A call's result goes by the tool's name, in the order of the calls; nothing is empty."""
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            assert message["tool_name"] == waiting.pop(0), "a result that is not of the call before"
            continue
        assert not waiting, "a call without its result"
        assert message["content"] or message.get("tool_calls"), "empty content"
        waiting = [call["function"]["name"] for call in message.get("tool_calls", ())]
        assert all(isinstance(call["function"]["arguments"], dict) for call in message.get("tool_calls", ()))
    assert not waiting, "a call without its result"


def in_common(body: Body) -> None:
    """For a dialect that has no row yet: whatever it names a call, each name is there twice, call and result."""
    named = [value for name, value in _leaves(body) if re.fullmatch(r"(?i)(tool_?|function_?)?(call|use)_?id", name)]
    assert all(named.count(id) == 2 for id in named), "a call without its result"


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else ((name, item) for item in value):
            yield from _leaves(item, key)
    else:
        yield name, value


RULES: Mapping[str, tuple[re.Pattern[str], Callable[[Body], None]]] = {
    "mistral chat": (re.compile(r"mistral.*/chat/completions"), mistral_chat),
    "openrouter chat": (re.compile(r"openrouter\.ai.*/chat/completions"), openrouter_chat),
    "cohere chat": (re.compile(r"/v2/chat"), cohere_chat),
    "openai chat": (re.compile(r"/chat/completions|api\.writer\.com/v1/chat"), openai_chat),
    "openai responses": (re.compile(r"/responses"), openai_responses),
    "gemini interactions": (re.compile(r"/interactions"), gemini_interactions),
    "ollama": (re.compile(r"/api/chat"), ollama),
    "anthropic messages": (re.compile(r"/v1/messages|:streamRawPredict"), anthropic_messages),
    "gemini": (re.compile(r":streamGenerateContent"), gemini),
    "converse": (re.compile(r"/converse-stream"), converse),
}
"""Which rules hold at an address; the first that fits."""


def rules_of(url: str) -> tuple[str, Callable[[Body], None]]:
    """The rules for what is sent there, and their name."""
    found = ((name, rules) for name, (place, rules) in RULES.items() if place.search(url))
    return next(found, ("no rules of its own", in_common))


def check(url: str, body: bytes) -> str:
    """Hold a body to the rules of the API at this address. Gives the rules' name; AssertionError says what broke."""
    name, rules = rules_of(url)
    rules(json.loads(body) if body[:1] == b"{" else {"text": body.decode()})
    return name
