"""The Python of the page on integrations runs, where the SDKs are installed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .test_snippets import ROOT, everywhere, made, run_all

__all__ = ["everywhere", "made"]


@pytest.mark.filterwarnings("default")  # of the SDKs, which the page leaves open
def test_the_python_of_the_page_runs(everywhere: Any, made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Against a provider on loopback, as it is written."""
    for module in ("anthropic", "httpx2"):
        pytest.importorskip(module)
    asyncio.run(run_all(ROOT / "docs" / "integrations.md", made))
    assert "The sky is blue" in capsys.readouterr().out
