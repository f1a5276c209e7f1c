"""The documents say what the code does: their tables are made from it, their links lead somewhere."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

import resilient_stream
from docs import tables
from docs.error_examples import values_for
from resilient_stream import Client, StreamMisused, policy
from resilient_stream.cli.app import app
from resilient_stream.cli.doctor import checks
from resilient_stream.errors import ErrorKind
from resilient_stream.kinds import KINDS, TEXTS
from resilient_stream.providers import adapter_for, known_providers
from resilient_stream.telemetry.names import METRICS

ROOT = Path(tables.__file__).parent.parent
PAGES = tables.pages()
NAMES = [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tables_are_those_of_the_code(page):
    """If this fails, run `python -m docs.tables` and look at the change."""
    text = page.read_text()
    assert tables.filled(text) == text


def test_every_class_of_errors_has_one_row():
    """No class is listed twice, also where a module has two names for it."""
    rows = [line for line in tables.catch().splitlines() if line.startswith("| `")]
    assert len(rows) == len({row.split("|")[1] for row in rows})


def test_a_stale_table_is_seen(tmp_path, monkeypatch, capsys):
    """--check names the page and exits with 1; without it the page is written."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: exit-codes -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    assert tables.main(["--check"]) == 1
    assert "page.md" in capsys.readouterr().out
    assert tables.main([]) == 0
    assert "| 130 | Ctrl-C |" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert tables.main(["--check"]) == 0


def test_every_table_is_shown_once():
    """A table that no page shows, or two pages show, is a mistake."""
    shown = re.findall(r"<!-- table: ([\w-]+) -->", "".join(page.read_text() for page in PAGES))
    assert sorted(shown) == sorted(tables.TABLES)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    """Each relative link is a file, and its anchor a heading there."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)$", target.read_text())
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_names_in_the_text_exist(page):
    """A kind, a policy's field or a command in backticks is one that there is."""
    text = page.read_text()
    for model, field in re.findall(r"`(RetryPolicy|Timeouts|Recovery|Limits|RetryBudget)\.(\w+)`", text):
        assert field in getattr(policy, model).model_fields or hasattr(getattr(policy, model), field), field
    commands = set(re.findall(r"`resilient-stream (\w[\w-]*)", text))
    assert commands <= {command.name or command.callback.__name__ for command in app.registered_commands}
    if page.name == "operator-manual.md":
        kinds = re.findall(r"`([a-z]+_[a-z_]+)`", text.split("## Alerts")[1].split("## Metrics")[0])
        assert set(kinds) <= {*ErrorKind, "resets_at"}


def test_every_setting_has_a_meaning_and_is_accepted():
    """No field without a sentence; what is left out of the table is refused by the client, still."""
    assert [line for line in tables.policies().splitlines() if line.endswith("|  |")] == []
    for name in tables.NOT_BUILT:
        with pytest.raises(StreamMisused, match="not built yet"):
            Client("local", **{name.lower(): getattr(policy, name)()})


def test_the_faults_of_the_readme_are_the_measured_ones():
    """Row by row, as the page that the measurement writes has them."""
    page = (ROOT / "docs" / "benchmarks" / "faults.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| fault")]
    assert len(rows) == 5
    assert [row for row in rows if row not in (ROOT / "README.md").read_text()] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_readme_and_its_like_lead_to_what_there_is(name):
    """Their links, and the tests that they name as proofs."""
    text = (ROOT / name).read_text()
    named = re.findall(r"`((?:tests|benchmarks|docs)/[\w/.-]+)`", text)
    links = [link for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text) if "://" not in link]
    assert [path for path in (*named, *links) if not (ROOT / path).exists()] == []


def test_every_metric_and_provider_is_listed():
    """The tables list every metric and every provider."""
    assert all(f"`{name}`" in tables.metrics() for name in METRICS)
    for name in known_providers():
        assert f"| `{name}` |" in tables.environment()
        assert all(key in tables.environment() for key in adapter_for(name).key_variables)


def test_every_variable_that_the_code_reads_is_documented():
    """Names like AN_UPPER_CASE_WORD in files that read the environment."""
    documented = tables.environment() + tables.other_variables()
    package = Path(resilient_stream.__file__).parent
    missing = {
        name
        for path in package.rglob("*.py")
        if "environ" in path.read_text() and "testing" not in path.parts
        for name in _upper_case_words(path.read_text())
        if name not in documented
    }
    assert missing == set()


def _upper_case_words(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    own = {node.id for node in nodes if isinstance(node, ast.Name)}
    return {word for word in words - own if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", word)}


def test_the_pages_are_in_the_index():
    """docs/README.md has a link to each page."""
    index = (ROOT / "docs" / "README.md").read_text()
    assert [name for name in NAMES if name != "README.md" and f"({name})" not in index] == []


def test_figures_in_the_text_are_the_defaults():
    """What the pages say in words: 20 % and 20, two minutes, five minutes, two continuations, 300 s, 16 tokens."""
    budget, retry, timeouts = policy.RetryBudget(), policy.RetryPolicy(), policy.Timeouts()
    assert (budget.ratio, budget.reserve) == (0.2, 20)
    assert (retry.max_elapsed, retry.jitter, timeouts.consumer, timeouts.first_content) == (120, 0.1, 300, 300)
    assert policy.Recovery().max_continuations == 2
    assert policy.Recovery().methods == ("native", "prefill", "replay")
    assert (len(ErrorKind), checks.MAX_TOKENS) == (40, 16)


GENERAL = frozenset({
    "provider", "model", "target", "host", "address", "env_var", "dialect", "vendor", "gateway", "transcript",
})  # fmt: skip
"""What an error knows by where it happened, and that it has a transcript."""


@pytest.mark.parametrize(("kind", "code"), [*((kind, "") for kind in KINDS), *TEXTS])
def test_a_text_is_shown_with_values_of_its_own(kind: ErrorKind, code: str) -> None:
    """Every place in a text is filled from its own row, and no row has a value that its text has no place for."""
    row = TEXTS.get((kind, code)) or KINDS[kind]
    parts = (string.Formatter().parse(sentence) for sentence in (*row.message, *row.resolution))
    named = {name for sentence in parts for _, name, _, _ in sentence if name}
    values, _ = values_for(kind, code)
    assert set(values) == named - GENERAL


@pytest.mark.parametrize(("kind", "code"), [*((kind, "") for kind in KINDS), *TEXTS])
def test_a_shown_text_reads_well(kind: ErrorKind, code: str) -> None:
    """One full stop at the end of a sentence, none behind another one, and a unit behind a bare large number."""
    error = tables._example(kind, code)
    for text in (error.message, error.resolution):
        assert not re.search(r"\.['\")]?\.(?!\.)|  | [.,]", text)
        assert not re.search(r"(?<![:\d,])\d[\d,]{3,}\.", text)
        assert text.endswith(".")
