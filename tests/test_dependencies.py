"""What the project needs: the lock has what pyproject.toml asks for, and the oldest versions are read from there."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.lowest import PROJECT, lowest

LOCK = (Path(__file__).parents[1] / "requirements-dev.txt").read_text()
EXTRAS = PROJECT["optional-dependencies"]


def needed(extra: str) -> list[Requirement]:
    """What an extra asks for, with what its own extras do."""
    found: list[Requirement] = []
    for requirement in map(Requirement, EXTRAS[extra]):
        own = requirement.name == PROJECT["name"]
        found += [each for inner in requirement.extras for each in needed(inner)] if own else [requirement]
    return found


def test_the_lock_has_all_that_is_developed_with() -> None:
    """In a version that pyproject.toml takes; else `make lock` writes it anew."""
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.MULTILINE))
    for requirement in [*map(Requirement, PROJECT["dependencies"]), *needed("dev")]:
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements-dev.txt: make lock"
        assert requirement.specifier.contains(version, prereleases=True), (
            f"{requirement} is locked as {version}: make lock"
        )


def test_the_lock_names_hashes_and_no_place() -> None:
    """Each package has a hash; where it is fetched from is for the one who installs it to say."""
    packages = re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]
    assert len(packages) > 50
    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert {"hatchling", "editables"} <= {package.partition("==")[0] for package in packages}  # nothing else is fetched


def test_the_oldest_versions_are_those_of_pyproject() -> None:
    """One for each package, with those of the extras that are asked for."""
    core = list(lowest([]))
    assert len(core) == len(PROJECT["dependencies"])
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in core)
    assert set(lowest(["cli"])) - set(core) == {line.replace(">=", "==") for line in EXTRAS["cli"]}
