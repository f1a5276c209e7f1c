"""What a model or a server sends is shown, asked about and saved without a person being misled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resilient_stream.chunks import File, ToolCall
from resilient_stream.cli import saving
from resilient_stream.cli.chat import view
from resilient_stream.cli.terminal import Notes


class Told(Notes):
    """Remembers the remarks in place of writing them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        """Remember it."""
        self.lines.append(text)


def _asking(monkeypatch: pytest.MonkeyPatch, answer: str) -> tuple[view.ChatView, Told]:
    async def said(question: str) -> str:
        return answer

    monkeypatch.setattr(view, "while_running", said)
    told = Told()
    shown = view.ChatView(told)
    shown._spaced = True
    return shown, told


async def test_whoever_approves_a_call_sees_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of long arguments may be what matters, and a line end in a name begins no line of its own."""
    shown, told = _asking(monkeypatch, "y")
    given: dict[str, Any] = {"command": f"echo {'x' * 3_000}; rm -rf /", "a\n→ harmless": "\n"}
    assert await shown.approve(ToolCall(0, "i", "run\nit", "{}", given)) is True
    assert "".join(told.lines).endswith(r'; rm -rf /", a → harmless="\n")')
    assert "\n" not in "".join(told.lines)


async def test_a_call_that_nobody_could_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked."""
    shown, told = _asking(monkeypatch, "y")
    call = ToolCall(0, "i", "run", "{}", {"command": "x" * 20_000})
    assert await shown.approve(call) == "it is too long for a person to read"
    assert told.lines == []


def test_many_files_are_saved_in_time_and_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is tried twice, and what is left out is told."""
    tried: list[str] = []
    write = saving.open_private

    def opened(path: Path, flags: int) -> int:
        tried.append(path.name)
        return write(path, flags)

    monkeypatch.setattr(saving, "MOST", 30)
    monkeypatch.setattr(saving, "open_private", opened)
    lines = saving.save_files([File("image/png", b"x")] * 35, tmp_path)
    assert len(set(tried)) == len(tried) == 30
    assert lines[-1] == "Not saved: 5 more files"


@pytest.mark.parametrize("data", [b"x", None])
def test_a_media_type_makes_no_line_of_its_own(tmp_path: Path, data: bytes | None) -> None:
    """Nor a very long one, and it chooses no ending but a plain one."""
    [line] = saving.save_files([File("image/png\nSaved /etc/passwd" + "x" * 5_000, data, url="u\nv")], tmp_path)
    assert "\n" not in line
    assert len(line) < 600
    assert [path.suffix for path in tmp_path.iterdir()] == [".bin"] * (data is not None)


def test_no_link_is_followed_where_files_are_saved(tmp_path: Path) -> None:
    """A name that exists, also as a link to nothing, is left as it is."""
    outside = tmp_path / "outside"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "answer-1.png").symlink_to(outside)
    [line] = saving.save_files([File("image/png", b"x")], folder)
    assert "answer-2.png" in line
    assert not outside.exists()
