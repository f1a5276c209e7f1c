"""Shows `explain`: one failure with what is done about it, or a table of kinds.

It fits into 80 columns, and says the same without colours. It decides nothing.
"""

from __future__ import annotations

from rich.padding import Padding
from rich.table import Table

from ...failures import ErrorCategory
from ...failures.kinds import KINDS
from ...outcome.errors import StreamError
from ...text import readable
from ..terminal import Screen, joined, styled
from .advice import advice_for

__all__ = ["CATEGORY_STYLE", "print_kinds", "print_one"]

CATEGORY_STYLE = {
    ErrorCategory.RETRYABLE: "yellow", ErrorCategory.PERMANENT: "red", ErrorCategory.CONTEXT: "cyan",
    ErrorCategory.RESOURCE: "magenta",
}  # fmt: skip
MEANING = {
    ErrorCategory.RETRYABLE: "a later try of the same request may work",
    ErrorCategory.PERMANENT: "it will not work without a change",
    ErrorCategory.CONTEXT: "the caller ended it",
    ErrorCategory.RESOURCE: "this process ran out of something",
}
BY_STATUS = "An error's body says more than its status. Paste the body for an exact answer."
WIDEST = 100


def console() -> Screen:
    """Return standard output as a console with lines of a length that people like to read."""
    made = Screen()
    made.width = min(made.width, WIDEST)
    return made


def print_one(error: StreamError, *, by_status: bool = False) -> None:
    """Print one failure. by_status: only an HTTP status was given."""
    out, style = console(), CATEGORY_STYLE[error.category]
    out.print(joined((error.title, f"bold {style}"), "  ", (str(error.kind), "bold")))
    out.print(styled(f"{error.category}: {MEANING[error.category]}", style))
    out.print()
    out.print(styled(error.message))
    out.print(styled(error.resolution))
    out.print()
    out.print(Padding(_facts(error), (0, 0, 0, 2)))
    if by_status:
        out.print()
        out.print(styled(BY_STATUS, "dim"))


def _facts(error: StreamError) -> Table:
    advice = advice_for(error)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in (
        ("found", _facts_in_text(error)),
        ("sent again", advice.again),
        ("next target", advice.elsewhere),
        ("after content", advice.after_content),
        ("to catch", ", or ".join(advice.catch)),
    ):
        if value:
            table.add_row(name, styled(value))
    return table


def _facts_in_text(error: StreamError) -> str:
    """Return what the text said besides the kind."""
    parts = (
        f"HTTP {error.status}" if error.status else None,
        f"code {error.failure.code}" if error.failure.code else None,
        f"wait {readable.duration(error.retry_after)}" if error.retry_after else None,
    )
    return ", ".join(part for part in parts if part)


def print_kinds(errors: list[StreamError], asked: str | None = None) -> None:
    """Print several kinds, a line each, by category."""
    out = console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("kind", "what it is", "requests", "next target"):
        table.add_column(heading, no_wrap=heading == "kind")
    category = None
    for error in errors:
        row = KINDS[error.kind]
        if row.category != category:
            category = row.category
            table.add_row(styled(f"\n{category}", f"bold {CATEGORY_STYLE[category]}"))
        attempts = advice_for(error).attempts
        elsewhere = styled("yes") if error.fallback else styled("no", "dim")
        table.add_row(f"  {error.kind}", row.title, str(attempts), elsewhere)
    out.print(table)
    out.print()
    of = f" of {asked}" if asked else ""
    out.print(styled(f"{len(errors)} kinds{of}. More on one: resilient-stream explain {errors[0].kind}", "dim"))
