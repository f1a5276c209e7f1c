"""Fits names of tools to a provider, and back: MCP allows dots, slashes and 128 characters, few others do.

The caller sees only their own names. The names that are sent are made from the caller's names alone, so they are the
same in each request, and differ from one another. `Capabilities.tool_names` says what a provider takes. A name that
fits is not changed, and where all of them fit nothing is done at all.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from msgspec import structs

from ..chunks import Chunk
from ..contract import Batch, Decoder, Request
from ..messages import Message
from ..outcome.traits import TOOL_NAMES

__all__ = ["Names", "given_back", "names_for", "renamed"]

Names = Mapping[str, str]
"""The caller's names that do not fit, and what is sent for each."""

_UNCHANGED: Names = {}

DecoderT = TypeVar("DecoderT", bound=Decoder)

_CHOICES = ("auto", "none", "required")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")
_KEPT = 40
"""Characters of a long name that are kept in front of its hash."""


def names_for(request: Request, allowed: str) -> Names:
    """Return the names to send for the names of this request. allowed: a pattern of the names that fit."""
    names = set(_names(request))
    if not names:
        return _UNCHANGED
    fits = re.compile(allowed).fullmatch
    odd = {name for name in names if not fits(name)}
    if not odd:
        return _UNCHANGED
    taken = names - odd
    spelled = {name: _OTHER.sub("_", name) for name in odd}
    alike = Counter(spelled.values())
    made: dict[str, str] = {}
    for name, plain in sorted(spelled.items()):
        alone = alike[plain] == 1 and plain not in taken and fits(plain)
        made[name] = plain if alone else _hashed(name, plain, taken)
        taken.add(made[name])
    return made


def renamed(request: Request, names: Names) -> Request:
    """Return the request with the names that are sent."""
    if not names:
        return request
    choice = request.tool_choice
    return replace(
        request,
        messages=tuple(_message(message, names) for message in request.messages),
        tools=tuple(tool.model_copy(update={"name": names.get(tool.name, tool.name)}) for tool in request.tools),
        tool_choice=choice if choice is None or choice in _CHOICES else names.get(choice, choice),
    )


def given_back(decoder: DecoderT, names: Names) -> DecoderT:
    """Return a decoder whose calls have the caller's names; the same object where no name was changed."""
    return cast(DecoderT, _Renaming(decoder, {sent: own for own, sent in names.items()})) if names else decoder


class _Renaming:
    """Wraps a decoder and gives calls the caller's names for their tools."""

    def __init__(self, decoder: Decoder, own: Mapping[str, str]) -> None:
        self._decoder = decoder
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def feed(self, data: bytes) -> Batch:
        """Decode one network read, as the wrapped decoder does."""
        return self._named(self._decoder.feed(data))

    def finish(self) -> Batch:
        """Take note that the body ended, as the wrapped decoder does."""
        return self._named(self._decoder.finish())

    def _named(self, batch: Batch) -> Batch:
        return [self._renamed(chunk) if type(chunk) in TOOL_NAMES else chunk for chunk in batch]

    def _renamed(self, chunk: Chunk) -> Chunk:
        field = TOOL_NAMES[type(chunk)]
        sent: str = getattr(chunk, field)
        return structs.replace(chunk, **{field: self._own.get(sent, sent)})


def _names(request: Request) -> Iterator[str]:
    for tool in request.tools:
        yield tool.name
    for message in request.messages:
        for call in message.tool_calls:
            yield call.name
        if message.role == "tool" and message.name:
            yield message.name
    if request.tool_choice is not None and request.tool_choice not in _CHOICES:
        yield request.tool_choice


def _hashed(name: str, plain: str, taken: set[str]) -> str:
    """Return a name that nothing else of the request has; it begins with a letter or `_`, as some APIs demand."""
    begin = plain[:_KEPT] if plain[:1].isalpha() or plain[:1] == "_" else f"_{plain[:_KEPT]}"
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    made = f"{begin}_{mark[:16]}"
    return made if made not in taken else _hashed(mark, plain, taken)


def _message(message: Message, names: Names) -> Message:
    calls = tuple(
        call.model_copy(update={"name": names[call.name]}) if call.name in names else call
        for call in message.tool_calls
    )
    name = names.get(message.name, message.name) if message.role == "tool" and message.name else message.name
    if calls == message.tool_calls and name == message.name:
        return message
    return message.model_copy(update={"tool_calls": calls, "name": name})
