"""Shows a chat: the answer as it comes, and around it, dimmed, what happened.

The view is given chunks, events and ends, and shows them; it decides nothing. Standard output has only the answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...chunks import Seam, ToolCall
from ...conversation.conversation import ConversationChunk
from ...conversation.progress import ToolProgress
from ...conversation.turns import ConversationRecord, ToolResult, TurnStarted
from ...events import Event, FellBack, RetryScheduled
from ...outcome.errors import StreamError
from .. import wording
from ..terminal import Answer, Notes
from .input import Read, while_running

if TYPE_CHECKING:
    from .commands import Chat

__all__ = ["ChatView"]


MOST_SHOWN = 10_000
"""Characters of a call that somebody is asked about. The rest could be anything, so a longer one is refused."""


class ChatView:
    """Writes the answers to standard output and everything else to standard error. save: a folder for files."""

    def __init__(self, notes: Notes, save: Path | None = None) -> None:
        self._notes = notes
        self._save = save
        self._answer = Answer()
        self._spaced = False
        self.read: Read | None = None

    def welcome(self, chat: Chat, interactive: bool) -> None:
        """Tell a person who is asked and how to leave. From now on an empty line stands between two questions."""
        self._spaced = interactive
        if interactive:
            self.note(f"Chatting with {', '.join(target.name for target in chat.targets)}.")
            self.note("/help lists the commands, Ctrl-C stops an answer, Ctrl-D leaves.")

    def note(self, text: str) -> None:
        """Write a remark on a line of its own."""
        self._answer.end()
        self._notes.note(text)

    def progress(self, text: str) -> None:
        """Write how far a tool is, in the place of what was said of that before."""
        self._answer.end()
        self._notes.progress(text)

    def confirm(self, question: str) -> bool:
        """Ask, and accept only a yes. A pipe has nobody who could answer."""
        if not self._spaced or self.read is None:
            return False
        return self.read(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    async def approve(self, call: ToolCall) -> bool | str:
        """Ask whether a tool may run: yes, no, or why not. A pipe has nobody who could answer, so nothing runs."""
        if not self._spaced:
            return "nobody is there to approve it"
        # Several calls may have been shown shortened; this is the one that is asked about.
        whole = wording.whole_call(call)
        if len(whole) > MOST_SHOWN:
            return "it is too long for a person to read"
        self.note(whole)
        said = (await while_running("Run it? [y/N, or why not] ")).strip()
        return said.lower() in ("y", "yes") or (False if said.lower() in ("", "n", "no") else said)

    def misuse(self, text: str) -> None:
        """Write what is wrong with what was typed."""
        self._notes.misuse(text)

    def event(self, event: Event) -> None:
        """Show a retry or a fallback when it happens."""
        if isinstance(event, RetryScheduled | FellBack) and (line := wording.event_line(event)):
            self.note(line)

    def chunk(self, chunk: ConversationChunk) -> None:
        """Show a piece of an answer, a call, a result, or the place where another target took over."""
        match chunk:
            case ToolCall():
                self.note(wording.call_line(chunk))
            case ToolProgress():
                self.progress(wording.progress_line(chunk))
            case ToolResult():
                self.note(wording.result_line(chunk))
            case Seam():
                self.note(wording.seam_line(chunk))
            case TurnStarted():
                self._answer.end()
            case _ if (line := wording.server_line(chunk)) is not None:
                self.note(line)
            case _:
                self._answer.show(chunk)

    def interrupted(self) -> None:
        """Note Ctrl-C, which the terminal shows as "^C" at the cursor."""
        self._answer.echoed("^C")

    def end(self, record: ConversationRecord, error: StreamError | None) -> None:
        """Say how the answer went."""
        self._answer.end()
        if error is not None:
            self._notes.error(error)
        for transcript in record.transcripts:
            self._notes.beside(transcript, self._save)
        self._notes.ended(record)
        if self._spaced:
            self._notes.note("")
