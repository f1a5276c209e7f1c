"""Runs the command `chat`: a conversation in a terminal or over a pipe, with questions in and answers as they come.

What was received of an answer is kept, whatever ends it, and the chat goes on. Ctrl-C stops an answer and does nothing
at the prompt; Ctrl-D ends the chat. A question is only ever a line that somebody typed.

No answer is running while a line is read, which blocks. So the event loop runs for one answer at a time, and Ctrl-C
cancels the task of that answer as it would any coroutine.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...client import Client
from ...conversation.conversation import Conversation
from ...conversation.toolbox import Toolbox
from ...failures import StreamMisused
from ...messages import HostedTool, Message
from ...outcome.errors import StreamError
from .. import exit_codes
from ..ask import default_target
from ..given import SEARCH
from ..saving import check_folder
from ..terminal import Notes
from .commands import COMMANDS, Chat, is_command, run_command
from .files import load_tools
from .input import question, reader_for
from .view import ChatView

__all__ = ["chat"]


def chat(
    targets: Sequence[str],
    *,
    tools: Path | None = None,
    servers: Sequence[str] = (),
    search: bool = False,
    ask_first: bool = False,
    save: Path | None = None,
    **options: Any,
) -> int:
    """Chat until the input ends, and return the exit code.

    servers: MCP servers, by their address or their command line. search: the provider may search the web. ask_first:
    ask before a tool runs. save: a folder for files. options: as for `Client.converse`.
    """
    notes = Notes()
    try:
        functions: list[Any] = [*(load_tools(tools) if tools else ()), *([HostedTool(SEARCH)] if search else ())]
        Toolbox(functions, (), None)
        default, said = ("", "") if targets else default_target()
        chosen = Client(*(targets or (default,))).targets
        if save is not None:
            check_folder(save)
        view = ChatView(notes, save)
        found = [_server(server) for server in servers]
        options |= ({"mcp": found} if found else {}) | ({"approve": view.approve} if ask_first else {})
        loop = _Loop(Chat(chosen, functions, options), view)
    except StreamMisused as misused:
        notes.misuse(str(misused))
        return exit_codes.MISUSED
    if said:
        notes.note(said)
    return loop.run()


def _server(text: str) -> Any:
    """Return an MCP server as `converse` takes it."""
    if text.startswith(("http://", "https://")):
        return text
    try:
        command, *arguments = shlex.split(text)
    except ValueError:
        raise StreamMisused(f"--mcp: give an address or a command line, not {text!r}") from None
    return {"command": command, "args": arguments}


class _Loop:
    """Reads a question, asks it and shows the answer, until the input ends."""

    def __init__(self, chat: Chat, view: ChatView) -> None:
        self._chat = chat
        self._view = view
        self._read, self._interactive = reader_for([f"/{name}" for name in COMMANDS])
        self._view.read = self._read
        self._code = exit_codes.COMPLETE

    def run(self) -> int:
        """Run the chat. A pipe gets the exit code of its last failed answer; a person has seen what happened."""
        self._view.welcome(self._chat, self._interactive)
        with asyncio.Runner() as runner:
            client = Client(on_event=self._view.event)
            try:
                while (text := self._next()) is not None:
                    self._handle(text, runner, client)
            except KeyboardInterrupt:  # only from a pipe: an interactive chat handles Ctrl-C itself
                return exit_codes.INTERRUPTED
            finally:
                runner.run(client.aclose())
        return exit_codes.COMPLETE if self._interactive else self._code

    def _next(self) -> str | None:
        """Return what was typed; None at the end of the input."""
        while True:
            try:
                return question(self._read)
            except EOFError:
                return None
            except KeyboardInterrupt:
                if not self._interactive:
                    raise
                self._view.note("Ctrl-D leaves; /help lists the commands.")

    def _handle(self, text: str, runner: asyncio.Runner, client: Client) -> None:
        if not text.strip():
            return
        try:
            asked = run_command(text, self._chat, self._view) if is_command(text) else self._chat.ask(text)
            if asked is not None:
                self._answer(asked, runner, client)
        except StreamMisused as misused:
            self._code = exit_codes.MISUSED
            self._view.misuse(str(misused))

    def _answer(self, asked: Message, runner: asyncio.Runner, client: Client) -> None:
        """Ask one question and show the answer as it comes. The chat's history has it afterwards, as far as it came."""
        chat = self._chat
        conversation = client.converse([*chat.before, asked], tools=chat.tools, to=chat.targets, **chat.options)
        error: StreamError | None = None
        try:
            runner.run(self._show_answer(conversation))
        except StreamError as failed:
            error, self._code = failed, exit_codes.BY_CATEGORY[failed.category]
        except KeyboardInterrupt:
            if not self._interactive:
                raise
            self._view.interrupted()
        finally:
            chat.answered(conversation)
            self._view.end(conversation.record, error)

    async def _show_answer(self, conversation: Conversation) -> None:
        async with conversation:
            async for chunk in conversation:
                self._view.chunk(chunk)
