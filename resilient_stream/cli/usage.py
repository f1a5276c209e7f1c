"""Says what is wrong with the use of a command: an unknown option is answered with the one that was probably meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand, TyperGroup

from ..given.nearest import nearest
from ..text.harmless import safe_name
from ..text.readable import one_line

__all__ = ["Command", "Group"]


class Command(TyperCommand):
    """Names its argument in its usage line as people write it: ask PROMPT."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the usage line without braces around what is required."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments of the command. An unknown option is refused with the one that was meant."""
        with _suggesting(self, ctx, args):
            return super().parse_args(ctx, args)


class Group(TyperGroup):
    """Holds all commands together, and the options that stand before the name of one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before a command. An unknown option is refused with the one that was meant."""
        with _suggesting(self, ctx, args):
            return super().parse_args(ctx, args)


@contextmanager
def _suggesting(command: Command | Group, ctx: Any, args: list[str]) -> Iterator[None]:
    """Complete what is said of an unknown option."""
    typed = list(args)  # reading takes them away
    try:
        yield
    except Exception as raised:
        error: Any = raised
        # Its class has no public name: it is click's, and in newer versions of typer its own copy of it.
        if type(error).__name__ == "NoSuchOption":
            known = [name for option in command.get_params(ctx) for name in option.opts if name.startswith("-")]
            error.message = f"{ctx.info_name} has no option {_unknown(error.option_name, typed, known)}"
            error.possibilities = ()
        raise


def _unknown(name: str, typed: list[str], known: list[str]) -> str:
    """Return the name of an unknown option, and the option that was meant. `-deadline 3` is one name, though it is read
    letter by letter."""
    if not name.startswith("--"):
        words = (word.partition("=")[0] for word in typed if word.startswith(name))
        name = next((word for word in words if _nearest_option(word, known)), name)
    name = one_line(name)
    meant = _nearest_option(name, known)
    return safe_name(name) + (f": did you mean {meant}?" if meant else "")


def _nearest_option(name: str, known: list[str]) -> str | None:
    """Return the nearest option. The dashes are left out: with them, short names would all be near to each other."""
    spelt = {option.lstrip("-"): option for option in known}
    near = nearest(name.lstrip("-"), spelt)
    return spelt[near] if near else None
