"""docs/recording.md: its programs run as they stand, one after the other, and its test suite records and plays back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from resilient_stream.testing import End, FakeProvider, Text

PAGE = Path(__file__).parents[2] / "docs" / "recording.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
PROGRAMS = [snippet for snippet in SNIPPETS if "asyncio.run(" in snippet]
[SUITE] = [snippet for snippet in SNIPPETS if "pytest.fixture" in snippet]


def _provider(monkeypatch: pytest.MonkeyPatch, provider: FakeProvider) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-test-only")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url("openai"))
    provider.play([Text("The ", "Rhine"), End()])


def test_the_programs_record_and_play_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fake_provider: FakeProvider
) -> None:
    """One request in all: the others are answered from the file that the first one wrote."""
    _provider(monkeypatch, fake_provider)
    monkeypatch.chdir(tmp_path)
    for program in PROGRAMS:
        exec(compile(program, str(PAGE), "exec"), {"__name__": "__main__"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["The Rhine", "The Rhine complete"]
    assert lines[2].startswith("The Rhine ")
    assert '"role": "assistant", "content": "The Rhine"' in lines[3]
    assert len(fake_provider.requests) == 1
    assert "sk-of-this-test-only" not in Path("sessions.jsonl").read_text()


@pytest.mark.slow
def test_the_suite_records_once_and_then_needs_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_provider: FakeProvider
) -> None:
    """RECORD=1 asks the provider; afterwards it passes without a key, and nothing is sent."""
    _provider(monkeypatch, fake_provider)
    (tmp_path / "test_rivers.py").write_text(SUITE)
    assert _pytest(tmp_path, RECORD="1") == 0
    assert len(fake_provider.requests) == 1
    monkeypatch.delenv("OPENAI_API_KEY")
    assert _pytest(tmp_path) == 0
    assert len(fake_provider.requests) == 1


def _pytest(folder: Path, **environment: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
