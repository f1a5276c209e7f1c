"""`chat`: questions from a pipe and from a terminal, what is kept, and the commands."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest

from resilient_stream import Client, FunctionCall, Message, StreamMisused
from resilient_stream.chunks import Seam, ToolCall
from resilient_stream.cli import exit_codes, wording
from resilient_stream.cli.chat import files as chat_files
from resilient_stream.cli.chat.commands import COMMANDS, Chat, is_command, run_command
from resilient_stream.cli.chat.input import question
from resilient_stream.conversation.turns import ToolResult
from resilient_stream.errors import ErrorCategory
from resilient_stream.testing import CallTool, End, FakeProvider, Stall, Status, Text
from tests.local_model import local_model

from .conftest import begin, end, environment, run

TO = ("--to", "openai:some-model")
PROMPT = "\x1b[?2004h"
"""What a terminal is sent when a line is about to be read: pasted text is to be marked as such."""
TOOLS = '''
"""A file of tools."""
from os.path import join

HELP = 1

def weather(city: str) -> dict[str, str]:
    """The weather."""
    return {"sky": f"clear in {city}"}

def _hidden() -> None: ...
'''


def at(provider: FakeProvider) -> dict[str, str]:
    """The environment that leads `openai:` to this provider."""
    return {"OPENAI_BASE_URL": provider.base_url("openai"), "OPENAI_API_KEY": "test-key", "PYTHONUTF8": "1"}


def echo(request):
    """Says how much it was told, and what last."""
    messages = request.json["messages"]
    return [Text(f"{len(messages)}: {messages[-1]['content']!r}"), End()]


# -- a pipe -------------------------------------------------------------------------------------------


async def test_each_line_of_a_pipe_is_a_question():
    """Answers on standard output, everything else on standard error; the history grows; blocks are one question."""
    typed = 'one\n\ntwo \\\nlines\n"""\na\n\n  block\n"""\n/retry\n/etc/hosts\n"""open\nend'
    async with FakeProvider(echo) as provider:
        options = ("--system", "Be brief.", "--temperature", "0.2")
        ran = await run("chat", *TO, *options, typed=typed.encode(), **at(provider))
    assert ran.code == 0
    assert all(request.json["temperature"] == 0.2 for request in provider.requests if request.json)
    assert ran.out.splitlines() == [
        "2: 'one'", r"4: 'two \nlines'", r"6: 'a\n\n  block'", r"6: 'a\n\n  block'", "8: '/etc/hosts'",
        r"10: 'open\nend'",
    ]  # fmt: skip
    assert ran.err.count("openai:some-model · 9 tokens in, 1 out · ") == 6
    assert "\x1b" not in ran.err


async def test_a_pipe_goes_on_after_a_failure_and_says_so_with_its_code():
    """Each failure has its title and a way out; the last one's code is the program's."""
    scripts = [[Status(401)], [Text("Half"), End("length")], echo]
    async with FakeProvider(*scripts) as provider:
        ran = await run("chat", *TO, typed=b"one\n/nope\ntwo\nthree\n", **at(provider))
    assert (ran.code, ran.out) == (exit_codes.MISUSED, "Half\n3: 'three'\n")
    assert "API key not accepted (openai:some-model)" in ran.err
    assert "Error: there is no command /nope; /help lists them" in ran.err
    assert "output truncated · openai:some-model" in ran.err
    async with FakeProvider([Status(401)], echo) as provider:
        ran = await run("chat", *TO, typed=b"one\ntwo\n", **at(provider))
    assert (ran.code, ran.out) == (exit_codes.BY_CATEGORY[ErrorCategory.PERMANENT], "1: 'two'\n")


async def test_tools_of_a_file_are_called_and_shown(tmp_path: Path):
    """Calls and results stand on standard error; the model is told the results."""
    (tmp_path / "tools.py").write_text(TOOLS)
    calls = [Text("Let me see."), CallTool("weather", {"city": "Oslo"}), CallTool("rain", {}), End()]
    async with FakeProvider(calls, [Text("Clear."), End()]) as provider:
        ran = await run("chat", *TO, "--tools", str(tmp_path / "tools.py"), typed=b"And?\n/tools\n", **at(provider))
        told = provider.requests[1].json["messages"][-2:]
    assert (ran.code, ran.out) == (0, "Let me see.\nClear.\n")
    assert [message["content"] for message in told] == [
        '{"sky":"clear in Oslo"}', "Tool not found: rain. Available tools: weather",
    ]  # fmt: skip
    assert ran.err.splitlines()[:4] == [
        '→ weather(city="Oslo")', "→ rain()", '← {"sky":"clear in Oslo"}',
        "← (complaint) Tool not found: rain. Available tools: weather",
    ]  # fmt: skip
    assert "2 turns" in ran.err
    assert ran.err.endswith("weather  The weather.\n")


async def test_retries_and_fallbacks_are_told_as_they_happen():
    """Each retry and fallback is told in one line, before the answer."""
    async with FakeProvider([Status(503, {"retry-after": "0.01"})], [Status(401)], echo) as provider:
        ran = await run("chat", *TO, "--to", "openai:other", typed=b"hi\n", **at(provider))
    assert (ran.code, ran.out) == (0, "1: 'hi'\n")
    assert "openai:some-model  Provider overloaded (503). Retrying in 0.01" in ran.err
    assert " s (attempt 2/5), as it asks\n" in ran.err
    assert "openai:some-model  API key not accepted (401), going on with openai:other\n" in ran.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("def broken(:\n", "SyntaxError"),
        ("x = 1\ny = 1 / 0\n", "tools.py, line 2: ZeroDivisionError: division by zero"),
        ("import json\n", "defines no public function"),
        ("def bare(x):\n    pass\n", "tool 'bare': parameter 'x' has no annotation"),
    ],
)
def test_a_bad_file_of_tools_is_said_at_once(content, said, tmp_path, capsys, monkeypatch):
    """Before anything is asked, with the file's name, and exit code 2."""
    from resilient_stream.cli.chat.command import chat

    path = tmp_path / "tools.py"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert chat(["openai:x"], tools=path) == exit_codes.MISUSED
    assert said in " ".join(capsys.readouterr().err.split())
    sys.modules.pop("tools", None)


async def test_ctrl_c_ends_a_pipe():
    """With 130; what came stays on standard output, and the provider sees the connection close."""
    async with FakeProvider([Text("Half an "), Stall()]) as provider:
        process = await begin("chat", *TO, **at(provider))
        process.stdin.write(b"hi\n")
        assert await asyncio.wait_for(process.stdout.readexactly(8), 20) == b"Half an "
        process.send_signal(signal.SIGINT)
        ran = await end(process)
        await provider.wait_closed()
    assert (ran.code, ran.out) == (exit_codes.INTERRUPTED, "\n")
    assert ran.err.startswith("cancelled · openai:some-model · ")


@local_model
async def test_without_a_key_the_local_model_chats():
    """Without a key, `chat` asks the local model, as `ask` does."""
    ran = await run("chat", "--max-tokens", "8", typed=b"Hello!\n")
    assert ran.code == 0
    assert ran.out.strip()
    assert ran.err.startswith("No provider's key is set: asking the small local model.")


# -- a terminal -----------------------------------------------------------------------------------------


class Terminal:
    """A chat in a terminal of its own: type into it, wait for what it shows."""

    def __init__(self) -> None:
        self._ours, self._theirs = os.openpty()
        termios.tcsetwinsize(self._ours, (30, 100))
        os.set_blocking(self._ours, False)
        self.shown = ""

    async def start(self, *arguments: str, program: str = "", **variables: str) -> None:
        """Run the command."""
        what = ["-c", program] if program else ["-W", "error", "-m", "resilient_stream.cli"]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *what, "chat", *arguments, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
            start_new_session=True, preexec_fn=self._control,
            env=environment(TERM="xterm-256color", PROMPT_TOOLKIT_NO_CPR="1", **variables),
        )  # fmt: skip
        os.close(self._theirs)

    def _control(self) -> None:
        """Make it the child's controlling terminal, so that Ctrl-C is a signal there."""
        fcntl.ioctl(self._theirs, termios.TIOCSCTTY, 0)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    async def shows(self, text: str) -> None:
        """Wait for it; what was shown until then is looked at once."""
        try:
            async with asyncio.timeout(20):
                while text not in self.shown:
                    await self._read()
        except TimeoutError:
            raise AssertionError(f"{text!r} is not in {self.shown!r}") from None
        self.shown = self.shown.partition(text)[2]

    async def ends(self) -> int:
        """Wait for its end."""
        code = await asyncio.wait_for(self.process.wait(), 20)
        os.close(self._ours)
        return code

    async def _read(self) -> None:
        try:
            self.shown += os.read(self._ours, 65536).decode()
        except BlockingIOError:
            await asyncio.sleep(0.005)


async def test_in_a_terminal_ctrl_c_stops_the_answer_and_the_chat_goes_on():
    """What came is kept and sent with the next question; at the prompt Ctrl-C does nothing; Ctrl-D leaves with 0."""
    async with FakeProvider([Text("Half an "), Stall()], echo) as provider:
        terminal = Terminal()
        await terminal.start(*TO, **at(provider))
        await terminal.shows("Ctrl-D leaves.")
        await terminal.shows(PROMPT)
        terminal.type("Hi\r")
        await terminal.shows("Half an ")
        terminal.type("\x03")
        await terminal.shows("cancelled")
        await provider.wait_closed()
        await terminal.shows(PROMPT)
        terminal.type("\x03")
        await terminal.shows("Ctrl-D leaves; /help lists the commands.")
        await terminal.shows(PROMPT)
        terminal.type("\x1b[200~pasted\none\x1b[201~\r")
        await terminal.shows(r"3: 'pasted\none'")
        await terminal.shows(PROMPT)
        terminal.type("\x04")
        assert await terminal.ends() == 0
        kept = [message["content"] for message in provider.requests[1].json["messages"]]
    assert kept == ["Hi", "Half an ", "pasted\none"]


async def test_a_person_is_asked_before_a_tool_runs(tmp_path: Path):
    """Yes runs it, a reason refuses it and is told to the model; Ctrl-C at the question stops the answer."""
    (tmp_path / "tools.py").write_text(TOOLS)
    call = [CallTool("weather", {"city": "Oslo"}), End()]
    async with FakeProvider(call, [Text("Clear."), End()], call, [Text("Why?"), End()], call) as provider:
        terminal = Terminal()
        await terminal.start(*TO, "--tools", str(tmp_path / "tools.py"), "--ask-first", **at(provider))
        for said, shown in (("y", "Clear."), ("not now", "Why?")):
            await terminal.shows(PROMPT)
            terminal.type("And?\r")
            await terminal.shows("Run it? [y/N, or why not]")
            terminal.type(f"{said}\r")
            await terminal.shows(shown)
        await terminal.shows(PROMPT)
        terminal.type("And?\r")
        await terminal.shows("Run it? [y/N, or why not]")
        terminal.type("\x03")
        await terminal.shows("cancelled")
        await terminal.shows(PROMPT)
        terminal.type("\x04")
        assert await terminal.ends() == 0
        told = [request.json["messages"][-1]["content"] for request in provider.requests]
    assert told[1] == '{"sky":"clear in Oslo"}'
    assert told[3] == "weather was not run. The user refused it: not now"


async def test_a_tools_progress_is_one_line_that_changes(tmp_path: Path):
    """Each report takes the place of the one before, and the result that of the last; a pipe gets the result only."""
    (tmp_path / "tools.py").write_text(
        "import asyncio\nfrom resilient_stream import report_progress as _report\n\n"
        "async def dig() -> str:\n"
        "    for metre in (1, 2):\n        _report('deeper\\x1b[8m', metre, 2)\n        await asyncio.sleep(0.005)\n"
        "    return 'dug'\n"
    )
    call = [CallTool("dig", {}), End()]
    async with FakeProvider(call, [Text("Done."), End()], call, [Text("Done."), End()]) as provider:
        terminal = Terminal()
        await terminal.start(*TO, "--tools", str(tmp_path / "tools.py"), **at(provider))
        await terminal.shows(PROMPT)
        terminal.type("Dig.\r")
        for line in ("… dig 50% deeper", "\r\x1b[2K", "… dig 100% deeper", "\r\x1b[2K", "← dug"):
            await terminal.shows(line)
        await terminal.shows(PROMPT)
        terminal.type("\x04")
        assert await terminal.ends() == 0
        ran = await run("chat", *TO, "--tools", str(tmp_path / "tools.py"), typed=b"Dig.\n", **at(provider))
    assert ran.err.splitlines()[:2] == ["→ dig()", "← dug"]


async def test_a_pipe_approves_nothing(tmp_path: Path):
    """With --ask-first and nobody to ask, no tool runs."""
    (tmp_path / "tools.py").write_text(TOOLS)
    calls = [CallTool("weather", {"city": "Oslo"}), End()]
    async with FakeProvider(calls, [Text("Well."), End()]) as provider:
        ran = await run(
            "chat", *TO, "--tools", str(tmp_path / "tools.py"), "--ask-first", typed=b"And?\n", **at(provider)
        )
    assert (ran.code, ran.out) == (0, "Well.\n")
    assert "The user refused it: nobody is there to approve it" in ran.err


async def test_tools_of_an_mcp_server_are_called(tmp_path: Path):
    """A server is named by its command line or its address; it is gone when the answer has come."""
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    command = f"{sys.executable} -m tests.mcp_server"
    async with FakeProvider([CallTool("add", {"a": 2, "b": 3}), End()], [Text("Five."), End()]) as provider:
        ran = await run("chat", *TO, "--mcp", command, typed=b"Add 2 and 3.\n/tools\n", **at(provider))
    assert (ran.code, ran.out) == (0, "Five.\n")
    assert ran.err.splitlines()[:2] == ["→ add(a=2, b=3)", "← 5"]
    assert ran.err.endswith("The tools of 1 MCP server, which start with each question.\n")


async def test_without_prompt_toolkit_a_terminal_is_told_how_to_get_it():
    """One line and exit code 2; a pipe does not need it."""
    program = "import sys; sys.modules['prompt_toolkit'] = None; from resilient_stream.cli import main; main()"
    terminal = Terminal()
    await terminal.start(*TO, program=program)
    await terminal.shows("a chat needs one more package: pip install 'resilient-stream[cli]'")
    assert await terminal.ends() == exit_codes.MISUSED
    async with FakeProvider(echo) as provider:
        assert (await run("chat", *TO, typed=b"hi\n", program=program, **at(provider))).out == "1: 'hi'\n"


# -- the commands ---------------------------------------------------------------------------------------


class Page(list[str]):
    """What a command said."""

    note = list.append


def chat_of(*messages: Message) -> Chat:
    """A chat in which this was said."""
    chat = Chat(Client("openai:a", "openai:b").targets, [], {"system": None})
    chat.take(messages)
    return chat


CALLS = (FunctionCall(id="c1", name="weather", arguments='{"city": "Oslo"}', signature="s", signed_by="gemini:x"),)
SAID = (
    Message(role="user", content="Hi"),
    Message(role="assistant", content="Let me see.", tool_calls=CALLS),
    Message(role="tool", tool_call_id="c1", content="```clear```"),
    Message(role="assistant", content="Clear."),
)


def test_what_is_saved_can_be_loaded(tmp_path: Path):
    """Every message with its calls, and the system prompt; in the shape that other programs read."""
    chat, page, path = chat_of(*SAID), Page(), tmp_path / "chat.json"
    chat.options["system"] = "Be brief."
    run_command(f"/save {path}", chat, page)
    other = chat_of()
    run_command(f"/load {path}", other, page)
    assert (other.messages, other.options["system"]) == (list(SAID), "Be brief.")
    assert page == [f"Saved 4 messages to {path}", f"Loaded 4 messages from {path}"]
    assert json.loads(path.read_text())["messages"][1]["tool_calls"][0]["function"]["name"] == "weather"
    assert run_command("/retry", other, page) == SAID[0]
    assert other.before == []


def test_markdown_is_to_be_read(tmp_path: Path):
    """Who said what, calls and results; a fence is longer than what it holds."""
    chat, path = chat_of(*SAID), tmp_path / "chat.md"
    chat.options["system"] = "Be brief."
    run_command(f"/save {path}", chat, Page())
    assert path.read_text() == (
        "# Conversation\n\n## System\n\nBe brief.\n\n## You\n\nHi\n\n## Assistant\n\nLet me see.\n\n"
        '`weather({"city": "Oslo"})`\n\n## Tool result\n\n````\n```clear```\n````\n\n## Assistant\n\nClear.\n'
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/save", "name a file"),
        ("/save x.txt", "x.txt: name it .json"),
        ("/save /nowhere/x.json", "/nowhere/x.json: No such file"),
        ("/load /nowhere/x.json", "/nowhere/x.json: No such file"),
        ("/load {text}", "is not JSON"),
        ("/load {number}", "has no list of messages"),
        ("/load {bad}", r"messages\[0\].role"),
        ("/retry", "nothing was asked yet"),
        ("/to nobody:x", "no provider is called 'nobody'"),
        ("/nope", "there is no command /nope"),
    ],
)
def test_what_a_command_cannot_do_is_said(command: str, said: str, tmp_path: Path):
    """A command that cannot be done says so in one line and changes nothing."""
    for name, text in {"text": "hi", "number": "3", "bad": '[{"role": "x"}]'}.items():
        (tmp_path / name).write_text(text)
        command = command.replace(f"{{{name}}}", str(tmp_path / name))
    chat = chat_of()
    with pytest.raises(StreamMisused, match=said):
        run_command(command, chat, Page())
    assert ([target.name for target in chat.targets], chat.messages) == (["openai:a", "openai:b"], [])


def test_commands_change_the_chat():
    """Targets, history; each says what it did."""
    chat, page = chat_of(*SAID), Page()
    run_command("/to", chat, page)
    run_command("/to anthropic:c, openai:d", chat, page)
    run_command("/clear", chat, page)
    run_command("/tools", chat, page)
    assert page[:3] == [
        "Asking openai:a, then openai:b", "Asking anthropic:c, then openai:d",
        "Forgotten; the next question is the first one.",
    ]  # fmt: skip
    assert chat.messages == []
    with pytest.raises(EOFError):
        run_command("/quit", chat, page)


def test_help_has_every_command():
    """`/help` lists every command and says how to write several lines."""
    page = Page()
    run_command("/help", chat_of(), page)
    assert [line.split()[0] for line in page[: len(COMMANDS)]] == [f"/{name}" for name in COMMANDS]
    assert '"""' in page[-2]


def test_what_is_a_command():
    """One word after a slash; a path is a question."""
    assert [is_command(text) for text in ("/help", "/to x:y", "/etc/hosts", "hi /help", "/", "/9")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip


def test_lines_that_belong_together():
    """What `question` makes of what is typed."""
    for typed, whole in {
        ("a",): "a",
        ("a\\", "b\\", "c"): "a\nb\nc",
        ('"""', "a", "", 'b"""'): "a\n\nb",
        ('"""a"""',): "a",
        ('  """a', "b", '"""'): "a\nb",
        ("a\\",): "a\n",
        ("\\",): "\n",
    }.items():
        lines = iter(typed)

        def read(_: str, lines=lines) -> str:
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        assert question(read) == whole


def test_lines_about_tools_and_seams_are_short_and_plain():
    """A tool call, a result and a seam are told in one line each, of bounded length."""
    call = ToolCall(0, "c", "f", '{"x": "é", "y": [1]}', {"x": "é", "y": [1]})
    assert wording.call_line(call) == '→ f(x="é", y=[1])'
    assert wording.call_line(ToolCall(0, "c", "f", '{"x', None)) == '→ f({"x)'
    assert wording.result_line(ToolResult("c", "f", "a\nb", True, 0.1)) == "← (complaint) a b"
    assert len(wording.result_line(ToolResult("c", "f", "x" * 1000, False, 0.1))) == wording.WIDEST
    assert wording.seam_line(Seam("a:b", "c:d", "prefill")) == "[a:b broke off; c:d goes on from here]"
    assert "begins anew" in wording.seam_line(Seam("a:b", "c:d", "restart", restart=True))


def test_tools_of_a_file_are_its_own_public_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Not what it imports, not what begins with an underscore."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "few_tools.py").write_text(TOOLS)
    (function,) = chat_files.load_tools(tmp_path / "few_tools.py")
    assert function.__name__ == "weather"
    del sys.modules["few_tools"]


@pytest.mark.parametrize("name", ["json", "resilient_stream", "tomllib"])
def test_a_file_of_tools_takes_nobodys_place(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file that is called like a module of Python's, or one that runs here, is loaded beside it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    there = sys.modules.get(name)
    file = tmp_path / f"{name}.py"
    file.write_text(TOOLS)
    (function,) = chat_files.load_tools(file)
    assert function.__name__ == "weather"
    assert sys.modules.get(name) is there
    del sys.modules[f"{name}_tools"]


def test_a_message_that_got_nothing_is_not_kept():
    """The question can be asked again, but does not stand in the history twice."""
    chat = chat_of(*SAID)
    chat.ask("And now?")

    chat.answered(SimpleNamespace(history=[*SAID, Message(role="user", content="And now?")]))
    assert chat.messages == list(SAID)
    assert run_command("/retry", chat, Page()).content == "And now?"  # type: ignore[union-attr]
