"""Prose that can be read with this repository alone: no text points to a paper that is not in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("resilient_stream", "tests", "docs", "benchmarks")
SUFFIXES = (".py", ".md", ".toml", ".yml", ".yaml", ".sh")

PAPERS: dict[str, str] = {
    "a numbered judgement or quirk": r"\b(?:JUDGEMENTS?|QUIRKS?)(?:\.md)?\s+\d+|\b(?:JUDGEMENTS|QUIRKS|KINDS)\.md\b",
    "a finding or rule by its number": r"(?<![\w/.-])[RE]\d{1,2}(?![\w.-])",
    "a design paper": r"\b(?:DESIGN|SPEC|HOUSE|ASYNC_FINDINGS)(?:\.md|\s+\d|\s+R\d|\s+[\"“])|\bASYNC_FINDINGS\b",
    "an issue by its number": r"\b[Ii]ssues? #?\d+",
}
"""What a reference to such a paper looks like, by what it refers to."""

ALLOWED = {"tests/test_language.py", "tests/classify/test_kinds.py"}
"""This file, and the one that compares our table with the shared one: it opens that file by its name."""


def files() -> list[str]:
    """Every text file of ours, and those at the root, by its path."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    found += [path for path in ROOT.iterdir() if path.suffix in SUFFIXES or path.name == "Makefile"]
    return sorted(str(path.relative_to(ROOT)) for path in found if "data" not in path.relative_to(ROOT).parts)


def papers_in(text: str) -> list[str]:
    """The references in a text, each with what it refers to."""
    return [f"{what}: {found[0]}" for what, pattern in PAPERS.items() for found in re.finditer(pattern, text)]


@pytest.mark.parametrize("path", [path for path in files() if path not in ALLOWED])
def test_no_text_refers_to_a_paper_outside_the_repository(path: str) -> None:
    """A reader cannot follow such a reference, so the reason stands there in words."""
    assert papers_in((ROOT / path).read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "retryable once (JUDGEMENTS 25).",
        "read, never refused (recordings QUIRKS 24-34)",
        "across a yield (R1)",
        "refer to the `Stream` (R5: dropping it",
        "once an exception is set (E6).",
        "see DESIGN 1.4.",
        "have this table and no other (DESIGN R10).",
        'in the way (SPEC "Cleanup").',
        "(ASYNC_FINDINGS E4: 65 ns)",
        "as issue 11 asks",
    ],
)
def test_such_a_reference_is_seen(text: str) -> None:
    """The rule is not blind: it sees each form of them that once stood in the code."""
    assert papers_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "DeepSeek-R1 has no usage there",
        "`us.deepseek.r1-v1:0`",
        "pictures from S3",
        "from tests.corpus.quirks import QUIRKS",
    ],
)
def test_an_ordinary_name_is_none(text: str) -> None:
    """Models, services and names of ours look alike, and are no references."""
    assert papers_in(text) == []
