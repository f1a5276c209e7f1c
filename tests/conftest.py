"""What holds for every test: none sees a key of this machine, or what another one has learned."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import re
import signal
from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from resilient_stream.engine.process import PROCESS
from resilient_stream.providers import adapter_for, known_providers

from .engine.clock import SOCKET, Clock
from .loops import passing_clock

_OTHERS = ("AZURE_OPENAI_AD_TOKEN", "OPENAI_API_VERSION", "OLLAMA_API_KEY")
"""What only a module of `credentials/` reads."""


settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
"""A single example has no limit of real time: on a busy machine any of them may take a second."""


def pytest_configure() -> None:
    """Ctrl-C is what it usually is, also where the run was started in the background of a script, by nohup or by a CI
    that ignores it: programs that tests start inherit that, and would not hear the signals that they are sent."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_ended = itertools.count(1)


def pytest_collection_finish() -> None:
    """The thousands of tests are not looked through each time one looks for what it left."""
    _set_aside()


def pytest_runtest_logfinish() -> None:
    """Nor are the reports of those that have ended: together they took three minutes of a run."""
    if next(_ended) % 50 == 0:
        _set_aside()


def _set_aside() -> None:
    gc.collect()
    gc.freeze()


def _variables() -> frozenset[str]:
    """Every variable of the environment that a provider reads."""
    adapters = [adapter_for(name) for name in known_providers()]
    in_addresses = (re.findall(r"\{(\w+)\}", adapter.base_url) for adapter in adapters)
    named = ((*adapter.key_variables, adapter.url_variable) for adapter in adapters)
    return frozenset(_OTHERS).union(*named, *in_addresses)


def pytest_sessionstart() -> None:
    """Tests send no real key, whatever the environment holds."""
    for variable in _variables() & os.environ.keys():
        del os.environ[variable]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """No test knows what another one has learned of a target: the system gives out its port again, and failures there
    would use up a retry budget. No fixture, which would take a tenth of a millisecond of each of 20,000 tests."""
    PROCESS.forget()


@pytest.fixture
async def own_clock() -> AsyncIterator[Clock]:
    """The loop's time passes by its timers only, although clients and servers in it speak over sockets: a short timeout
    never comes before an answer that is on its way, however slow the machine is. Threads and other processes would be
    too late, so a test with any of them cannot have it."""
    with passing_clock(SOCKET) as clock:
        yield clock


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
