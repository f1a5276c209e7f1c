"""Turns a whole answer of OpenAI's Responses API into the stream that says the same.

Only a final status becomes an end; a response that is still queued or running is no answer. This module only knows
where an item's texts are; `responses_stream` reads the events.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...wire.json_outline import paths
from ...wire.limits import few
from ..shared.whole import has, sse

__all__ = ["LONG_TEXTS", "as_stream"]

LONG_TEXTS = paths("output.*.content.*.text", "output.*.summary.*.text")

_ENDS = frozenset({"completed", "incomplete", "failed", "cancelled"})


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct):
    type: str = ""
    content: list[_Part] | None = None
    summary: list[_Part] | None = None


_RESPONSE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ITEM = msgspec.json.Decoder(_Item)


def as_stream(outline: bytes) -> bytes:
    """Return a delta for each text, each item when it is whole, and the end. A body without output is an error and
    stays as it is."""
    response = _RESPONSE.decode(outline)
    if not has(response, "output") or not has(response, "status"):
        return sse(outline)
    items = few(_ITEMS.decode(response.pop("output")))
    events = [event for place, item in enumerate(items) for event in _events(place, item)]
    status = msgspec.json.decode(response["status"], type=str)
    if status in _ENDS:
        events.append({"type": f"response.{status}", "response": response})
    return sse(*map(msgspec.json.encode, events))


def _events(place: int, item: msgspec.Raw) -> Iterator[dict[str, object]]:
    said = _ITEM.decode(item)
    for part in said.summary or ():
        yield {"type": "response.reasoning_summary_text.delta", "delta": part.text}
    for part in said.content or ():
        if part.refusal is not None:
            yield {"type": "response.refusal.delta", "delta": part.refusal}
        else:
            kind = "reasoning" if said.type == "reasoning" else "output"
            yield {"type": f"response.{kind}_text.delta", "delta": part.text}
    yield {"type": "response.output_item.done", "output_index": place, "item": item}
