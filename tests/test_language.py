"""Prose that can be read at first sight, and with this repository alone.

No text points to a paper that is not in it. A docstring of the package is a whole sentence, which can be read without
the name above it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


def test_no_text_refers_to_a_paper_outside_the_repository() -> None:
    """A reader cannot follow such a reference, so the reason stands there in words."""
    texts = {path: (ROOT / path).read_text("utf-8") for path in files() if path not in ALLOWED}
    assert len(texts) > 900
    assert {path: found for path, text in texts.items() if (found := papers_in(text))} == {}


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


# -- docstrings ---------------------------------------------------------------------------------------

PACKAGE = ROOT / "resilient_stream"

VERBS = frozenset(
    re.findall(
        r"\w+",
        """
    act adapt add admit answer append apply arm ask assemble await begin bind bring build calculate call cancel carry
    change chat check choose claim classify clean close collect compare complete compute connect continue convert copy
    correct count decide declare decode decorate define delete deliver describe divide do draw drop encode end estimate
    examine exchange explain fail feed fill find finish fit follow forget forward frame free gather get give go guess
    hand handle have hear hold ignore import insert interpret interrupt iterate join keep kill know learn leave let
    limit link list listen log look lower make map mark mask match measure move name note number observe offer open
    order own pair pass pause permit play prepare price print pull put raise read receive record refuse release remember
    remove renew replace report reset resolve return ring run save say scan send serve set share show sign skip sort
    speak split stand start stop store stream subscribe sum supply surround take talk tell test track translate try turn
    undo use wait wake warn watch word wrap write yield
    """,
    )
)
"""The verbs with which docstrings begin. Add one that is missing; a word that is no verb would be a fragment."""

STATES = (
    r"\b(is|are|was|were|has|have|had|can|cannot|may|will|must|does|do|say|says|come|comes|came|goes|leaves|ended|runs"
    r"|ran|arrived|failed|passed|stopped|limits|blocked|could|treats|gives?|makes|sends|names|never|asks)\b"
)
"""What makes a sentence of a noun: "The key is missing" is one, "The key of a target" is none."""

RIDDLES = frozenset(
    re.findall(
        r"\w+",
        """
    _again _ago _all _also _among _any _as _at _away _because _both _by _did _do _each _elsewhere _for _from _has _here
    _how _in _is _it _its _like _meant _mine _of _off _on _one _other _others _ours _over _said _so _such _that _their
    _theirs _them _there _they _this _those _thus _to _told _too _what _when _where _which _who _whom _whose _why _with
    _within _yet
    """,
    )
)
"""Names of functions that say nothing alone: prepositions, pronouns, question words."""


class Prose(NamedTuple):
    """A docstring, and what has it: a name in a module. text: empty where there is none."""

    module: str
    name: str
    kind: str
    text: str

    @property
    def place(self) -> str:
        """Return where it is, for a complaint."""
        return f"{self.module}.{self.name}: {self.text[:60]}"


def prose_of(path: Path) -> Iterator[Prose]:
    """Return the docstrings of a file: its own, and those of its classes and functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kind = {ast.Module: "module", ast.ClassDef: "class"}.get(type(node), "function")
            yield Prose(path.stem, getattr(node, "name", ""), kind, ast.get_docstring(node) or "")


def third_person(verb: str) -> str:
    """Return a verb as it follows the name of a module or a class: "decode", "decodes"."""
    if verb in ("have", "do", "go"):
        return {"have": "has", "do": "does", "go": "goes"}[verb]
    if verb.endswith("y") and verb[-2] not in "aeo":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "sh", "ch", "x")) else f"{verb}s"


TELLING = frozenset(map(third_person, VERBS)) | {"is"}


def is_statement(sentence: str) -> bool:
    """Return whether a sentence has a subject and a verb, before anything is said of the subject in a clause."""
    if re.match(r"(Whether|How|What|Where|Which|Who|When|Why)\b", sentence):
        return False
    main = re.sub(r"\b(that|which|whose|who|whom|where|when|what) [^,.:;]*", "", sentence)
    return re.search(STATES, main) is not None


def is_sentence(docstring: Prose) -> bool:
    """Return whether a docstring begins with a verb (do it; it does it), or with a statement."""
    sentence = re.split(r"(?<=[.:?!])\s", docstring.text, maxsplit=1)[0]
    verb, *rest = sentence.lower().split()
    known = VERBS if docstring.kind == "function" else TELLING
    return (verb.strip(",.:") in known and bool(rest)) or is_statement(sentence)


def prose() -> Iterator[Prose]:
    """Return the docstrings of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from prose_of(path)


def test_a_docstring_is_a_whole_sentence() -> None:
    """A function's is an imperative, a class's or a module's says what it does; or it is a statement."""
    assert [each.place for each in prose() if each.text and not is_sentence(each)] == []


def has_capital_and_period(docstring: Prose) -> bool:
    """Return whether the first paragraph has both. Only a name in its own spelling begins with a small letter."""
    names_itself = docstring.text.startswith((f"{docstring.module}: ", "source, target: "))
    begins = docstring.text[0].isupper() or docstring.text[0] in '`"0123456789' or names_itself
    return begins and docstring.text.split("\n\n")[0].rstrip("`)").endswith((".", ":", "?"))


def test_a_docstring_has_a_capital_and_a_period() -> None:
    """So a reader sees where its first sentence begins and ends."""
    assert [each.place for each in prose() if each.text and not has_capital_and_period(each)] == []


def test_a_private_function_has_a_name_that_says_what_it_does() -> None:
    """A preposition, a pronoun or a question word alone has to be decoded."""
    assert [each.place for each in prose() if each.name in RIDDLES] == []


def test_a_rule_is_one_that_a_test_holds() -> None:
    """Of what modules "must never" do, tests/test_architecture.py holds one: what is pure awaits nothing."""
    rules = [rule for each in prose() for rule in re.findall(r"(?i)\bmust\s+never:?\s+\w+", each.text)]
    assert {" ".join(rule.split()) for rule in rules} == {"must never await"}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("function", "Whether it has its whole answer."),
        ("function", "The messages until now."),
        ("function", "How many rows have a result."),
        ("class", "What is read of a result."),
        ("class", "A row of the table: the models that it holds for, and what they refuse."),
        ("class", "The key that was given by a target whose address is another one."),
        ("module", "The chunks that a stream yields: a closed union of small classes."),
    ],
)
def test_a_fragment_is_seen(kind: str, text: str) -> None:
    """The rule is not blind: each form of them once stood in the code."""
    assert not is_sentence(Prose("", "", kind, text))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("function", "Return whether the row has its whole answer."),
        ("class", "Keeps the results of one file of rows."),
        ("class", "The key is missing, wrong, expired or revoked."),
        ("module", "Classifies what a server answered."),
    ],
)
def test_a_sentence_is_one(kind: str, text: str) -> None:
    """What is asked for is not refused."""
    assert is_sentence(Prose("", "", kind, text))
