"""The benchmark runs, and cannot praise a client that loses chunks. Its figures are not tested: machines differ."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.idle import opened
from benchmarks.measure import SHAPES, Miscounted, measure
from benchmarks.overhead import is_installed
from benchmarks.peers import PEERS, Answer, Ask, Peer
from benchmarks.upstream import ASKED

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_benchmark_measures_every_client_and_writes_table_and_plot(tmp_path: Path) -> None:
    """Each client is measured with its chunks counted, or skipped with a line that says why."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--quick", "--rounds", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "overhead.md").read_text(encoding="utf-8")
    for name, peer in PEERS.items():
        if is_installed(peer.module):
            assert f" {name} " in done.stdout
            assert peer.title in page
        else:
            assert f"skipped: {peer.package} is not installed" in done.stdout
    assert "A trial run" in page
    assert ("asyncio, TLS" in page) != ("skipped: TLS" in done.stdout)
    assert "idle streams" in done.stdout
    for picture in ("overhead.png", "overhead-parts.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("error", [-1, 1])
async def test_a_client_that_miscounts_has_no_cost(error: int) -> None:
    """One chunk lost or invented ends the measurement."""

    @asynccontextmanager
    async def opened(base: str) -> AsyncIterator[Ask]:
        async def ask(prompt: str) -> Answer:
            asked = ASKED.search(prompt.encode())
            assert asked
            return Answer(int(asked[1]) + error, 0.0)

        yield ask

    with pytest.raises(Miscounted):
        await measure(Peer("one that errs", "openai", opened, "json", "json"), "", SHAPES["quick"])


async def test_idle_streams_that_end_are_not_measured() -> None:
    """What an idle stream costs is not told of one that has ended: the run stops."""

    async def hold(prompt: str, begun: Callable[[], None]) -> None:
        assert "then silence" in prompt

    with pytest.raises(SystemExit, match="ended after 0 of 300"):
        await opened(hold, 300)


async def test_idle_streams_are_returned_when_all_have_begun() -> None:
    """Each has had its first chunk, and none has ended."""

    async def hold(prompt: str, begun: Callable[[], None]) -> None:
        begun()
        await asyncio.Event().wait()

    tasks = await opened(hold, 300)
    assert len(tasks) == 300
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
