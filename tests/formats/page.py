"""A page that reads a UI message stream as strictly as Vercel's package does: an order that it refuses is an error.

Written from `processUIMessageStream` and `uiMessageChunkSchema` of the npm package `ai`. `test_ai_sdk_outside.py` asks
the package itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["FIELDS", "Page"]

FIELDS: Mapping[str, tuple[set[str], set[str]]] = {
    "start": (set(), {"messageId"}),
    "start-step": (set(), set()),
    "finish-step": (set(), set()),
    "reset-step": (set(), set()),
    "text-start": ({"id"}, set()),
    "text-delta": ({"id", "delta"}, set()),
    "text-end": ({"id"}, set()),
    "reasoning-start": ({"id"}, set()),
    "reasoning-delta": ({"id", "delta"}, set()),
    "reasoning-end": ({"id"}, set()),
    "tool-input-start": ({"toolCallId", "toolName"}, set()),
    "tool-input-delta": ({"toolCallId", "inputTextDelta"}, set()),
    "tool-input-available": ({"toolCallId", "toolName", "input"}, {"providerExecuted"}),
    "tool-input-error": ({"toolCallId", "toolName", "input", "errorText"}, set()),
    "tool-approval-request": ({"approvalId", "toolCallId"}, set()),
    "tool-output-available": ({"toolCallId", "output"}, {"providerExecuted", "preliminary"}),
    "tool-output-error": ({"toolCallId", "errorText"}, {"providerExecuted"}),
    "source-url": ({"sourceId", "url"}, {"title", "providerMetadata"}),
    "source-document": ({"sourceId", "mediaType", "title"}, {"providerMetadata"}),
    "file": ({"url", "mediaType"}, set()),
    "message-metadata": ({"messageMetadata"}, set()),
    "error": ({"errorText"}, set()),
    "abort": (set(), {"reason"}),
    "finish": (set(), {"finishReason", "messageMetadata"}),
}
"""The fields that each part must have, and those that it may have. A `data-…` part has data and may be transient."""

TEXTS = {
    "id", "delta", "toolCallId", "toolName", "inputTextDelta", "errorText", "sourceId", "url", "mediaType", "title",
    "messageId", "approvalId", "reason",
}  # fmt: skip
STATES = {
    "tool-approval-request": "approval-requested",
    "tool-output-available": "output-available",
    "tool-output-error": "output-error",
}
REASONS = {"stop", "length", "content-filter", "tool-calls", "error", "other"}


class Page:
    """One message as it is shown. parts: what stands in it. read: the types of all parts of the stream."""

    def __init__(self) -> None:
        self.id = ""
        self.parts: list[dict[str, Any]] = []
        self.metadata: dict[str, Any] = {}
        self.error: str | None = None
        self.aborted: str | None = None
        self.reason: str | None = None
        self.done = False
        self.read: list[str] = []
        self._open: dict[str, dict[str, Any]] = {}
        self._partial: dict[str, str] = {}

    def feed(self, frames: Sequence[bytes]) -> Page:
        """Read frames: one event each, and none after the last."""
        for frame in frames:
            assert not self.done
            assert frame.startswith(b"data: ")
            assert frame.endswith(b"\n\n")
            assert frame.count(b"\n") == 2
            if frame == b"data: [DONE]\n\n":
                self.done = True
            else:
                self._take(json.loads(frame[6:]))
        return self

    @property
    def text(self) -> str:
        """The text of the message, all parts of it."""
        return "".join(part["text"] for part in self.parts if part["type"] == "text")

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The parts of one type."""
        return [part for part in self.parts if part["type"] == kind]

    def _take(self, part: dict[str, Any]) -> None:
        kind = part.pop("type")
        assert (kind == "start") is (self.read == []), kind
        self.read.append(kind)
        must, may = ({"data"}, {"transient"}) if kind.startswith("data-") else FIELDS[kind]
        assert must <= set(part) <= must | may, (kind, part)
        assert all(isinstance(value, str) for name, value in part.items() if name in TEXTS), part
        metadata = part.pop("messageMetadata", {})
        self.metadata |= metadata
        if kind.startswith("data-"):
            if not part.get("transient"):
                self.parts.append({"type": kind, **part})
        else:
            getattr(self, f"_{kind.split('-')[0]}")(kind, part)

    def _step(self) -> list[dict[str, Any]]:
        """The parts of the current step."""
        begins = [place for place, part in enumerate(self.parts) if part["type"] == "step-start"]
        return self.parts[begins[-1] + 1 if begins else 0 :]

    def _start(self, kind: str, part: dict[str, Any]) -> None:
        if kind == "start":
            self.id = part.get("messageId", "")
        else:
            assert not self._open
            self.parts.append({"type": "step-start"})

    def _finish(self, kind: str, part: dict[str, Any]) -> None:
        assert not self._open, "a text that is still open"
        if kind == "finish":
            self.reason = part.get("finishReason")
            assert self.reason in REASONS

    def _reset(self, kind: str, part: dict[str, Any]) -> None:
        assert not self._open
        del self.parts[len(self.parts) - len(self._step()) :]
        self._partial.clear()

    def _text(self, kind: str, part: dict[str, Any]) -> None:
        what, _, does = kind.partition("-")
        if does == "start":
            assert part["id"] not in {each.get("id") for each in self.parts}
            made = {"type": what, "id": part["id"], "text": ""}
            self.parts.append(made)
            self._open[part["id"]] = made
        elif does == "delta":
            self._open[part["id"]]["text"] += part["delta"]
        else:
            del self._open[part["id"]]

    _reasoning = _text

    def _tool(self, kind: str, part: dict[str, Any]) -> None:
        id = part["toolCallId"]
        assert id
        if kind == "tool-input-start":
            self._partial[id] = ""
            self._called(part, "input-streaming")
        elif kind == "tool-input-delta":
            self._partial[id] += part["inputTextDelta"]
            next(each for each in self._step() if each.get("toolCallId") == id)["state"] = "input-streaming"
        elif kind == "tool-input-available":
            self._called(part, "input-available")
        elif kind == "tool-input-error":
            self._called(part, "output-error")
        else:
            call = next(each for each in reversed(self.parts) if each.get("toolCallId") == id)
            call |= part | {"state": STATES[kind]}

    def _called(self, part: dict[str, Any], state: str) -> None:
        assert part["toolName"]
        found = [each for each in self._step() if each.get("toolCallId") == part["toolCallId"]]
        if not found:
            found.append({})
            self.parts.append(found[0])
        found[0] |= part | {"type": f"tool-{part['toolName']}", "state": state}

    def _source(self, kind: str, part: dict[str, Any]) -> None:
        assert part["sourceId"] not in {each.get("sourceId") for each in self.parts}
        assert all(isinstance(value, dict) for value in part.get("providerMetadata", {}).values())
        self.parts.append({"type": kind, **part})

    def _file(self, kind: str, part: dict[str, Any]) -> None:
        self.parts.append({"type": kind, **part})

    def _message(self, kind: str, part: dict[str, Any]) -> None:
        """Its metadata are taken already."""

    def _error(self, kind: str, part: dict[str, Any]) -> None:
        self.error = part["errorText"]

    def _abort(self, kind: str, part: dict[str, Any]) -> None:
        self.aborted = part.get("reason")
