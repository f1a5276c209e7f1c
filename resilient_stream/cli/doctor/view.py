"""Shows `doctor`: a table of targets and steps that fills while it works, and below it what to do.

The table is drawn from the checks. In a pipe it is printed once, at the end. The difference between ok and failed is
never shown by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...text import readable
from ..terminal import Screen, joined, styled
from .checks import STEPS, Check, Examination, State

__all__ = ["watching"]

STYLES: dict[State, str] = {
    "waiting": "dim",
    "running": "yellow",
    "ok": "green",
    "failed": "bold red",
    "skipped": "dim",
}
WORDS: dict[State, str] = {"waiting": "", "running": "…", "ok": "ok", "failed": "failed", "skipped": "-"}
TIMED = ("name", "connect", "tls", "stream")
REMARKABLE = ("stream", "key")
"""Steps that are named below the table when they are skipped, as a proxy is."""


@contextmanager
def watching(found: list[Examination]) -> Iterator[None]:
    """Show the table while the block runs, and the remarks after it."""
    console = Screen()
    if console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, refresh_per_second=10, get_renderable=lambda: _table(found)):
            yield
    else:
        yield
        console.print(_table(found))
    console.print(_report(found))


def _table(found: list[Examination]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("target", overflow="fold")
    for step in STEPS:
        table.add_column(step, no_wrap=True)
    for one in found:
        table.add_row(styled(one.name), *(_cell(check) for check in one.checks.values()))
    return table


def _cell(check: Check) -> Text:
    took = f" {_short(check.seconds)}" if check.state == "ok" and check.step in TIMED else ""
    return styled(WORDS[check.state] + took, STYLES[check.state])


def _short(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else readable.duration(seconds)


def _report(found: list[Examination]) -> Group:
    lines: list[Text | Padding] = []
    for one in found:
        for check in one.failed:
            lines += [styled(), joined((one.name, "bold"), f" · {check.step}: ", _title(check))]
            lines.append(Padding(styled(f"{check.happened} {check.to_do}".strip()), (0, 0, 0, 2)))
        lines += [styled(f"\n{one.name} · {note}", "dim") for note in _notes(one)]
    good = sum(one.ok for one in found)
    lines += [
        styled(),
        styled(f"{good} of {len(found)} targets answered.", "green" if good == len(found) else "bold red"),
    ]
    return Group(*lines)


def _title(check: Check) -> tuple[str, str]:
    status = f" ({check.error.status})" if check.error is not None and check.error.status else ""
    return f"{check.note}{status}", STYLES["failed"]


def _notes(one: Examination) -> list[str]:
    """Say why something was left out that a reader would expect."""
    skipped = [check for check in one.checks.values() if check.state == "skipped"]
    told = [check for check in skipped if check.step in REMARKABLE or "proxy" in check.note]
    worth = (check for check in told if not check.note.startswith(("not tried", "needs none")))
    return list(dict.fromkeys(map(_note, worth)))


def _note(check: Check) -> str:
    return check.note if "proxy" in check.note else f"{check.step}: {check.note}"
