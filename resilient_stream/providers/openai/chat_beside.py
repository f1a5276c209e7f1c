"""Reads what stands beside the text of a chat completion: sources, files, tools that the host ran, probabilities.

    a chunk, a choice, a delta or message -> its known fields, each by its own reader -> chunks
                                          -> its other fields -> `Raw`, as far as they may be content

Most events have nothing beside their text and never come here (see `chat_events.py`). The same field means the same
wherever it stands and whoever sends it, so no host's name stands in this module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

from msgspec.structs import replace

from ...chunks import File, Logprobs, Source
from ...contract import Batch
from ..shared.holdings import Holdings
from ..shared.said import Said
from ..shared.sources import Sources, items_of, source_of
from ..shared.unmodelled import Fields, Unmodelled, says
from ..shared.values import list_of, object_of
from .chat_events import CHOICE, EVENT, FIRST, SPEECH
from .chat_files import ANY_FILM, ANY_PICTURE, ANY_SOUND, Recording, file_of
from .chat_tools import ExecutedTools

__all__ = ["NOT_ASKED", "Asked", "Beside"]

_KEPT_BLOCKS = ("file",)
"""Annotations that say nothing of the answer: what a host made of a file, which it takes back to save the work."""

SOURCE_PARTS = frozenset({"annotation", "citation", "tool_reference", "document_url", "resource_link"})
"""Types of parts of a message that are sources."""


class Asked(NamedTuple):
    """Says what the request asked for beside text. logprobs: probabilities. audio: a recording in this format. cites:
    something to search. returns: the host's column. placed: places can be counted, since no long text is taken out."""

    logprobs: bool = False
    audio: str = ""
    cites: bool = False
    returns: Collection[str] = ()
    placed: bool = True


NOT_ASKED = Asked()


class _Memory:
    """Holds what is remembered of an answer that has something beside its text."""

    __slots__ = ("given", "recording", "sources", "tools")

    def __init__(self, holdings: Holdings, format: str) -> None:
        self.given: set[int] = set()
        self.recording = Recording(holdings, format)
        self.sources = Sources(holdings)
        self.tools = ExecutedTools(holdings)


class Beside:
    """Reads what one answer has beside its text. text: what it has said so far. sounds: a recording has begun."""

    __slots__ = ("_asked", "_holdings", "_made", "_text", "_unmodelled", "sounds")

    def __init__(self, unmodelled: Unmodelled, holdings: Holdings, text: Said, asked: Asked) -> None:
        self._unmodelled = unmodelled
        self._holdings = holdings
        self._text = text
        self._asked = asked
        self._made: _Memory | None = None
        self.sounds = False

    @property
    def _memory(self) -> _Memory:
        """Return what is remembered, which is made when it is needed: most answers are text alone."""
        if self._made is None:
            self._made = _Memory(self._holdings, self._asked.audio)
        return self._made

    def left(self) -> Batch:
        """Return the recording, or what has come of it."""
        return [*self._memory.recording.file()] if self.sounds else []

    def chunk(self, event: dict[str, Any]) -> Batch:
        """Return what a whole chunk has beside its text, and the answers beside the first."""
        found = self._fields(event, EVENT, once=True)
        for choice in map(object_of, list_of(event.get("choices"))):
            if choice.get("index") not in FIRST:
                said = any(says(choice.get(name)) for name in ("delta", "message", "text", "finish_reason"))
                found += [self._unmodelled.content("choices", [choice])] if said else []
                continue
            found += self._fields(choice, CHOICE, once=True)
            found += self._fields(choice.get("delta"), SPEECH)
            message = object_of(choice.get("message"))
            again = {"audio": None} if self.sounds else {}  # the recording has come in pieces already
            found += self._fields({**message, **again}, SPEECH, once=True)
        return found

    def _fields(self, holder: Any, fields: Fields, *, once: bool = False) -> Batch:
        said, found = object_of(holder), Batch()
        for name in sorted(said.keys() & READ.keys(), key=_ORDER.__getitem__):
            if says(said[name]):
                found += READ[name](self, name, said[name])
        return found + self._unmodelled.fields(said, fields, once=once)

    def part(self, kind: str, part: dict[str, Any], placed: bool) -> Batch:
        """Return a part of a message's content that is neither text nor reasoning. placed: the text before it has been
        said, and nothing else."""
        if kind == "reference":
            place = self._text.length if placed and self._asked.placed else None
            names = [str(each) for each in list_of(part.get("reference_ids"))]
            return [
                chunk for name in names for chunk in self._memory.sources.new(Source(id=name, start=place, end=place))
            ]
        if kind in SOURCE_PARTS:
            # The place of such a one is counted within its part.
            cited = self._cited(kind, [part])
            return [replace(each, start=None, end=None) if type(each) is Source else each for each in cited]
        file = file_of(part, self._asked.returns, ANY_SOUND if "audio" in kind else ANY_PICTURE)
        return self._file(kind, part, file)

    # Each reader gets a field's name and its value.

    def _cited(self, name: str, value: Any) -> Batch:
        """Read annotations: sources, and what a host takes back."""
        items, found = self._items(name, value)
        for item in items:
            if object_of(item).get("type") not in _KEPT_BLOCKS:
                found += self._source(name, item, source_of(item))
            elif self._is_new(repr(item)):
                found.append(self._unmodelled.block(name, {name: [item]}))
        return found

    def _numbered(self, name: str, value: Any) -> Batch:
        """Read a list in which each source is named by its number, as the text's marks say."""
        items, found = self._items(name, value)
        for number, item in enumerate(items, 1):
            found += self._source(name, item, source_of(item, number))
        return found

    def _items(self, name: str, value: Any) -> tuple[list[Any], Batch]:
        """Return the items of a list, and what stands beside that in an object: no more than how it was found."""
        items, rest = items_of(value)
        return items, [*self._unmodelled.aside(name, rest)] if rest else []

    def _source(self, name: str, item: Any, source: Source | None) -> Batch:
        return [*self._memory.sources.new(source)] if source is not None else self._pass_on_once(name, item)

    def _pass_on_once(self, name: str, item: Any) -> Batch:
        """Pass on an item that no reader understands, once."""
        return [self._unmodelled.content(name, item)] if says(item) and self._is_new("unread", name, repr(item)) else []

    def _pictures(self, name: str, value: Any) -> Batch:
        items = value if isinstance(value, list) else [value]
        return [chunk for item in items for chunk in self._file(name, item, file_of(item, self._asked.returns))]

    def _films(self, name: str, value: Any) -> Batch:
        return [chunk for item in list_of(value) for chunk in self._file(name, item, file_of(item, kind=ANY_FILM))]

    def _file(self, name: str, item: Any, file: File | None) -> Batch:
        """Return a file that was not given before; some hosts repeat the whole message with each event."""
        if file is None:
            return self._pass_on_once(name, item)
        return [file] if self._is_new(file.data, file.url, file.id) else []

    def _is_new(self, *said: Any) -> bool:
        """Return whether nothing equal was given. A digest is kept, since it may be as long as an event."""
        given, digest = self._memory.given, hash(said)
        if digest in given:
            return False
        self._holdings.item()
        given.add(digest)
        return True

    def _sound(self, name: str, value: Any) -> Batch:
        if not isinstance(value, dict):
            return self._pass_on_once(name, value)
        self.sounds = True
        return [] if self._memory.recording.add(value) else [self._unmodelled.content(name, value)]

    def _executed(self, name: str, value: Any) -> Batch:
        return self._memory.tools.add(value) if isinstance(value, list) else self._pass_on_once(name, value)

    def _steps(self, name: str, value: Any) -> Batch:
        """Read what was done before the answer; a message so far repeats the steps."""
        steps = [step for step in map(object_of, list_of(value)) if self._is_new(name, repr(step))]
        return [chunk for step in steps for chunk in self._memory.tools.step(step) or self._pass_on_once(name, step)]

    def _probable(self, name: str, value: Any) -> Batch:
        """Read the probabilities of tokens, if they were asked for; a host may send them unasked."""
        if not self._asked.logprobs:
            return [*self._unmodelled.aside(name, value)]
        tokens = list_of(object_of(value).get("content")) or list_of(object_of(value).get("refusal"))
        return [Logprobs(tuple(tokens))] if tokens else [self._unmodelled.doubt(name, value)]


_Read: TypeAlias = Callable[[Beside, str, Any], Batch]

READ: Mapping[str, _Read] = {
    "logprobs": Beside._probable,
    "executed_tools": Beside._executed,
    "reasoning_steps": Beside._steps,
    "search_results": Beside._numbered,
    "citations": Beside._numbered,
    "search_info": Beside._numbered,
    "web_search": Beside._numbered,
    "annotations": Beside._cited,
    "references": Beside._cited,
    "context": Beside._cited,
    "documents": Beside._cited,
    "images": Beside._pictures,
    "image": Beside._pictures,
    "videos": Beside._films,
    "audio": Beside._sound,
}
"""The fields that are read, in the order in which their chunks leave; the first list of sources says most of them."""

_ORDER = {name: place for place, name in enumerate(READ)}
