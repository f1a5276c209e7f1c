"""Passes on content that has no chunk class of its own as `Raw` chunks, and counts it.

    content     its place says that it is part of the answer: a part, a block, an item, a field that is known as such
    doubt       a field or an event that nobody here knows, with a value in it
    aside       known, and no content: a moderation's scores, a model's fingerprint; only with `raw=True`

What a dialect's fields are is a table in the dialect's own file (`Fields`). An event of text alone is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec

from ...chunks import Raw
from ...outcome.understood import MAX_NAMES, clean, tally
from ...wire.broken import event_value
from .said import Said
from .values import object_of

__all__ = ["NOTHING", "Fields", "Unmodelled", "is_blank_error", "names", "narrowed", "says"]

DEEP = 8
"""Levels of a value that are searched for something said."""

NOTHING: TypeAlias = Annotated[list[Any], msgspec.Meta(max_length=0)] | None
"""Null or an empty list: some hosts send each field with every token."""

ENVELOPE = frozenset({"type", "event_type", "event", "id", "event_id", "object", "model", "status", "created_at"})
"""Fields of an event that say nothing of its content."""
ALIVE = ("ping", "keepalive", "keep-alive", "keep_alive", "heartbeat")


class Fields(NamedTuple):
    """Names the known fields of one kind of object in a dialect. read: read by the reader, or meaningless. aside,
    content: see the module."""

    read: frozenset[str]
    aside: frozenset[str] = frozenset()
    content: frozenset[str] = frozenset()


def narrowed(base: type[Any], usual: str, **inner: Any) -> type[Any]:
    """Return a struct like `base` that admits only its own fields and the usual ones, which are not read.

    usual: fields that many hosts send with every event; naming every known field would cost more than it saves. inner:
    fields with a narrower type than in `base`, or admitted only without a value.
    """
    plain = [(each, msgspec.Raw, msgspec.Raw(b"")) for each in sorted(names(usual))]
    held = [(each, kind, None) for each, kind in inner.items()]
    options: Any = {"bases": (base,), "forbid_unknown_fields": True, "gc": False}
    made: type[Any] = msgspec.defstruct(f"Known{base.__name__}", [*plain, *held], **options)
    return made


def names(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


def says(value: Any, deep: int = DEEP) -> bool:
    """Return whether a field's value says anything: a text, or a list or object with a text or a number in it.

    A bare number or flag is a setting or a count, and never something that the model says.
    """
    if isinstance(value, str):
        return bool(value)
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return deep > 0 and any(_counts(each) or says(each, deep - 1) for each in inner)


def is_blank_error(error: Any) -> bool:
    """Return whether an error is an object in which nothing is said, as servers in Go write it beside a good answer."""
    return isinstance(error, dict) and not says(error)


def _counts(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


class Unmodelled:
    """Passes on the unmodelled content of one answer. counts: how often each name came, without what only `raw=True`
    shows."""

    __slots__ = ("_last", "_provider", "counts", "raw")

    def __init__(self, provider: str, *, raw: bool) -> None:
        self.raw = raw
        self.counts: dict[str, int] = {}
        self._provider = provider
        self._last: dict[str, int] = {}

    def content(self, name: str, data: Any) -> Raw:
        """Pass on a part of the answer."""
        name = clean(name)
        tally([name], self.counts)
        return Raw(self._provider, name, data)

    def unread(self, name: str, *values: Any) -> list[Raw]:
        """Pass on values that stand where a text belongs, and are none, as far as they say something."""
        return [self.content(name, value) for value in values if says([value])]

    def block(self, name: str, data: Any) -> Raw:
        """Pass on a whole block of the answer, in the form in which it can be sent back."""
        name = clean(name)
        tally([name], self.counts)
        return Raw(self._provider, name, data, "block")

    def doubt(self, name: str, data: Any) -> Raw:
        """Pass on something that may be a part of the answer."""
        name = clean(name)
        tally([name], self.counts)
        return Raw(self._provider, name, data, "doubt")

    def another(self, name: str, said: Said, whole: str) -> list[Raw]:
        """Pass on a whole text that comes after its pieces and says something else than they did."""
        return [self.doubt(name, {"content": whole})] if said.differs(whole) else []

    def aside(self, name: str, data: Any) -> list[Raw]:
        """Pass on what is no part of the answer, only if the caller asked for it with `raw=True`."""
        return [Raw(self._provider, clean(name), data, "extra")] if self.raw else []

    def fields(self, holder: Any, fields: Fields, *, once: bool = False) -> list[Raw]:
        """Pass on the fields of an object that the reader does not read.

        once: the same value may come with each event, and is passed on once.
        """
        found: list[Raw] = []
        for name, value in object_of(holder).items():
            if name in fields.read or (name in fields.aside and not self.raw) or not says(value):
                continue
            if not (once and self._is_repeated(name, value)):
                found += self._field(name, value, fields)
        return found

    def _is_repeated(self, name: str, value: Any) -> bool:
        now = hash(repr(value))  # a digest, since the value may be as long as an event
        same = self._last.get(name) == now
        if name in self._last or len(self._last) < MAX_NAMES:
            self._last[name] = now
        return same

    def _field(self, name: str, value: Any, fields: Fields) -> list[Raw]:
        if name in fields.aside:
            return self.aside(name, value)
        return [self.content(name, value) if name in fields.content else self.doubt(name, value)]

    def event(self, name: str, payload: bytes, content: bool) -> list[Raw]:
        """Pass on an event that nobody reads. content: its name says that it belongs to the answer."""
        data = event_value(payload)
        if content:
            return [self.content(name, data)]
        said = {field: value for field, value in object_of(data).items() if field not in ENVELOPE}
        if _keeps_alive(name):
            return self.aside(name, data)
        return [self.doubt(name, data)] if says(said) else self.aside(name, data)


def _keeps_alive(name: str) -> bool:
    lower = name[:128].lower()
    return any(word in lower for word in ALIVE)
