"""A time that tests compare with a limit is that of the code, and not that of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests import processor
from tests.processor import MOST, PROBES, USUAL, Heartbeat, best, corrected, seconds, slowness


class Machine:
    """A thread's time that passes by hand, on a machine so many times slower than a usual one."""

    def __init__(self, slower: float = 1.0) -> None:
        self.now = 0.0
        self.slower = slower
        self.probes = 0

    def compute(self, usual: float) -> None:
        """Do what takes so many seconds on a usual machine."""
        self.now += usual * self.slower

    def probe(self) -> None:
        """Do what the real probe does."""
        self.probes += 1
        self.compute(USUAL)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine that the times of this test are measured on."""
    made = Machine()
    monkeypatch.setattr(processor, "thread_time", lambda: made.now)
    monkeypatch.setattr(processor, "_probe", made.probe)
    return made


def using(machine: Machine, *takes: float) -> Callable[[], None]:
    """A use that takes one of these times after the other."""
    times: Iterator[float] = iter(takes)
    return lambda: machine.compute(next(times))


@pytest.mark.parametrize(("slower", "counted"), [(0.1, 1.0), (1.0, 1.0), (3.0, 3.0), (100.0, MOST)])
def test_a_machine_is_never_quicker_than_a_usual_one(machine: Machine, slower: float, counted: float) -> None:
    """A quick machine gets no smaller limit, and none counts as slower than eight times."""
    machine.slower = slower
    assert slowness() == pytest.approx(counted)


def test_the_probe_takes_milliseconds_on_this_machine() -> None:
    """Its own time is real, and so is what it says."""
    assert 1 <= slowness() <= MOST
    assert best(processor._probe) > USUAL / 20


def test_a_quick_use_costs_one_try_and_no_probe(machine: Machine) -> None:
    """Most uses are below their limit, and cost nothing else."""
    assert seconds(using(machine, 0.01), soon=0.1) == pytest.approx(0.01)
    assert machine.probes == 0


def test_what_is_slow_by_its_machine_is_not(machine: Machine) -> None:
    """Twice the limit on a machine that is three times slower is below it."""
    machine.slower = 3.0
    assert seconds(using(machine, 0.067), soon=0.1) == pytest.approx(0.067)
    assert machine.probes == PROBES


@pytest.mark.parametrize("slower", [0.5, 1.0, 4.0, MOST])
def test_what_is_slow_is_found_on_any_machine(machine: Machine, slower: float) -> None:
    """A use of twice its limit is above it however slow or quick the machine is, after all tries."""
    machine.slower = slower
    takes = [0.2 / min(slower, 1.0)] * 3
    assert seconds(using(machine, *takes), soon=0.1) >= 0.2 - 1e-9


def test_the_quickest_try_counts(machine: Machine) -> None:
    """Something else may have disturbed the others."""
    assert seconds(using(machine, 0.5, 0.05), soon=0.1) == pytest.approx(0.05)


def test_what_no_machine_excuses_is_tried_once(machine: Machine) -> None:
    """A use that takes for ever does not take three times as long."""
    assert seconds(using(machine, 60.0), soon=0.1) == pytest.approx(60.0)


def test_busy_work_on_this_machine_is_found() -> None:
    """With the real clock and the real probe: what computes for more than any machine is excused for."""

    def busy() -> None:
        until = processor.thread_time() + 2 * MOST * 0.002
        while processor.thread_time() < until:
            pass

    assert seconds(busy, soon=0.002) > 0.002
    assert corrected(0.001, soon=0.002) == 0.001


async def test_the_heartbeat_counts_what_the_thread_computes(machine: Machine) -> None:
    """Whoever computes in the loop's thread holds it: between two turns, before the first one and after the last."""
    for turns in ((1, 1), (0, 1), (1, 0), (0, 0)):
        async with Heartbeat(soon=0.05) as beats:
            await asyncio.sleep(0.005 * turns[0])
            machine.compute(0.2)
            await asyncio.sleep(0.005 * turns[1])
        assert beats.longest == pytest.approx(0.2)


async def test_the_heartbeat_does_not_count_what_others_compute(machine: Machine) -> None:
    """A loop that waits, however long, is not held; a slow machine is corrected, once for each gap that needs it."""
    machine.slower = 3.0
    async with Heartbeat(soon=0.05) as beats:
        await asyncio.sleep(0.005)
        machine.compute(0.04)
        await asyncio.sleep(0.005)
    assert beats.longest == pytest.approx(0.04)
    assert machine.probes == PROBES


async def test_an_error_in_the_block_leaves_it_and_no_task() -> None:
    """The heart stops with its block."""
    with pytest.raises(KeyError):
        async with Heartbeat(soon=0.05):
            raise KeyError
    assert asyncio.all_tasks() == {asyncio.current_task()}
