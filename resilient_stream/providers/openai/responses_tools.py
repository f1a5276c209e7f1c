"""Reads the items of a Responses answer that are tools: those that the provider runs, and those that the caller runs.

    output_item.added             name and id, where the arguments come before the rest
    …arguments.done, …code.done   the arguments are whole: the call leaves, while it runs
    output_item.done              the item is whole: its call, its result, its files
    response.completed            all items again, for what no event before it had

An item leaves once. What the caller has to run itself (a computer's action, a patch, a shell of its own) is no tool of
the provider's: it is a `Raw` block, and the caller sends its output. A request for approval is a call that waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import compress
from operator import not_
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ...chunks import File, ServerToolCall, ServerToolResult
from ...contract import Batch
from ...given.files import data_of_url, type_of
from ...text.arguments import parse_arguments
from ..shared.encoded import bytes_of
from ..shared.holdings import Holdings
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import known, list_of, object_of, text_of

__all__ = ["ServerItems", "waits_for_the_caller"]

Item: TypeAlias = Mapping[str, Any]


class _Tool(NamedTuple):
    """Says how items of one type are read. name: of the tool; empty where the item has it. given: its arguments, a text
    or an object. found: its result; None where that is an item of its own, or where there is none."""

    name: str
    given: Callable[[Item], Any]
    found: Callable[[Item], Any] | None = None


def _field(name: str) -> Callable[[Item], Any]:
    return lambda item: item.get(name)


def _fields(*names: str) -> Callable[[Item], Any]:
    return lambda item: known({name: item.get(name) for name in names})


def _action(item: Item) -> Any:
    """Return what a search did: searched, opened a page, looked in it. Some hosts give arguments instead."""
    action = {name: value for name, value in object_of(item.get("action")).items() if name != "sources"}
    return known(action) or item.get("arguments") or {}


def _sources(item: Item) -> Any:
    return item.get("results") or object_of(item.get("action")).get("sources")


def _output(name: str) -> Callable[[Item], Any]:
    """Return a reader of an output, or of the error in place of it."""
    return lambda item: item.get(name) if item.get("error") is None else item["error"]


def _prompt(item: Item) -> Any:
    prompt = item.get("revised_prompt") or item.get("prompt")
    return known({"prompt": prompt})


_TOOLS: Mapping[str, _Tool] = {
    "web_search_call": _Tool("web_search", _action, _sources),
    "x_search_call": _Tool("x_search", _action, _sources),
    "file_search_call": _Tool("file_search", _fields("queries"), _field("results")),
    "code_interpreter_call": _Tool("code_interpreter", _field("code"), _field("outputs")),
    "image_generation_call": _Tool("image_generation", _prompt, _fields("status", "size", "quality", "error")),
    "mcp_list_tools": _Tool("mcp_list_tools", _fields("server_label"), _output("tools")),
    "mcp_call": _Tool("", _field("arguments"), _output("output")),
    "mcp_approval_request": _Tool("", _field("arguments")),
    "shell_call": _Tool("shell", _field("action")),
    "tool_search_call": _Tool("tool_search", _field("arguments")),
    "program": _Tool("program", _field("code")),
}
_RESULTS: Mapping[str, tuple[str, str]] = {
    "shell_call_output": ("shell_call", "output"), "tool_search_output": ("tool_search_call", "tools"),
    "program_output": ("program", "result"),
}  # fmt: skip
"""The items that are only a result: the type of their call, and the field with the result."""

_EARLY = frozenset({"mcp_call", "code_interpreter_call"})
"""Items whose arguments are told while they run."""
_PROGRAMS = frozenset({"code_interpreter_call", "program"})
"""Items whose arguments are no JSON."""
_OF_THE_CALLER = frozenset({"computer_call", "local_shell_call", "apply_patch_call", "custom_tool_call"})
APPROVAL = "mcp_approval_request"


def waits_for_the_caller(item: Item) -> bool:
    """Return whether the answer stops at an item until the caller has given something for it."""
    kind = text_of(item.get("type"))
    if kind == "shell_call":
        return object_of(item.get("environment")).get("type") != "container_reference"
    if kind == "tool_search_call":
        return item.get("execution") == "client"
    return kind in _OF_THE_CALLER or kind == APPROVAL


class ServerItems:
    """Remembers which items of one answer have left. waits: the latest one waits for the caller."""

    __slots__ = ("_begun", "_early", "_given", "_holdings", "_seen", "_without_result", "waits")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._begun: dict[str, tuple[str, str, str]] = {}
        self._early: dict[str, tuple[str, str]] = {}
        self._given: dict[str, int] = {}
        self._seen: set[str] = set()
        self._without_result: list[tuple[str, str]] = []
        self.waits = False

    def __bool__(self) -> bool:
        return bool(self._begun or self._given)

    def added(self, key: str, item: Item) -> None:
        """Note an item that begins. key: its place in the answer."""
        kind = text_of(item.get("type"))
        if kind in _EARLY and key not in self._begun:
            id, name = text_of(item.get("id")), _TOOLS[kind].name or text_of(item.get("name"))
            self._holdings.item(key, id, name)
            self._begun[key] = (kind, id, name)

    def told(self, key: str, arguments: str) -> Batch:
        """Return the call whose arguments are whole now. Nothing for one that is not known, or has left."""
        kind, id, name = self._begun.pop(key, ("", "", ""))
        if not name or not arguments:
            return []
        self._early[key] = (kind, id)
        return [ServerToolCall(id, name, *_arguments(kind, arguments))]

    def whole(self, key: str, item: dict[str, Any], unmodelled: Unmodelled) -> Batch:
        """Return what has not left of an item that is whole now."""
        kind = text_of(item.get("type"))
        identity = f"{kind} {item.get('id') or key}"
        if identity in self._seen:
            return []
        self._holdings.item(identity)
        self._seen.add(identity)
        self._given[kind] = self._given.get(kind, 0) + 1
        self._begun.pop(key, None)
        return self._read(item, unmodelled, self._early.pop(key, ("", ""))[1])

    def rest(self, items: list[dict[str, Any]], unmodelled: Unmodelled) -> Batch:
        """Return what has not left of the items in the whole answer.

        They are known by their ids. Some proxies change these in the middle of an answer, so an unknown one stands for
        an item of its type that came with another id.
        """
        if not items:
            return []
        known = [f"{item.get('type')} {item.get('id')}" in self._seen for item in items]
        changed = Counter(self._given) - Counter(text_of(item.get("type")) for item in compress(items, known))
        batch: Batch = []
        for item in compress(items, map(not_, known)):
            kind = text_of(item.get("type"))
            if changed[kind] > 0:
                changed[kind] -= 1
            else:
                batch += self._read(item, unmodelled, self._left_early(kind, item.get("id")))
        return batch

    def _left_early(self, kind: str, id: Any) -> str:
        """Return the id of a call that has left without the item that repeats it."""
        open_ones = [key for key, (type, _) in self._early.items() if type == kind]
        same = [key for key in open_ones if self._early[key][1] == id]
        return self._early.pop((same or open_ones)[0])[1] if open_ones else ""

    def _read(self, item: dict[str, Any], unmodelled: Unmodelled, early: str) -> Batch:
        """Return the chunks of a whole item. early: the id under which its call has left."""
        kind = text_of(item.get("type"))
        self.waits = waits_for_the_caller(item)
        if kind in _RESULTS:
            return [self._result(kind, item)]
        if kind not in _TOOLS or (self.waits and kind != APPROVAL):
            return [unmodelled.block(kind or "item", item)] if says({**item, "type": None}) else []
        id = early or self._id_of(kind, item)
        name = _TOOLS[kind].name or text_of(item.get("name"))
        found = _TOOLS[kind].found
        files = list(_files(kind, id, item))
        shown = any(file.native is not None for file in files)
        batch: Batch = []
        if not early:
            native = None if shown else item
            batch.append(ServerToolCall(id, name, *_arguments(kind, _TOOLS[kind].given(item)), native, self.waits))
        if found is not None:
            native = item if early and not shown else None
            batch.append(ServerToolResult(id, name, found(item) or None, _failed(item), native))
        return [*batch, *files]

    def _id_of(self, kind: str, item: Item) -> str:
        """Return the name by which a call and its result know each other."""
        if kind not in {call for call, _ in _RESULTS.values()}:
            return text_of(item.get("id")) or f"{kind} {self._given.get(kind, 0)}"
        id = text_of(item.get("call_id")) or text_of(item.get("id"))
        self._without_result.append((kind, id))
        return id

    def _result(self, kind: str, item: dict[str, Any]) -> ServerToolResult:
        """Return a result that is an item of its own. Where it does not name its call, it is that of the oldest one."""
        call, field = _RESULTS[kind]
        waiting = [id for type, id in self._without_result if type == call]
        id = text_of(item.get("call_id")) or next(iter(waiting), "")
        self._without_result = [each for each in self._without_result if each != (call, id)]
        return ServerToolResult(id, _TOOLS[call].name, item.get(field), _failed(item), item)


def _arguments(kind: str, given: Any) -> tuple[str, dict[str, Any] | None]:
    """Return arguments as text and, where they are no program, as an object."""
    if isinstance(given, str):
        return given, None if kind in _PROGRAMS else parse_arguments(given)
    if given is None:
        return "", None
    return msgspec.json.encode(given).decode(), given if isinstance(given, dict) else None


def _failed(item: Item) -> bool:
    return item.get("status") in ("failed", "incomplete") or item.get("error") is not None


# -- files --------------------------------------------------------------------------------------

_PICTURE = "image/*"
"""The media type of a picture whose form nobody tells."""


def _files(kind: str, id: str, item: dict[str, Any]) -> Iterator[File]:
    """Yield the pictures that a tool made. A generated one is its item; a program's stand in its result."""
    if kind == "image_generation_call" and (picture := text_of(item.get("result"))):
        form = text_of(item.get("output_format")).replace("svg", "svg+xml")
        yield _picture(picture, f"image/{form}" if form else "", id, item)
    for output in map(object_of, list_of(item.get("outputs")) if kind == "code_interpreter_call" else ()):
        if url := text_of(output.get("url")):
            yield _picture(url, "", "", None)


def _picture(said: str, media_type: str, id: str, native: Any) -> File:
    """Return a picture that is given as a link, a data URL, or the base64 text of it."""
    link = "://" in said[:16]
    try:
        data, declared = ("", None) if link else data_of_url(said) or (said, None)
        shown = declared or type_of(None, said if link else None, data or None)
    except ValueError:  # the picture is neither base64 nor an address
        data, shown = "", None
    return File(media_type or shown or _PICTURE, bytes_of(data), said if link else "", id, native=native)
