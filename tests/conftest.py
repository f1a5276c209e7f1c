"""What every test gets: nothing left behind is looked for, and no key of the machine is used."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator

import pytest

from resilient_stream.providers import adapter_for, known_providers

_OTHERS = ("AZURE_OPENAI_AD_TOKEN", "OPENAI_API_VERSION", "OLLAMA_API_KEY")
"""What only a module of `credentials/` reads."""


@pytest.fixture(autouse=True)
def no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests send no real key, whatever the environment holds."""
    for adapter in map(adapter_for, known_providers()):
        in_address = re.findall(r"\{(\w+)\}", adapter.base_url)
        for variable in (*adapter.key_variables, adapter.url_variable, *in_address, *_OTHERS):
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
