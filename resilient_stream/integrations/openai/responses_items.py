"""Writes the items of an answer as the Responses API streams them: each is announced, streamed, and at its end said
again.

An item has its place in the list of outputs. `event` numbers and encodes an event.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from ...chunks import ToolCall
from .pieces import arguments_of
from .sealed import sealed

__all__ = ["CallItem", "Event", "Item", "MessageItem", "ReasoningItem", "WholeItem"]


class Event(Protocol):
    """Encodes an event with its number."""

    def __call__(self, kind: str, **fields: Any) -> bytes:
        """Return the event as a frame."""
        ...


Values: TypeAlias = dict[str, Any]


class Item:
    """Writes one item. id, place: of the item in the list of outputs. values: what the response has of it."""

    values: Values

    def __init__(self, id: str, place: int, event: Event) -> None:
        self.id = id
        self.place = place
        self._event = event

    def close(self) -> list[bytes]:
        """Return the events that say that the item is whole, and say it again."""
        raise NotImplementedError

    def _added(self, values: Values) -> bytes:
        self.values = values
        return self._event("response.output_item.added", output_index=self.place, item=values)

    def _done(self, values: Values) -> bytes:
        self.values = values
        return self._event("response.output_item.done", output_index=self.place, item=values)

    def _placed(self, **fields: Any) -> Values:
        return {"item_id": self.id, "output_index": self.place, **fields}


class MessageItem(Item):
    """Writes a message: text with its sources and probabilities, and a refusal."""

    def open(self) -> list[bytes]:
        """Return the event that announces the message."""
        self._texts: list[str] | None = None
        self._cited: list[Values] = []
        self._tokens: list[Any] = []
        self._refusal: list[Values] = []
        return [self._added(self._message("in_progress", []))]

    def open_text(self) -> list[bytes]:
        """Return the event that announces its text, once."""
        if self._texts is not None:
            return []
        self._texts = []
        return [self._event("response.content_part.added", **self._placed(content_index=0), part=self._text_part(""))]

    def text(self, text: str) -> None:
        """Keep a piece of the text, for when all of it is said again."""
        self._texts.append(text)  # type: ignore[union-attr]

    def cite(self, annotation: Values) -> bytes:
        """Return the event for a source."""
        self._cited.append(annotation)
        place = self._placed(content_index=0, annotation_index=len(self._cited) - 1)
        return self._event("response.output_text.annotation.added", **place, annotation=annotation)

    def probable(self, tokens: list[Any]) -> bytes:
        """Return the event for probabilities, which come beside the text here."""
        self._tokens += tokens
        return self._event("response.output_text.delta", **self._placed(content_index=0), delta="", logprobs=tokens)

    def refuse(self, words: str) -> list[bytes]:
        """Return the events of a refusal, which is a part behind the text."""
        part = {"type": "refusal", "refusal": words}
        self._refusal = [part]
        place = self._placed(content_index=0 if self._texts is None else 1)
        return [
            self._event("response.content_part.added", **place, part={"type": "refusal", "refusal": ""}),
            self._event("response.refusal.delta", **place, delta=words),
            self._event("response.refusal.done", **place, refusal=words),
            self._event("response.content_part.done", **place, part=part),
        ]

    def close(self) -> list[bytes]:
        """Return the events that say the whole message again."""
        if self._texts is None:
            return [self._done(self._message("completed", self._refusal))]
        part, place = self._text_part("".join(self._texts)), self._placed(content_index=0)
        return [
            self._event("response.output_text.done", **place, text=part["text"], logprobs=self._tokens),
            self._event("response.content_part.done", **place, part=part),
            self._done(self._message("completed", [part, *self._refusal])),
        ]

    def _text_part(self, text: str) -> Values:
        return {"type": "output_text", "text": text, "annotations": self._cited, "logprobs": self._tokens}

    def _message(self, status: str, content: list[Values]) -> Values:
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}


class ReasoningItem(Item):
    """Writes a block of reasoning: its text as a summary, and its proof."""

    def open(self) -> list[bytes]:
        """Return the event that announces the reasoning."""
        self._texts: list[str] = []
        self.proof: str | None = None
        return [self._added({"id": self.id, "type": "reasoning", "summary": []})]

    def text(self, text: str) -> list[bytes]:
        """Return the events for a piece of its text."""
        part = {"type": "summary_text", "text": ""}
        place = self._placed(summary_index=0)
        begun = [] if self._texts else [self._event("response.reasoning_summary_part.added", **place, part=part)]
        self._texts.append(text)
        return [*begun, self._event("response.reasoning_summary_text.delta", **place, delta=text)]

    def seal(self, target: str, signature: str | None, redacted: str | None) -> None:
        """Keep the proof of the reasoning, as the client is to send it back."""
        self.proof = sealed(target, signature, redacted)

    def close(self) -> list[bytes]:
        """Return the events that say the reasoning again."""
        text = "".join(self._texts)
        summary = [{"type": "summary_text", "text": text}] if text else []
        item = {"id": self.id, "type": "reasoning", "summary": summary, "encrypted_content": self.proof}
        if not text:
            return [self._done(item)]
        place = self._placed(summary_index=0)
        return [
            self._event("response.reasoning_summary_text.done", **place, text=text),
            self._event("response.reasoning_summary_part.done", **place, part=summary[0]),
            self._done(item),
        ]


class CallItem(Item):
    """Writes a call of a function of the client's."""

    def open(self, call_id: str, name: str) -> list[bytes]:
        """Return the event that announces the call."""
        self._call_id, self._name = call_id, name
        self.whole: ToolCall | None = None
        return [self._added(self._call("in_progress", ""))]

    def piece(self, arguments: str) -> list[bytes]:
        """Return the event for a piece of its arguments."""
        if not arguments:
            return []
        return [self._event("response.function_call_arguments.delta", **self._placed(), delta=arguments)]

    def close(self) -> list[bytes]:
        """Return the events that say the call again. A call that never became whole is not complete."""
        status, arguments = ("incomplete", "") if self.whole is None else ("completed", arguments_of(self.whole))
        said = self._placed(name=self._name, arguments=arguments)
        return [
            self._event("response.function_call_arguments.done", **said),
            self._done(self._call(status, arguments)),
        ]

    def _call(self, status: str, arguments: str) -> Values:
        return {
            "id": self.id, "type": "function_call", "status": status, "call_id": self._call_id, "name": self._name,
            "arguments": arguments,
        }  # fmt: skip


class WholeItem(Item):
    """Writes an item that comes in one piece."""

    def open(self, values: Values) -> list[bytes]:
        """Return the events for all of the item."""
        return [self._added(values), self._done(values)]

    def close(self) -> list[bytes]:
        """Return nothing: all was said."""
        return []
