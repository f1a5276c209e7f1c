"""What every test gets: nothing left behind is looked for, and no key of the machine is used."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from resilient_stream.providers import hosts


@pytest.fixture(autouse=True)
def no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests send no real key, whatever the environment holds."""
    for host in hosts.HOSTS.values():
        for variable in (*host.keys, host.url_variable):
            monkeypatch.delenv(variable, raising=False)
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "GEMINI_API_KEY", "GOOGLE_API_KEY", "GEMINI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """After the test no task is pending and the loop has reported nothing."""
    loop = asyncio.get_running_loop()
    said: list[object] = []
    loop.set_exception_handler(lambda _, context: said.append(context))
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not others
    assert not said
