"""Files that a document or a comment names are there: a reader who follows the name finds them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("resilient_stream", "tests", "docs", "benchmarks")

NAMED = re.compile(r"(?<![\w/.…-])(?!…)([A-Za-z_][\w-]*/)*[a-z_][\w-]*\.py\b(?!\()")
"""A Python file in a text, with or without its folders."""

REPORT = ROOT / "docs" / "quality" / "mutants.md"
"""It names the files of the code that was run then."""

ELSEWHERE = {"quota.py": "botocore's", "json.py": "an example of a file that must not hide Python's own"}
"""Names of files that are not ours, and whose they are."""


def pages() -> list[Path]:
    """Every document, and every module for its docstrings and comments."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    found = [path for path in found if path != REPORT]
    return sorted([*found, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"])


FILES = {f"/{path.relative_to(ROOT)}" for path in pages()}


def missing(text: str) -> list[str]:
    """The names in a text that no file of ours has, by its last folders."""
    names = {found[0] for found in NAMED.finditer(text)} - set(ELSEWHERE)
    return sorted(name for name in names if not any(path.endswith(f"/{name}") for path in FILES))


def prose(path: Path) -> str:
    """What a reader reads: a document, or of a module its docstrings and comments."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return text
    return "\n".join(found[0] for found in re.finditer(r'(?m)"""(?:.|\n)*?"""|^\s*#.*$|  #.*$', text))


def test_a_file_that_a_text_names_is_there() -> None:
    """After a file was moved, no text leads to its old place."""
    found = {str(path.relative_to(ROOT)): missing(prose(path)) for path in pages()}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_file_that_is_not_there_is_noticed() -> None:
    """The pattern sees a bare name and one with folders, and lets placeholders pass."""
    assert missing("see `hosts.py`, `providers/openai/hosts.py`, `…_stream.py` and FILE.py") == []
    assert missing("see `bedrock_flat.py` and providers/hosts.py") == ["bedrock_flat.py", "providers/hosts.py"]
