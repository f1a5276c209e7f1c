"""Reads and writes the files of a chat: a conversation as JSON or Markdown, and a Python file of tools.

What is saved as JSON can be read by `load` and by any client of OpenAI's API; Markdown is for people. What is wrong
with a file is said with its name, never with a traceback.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...failures import StreamMisused
from ...masking.private_files import write_private
from ...messages import FunctionCall, Message, to_messages

__all__ = ["load", "load_tools", "save"]

HEADINGS = {"user": "You", "assistant": "Assistant", "system": "System", "developer": "System"}


def save(path: Path, messages: Sequence[Message], system: str | None) -> None:
    """Write the conversation: JSON in OpenAI's chat shape for .json, otherwise text to read. Its mode is 600."""
    if path.suffix == ".json":
        record = {"system": system, "messages": [_plain(message) for message in messages]}
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    elif path.suffix in (".md", ".markdown"):
        text = _markdown(messages, system)
    else:
        raise StreamMisused(f"{path}: name it .json, which can be loaded again, or .md, to be read")
    try:
        write_private(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise StreamMisused(f"{path}: {error.strerror or error}") from error


def load(path: Path) -> tuple[list[Message], str | None]:
    """Return the messages and the system prompt of a saved conversation. A file may also be only a list of messages."""
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StreamMisused(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise StreamMisused(f"{path} is not JSON: {error}") from error
    system = record.get("system") if isinstance(record, dict) else None
    messages = record.get("messages") if isinstance(record, dict) else record
    if not isinstance(messages, list) or not (system is None or isinstance(system, str)):
        raise StreamMisused(f"{path} has no list of messages")
    try:
        return list(to_messages(messages)) if messages else [], system
    except StreamMisused as error:
        raise StreamMisused(f"{path}: {error}") from error


def load_tools(path: Path) -> list[Callable[..., Any]]:
    """Return the public functions that a Python file defines. The file is run, as Python does with a script."""
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"{path.stem}_tools" if taken else path.stem  # a file called json.py must not replace Python's own
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StreamMisused(f"{path}: tools are the functions of a Python file, FILE.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic and pickle look classes up there
    sys.path.append(str(path.parent))  # at the end, so that a neighbour called json.py is not imported
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        raise StreamMisused(f"{path}: {error.strerror or error}") from error
    except Exception as error:
        raise StreamMisused(f"{path}{_line_of(error, path)}: {type(error).__name__}: {error}") from error
    found = [each for name, each in vars(module).items() if _is_public(name, each, module.__name__)]
    if not found:
        raise StreamMisused(f"{path} defines no public function")
    return found


def _is_public(name: str, value: Any, module: str) -> bool:
    return inspect.isfunction(value) and value.__module__ == module and not name.startswith("_")


def _line_of(error: Exception, path: Path) -> str:
    places = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f", line {places[-1]}" if places else ""


def _plain(message: Message) -> dict[str, Any]:
    fields = {name: value for name, value in message.model_dump(mode="json", exclude_none=True).items() if value != []}
    if message.tool_calls:
        fields["tool_calls"] = [_plain_call(call) for call in message.tool_calls]
    return fields


def _plain_call(call: FunctionCall) -> dict[str, Any]:
    function = call.model_dump(exclude={"id"}, exclude_none=True)
    return {"id": call.id, "type": "function", "function": function}


def _markdown(messages: Sequence[Message], system: str | None) -> str:
    sections = [("System", system)] if system else []
    for message in messages:
        if message.role == "tool":
            sections.append(("Tool result", _fenced(message.text)))
        else:
            calls = (f"`{call.name}({call.arguments})`" for call in message.tool_calls)
            sections.append((HEADINGS[message.role], "\n\n".join(filter(None, (message.text.strip(), *calls)))))
    return "# Conversation\n" + "".join(f"\n## {heading}\n\n{text}\n" for heading, text in sections)


def _fenced(text: str) -> str:
    """Return the text in a code fence that is longer than any fence in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
