"""Knows the ways in which servers quote a value that they were sent, and finds them in a text.

    spellings   a value as it is, and as it is quoted in addresses, JSON, HTML, Basic credentials and dumps of bytes
    Finder      finds them in a text, whatever the case of their letters, whole or shortened to a part of some length
    hints_of    a quick look: runs of characters of which a text has one, if a spelling may stand in it

Not found: a value that is spelled backwards, with other characters between its letters, encoded twice, or compressed.
`masking/values.py` masks what is found, and knows where a value comes from.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

__all__ = ["SHORTEST", "Finder", "hints_in", "hints_of", "lower", "spellings"]

SHORTEST = 8
"""Characters of a value that is known wherever it stands, and of a part of it that is still known as its part."""
LONGEST = 256
"""Characters at the beginning and at the end of a value whose parts are known; the whole is, at any length."""
GRAM = 4
"""The length of a hint in characters."""
STEP = SHORTEST - GRAM + 1
"""The distance between the places where a text is looked at: every run of SHORTEST characters has a whole hint at
one."""

_LOWER = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}
"""A text in small letters of the same length: servers change the case of what they quote."""


def lower(text: str) -> str:
    """Return a text in small letters, and of the same length."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def spellings(value: str) -> set[str]:
    """Return a value in those notations of which a part is recognised, too."""
    raw, value = _sendable(value)
    forms = {
        value, quote(value, safe=""), quote(value), quote_plus(value), html.escape(value), raw.hex(),
        json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], value.replace("/", r"\/"),
    }  # fmt: skip
    for before in range(3):  # Base64 of a longer text depends on where in it the value stands
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        cut = encoded[(0, 2, 3)[before] : len(encoded) - ((before + len(raw)) % 3 > 0)]
        forms |= {cut, cut.translate({ord("+"): "-", ord("/"): "_"})}
    return {form for form in forms if len(form) >= SHORTEST}


def _spelled_out(value: str) -> set[str]:
    """Return a value with every character escaped. Parts of this are not recognised, since one may be a single
    letter."""
    raw, value = _sendable(value)
    pairs, codes = [f"{byte:02x}" for byte in raw], [ord(mark) for mark in value]
    escaped = {"".join(rf"\x{pair}" for pair in pairs), "".join(rf"\u{code:04x}" for code in codes)}
    return {
        *escaped, *(form.replace("\\", r"\\") for form in escaped), "".join(f"%{pair}" for pair in pairs),
        "".join(f"&#{code};" for code in codes), "".join(f"&#x{code:x};" for code in codes),
        " ".join(pairs), ":".join(pairs),
    }  # fmt: skip


def _sendable(value: str) -> tuple[bytes, str]:
    """Return a value without lone halves of surrogate pairs, which can be neither quoted nor sent."""
    raw = value.encode("utf-8", "replace")
    return raw, raw.decode()


class Finder:
    """Finds the spellings of some values. of_bytes: in bytes that are read as Latin-1, one character for each."""

    def __init__(self, values: Iterable[str], *, of_bytes: bool = False) -> None:
        values = [value for value in values if len(value) >= SHORTEST]
        known = {form for value in values for form in spellings(value)}
        whole = known.union(*map(_spelled_out, values))
        if of_bytes:
            known, whole = set(map(_as_bytes, known)), set(map(_as_bytes, whole))
        self._forms = set(map(lower, whole))
        self._parts = {lower(part) for form in known for part in _parts(form)}
        self._hints = {part[at : at + GRAM] for part in self._parts for at in range(SHORTEST - GRAM + 1)}

    def places(self, low: str, most: int) -> bytearray:
        """Return a 1 for each character that belongs to a secret.

        low: a text in small letters. most: how many characters from its beginning are searched for parts, too.
        """
        secret = bytearray(len(low))
        for form in self._forms:
            for start in _places(low, form):
                secret[start : start + len(form)] = b"\1" * len(form)
        for start in self._of_parts(low[:most]):
            secret[start : start + SHORTEST] = b"\1" * SHORTEST
        return secret

    def _of_parts(self, low: str) -> Iterator[int]:
        for at in range(0, len(low) - GRAM + 1, STEP):
            if low[at : at + GRAM] in self._hints:
                for start in range(max(at - STEP + 1, 0), at + 1):
                    if low[start : start + SHORTEST] in self._parts:
                        yield start


def hints_of(values: Iterable[str]) -> frozenset[str]:
    """Return hints of all spellings of these values, in small letters."""
    known = {form for value in values if len(value) >= SHORTEST for form in spellings(value) | _spelled_out(value)}
    pieces = {lower(piece) for form in known for piece in (form[:LONGEST], form[-LONGEST:])}
    return frozenset(piece[at : at + GRAM] for piece in pieces for at in range(len(piece) - GRAM + 1))


def hints_in(text: str) -> list[str]:
    """Return what a text has in common with the hints of a value that it contains."""
    low = lower(text)
    return [low[at : at + GRAM] for at in range(0, len(low), STEP)]


def _as_bytes(form: str) -> str:
    return form.encode("utf-8", "replace").decode("latin-1")


def _parts(form: str) -> Iterator[str]:
    """Return runs of SHORTEST characters that identify a part of a value; runs that may be words of a sentence are left
    out."""
    pieces = {form[:LONGEST], form[-LONGEST:]}
    runs = (piece[at : at + SHORTEST] for piece in pieces for at in range(len(piece) - SHORTEST + 1))
    return (run for run in runs if not all(map(_is_word, re.split("[ _-]", run))))


def _is_word(letters: str) -> bool:
    return not letters or (letters.isalpha() and (letters[1:].islower() or letters.isupper() or len(letters) == 1))


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + len(part))
