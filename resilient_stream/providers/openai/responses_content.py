"""Reads what a Responses answer says: its parts, its items, and all of it at the end.

Texts, calls of functions, tools of the provider's, citations and probabilities each remember what of them has left;
this module gives each event to those that it concerns. How the answer ends is in `responses_stream.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ...chunks import TextDelta
from ...contract import Batch
from ..shared.holdings import Holdings
from ..shared.parts import text_in
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import object_of, text_of
from .responses_calls import ResponsesCalls
from .responses_citations import Citations
from .responses_events import Event, key_of
from .responses_items import OWN_ITEMS, Items, items_of, odd_parts
from .responses_logprobs import Probabilities
from .responses_sound import Sound
from .responses_tools import ServerItems

__all__ = ["OF_CONTENT", "Content"]


class Content:
    """Reads the content of one answer. resumed: it began in another stream. logprobs: they were asked for."""

    __slots__ = ("_citations", "_resumed", "_sound", "_tools", "_unmodelled", "calls", "items", "logprobs")

    def __init__(
        self,
        unmodelled: Unmodelled,
        holdings: Holdings | None = None,
        *,
        resumed: bool = False,
        logprobs: bool = False,
    ) -> None:
        self._unmodelled = unmodelled
        self._resumed = resumed
        self.items = Items(resumed=resumed, holdings=holdings)
        self.calls = ResponsesCalls(holdings)
        self._tools = ServerItems(holdings)
        self._citations = Citations(holdings)
        self._sound = Sound(holdings)
        self.logprobs = Probabilities() if logprobs else None

    @property
    def asks(self) -> bool:
        """Return whether the answer ends with something that the caller has to do."""
        return bool(self.calls) or self._tools.waits

    @property
    def state(self) -> Any:
        """Return what the reader of a resumed stream has to know; None where nothing but text came."""
        citations = copy.deepcopy(self._citations)
        citations.before += self.items.text.length
        state = (self.calls, self.items.refusal, self._tools, citations, self.logprobs)
        return state if any(state) else None

    def restore(self, state: Any) -> None:
        """Go on from another reader's state."""
        if state is not None:
            known = copy.deepcopy(state)
            self.calls, self.items.refusal, self._tools, self._citations, self.logprobs = known

    def text(self, event: Event) -> Batch:
        """Take a piece of text, with the probabilities of its tokens."""
        piece = text_of(event.delta)
        batch: Batch = [TextDelta(piece)] if piece else []
        if piece:
            self.items.text.add(piece)
        elif says([event.delta]):
            batch.append(self._unmodelled.content(event.type, {"delta": event.delta}))
        return batch if self.logprobs is None else [*batch, *self.logprobs.piece(event.logprobs)]

    def heard(self, event: Event) -> Batch:
        """Take a piece of the sound that the model speaks."""
        piece = text_of(event.delta)
        return [] if self._sound.heard(piece) else [self._unmodelled.content(event.type, {"delta": piece})]

    def spoken(self, event: Event) -> Batch:
        """Take a piece of the words that the model speaks."""
        self._sound.spoken(text_of(event.delta))
        return []

    def left(self) -> Batch:
        """Return the recording, or what has come of it."""
        return [*self._sound.file()]

    def part_added(self, event: Event) -> Batch:
        """Take a part that begins here, behind all text that was said before."""
        self._citations.begins(_part_of(event), self.items.text.length)
        return []

    def part_done(self, event: Event) -> Batch:
        """Take a whole part, which normally repeats its deltas."""
        part = object_of(event.part)
        thought = event.type.startswith("response.reasoning") or part.get("type") == "reasoning_text"
        kind = "reasoning" if thought else "text"
        if not thought:
            self._note_part(event)
        self.items.refused(text_in(event.refusal) or text_of(part.get("refusal")))
        if text := text_in(event.text) or text_in(part.get("text")):
            place = f"{event.summary_index} {event.content_index}"
            return self.items.part(kind, f"{kind} {key_of(event)} {place}", event.output_index is not None, text)
        refusal = None if self.items.refusal else event.refusal
        return [*self._unmodelled.unread(event.type, event.text, part.get("text"), refusal)]

    def cited(self, event: Event) -> Batch:
        """Take an annotation of the part at hand."""
        self._note_part(event)
        return self._citations.added(_part_of(event), event.annotation, self._unmodelled)

    def _note_part(self, event: Event) -> None:
        """Note where the part at hand began, for servers that do not say when one begins."""
        if (at := self.items.began()) is not None:
            self._citations.begins(_part_of(event), at)

    def item_added(self, event: Event) -> Batch:
        """Take an item that begins."""
        item = object_of(event.item)
        if item.get("type") == "function_call":
            return [*self.calls.added(event)]
        self._tools.added(key_of(event), item)
        return []

    def tool_told(self, event: Event) -> Batch:
        """Take the whole arguments, or the whole program, of a tool that runs at the provider."""
        return self._tools.told(key_of(event), text_of(event.arguments) or text_of(event.code))

    def item_done(self, event: Event) -> Batch:
        """Take a whole item, which normally repeats what came of it."""
        item = object_of(event.item)
        kind = text_of(item.get("type"))
        if kind == "function_call":
            return [*self.calls.done(event)]
        if kind == "message":
            return self._message(event, item)
        if kind == "reasoning":
            return self.items.thought(item) + odd_parts([item.get("summary"), item.get("content")], self._unmodelled)
        return self._tools.whole(key_of(event), item, self._unmodelled)

    def _message(self, event: Event, message: dict[str, Any]) -> Batch:
        self._tools.waits = False
        at = self.items.message_began()
        batch = self.items.message(message)
        if self.logprobs is not None:
            batch += self.logprobs.message(message)
        batch += self._citations.message(key_of(event), message, at, self._unmodelled)
        return batch + odd_parts(message.get("content"), self._unmodelled)

    def rest(self, output: Any) -> Batch:
        """Return the new content of the whole answer at its end, i.e. what no event before it had."""
        items = [] if self._resumed else items_of(output)
        if not (self.items.begun or self.calls or self._tools):
            events = (Event(output_index=place, item=item) for place, item in enumerate(items))
            return [chunk for event in events for chunk in self.item_done(event)]
        messages = [item for item in items if item.get("type") == "message"]
        batch = self.items.rest(items, self._unmodelled)
        if self.logprobs is not None:
            batch += self.logprobs.rest(messages)
        batch += self._citations.rest(messages, self._unmodelled)
        for item in items:
            if item.get("type") == "function_call":
                batch += self.calls.rest(item)
        others = [item for item in items if text_of(item.get("type")) not in OWN_ITEMS]
        return batch + self._tools.rest(others, self._unmodelled)


def _part_of(event: Event) -> str:
    """Return which part of the answer an event is about."""
    return f"{key_of(event)} {event.content_index or 0}"


_Take: TypeAlias = Callable[[Content, Event], Batch]

_DONE = "content_part output_text refusal reasoning_text reasoning_summary_text reasoning_summary_part"

OF_CONTENT: Mapping[str, _Take] = {
    "response.audio.delta": Content.heard,
    "response.audio.transcript.delta": Content.spoken,
    "response.content_part.added": Content.part_added,
    **{f"response.{name}.done": Content.part_done for name in _DONE.split()},
    "response.output_text.annotation.added": Content.cited,
    "response.mcp_call_arguments.done": Content.tool_told,
    "response.code_interpreter_call_code.done": Content.tool_told,
    "response.output_item.added": Content.item_added,
    "response.output_item.done": Content.item_done,
}
"""The events of parts and items. Each is a step forward, whether or not it says anything new."""
