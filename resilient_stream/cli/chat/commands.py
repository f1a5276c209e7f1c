"""Keeps the state of a chat from one question to the next, and defines the commands that change it.

A command is a row of `COMMANDS`, from which `/help` and the completion are made. Nothing is sent here: a command that
asks something returns the question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ...client import Client
from ...conversation.conversation import Conversation
from ...failures import StreamMisused
from ...messages import HostedTool, Message
from ...target import Target
from . import files as chat_files

__all__ = ["COMMANDS", "Chat", "Command", "Page", "is_command", "run_command"]

_COMMAND = re.compile(r"/[a-z]+(\s|$)")
"""Matches `/help`, and not `/etc/hosts`."""


class Page(Protocol):
    """Takes the reply that a command writes."""

    def note(self, text: str) -> None:
        """Write a line."""

    def confirm(self, question: str) -> bool:
        """Ask a person. False if there is none."""


class Chat:
    """Keeps the state of a chat.

    messages: the conversation, ready to be sent again. asked, before: the last question, and the messages before it.
    targets: whom to ask, in order. options: for every question.
    """

    def __init__(
        self, targets: Sequence[Target], tools: Sequence[Callable[..., Any] | HostedTool], options: Mapping[str, Any]
    ) -> None:
        self.targets = tuple(targets)
        self.tools = tuple(tools)
        self.options = dict(options)
        self.forget()

    def forget(self) -> None:
        """Begin a new conversation."""
        self.take([])

    def take(self, messages: Sequence[Message]) -> None:
        """Go on from these messages. The last question in them can be asked again."""
        self.messages = list(messages)
        places = [place for place, message in enumerate(messages) if message.role == "user"]
        self.asked = messages[places[-1]] if places else None
        self.before = self.messages[: places[-1]] if places else []

    def ask(self, text: str) -> Message:
        """Add a new question."""
        self.asked, self.before = Message(role="user", content=text), self.messages
        return self.asked

    def answered(self, conversation: Conversation) -> None:
        """Keep what was received. A question without any answer is not kept, but can be asked again."""
        history = conversation.history
        self.messages = history if len(history) > len(self.before) + 1 else list(self.before)


class Command(NamedTuple):
    """Describes a command: what follows its name, what it does, and its function, which may return a question to
    ask."""

    arguments: str
    help: str
    run: Callable[[Chat, str, Page], Message | None]


def is_command(text: str) -> bool:
    """Return whether a line is for the chat and not for the model."""
    return _COMMAND.match(text) is not None


def run_command(text: str, chat: Chat, page: Page) -> Message | None:
    """Run a command. Raises StreamMisused for an unknown one, or for one that cannot be done."""
    name, _, rest = text[1:].strip().partition(" ")
    if name not in COMMANDS:
        raise StreamMisused(f"there is no command /{name}; /help lists them")
    return COMMANDS[name].run(chat, rest.strip(), page)


def _retry(chat: Chat, _: str, page: Page) -> Message:
    if chat.asked is None:
        raise StreamMisused("nothing was asked yet")
    page.note(f"Asking again: {_shortened(chat.asked.text)}")
    return chat.asked


def _change_targets(chat: Chat, names: str, page: Page) -> None:
    if names:
        chat.targets = Client(*re.split(r"[\s,]+", names)).targets
    first, *others = (target.name for target in chat.targets)
    page.note(f"Asking {first}" + (f", then {', '.join(others)}" if others else ""))


def _save(chat: Chat, name: str, page: Page) -> None:
    path = _path(name)
    if path.exists() and not page.confirm(f"{path} exists. Overwrite it?"):
        raise StreamMisused(f"{path} exists, and was left as it is")
    chat_files.save(path, chat.messages, chat.options.get("system"))
    page.note(f"Saved {len(chat.messages)} messages to {path}")


def _load(chat: Chat, name: str, page: Page) -> None:
    path = _path(name)
    messages, system = chat_files.load(path)
    chat.take(messages)
    if system is not None:
        chat.options["system"] = system
    page.note(f"Loaded {len(messages)} messages from {path}")


def _clear(chat: Chat, _: str, page: Page) -> None:
    chat.forget()
    page.note("Forgotten; the next question is the first one.")


def _tools(chat: Chat, _: str, page: Page) -> None:
    for tool in chat.tools:
        if isinstance(tool, HostedTool):
            page.note(f"{tool.name}  runs at the provider")
        else:
            page.note(f"{tool.__name__}  {(tool.__doc__ or '').strip().partition(chr(10))[0]}")
    servers = len(chat.options.get("mcp", ()))
    if servers:
        page.note(
            f"The tools of {servers} MCP {'server' if servers == 1 else 'servers'}, which start with each question."
        )
    elif not chat.tools:
        page.note("No tools; start with --tools FILE.py, whose public functions become the model's.")


def _help(chat: Chat, _: str, page: Page) -> None:
    for name, command in COMMANDS.items():
        page.note(f"{f'/{name} {command.arguments}':<22}{command.help}")
    page.note('A line that ends in \\ goes on in the next one; """ begins and ends a block of lines.')
    page.note("Ctrl-C stops an answer and keeps what came of it; Ctrl-D leaves.")


def _quit(chat: Chat, _: str, page: Page) -> None:
    raise EOFError


COMMANDS: Mapping[str, Command] = {
    "retry": Command("", "ask the last question again", _retry),
    "to": Command("PROVIDER:MODEL …", "whom to ask from now on, in order; alone: who it is", _change_targets),
    "save": Command("FILE", "write the conversation to FILE.json, or to FILE.md to be read", _save),
    "load": Command("FILE.json", "go on from a saved conversation", _load),
    "clear": Command("", "forget the conversation", _clear),
    "tools": Command("", "list the tools that the model may call", _tools),
    "help": Command("", "this list", _help),
    "quit": Command("", "leave, like Ctrl-D", _quit),
}


def _path(name: str) -> Path:
    if not name:
        raise StreamMisused("name a file")
    return Path(name).expanduser()


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
