"""Writes the options of a call that only some dialects have a field for, in a dialect's own words.

What the whole dialect lacks is refused before (`fitting/features.py`); here only a host at another address than its
adapter's own, or one model of many, still has to refuse an option.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import structs

from ...contract import Capabilities, Request
from ...fitting.features import OPTIONS
from ...fitting.told import refusal

__all__ = ["knowing", "own_words"]


def knowing(words: Iterable[str], able: Capabilities) -> Capabilities:
    """Return the capabilities with these options added."""
    return structs.replace(able, **dict.fromkeys(words, True))


def own_words(request: Request, words: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
    """Return the options of these names that are given, each under its word. Raises StreamError for one without any."""
    given = {name: value for name in names if (value := getattr(request, name)) is not None}
    lacking = next((name for name in given if name not in words), None)
    if lacking is not None:
        raise refusal(f"{OPTIONS[lacking]} ({lacking}=)")
    return {words[name]: value for name, value in given.items()}
