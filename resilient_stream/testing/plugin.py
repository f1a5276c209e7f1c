"""Offers the pytest fixture `fake_provider`, which exists as soon as the package is installed.

The server runs in a thread of its own. So it works for tests of every kind, its tasks do not mix with theirs, and no
async plugin is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .provider import FakeProvider

__all__ = ["fake_provider"]


@pytest.fixture
def fake_provider() -> Iterator[FakeProvider]:
    """Yield a running `FakeProvider` in a thread of its own; `fake_provider.play(script, ...)` says what it does."""
    with FakeProvider.in_thread() as provider:
        yield provider
