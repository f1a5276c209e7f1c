"""An SDK of OpenTelemetry for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .seen import Seen


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Spans and metrics, in memory."""
    found = Seen()
    yield found
    found.tracers.shutdown()
    found.meters.shutdown()
