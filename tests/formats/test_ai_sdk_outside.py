"""Format `ai-sdk` as Vercel's own package reads it: npm's `ai`, in Node.js.

`make test` fetches the package into `.venv/node_modules`. One that lies elsewhere is found by `NODE_PATH`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import ReasoningDelta, Seam, TextDelta, ToolCall, ToolProgress, ToolResult, TurnStarted
from resilient_stream.formats.ai_sdk import AiSdkWriter
from resilient_stream.formats.ui_messages import read_ui_messages, read_ui_request
from resilient_stream.formats.writer import Ending, Item
from tests.formats.page import Page
from tests.formats.samples import ITEMS, WHOLE, failure, written

HERE = Path(__file__).parent
FOLDERS = [
    Path(sys.prefix) / "node_modules",
    *map(Path, filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep))),
]
PACKAGE = next((folder / "ai" for folder in FOLDERS if (folder / "ai" / "package.json").exists()), None)

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not here"),
    pytest.mark.skipif(PACKAGE is None, reason="npm's package `ai` is not here; `make test` fetches it"),
]


def read(items: list[Item] | tuple[Item, ...], ending: Ending = WHOLE, writer: AiSdkWriter | None = None) -> Any:
    """What the package makes of an answer."""
    return run("read_ui_stream.mjs", b"".join(written(writer or AiSdkWriter(), items, ending)))


def run(script: str, body: bytes) -> Any:
    """What a script says of a body."""
    command = ["node", str(HERE / script), str(PACKAGE)]
    done = subprocess.run(command, input=body, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_the_package_reads_an_answer_with_everything() -> None:
    """Each item that there is, in one answer: nothing is refused, and the message has what our own page has."""
    found = read(ITEMS)
    page = Page().feed(written(AiSdkWriter(), ITEMS))
    assert found["refused"] == []
    assert found["errors"] == []
    assert found["types"] == page.read
    message = found["message"]
    assert message["id"] == page.id
    assert [part["type"] for part in message["parts"]] == [part["type"] for part in page.parts]
    texts = [part["text"] for part in message["parts"] if part["type"] == "text"]
    assert texts == [part["text"] for part in page.of("text")]
    assert message["metadata"]["outcome"] == "complete"
    assert message["metadata"]["usage"]["input_tokens"] == 3


CONVERSATION: list[Item] = [
    TurnStarted(1), ReasoningDelta("hm"), TextDelta("Let me see."), ToolCall(0, "c1", "add", '{"a":1}', {"a": 1}),
    ToolProgress("c1", "add", "half", 1, 2), ToolResult("c1", "add", '{"sum": 2}', False, 0.1),
    TurnStarted(2), TextDelta("It is "), Seam("a:b", "c:d", "prefill"), TextDelta("2."),
]  # fmt: skip


def test_a_conversation_goes_to_the_page_and_comes_back() -> None:
    """What the package has as its message is valid to itself, and is our conversation again when it is sent."""
    found = read(CONVERSATION)
    assert (found["refused"], found["errors"], found["invalid"]) == ([], [], None)
    asked = {"id": "m0", "role": "user", "parts": [{"type": "text", "text": "What is 1 + 1?"}]}
    messages = read_ui_messages({"messages": [asked, found["message"]]})
    assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[1].text == "Let me see."
    assert [(call.id, call.name, json.loads(call.arguments)) for call in messages[1].tool_calls] == [
        ("c1", "add", {"a": 1})
    ]
    assert json.loads(messages[2].text) == {"sum": 2}
    assert messages[3].text == "It is 2."


def test_the_package_reports_a_failure() -> None:
    """It is an error with our words, and the metadata came before it."""
    found = read([TextDelta("half")], Ending("failed", failure()))
    assert found["refused"] == []
    assert found["errors"] == [f"Error: {failure().title}: {failure().message}"]
    assert found["message"]["metadata"]["error"]["kind"] == "connection_lost"


def test_the_package_reads_a_stop() -> None:
    """An abort is no error."""
    found = read([TextDelta("half")], Ending("cancelled", stopped=True))
    assert (found["refused"], found["errors"], found["types"][-1]) == ([], [], "abort")


def test_a_newer_package_takes_back_what_is_void() -> None:
    """From version 7 on, the step that a recovery began anew is removed from the message."""
    items = [TextDelta("old"), Seam("a:b", "c:d", "restart", 0, True), TextDelta("new")]
    found = read(items, writer=AiSdkWriter(resets=True))
    if int(found["version"].partition(".")[0]) < 7:
        pytest.skip(f"ai {found['version']} cannot")
    assert (found["refused"], found["errors"]) == ([], [])
    assert [part["text"] for part in found["message"]["parts"] if part["type"] == "text"] == ["new"]


def test_a_pages_chat_asks_again() -> None:
    """The chat that `useChat` has sends its question with the whole conversation behind it, and we read both."""
    found = run("chat_page.mjs", b"".join(written(AiSdkWriter(), CONVERSATION)))
    assert (found["errors"], found["first"], found["status"]) == ([], "ready", "ready")
    first, second = map(read_ui_request, found["sent"])
    assert (first.id, first.trigger, first.continues, first.body["session"]) == ("chat1", "submit-message", None, "s1")
    assert [message.text for message in first.messages] == ["What is 1 + 1?"]
    assert [message.role for message in second.messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert second.messages[-1].text == "And 2 + 2?"


def test_a_pages_chat_shows_a_failure() -> None:
    """Its status is an error with our words; it has what was said until then, and the metadata."""
    found = run("chat_page.mjs", b"".join(written(AiSdkWriter(), [TextDelta("half")], Ending("failed", failure()))))
    assert found["first"] == "error"
    assert found["errors"][0] == f"{failure().title}: {failure().message}"
    answer = found["messages"][1]
    assert [part.get("text") for part in answer["parts"]] == [None, "half"]
    assert answer["metadata"]["outcome"] == "failed"
