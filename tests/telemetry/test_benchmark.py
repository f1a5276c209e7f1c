"""The benchmark runs and writes its table. Its figures are not tested: machines differ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_benchmark_writes_its_table(tmp_path: Path) -> None:
    """The table has a row for each variant, and the date."""
    command = [sys.executable, "-m", "benchmarks.telemetry", "--quick", "--rounds", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "telemetry.md").read_text(encoding="utf-8")
    assert page.count("\n| ") == 10
    assert "- Date: " in page
