"""`chat`: a conversation in the terminal, or with a pipe; questions in, answers as they come.

The one rule: whatever happens to an answer, what came of it is kept and the chat goes on. Ctrl-C stops an answer, at
the prompt it does nothing; Ctrl-D leaves.
Must never: ask on its own. Each question is a line that somebody typed.

Reading a line blocks, and no answer is on its way then; so the loop runs for one answer at a time, and Ctrl-C means
what it means to any coroutine: its task is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...client import Client
from ...conversation.conversation import Conversation
from ...conversation.toolbox import Toolbox
from ...failures import StreamMisused
from ...messages import Message
from ...outcome.errors import StreamError
from .. import exit_codes
from ..ask import default_target
from ..terminal import Notes
from .commands import COMMANDS, Chat, is_command, run_command
from .files import load_tools
from .input import question, reader_for
from .view import ChatView

__all__ = ["chat"]


def chat(targets: Sequence[str], *, tools: Path | None = None, **options: Any) -> int:
    """Chat until the input ends, and return the exit code. options: as for `Client.converse`."""
    notes = Notes()
    try:
        functions = load_tools(tools) if tools else []
        Toolbox(functions, (), None)
        default, said = ("", "") if targets else default_target()
        chosen = Client(*(targets or (default,))).targets
        loop = _Loop(Chat(chosen, functions, options), ChatView(notes))
    except StreamMisused as misused:
        notes.misuse(str(misused))
        return exit_codes.MISUSED
    if said:
        notes.note(said)
    return loop.run()


class _Loop:
    """Read, ask, show; until the input ends."""

    def __init__(self, chat: Chat, view: ChatView) -> None:
        self._chat = chat
        self._view = view
        self._read, self._interactive = reader_for([f"/{name}" for name in COMMANDS])
        self._view.read = self._read
        self._code = exit_codes.COMPLETE

    def run(self) -> int:
        """A pipe's exit code is that of its last answer that failed; a person has seen what happened."""
        self._view.welcome(self._chat, self._interactive)
        with asyncio.Runner() as runner:
            client = Client(on_event=self._view.event)
            try:
                while (text := self._next()) is not None:
                    self._handle(text, runner, client)
            except KeyboardInterrupt:  # not interactive
                return exit_codes.INTERRUPTED
            finally:
                runner.run(client.aclose())
        return exit_codes.COMPLETE if self._interactive else self._code

    def _next(self) -> str | None:
        """What was typed; None at its end."""
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
        """One question, its answer shown as it comes; what came of it is in the chat's history after that."""
        chat = self._chat
        conversation = client.converse([*chat.before, asked], tools=chat.tools, to=chat.targets, **chat.options)
        error: StreamError | None = None
        try:
            runner.run(self._shown(conversation))
        except StreamError as failed:
            error, self._code = failed, exit_codes.BY_CATEGORY[failed.category]
        except KeyboardInterrupt:
            if not self._interactive:
                raise
            self._view.interrupted()
        finally:
            chat.answered(conversation)
            self._view.end(conversation.record, error)

    async def _shown(self, conversation: Conversation) -> None:
        async with conversation:
            async for chunk in conversation:
                self._view.chunk(chunk)
