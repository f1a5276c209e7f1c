"""SDKs close their connections when they are collected, on the loop that runs then: it has to be the test's own."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

__all__ = ["collected"]


@pytest.fixture(autouse=True)
async def collected() -> AsyncIterator[None]:
    """Collect what a test has left while its loop still runs."""
    yield
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
