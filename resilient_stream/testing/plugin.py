"""The pytest fixture `fake_provider`, there as soon as the package is installed.

The one rule: the server has a thread of its own, so it serves tests of every kind, and its tasks are not theirs.
Must never: depend on an async plugin.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .provider import FakeProvider

__all__ = ["fake_provider"]


@pytest.fixture
def fake_provider() -> Iterator[FakeProvider]:
    """A running `FakeProvider` in a thread of its own; `fake_provider.play(script, ...)` says what it does."""
    with FakeProvider.in_thread() as provider:
        yield provider
