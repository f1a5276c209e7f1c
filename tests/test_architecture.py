"""The structure of the package, read from its source: what may import what, what is pure, what may not span a yield.

Each rule is a function over a syntax tree, so the tests at the end can show that it finds what it is for.
"""

from __future__ import annotations

import ast
import functools
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import resilient_stream

PACKAGE = Path(resilient_stream.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("text", "chunks"),
    ("failures",),
    ("given",),
    ("messages",),
    ("policy",),
    ("target",),
    ("outcome",),
    ("events", "options", "objects"),
    ("contract",),
    ("masking", "wire", "fitting", "classify"),
    ("providers",),
    ("recording", "fleet"),
    ("transport",),
    ("credentials", "local"),
    ("engine",),
    ("telemetry", "stream"),
    ("scope",),
    ("conversation",),
    ("call_options",),
    ("client",),
    ("errors", "kinds", "readable", "transcript", "__init__"),
    ("sync", "testing", "formats", "stores"),
    ("delivery",),
    ("integrations",),
    ("web",),
    ("gateway", "batch"),
    ("cli", "contrib"),
    ("__main__",),
)
"""The house from the ground up: a part imports from layers before its own, or stays inside itself."""

LAYER_OF = {part: number for number, layer in enumerate(LAYERS) for part in layer}

FACES = ("errors", "kinds", "readable", "transcript")
"""Files that hand names on to users. Inside, a name is imported from where it is defined."""

PURE = ("wire", "providers", "classify", "formats")

SCOPES = frozenset({
    "timeout", "timeout_at", "fail_after", "move_on_after", "CancelScope", "create_task_group", "TaskGroup",
    "start_as_current_span", "use_span", "attach", "run",
})  # fmt: skip
"""Context managers that must not be open while a generator is suspended: they would act on the caller's code."""


def part_of(path: Path) -> str:
    """The part of the house a file belongs to: a top-level module or package."""
    inside = path.relative_to(PACKAGE).parts
    return inside[0].removesuffix(".py")


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from runtime_nodes(node)


def imported_parts(tree: ast.AST, path: Path) -> set[str]:
    """The parts of the house that a file imports, at once, lazily, or for its types only."""
    package = ("resilient_stream", *path.relative_to(PACKAGE).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = [*base, *(node.module or "").split(".")] if node.module else [*base]
            if module[:1] == ["resilient_stream"]:
                found |= {module[1]} if len(module) > 1 else {_module_or_init(alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1] if "." in alias.name else "__init__"
                for alias in node.names
                if alias.name.split(".")[0] == "resilient_stream"
            }
    return found


def _module_or_init(name: str) -> str:
    return name if name in LAYER_OF else "__init__"


def upward_imports(tree: ast.AST, path: Path) -> list[str]:
    """Imports of a layer that is not below the file's own."""
    own = part_of(path)
    return [
        f"{own} imports {other}"
        for other in sorted(imported_parts(tree, path))
        if other != own and LAYER_OF[other] >= LAYER_OF[own]
    ]


def asynchronous(tree: ast.AST) -> list[int]:
    """Lines with anything asynchronous."""
    kinds = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
    return [node.lineno for node in ast.walk(tree) if isinstance(node, kinds)]


def scopes_across_yields(tree: ast.AST) -> list[int]:
    """Lines of `with` blocks that keep a scope, timeout, task group or current span open over a `yield`."""
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.With | ast.AsyncWith))
    return [block.lineno for block in blocks if _opens_scope(block) and _yields(block)]


def _opens_scope(block: ast.With | ast.AsyncWith) -> bool:
    called = (item.context_expr for item in block.items)
    names = (call.func if isinstance(call, ast.Call) else call for call in called)
    return any(getattr(name, "attr", getattr(name, "id", "")) in SCOPES for name in names)


def _yields(block: ast.AST) -> bool:
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Yield | ast.YieldFrom) or _yields(node):
            return True
    return False


def aiohttp_client_imports(tree: ast.AST) -> list[str]:
    """What a file takes from aiohttp at run time, besides its web server."""
    found = []
    for node in runtime_nodes(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name == "aiohttp"]
        elif isinstance(node, ast.ImportFrom) and node.module == "aiohttp":
            found += [alias.name for alias in node.names if alias.name != "web"]
    return found


@functools.cache
def trees() -> Mapping[Path, ast.Module]:
    """The syntax tree of every file of the package."""
    return {path: ast.parse(path.read_text()) for path in FILES}


def broken(rule: Callable[[ast.Module, Path], object], but: Iterable[Path] = ()) -> dict[str, object]:
    """What a rule finds in each file where it finds something; `but` files are not asked."""
    asked = trees().keys() - set(but)
    found = {path: rule(trees()[path], path) for path in sorted(asked)}
    return {str(path.relative_to(PACKAGE)): what for path, what in found.items() if what}


def of_parts(*parts: str) -> Iterator[Path]:
    """The files of some parts of the house."""
    return (path for path in FILES if part_of(path) in parts)


def test_the_layers_name_every_part() -> None:
    """A new module has a place in a layer, or this fails."""
    assert {part_of(path) for path in FILES} <= set(LAYER_OF)


def test_imports_go_one_way() -> None:
    """No file imports a part of its own layer or of one above."""
    assert broken(upward_imports) == {}


def test_the_core_is_pure() -> None:
    """Nothing in wire/, providers/, classify/ and formats/ awaits."""
    pure = set(of_parts(*PURE))
    assert len(pure) > 100
    assert broken(lambda tree, path: path in pure and asynchronous(tree)) == {}


def test_no_scope_spans_a_yield() -> None:
    """No cancel scope, timeout, task group or current span is open while a generator is suspended."""
    assert broken(lambda tree, _: scopes_across_yields(tree)) == {}


def test_aiohttps_client_is_in_one_file() -> None:
    """Only transport/http.py and its sessions know aiohttp's client; the web server may be used elsewhere."""
    assert broken(lambda tree, _: aiohttp_client_imports(tree)).keys() == {"transport/http.py", "transport/sessions.py"}


def test_every_module_says_what_it_is() -> None:
    """Each file begins with a docstring."""
    assert broken(lambda tree, _: not ast.get_docstring(tree)) == {}


def test_functions_are_small() -> None:
    """The median function of the package is under ten lines."""
    nodes = (node for tree in trees().values() for node in ast.walk(tree))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    assert statistics.median(node.end_lineno - node.lineno + 1 for node in functions if node.end_lineno) < 10


def test_importing_the_package_brings_no_provider_and_no_extra() -> None:
    """`import resilient_stream` is light: dialects and extras come when a target names them."""
    script = "import sys, resilient_stream; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    dialects = {name for name in loaded if name.startswith("resilient_stream.providers.")}
    assert dialects <= {"resilient_stream.providers.openai", "resilient_stream.providers.openai.hosts"}
    extras = {"typer", "rich", "xllamacpp", "redis", "botocore", "google.auth", "starlette", "fastapi"}
    assert not loaded & extras
    assert not {name for name in loaded if name.startswith("opentelemetry.sdk")}
    assert not {name for name in loaded if name.startswith("resilient_stream.conversation")}


def test_every_public_name_is_there_and_no_other() -> None:
    """Those of conversations too, which are read when they are first asked for."""
    script = "import resilient_stream as r; print([n for n in r.__all__ if n not in dir(r) or not hasattr(r, n)])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="has no attribute 'Convresation'"):
        _ = resilient_stream.Convresation


def code_lines(source: str) -> int:
    """How many lines a file has, those of its tables not counted: dicts, tuples and lists that a name of the module is
    given."""
    given = (node.value for node in ast.parse(source).body if isinstance(node, ast.Assign | ast.AnnAssign))
    tables = (value for value in given if isinstance(value, ast.Dict | ast.Tuple | ast.List))
    return len(source.splitlines()) - sum((table.end_lineno or 0) - table.lineno for table in tables)


def test_no_dialect_outgrows_its_files() -> None:
    """A file of an adapter that passes 300 lines has something in it that should be shared. The rows of a table are
    data and not counted: a host more is a row more."""
    lengths = {
        str(path.relative_to(PACKAGE)): code_lines(path.read_text()) for path in (PACKAGE / "providers").rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def test_only_the_rows_of_tables_are_not_counted() -> None:
    """A table is one line; a function, a class and a call are as long as they are."""
    assert code_lines("A = {\n    1: 2,\n    3: 4,\n}\n") == 1
    assert code_lines("def f():\n    a = {\n        1: 2,\n    }\n") == 4
    assert code_lines("A: X = f(\n    1,\n)\n") == 3


@pytest.mark.parametrize(
    ("code", "path", "said"),
    [
        ("from ..stream import Stream", "engine/call.py", ["engine imports stream"]),
        ("from ..client import Client", "wire/sse.py", ["wire imports client"]),
        ("def late():\n    from resilient_stream.cli import main", "client.py", ["client imports cli"]),
        ("from .engine.call import Call", "stream.py", []),
        ("from ..wire import sse", "fitting/features.py", ["fitting imports wire"]),
        ("if TYPE_CHECKING:\n    from ..stream import Stream", "engine/call.py", ["engine imports stream"]),
    ],
)
def test_the_import_rule_catches_an_upward_import(code: str, path: str, said: list[str]) -> None:
    """The rule above is not blind: it names an import against the order, and lets the others be."""
    assert upward_imports(ast.parse(code), PACKAGE / path) == said


@pytest.mark.parametrize(
    ("body", "caught"),
    [
        ("async with asyncio.timeout(1):\n        yield 1", True),
        ("with anyio.move_on_after(1):\n        async for x in y:\n            yield x", True),
        ("async with anyio.create_task_group() as group:\n        yield group", True),
        ("with tracer.start_as_current_span('x'):\n        yield 1", True),
        ("async with aclosing(inner) as batches:\n        yield 1", False),
        ("with anyio.CancelScope():\n        await z()\n    yield 1", False),
    ],
)
def test_the_yield_rule_catches_a_scope(body: str, caught: bool) -> None:
    """The rule above is not blind: it sees a scope around a yield, and only there."""
    tree = ast.parse(f"async def generator():\n    {body}\n")
    assert bool(scopes_across_yields(tree)) is caught


def test_no_file_takes_names_from_a_face() -> None:
    """Inside the package a name is imported from where it is defined, not from the file that hands it to users."""
    users = of_parts("__init__", "testing", "cli", "__main__")
    assert broken(lambda tree, path: imported_parts(tree, path) & set(FACES), but=users) == {}


def test_no_files_import_each_other_in_a_circle() -> None:
    """Also inside a part: from no file does a way of imports lead back to it. An error and a transcript name each other
    as types, which is no import when the code runs."""
    imports = {path: _files_imported(tree, path) for path, tree in trees().items()}
    over: set[Path] = set()
    while free := {path for path in imports.keys() - over if imports[path] <= over}:
        over |= free
    assert imports.keys() - over == set()


def _files_imported(tree: ast.AST, path: Path) -> set[Path]:
    """The files of the package that a file imports as it is imported; a registry finds its entries later."""
    found: set[Path] = set()
    files = set(FILES)
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("resilient_stream")):
            base = path.parents[node.level - 1] if node.level else PACKAGE.parent
            place = base.joinpath(*(node.module or "").split(".")) if node.module else base
            for alias in node.names:
                named = (place / f"{alias.name}.py", place / alias.name / "__init__.py", place.with_suffix(".py"))
                found.add(next((file for file in named if file in files), place / "__init__.py"))
    return found & files - {path}
