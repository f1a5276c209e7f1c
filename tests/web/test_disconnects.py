"""The matrix of docs/benchmarks/disconnects.md, a request each: the servers and the loop that other tests leave out."""

from __future__ import annotations

import pytest

from benchmarks.disconnects import WHEN, Cell, markdown, measure

UVLOOP = [
    Cell(stack, server, middleware, "uvloop")
    for stack, server in (("Starlette", "uvicorn"), ("FastAPI", "uvicorn"), ("aiohttp", "aiohttp"))
    for middleware in (False, True)
]


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("cell", UVLOOP, ids=lambda cell: f"{cell.stack}{'-middleware' if cell.middleware else ''}")
def test_provider_is_closed_on_uvloop(cell: Cell, when: str) -> None:
    """A reader that leaves closes the provider's connection on the other event loop, too."""
    pytest.importorskip("uvloop")
    assert measure(cell, when, 1)[0] < 1000


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("server", ["hypercorn", "granian"])
def test_provider_is_closed_on_other_servers(server: str, when: str) -> None:
    """So it is on other ASGI servers, behind a middleware."""
    pytest.importorskip(server)
    assert measure(Cell("Starlette", server, True, "asyncio"), when, 1)[0] < 1000


def test_the_page_says_what_was_found() -> None:
    """A cell has its median and its longest time, and says so where a connection was never closed."""
    cell = Cell("Starlette", "uvicorn", False, "asyncio")
    page = markdown({(cell, when): [1.0, 2.0, 9.0] for when in WHEN})
    assert page.count("| 2.0 / 9.0 |") == 2
    assert "took **9.0 ms**" in page
    lost = markdown({(cell, when): [1.0, float("inf")] for when in WHEN})
    assert "**never** (1 of 2)" in lost
