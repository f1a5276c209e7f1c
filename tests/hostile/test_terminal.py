"""Nothing that a provider says steers the terminal of the commands: in a real one, and by the source."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import resilient_stream
from resilient_stream.text.readable import one_line, printable
from tests.cli.conftest import HEAD, delta, finish, in_terminal, provider, refusal
from tests.processor import seconds

CLI = Path(resilient_stream.__file__).parent / "cli"
EVIL = (
    "a\x1b]52;c;RVZJTA==\x07b\x1b]52;c;RVZJTA==\x1b\\c\x1b]0;EVIL\x07d\x1b[2Je\x9b2Jf\x9d52;c;RVZJTA==\x9cg"
    "\x1bPEVIL\x1b\\h\x1bci\x08\x08j\u202ek\u2066l\U000e0041m\x7fn"
)
"""Clipboard, title, a cleared screen, C1, DCS, reset, backspace, overrides, tags."""

_OWN = re.compile(r"\x1b\[[0-9;?]*[mhlKAJHGnu]|\x1b\[\?[0-9]+[hl]")
"""What rich and prompt_toolkit write: colours, cursor, lines that are drawn anew."""


def steering(shown: str) -> list[str]:
    """What is left in a terminal's output besides the commands' own colours and text."""
    found = [word for word in ("52;c", "RVZJTA", "EVIL") if word in shown]
    return found + re.findall(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]",
                              _OWN.sub("", shown))  # fmt: skip


ANSWERS: dict[str, list[bytes]] = {
    "message": [refusal(400, message=f"wrong {EVIL} thing")],
    "code": [refusal(400, message="wrong", code=EVIL, type=EVIL)],
    "feature": [refusal(400, message=f"m does not support tools {EVIL}")],
    "text": [HEAD + delta(content=f"x {EVIL} y") + finish()],
    "reasoning": [HEAD + delta(reasoning_content=f"x {EVIL} y") + delta(content="ok") + finish()],
    "refusal": [HEAD + delta(refusal=f"x {EVIL} y") + finish()],
    "tool": [HEAD + delta(tool_calls=[{"index": 0, "id": EVIL, "function": {"name": EVIL, "arguments": "{}"}}])
             + finish("tool_calls")],
    "in-stream error": [HEAD + delta(content="x") + b'data: {"error": {"message": "%b"}}\n\n'
                        % EVIL.encode("unicode_escape").replace(b"\\x", b"\\u00").replace(b"\\U000e0041", b"")],
    "a page": [f"HTTP/1.1 404 x\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>{EVIL}".encode()],
}  # fmt: skip


@pytest.mark.parametrize("command", ["ask", "doctor"])
@pytest.mark.parametrize("where", ANSWERS)
async def test_no_answer_steers_the_terminal(command: str, where: str, provider: Callable[..., Any]) -> None:
    """Wherever in an answer it stands; what else the answer says is shown."""
    server = await provider(ANSWERS[where])
    arguments = {"ask": ("ask", "Hi", "--to", "openai:m"), "doctor": ("doctor", "openai:m")}[command]
    shown = await in_terminal(*arguments, OPENAI_API_KEY="k", OPENAI_BASE_URL=server.url)
    assert steering(shown) == []
    assert "openai:m" in shown


async def test_a_model_and_a_pasted_error_do_not_steer_it_either() -> None:
    """Names that a user copied from somewhere, and what `explain` was given."""
    for arguments in (("ask", "Hi", "--to", f"openai{EVIL}:m"), ("explain", f"400 wrong {EVIL}"), ("explain", EVIL)):
        shown = await in_terminal(*arguments, OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:1")
        assert [mark for mark in steering(shown) if len(mark) == 1] == []  # some are shown with backslashes


async def test_explain_shows_no_key_of_the_environment() -> None:
    """A pasted complaint often has the key in it."""
    key = "d41d8cd98f00b204e9800998ecf8427e"
    shown = await in_terminal("explain", f"400 value {key} refused", AZURE_OPENAI_API_KEY=key)
    assert key not in shown
    assert "[hidden]" in shown


WRITERS = {
    "print", "Console", "Text", "Text.assemble", "Text.from_markup", "Text.from_ansi", "sys.stdout.write",
    "sys.stderr.write", "json.dump", "typer.echo", "typer.secho", "os.write",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(CLI.rglob("*.py")), ids=lambda path: str(path.relative_to(CLI)))
def test_all_is_written_in_one_place(path: Path) -> None:
    """No command prints, or makes a text or a console, but in terminal.py; `__init__` says what to install."""
    if path.name in ("terminal.py", "__init__.py"):
        return
    called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = [func.id for func in called if isinstance(func, ast.Name)]
    written = [ast.unparse(func) for func in called if isinstance(func, ast.Attribute)]
    assert [name for name in (*names, *written) if name in WRITERS] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 😀 and é\n\tיש", "plain, 😀 and é\n\tיש"),
        (EVIL, "abcdefghijklmn"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("never\x1b]52;c;ends", "never52;c;ends"),
        ("half \ud83d", "half \ufffd"),
        ("a\u2028b\r\nc", "a\nb\nc"),
        ("👩\u200d👧", "👩\u200d👧"),
    ],
)
def test_what_is_printable(text: str, shown: str) -> None:
    """Sequences go whole, line ends and what languages need stay."""
    assert printable(text) == shown
    assert "\n" not in one_line(text)
    assert printable(shown) == shown


@pytest.mark.parametrize("pump", ["\x1b]", "\x9d", "\x1b[", "\x9b1;", "\x1b(", "\x1bPx", " ", "\x1b\x1b]", "\u2028"])
def test_cleaning_is_linear(pump: str) -> None:
    """A megabyte of beginnings that never end takes no longer than a megabyte of text."""
    text = pump * (1024 * 1024 // len(pump))
    assert seconds(lambda: printable(text), soon=0.5) < 0.5


__all__ = ["provider"]
assert sys.platform != "win32"
