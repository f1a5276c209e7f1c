"""The README's table of faults: ours is what it says, and so are the SDKs, where they are installed."""

from __future__ import annotations

import pytest

from benchmarks.faults import CLIENTS, FAULTS, installed, verdict


@pytest.mark.parametrize("fault", FAULTS)
async def test_ours_is_something_a_caller_can_work_with(fault: str) -> None:
    """Each fault ends in a whole answer, a typed error in time, or a closed connection."""
    assert (await verdict("resilient_stream", fault)).startswith("**")


@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "resilient_stream"])
async def test_a_cut_answer_passes_for_a_whole_one_elsewhere(name: str) -> None:
    """The claim about the others is measured, not remembered; skipped where the SDK is not installed."""
    if name not in installed():
        pytest.skip(f"{name} is not installed")
    assert "taken for the whole" in await verdict(name, "clean end, no end marker")
