"""Shows `doctor`: a table of targets and steps that fills while it works, one of the store's steps, and what to do.

The tables are drawn from the checks. In a pipe they are printed once, at the end. The difference between ok and failed
is never shown by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...text import readable
from ..terminal import Screen, joined, styled
from .checks import PRICE, Check, Examination, State
from .store import StoreExamination

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
def watching(found: list[Examination], shared: StoreExamination | None = None) -> Iterator[None]:
    """Show the tables while the block runs, and the remarks after it."""
    console = Screen()
    if console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, refresh_per_second=10, get_renderable=lambda: _tables(found, shared)):
            yield
    else:
        yield
        console.print(_tables(found, shared))
    console.print(_report(found, shared))


def _tables(found: list[Examination], shared: StoreExamination | None) -> Group:
    both = [_table(found)] if found else []
    if found and shared is not None:
        both.append(Table.grid())  # an empty line
    return Group(*both, *(() if shared is None else (_of_store(shared),)))


def _of_store(shared: StoreExamination) -> Table:
    """Return the steps of the store, a line each: there is one store, and more to say of each step."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("store", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(styled(shared.name), overflow="fold")
    for check in shared.checks.values():
        table.add_row(styled(check.step), styled(WORDS[check.state], STYLES[check.state]), styled(check.note, "dim"))
    return table


def _table(found: list[Examination]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("target", overflow="fold")
    for step in found[0].checks:
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


def _report(found: list[Examination], shared: StoreExamination | None) -> Group:
    lines: list[Text | Padding] = []
    for one in found:
        lines += _failures(one.name, one.failed)
        lines += [styled(f"\n{one.name} · {note}", "dim") for note in _notes(one)]
    if shared is not None:
        lines += _failures("store", shared.failed)
    lines.append(styled())
    if found:
        good = sum(one.ok for one in found)
        lines.append(_verdict(f"{good} of {len(found)} targets {_good_result(found)}.", good == len(found)))
    if shared is not None:
        lines.append(_verdict("The store is fine." if shared.ok else "The store is not fit for use.", shared.ok))
    return Group(*lines)


def _failures(name: str, checks: Iterable[Check]) -> Iterator[Text | Padding]:
    """Yield what happened in each step that failed, and what to do."""
    for check in checks:
        yield styled()
        yield joined((name, "bold"), f" · {check.step}: ", _title(check))
        yield Padding(styled(f"{check.happened} {check.to_do}".strip()), (0, 0, 0, 2))


def _good_result(found: list[Examination]) -> str:
    return "answered and have a price" if PRICE in found[0].checks else "answered"


def _verdict(said: str, good: bool) -> Text:
    return styled(said, "green" if good else "bold red")


def _title(check: Check) -> tuple[str, str]:
    status = f" ({check.error.status})" if check.error is not None and check.error.status else ""
    return f"{check.note}{status}", STYLES["failed"]


def _notes(one: Examination) -> list[str]:
    """Say why something was left out that a reader would expect, and what was learned of limits and prices."""
    skipped = [check for check in one.checks.values() if check.state == "skipped"]
    told = [check for check in skipped if check.step in REMARKABLE or "proxy" in check.note]
    worth = (check for check in told if not check.note.startswith(("not tried", "needs none")))
    priced = [_note(check) for check in one.checks.values() if check.step == PRICE and check.state == "ok"]
    limits = [f"limits: {one.limits}, by the headers of its answer"] if one.limits else []
    return [*dict.fromkeys(map(_note, worth)), *limits, *priced]


def _note(check: Check) -> str:
    return check.note if "proxy" in check.note else f"{check.step}: {check.note}"
