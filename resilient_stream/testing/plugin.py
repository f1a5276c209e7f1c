"""The pytest fixture `fake_provider`, there as soon as the package is installed.

The one rule: it costs a test run that does not use it nothing; the server is imported when a test asks for it.
Must never: depend on an async plugin. The server has a thread of its own, so it serves tests of every kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .provider import FakeProvider

__all__ = ["fake_provider"]


@pytest.fixture
def fake_provider() -> Iterator[FakeProvider]:
    """A running `FakeProvider` in a thread of its own; `fake_provider.play(script, ...)` says what it does."""
    from .provider import FakeProvider

    with FakeProvider.in_thread() as provider:
        yield provider
