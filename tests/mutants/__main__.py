"""Break the engine and the classifier at random places, and write down what no test noticed.

    make mutants                                  a seeded sample, half an hour
    python -m tests.mutants --each 40             up to 40 mutants of each file
    python -m tests.mutants --report              the report alone, from what was run last

The mutants are mutmut's, which is asked for a sample only: one mutant runs all tests that come through its function,
and all of them would take hours. The report is docs/quality/mutants.md; why a survivor may live is in argued.py.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mutmut import __version__
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code

from .argued import ARGUED

PLACES = ("resilient_stream/engine", "resilient_stream/classify")
REPORT = Path("docs/quality/mutants.md")
SAMPLE = Path("mutants/sample.json")
LIVED = ("survived", "no tests", "suspicious", "segfault")
"""What is no proof of a test. A mutant that hangs was noticed."""
NOT_ASKED = ("not checked", "check was interrupted by user")


class Survivor(NamedTuple):
    """A mutant that no test noticed: the lines that it took out and put in, and why that may be."""

    file: str
    function: str
    old: str
    new: str

    @property
    def argument(self) -> str:
        """Why it may live, where somebody has looked."""
        return ARGUED.get((self.file.removeprefix("resilient_stream/"), self.old, self.new), "")


def sample(each: int, seed: int) -> dict[str, dict[str, int | list[str]]]:
    """Up to `each` mutants of each file, chosen by the seed and the file's name, and how many there are."""
    chosen: dict[str, dict[str, int | list[str]]] = {}
    for path in sorted(path for place in PLACES for path in Path(place).rglob("*.py")):
        names = list(mutate_file_contents(str(path), path.read_text()).mutant_names)
        if names:
            module = ".".join(path.with_suffix("").parts)
            some = random.Random(f"{seed} {path}").sample(names, min(each, len(names)))
            chosen[str(path)] = {"of": len(names), "names": [f"{module}.{name}" for name in some]}
    return chosen


def run(each: int, seed: int) -> None:
    """Run the sample by mutmut, one process at a time, and remember which mutants it was."""
    chosen = sample(each, seed)
    names = [name for file in chosen.values() for name in file["names"]]  # type: ignore[union-attr]
    print(f"{len(names)} mutants of {len(chosen)} files", flush=True)
    SAMPLE.parent.mkdir(exist_ok=True)
    SAMPLE.write_text(json.dumps({"each": each, "seed": seed, "files": chosen}))
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names], check=True)


def statuses(path: str) -> Mapping[str, str]:
    """What became of the mutants of a file."""
    meta = json.loads(Path("mutants", f"{path}.meta").read_text())
    return {name: status_by_exit_code[code] for name, code in meta["exit_code_by_key"].items()}


def survivor(path: str, name: str) -> Survivor:
    """Read off its diff what a mutant changed."""
    lines = get_diff_for_mutant(name, path=path).splitlines()
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    old, new = (" ".join(line[1:].strip() for line in changed if line[0] == sign) for sign in "-+")
    function = name.rpartition(".x")[2].rpartition("__mutmut_")[0].lstrip("_").replace("ǁ", ".").strip(".")
    return Survivor(path, function, old, new)


def report() -> str:
    """The report's text."""
    known = json.loads(SAMPLE.read_text())
    rows, survivors, total = [], [], Counter[str]()
    for path, file in known["files"].items():
        found = statuses(path)
        names = [name for name in file["names"] if found[name] not in NOT_ASKED]  # where a run was ended early
        counts = Counter(found[name] for name in names)
        lived = [name for name in names if found[name] in LIVED]
        survivors += [survivor(path, name) for name in lived]
        tried = len(names)
        rows.append(f"| `{path.removeprefix('resilient_stream/')}` | {file['of']} | {tried} | {len(lived)} |")
        total.update(counts, of=file["of"], tried=tried, lived=len(lived), chosen=len(file["names"]))
    share = 100 * total["lived"] / total["tried"]
    unargued = sum(not each.argument for each in survivors)
    return "\n".join([*_head(known, total, share, unargued), *rows, *_told(survivors)]) + "\n"


def _head(known: Mapping[str, int], total: Mapping[str, int], share: float, unargued: int) -> Iterator[str]:
    yield "# What no test notices"
    yield ""
    yield (
        f"Made by `make mutants` with mutmut {__version__}; do not edit. A mutant is the code with one small thing "
        "changed: a comparison, a number, an argument, a text. It survives when all tests that come through its "
        "function still pass."
    )
    yield ""
    yield (
        f"A sample, since all {total['of']:,} would take hours: up to {known['each']} mutants of each file, chosen by "
        f"seed {known['seed']}. {total['tried']} were tried, {total['lived']} survived: **{share:.1f} %**. "
        f"{total['timeout']} of the others hung, which counts as noticed. {unargued} of the survivors have no argument "
        "yet. Survivors of a sample get tests, so its share falls by what was learned from it: the fair figure is that "
        "of a seed that nobody has looked at."
    )
    yield ""
    if missing := total["chosen"] - total["tried"]:
        yield (
            f"The run was ended early: {missing} of the {total['chosen']} chosen were not reached. mutmut asks the "
            "mutants with the quickest tests first, so these are in the functions that most tests come through, and "
            "the share above says nothing of them."
        )
        yield ""
    yield (
        "mutmut changes neither tables at the top of a module nor properties; tests of their own hold those. The "
        "tests that were asked are in `pyproject.toml`, under `tool.mutmut`; the whole suite notices more."
    )
    yield ""
    yield "| file | mutants | tried | survived |"
    yield "|---|---|---|---|"


def _told(survivors: list[Survivor]) -> Iterator[str]:
    yield ""
    yield "## Survivors"
    for each in survivors:
        yield ""
        file = each.file.removeprefix("resilient_stream/")
        yield f"`{file}`, `{each.function}`: {each.argument or '*not looked at*'}"
        yield ""
        yield f"    - {each.old}"
        yield f"    + {each.new}"


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--each", type=int, default=6, help="mutants of each file at most")
    parser.add_argument("--seed", type=int, default=1, help="another seed chooses others")
    parser.add_argument("--report", action="store_true", help="write the report of the last run, and run nothing")
    given = parser.parse_args()
    if not given.report:
        run(given.each, given.seed)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report())
    print(f"written: {REPORT}")


if __name__ == "__main__":
    main()
