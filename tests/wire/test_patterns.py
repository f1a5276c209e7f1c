"""The interpreter's `re` matches possessive groups, on which the framing of JSON and SSE rests."""

from __future__ import annotations

import re


def test_a_possessive_group_misses_no_match() -> None:
    """If this fails, the Python is older than 3.11.5, and answers would be read wrongly: docs/decisions/0025."""
    assert re.fullmatch(r"(?:(?<!\d)(?:\d+(?:\.\d+)?)\s*(?:ms|s|m|h)(?![a-z])[\s,]*)++", "6m0s")
    assert re.fullmatch(r"(?:[^deir\n][^\n]*+\n|(?!data)[^\n]++\n)*+((?:(?=data)[^\n]*+\n)*+)", "xx\nyy\ndata: 1\n")
