"""What a process keeps from one call to the next stands in one place, and ends with it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from resilient_stream import RetryBudget, Target
from resilient_stream.engine import process
from resilient_stream.engine.budget import counts_of
from resilient_stream.engine.process import PROCESS, place_of
from resilient_stream.outcome.understood import warn

FOLDER = Path(process.__file__).parent
OTHERS = sorted(set(FOLDER.rglob("*.py")) - {Path(process.__file__)})

HELD = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp, ast.Call)
FIXED = frozenset(
    {"frozenset", "tuple", "MappingProxyType", "compile", "getLogger", "TypeVar", "float", "join", "Usage"}
)
"""Functions whose results do not change."""
OF_A_TASK = frozenset({"ContextVar"})
"""Ends with the task in which it was set."""
READ_ONLY = ("Mapping[", "Sequence[", "tuple[", "frozenset[", "Final[")


def state_in(tree: ast.Module) -> Iterator[str]:
    """Every name of a module that holds what can change: containers that no annotation calls read-only, and what a
    function gives out; and every name that a function sets anew."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, HELD):
            [target] = node.targets if isinstance(node, ast.Assign) else [node.target]
            read_only = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith(READ_ONLY)
            if not read_only and not _is_fixed(node.value) and ast.unparse(target) != "__all__":
                yield ast.unparse(target)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names


def _is_fixed(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    called = value.func.value if isinstance(value.func, ast.Subscript) else value.func
    return ast.unparse(called).rpartition(".")[2] in FIXED | OF_A_TASK


def test_no_other_module_of_the_engine_keeps_anything() -> None:
    """Whoever looks for what outlives a call finds it in one file."""
    kept = {path.name: list(state_in(ast.parse(path.read_text()))) for path in OTHERS}
    assert len(kept) > 40
    assert {name: found for name, found in kept.items() if found} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("seen: dict[str, int] = {}", ["seen"]),
        ("seen = set()", ["seen"]),
        ("lock = threading.Lock()", ["lock"]),
        ("numbers = itertools.count(1)", ["numbers"]),
        ("last = None\ndef keep(it):\n    global last\n    last = it", ["last"]),
        ("TABLE: Mapping[str, int] = {'a': 1}", []),
        ("NAMES = frozenset({'a'})", []),
        ("__all__ = ['a']", []),
        ("around = ContextVar('around')", []),
        ("def made():\n    return {}", []),
    ],
)
def test_the_look_finds_what_changes(code: str, found: list[str]) -> None:
    """A table and what belongs to a task are not taken for it."""
    assert list(state_in(ast.parse(code))) == found


def learned(target: Target) -> None:
    """Have a target in all that the process knows."""
    assert counts_of(target).spend(RetryBudget(reserve=1))
    PROCESS.whole[place_of(target)] = None
    warn(target.name, ["image"], PROCESS.warned)


def test_all_of_it_is_forgotten_together() -> None:
    """Afterwards a target is as new, and calls are still counted on."""
    target, before = Target("openai:m"), next(PROCESS.calls)
    learned(target)
    assert not counts_of(target).spend(RetryBudget(ratio=0, reserve=1))
    PROCESS.forget()
    assert counts_of(target).spend(RetryBudget(ratio=0, reserve=1))
    assert not PROCESS.whole
    assert not PROCESS.warned
    assert next(PROCESS.calls) == before + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_knows_nothing_of_its_parents_failures() -> None:
    """Nor does it wait for a lock that another thread of the parent held in that moment."""
    target = Target("openai:m")
    learned(target)
    with counts_of(target)._lock:
        if (child := os.fork()) == 0:
            fine = counts_of(target)._lock.acquire(timeout=1) and not (PROCESS.whole or PROCESS.warned)
            os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
