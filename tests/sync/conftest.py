"""A provider on a loop of its own, and a check that the background loop is left with nothing to do."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient_stream.sync.background import background
from tests.loopback import InThread, Loopback, Script

ROOT = Path(__file__).parents[2]


@pytest.fixture
def serve() -> Iterator[Callable[..., Loopback]]:
    """Call it with scripts, as `Loopback` is: the server runs in another thread until the test is over."""
    with contextlib.ExitStack() as servers:

        def served(*scripts: Script, **options: Any) -> Loopback:
            return servers.enter_context(InThread(Loopback(*scripts, **options)))

        yield served


@pytest.fixture(autouse=True)
def nothing_left_on_the_loop() -> Iterator[None]:
    """After the test no task is pending on the background loop, and it has reported nothing."""
    said: list[object] = []
    here = background()

    async def listen() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

    here.run(listen)
    yield

    async def others() -> int:
        return len(asyncio.all_tasks()) - 1

    assert soon(lambda: here.run(others) == 0)
    assert not said


def soon(holds: Callable[[], bool], within: float = 10.0) -> bool:
    """Wait until it holds, for what another thread does in a moment."""
    end = time.monotonic() + within
    while not holds() and time.monotonic() < end:
        time.sleep(0.001)
    return holds()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Call it with a program's code and its `sys.argv`. The program is ended with the test."""
    with contextlib.ExitStack() as programs:

        def started(code: str, *values: Any, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
            pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            command = [sys.executable, "-u", *options, "-c", code, *map(str, values)]
            program = programs.enter_context(subprocess.Popen(command, text=True, cwd=ROOT, **pipes))
            programs.callback(program.kill)
            return program

        yield started
