"""Runs the command `ask`: sends one prompt, shows the answer as it comes, and then says in a line how it went.

What was received is shown, whatever ends the stream, and the exit code says what ended it. Standard output has only the
answer, or the one JSON document.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..chunks import Chunk
from ..client import Client
from ..events import Event, FellBack, RetryScheduled
from ..failures import StreamMisused
from ..messages import HostedTool, Message
from ..outcome.errors import StreamError
from ..outcome.transcript import Transcript
from ..providers import adapter_for
from . import exit_codes, wording
from .given import SEARCH, asked, schema_of
from .saving import check_folder
from .terminal import Answer, Notes, say_json

__all__ = ["ask", "default_target", "require"]

DEFAULTS = (
    "openai:gpt-5-mini",
    "anthropic:claude-haiku-4-5",
    "gemini:gemini-2.5-flash",
    "groq:llama-3.3-70b-versatile",
    "mistral:mistral-small-latest",
    "deepseek:deepseek-chat",
    "openrouter:openrouter/auto",
)
"""Quick and cheap models. Without `--to`, the first one whose key is in the environment is asked."""


def ask(
    prompt: str,
    targets: Sequence[str],
    *,
    as_json: bool = False,
    files: Sequence[Path] = (),
    images: Sequence[Path] = (),
    search: bool = False,
    schema: Path | None = None,
    save: Path | None = None,
    **options: Any,
) -> int:
    """Ask, show the answer, and return the exit code.

    files, images: sent with the prompt. search: the provider may search the web. schema: a file with a JSON schema that
    the answer has to follow. save: a folder for the answer's files. options: as for `Client.stream`.
    """
    ended: list[Transcript] = []
    answer, notes = None if as_json else Answer(), Notes()
    error: StreamError | None = None
    code = exit_codes.COMPLETE
    try:
        if save is not None:
            check_folder(save)
        if search:
            options["tools"] = [HostedTool(SEARCH)]
        if schema is not None:
            options["output"] = schema_of(schema)
        question = sys.stdin.read() if prompt == "-" else prompt
        require(question)
        asyncio.run(_stream(asked(question, files, images), targets, answer, notes, on_end=ended.append, **options))
    except StreamError as failed:
        error, code = failed, exit_codes.BY_CATEGORY[failed.category]
    except StreamMisused as misused:
        notes.misuse(str(misused))
        return exit_codes.MISUSED
    except KeyboardInterrupt:
        code = exit_codes.INTERRUPTED
    _report(ended, error, answer, notes, save)
    return code


async def _stream(prompt: Message, targets: Sequence[str], answer: Answer | None, notes: Notes, **options: Any) -> None:
    def on_event(event: Event) -> None:
        if isinstance(event, RetryScheduled | FellBack) and (line := wording.event_line(event)):
            if answer is not None:
                answer.pause()
            notes.note(line)

    default, said = ("", "") if targets else default_target()
    async with (
        Client(*(targets or (default,)), on_event=on_event) as client,
        client.stream(prompt, **options) as stream,
    ):
        if said:  # not earlier: first it is said what is wrong with the options
            notes.note(said)
        async for chunk in stream:
            if answer is not None:
                _show(chunk, answer, notes)


def _show(chunk: Chunk, answer: Answer, notes: Notes) -> None:
    """Show a chunk; tools that the provider runs are named on standard error while they run."""
    line = wording.server_line(chunk)
    if line is not None:
        answer.pause()
        notes.note(line)
    else:
        answer.show(chunk)


def _report(
    ended: list[Transcript], error: StreamError | None, answer: Answer | None, notes: Notes, save: Path | None
) -> None:
    """Say what came beside the answer, and how it ended. There is no transcript if nothing had begun."""
    if answer is not None:
        answer.end()
    for transcript in ended:
        if answer is None:
            say_json(transcript.to_dict())
        else:
            notes.beside(transcript, save)
            notes.summary(transcript)
    if error is not None:
        notes.error(error)


def require(prompt: str) -> None:
    """Raise StreamMisused for an empty prompt."""
    if not prompt.strip():
        raise StreamMisused("the prompt is empty")


def default_target() -> tuple[str, str]:
    """Return the first provider with a key, or the local model, and a line that says which."""
    for target in DEFAULTS:
        keys = adapter_for(target.partition(":")[0]).key_variables
        if any(os.environ.get(key) for key in keys):
            return target, f"Asking {target}; --to names another."
    return "local", "No provider's key is set: asking the small local model. --to names another."
