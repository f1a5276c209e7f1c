"""`python -m tests.lowest EXTRA...`: the oldest versions of what we need, as constraints for pip (`make lowest`)."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["lowest"]

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def lowest(extras: Iterable[str]) -> Iterator[str]:
    """Return a line for each package that the library or one of its extras needs."""
    needed = [*PROJECT["dependencies"], *(each for extra in extras for each in PROJECT["optional-dependencies"][extra])]
    for requirement in map(Requirement, needed):
        least = [each.version for each in requirement.specifier if each.operator == ">="]
        if requirement.name != PROJECT["name"]:
            yield f"{requirement.name}=={least[0]}"


if __name__ == "__main__":
    print("\n".join(lowest(sys.argv[1:])))
