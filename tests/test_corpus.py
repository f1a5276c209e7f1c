"""The project's own answers: as their script writes them, enough of them, and of every dialect."""

from __future__ import annotations

import pytest

from tests.corpus import make
from tests.corpus.dialects import DIALECTS
from tests.corpus.quirks import QUIRKS


def test_the_files_are_what_the_script_writes() -> None:
    """If this fails, run `python -m tests.corpus.make` and look at the change."""
    assert [path.name for path, text in make.files().items() if path.read_text() != text] == []
    assert {path.name for path in make.FOLDER.iterdir()} == {path.name for path in make.files()}


def test_there_are_enough_of_them() -> None:
    """Some 190 answers, a dozen at least in each dialect, each under a name of its own."""
    names = {dialect: [row["case"] for row in make.answers(dialect)] for dialect in DIALECTS}
    assert sum(map(len, names.values())) >= 190
    assert min(map(len, names.values())) >= 12
    assert all(len(cases) == len(set(cases)) for cases in names.values())
    assert sum(
        QUIRKS[case].dialect == dialect for dialect in DIALECTS for case in names[dialect] if case in QUIRKS
    ) == len(QUIRKS)


@pytest.mark.parametrize("case", QUIRKS)
def test_a_quirk_is_one(case: str) -> None:
    """The odd bytes are not those of the plain answer, and say why they are odd."""
    quirk = QUIRKS[case]
    rows = {row["case"]: row for row in make.answers(quirk.dialect)}
    assert rows[case]["body"] != rows[quirk.case]["body"]
    assert quirk.why
