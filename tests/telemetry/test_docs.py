"""docs/telemetry.md has the tables of the code. `python -m tests.telemetry.test_docs` writes them there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from resilient_stream.telemetry.attributes import OURS
from resilient_stream.telemetry.log_fields import FIELDS
from resilient_stream.telemetry.names import METRICS

PAGE = Path(__file__).parents[2] / "docs" / "telemetry.md"


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """In markdown."""
    lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join((head, re.sub(r"[^|]+", "---", head), *lines))


def named(rows: Mapping[str, str]) -> list[tuple[str, str]]:
    """Name and meaning of each row."""
    return [(f"`{name}`", meaning) for name, meaning in rows.items()]


TABLES = {
    "attributes": table("| attribute | what it says |", named(OURS)),
    "metrics": table(
        "| metric | kind | unit | labels | what it says |",
        [
            (
                f"`{row.name}`",
                row.instrument,
                f"`{row.unit}`",
                ", ".join(f"`{label}`" for label in row.labels),
                row.meaning,
            )
            for row in METRICS.values()
        ],
    ),
    "fields": table("| field | what it says |", named(FIELDS)),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_the_table_of_the_code(name: str) -> None:
    """Each table stands under its mark, row by row."""
    assert f"<!-- table: {name} -->\n{TABLES[name]}\n" in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    for name, text in TABLES.items():
        page = re.sub(rf"(<!-- table: {name} -->\n)(\|.*\n)*", lambda found: f"{found[1]}{text}\n", page)  # noqa: B023
    PAGE.write_text(page, encoding="utf-8")
