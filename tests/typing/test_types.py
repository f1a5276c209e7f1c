"""What users write passes their type checker, without a plugin of ours or of pydantic's; what is wrong does not.

mypy is always here; pyright only where it was installed (`make types` fetches it).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import resilient_stream
from docs import tables
from tests.docs.test_snippets import BLOCK, blocks

ROOT = Path(resilient_stream.__file__).parents[1]
HERE = Path(__file__).parent
REFUSED = HERE / "refused.py"
NOT_HERE = re.compile(r"module named \"(?!resilient_stream).*\[import-not-found\]$")
"""Pages about frameworks and SDKs import them, and they need not be installed."""
PAGES = [page for page in (*tables.pages(), ROOT / "README.md") if BLOCK.search(page.read_text())]
EXAMPLES = [*(ROOT / "docs" / "examples").glob("*.py")]

pytestmark = pytest.mark.slow


def marked() -> set[int]:
    """The lines that a type checker has to complain of."""
    lines = REFUSED.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# refused")}


def as_module(page: Path, folder: Path) -> Path:
    """A page's Python as one function, since a module has no `await`; each line where it is in the page."""
    lines = ["async def page() -> None:", *[""] * page.read_text().count("\n")]
    for _, code in blocks(page):
        for number, line in enumerate(code.splitlines()):
            lines[number] = f"    {line}" if line else lines[number]
    module = folder / f"{page.stem.replace('-', '_')}_page.py"
    module.write_text("\n".join([*lines, "    pass", ""]))
    return module


def mypy(*files: Path) -> list[str]:
    """Its complaints about these files, as strict as it gets. Without a configuration file there is no plugin. A
    page's later snippets may use a name anew."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "--no-error-summary",
         "--hide-error-context", "--disable-error-code=no-redef",
         "--cache-dir", ROOT / ".mypy_cache" / "user_code", *files],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if ": error: " in line and not NOT_HERE.search(line)]


def test_user_code_and_the_documents_pass_mypy(tmp_path: Path) -> None:
    """Policies, options, conversations, errors; and every snippet and example of the documents."""
    modules = [as_module(page, tmp_path) for page in PAGES]
    assert mypy(HERE / "user_code.py", *modules, *EXAMPLES) == []


def test_mypy_refuses_mistakes() -> None:
    """A misspelt option, a wrong type, a policy by position: each marked line, and no other."""
    found = {int(line.split(":")[1]) for line in mypy(REFUSED)}
    assert found == marked()


def test_pyright_agrees(tmp_path: Path) -> None:
    """The same two files, strictly, in the checker behind many editors."""
    pyright = shutil.which("pyright")
    if pyright is None:
        pytest.skip("pyright is not installed: `make types` fetches it")
    for file in (HERE / "user_code.py", REFUSED):
        shutil.copy(file, tmp_path)
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [pyright, "--outputjson", "--pythonpath", sys.executable, "-p", tmp_path], capture_output=True, text=True
    )
    complaints = json.loads(done.stdout)["generalDiagnostics"]
    lines = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in complaints}
    assert lines == {("refused.py", line) for line in marked()}


def test_every_option_of_a_call_is_in_the_types() -> None:
    """StreamOptions are the keywords of `stream`, with the same types; TurnOptions leave out what converse has."""
    stream = {**resilient_stream.Client.stream.__annotations__}
    del stream["prompt"], stream["return"]
    written = {name: re.sub(r"^ForwardRef\('(.*)'.*\)$", r"\1", str(getattr(said, "__forward_arg__", said)))
               for name, said in resilient_stream.StreamOptions.__annotations__.items()}  # fmt: skip
    assert written == stream
    converse = resilient_stream.Client.converse.__annotations__
    assert set(resilient_stream.TurnOptions.__annotations__) == set(stream) - set(converse)
