"""Every pattern of the package, how it is applied, and texts that are made of its own words."""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from re import _parser  # type: ignore[attr-defined]  # the only reader of patterns that there is
from types import ModuleType
from typing import Any, NamedTuple

import resilient_stream
from resilient_stream.classify.rules import Phrase, Rules
from resilient_stream.providers import adapter_for, known_providers, rules_for
from resilient_stream.providers.openai.hosts import HOSTS
from tests.classify.own_rules import ERROR_RULES

__all__ = ["Applied", "Pump", "patterns", "pumps", "unaccounted"]

_WALKS = frozenset({"sub", "subn", "findall", "finditer", "split"})
_FROM_START = frozenset({"match", "fullmatch"})
_FUNCTIONS = _WALKS | _FROM_START | {"search", "compile"}
_NAMED = re.compile(rf"\bre\.(?:{'|'.join(sorted(_FUNCTIONS))})\b")
_FILLERS = ("a", "1", " ", "\n", "-", ".", ",", ":", '"', "\\", "{", "[")


class Applied(NamedTuple):
    """A pattern, where it is, and the way the package applies it: from the start, first hit, or all hits."""

    module: str
    place: str
    pattern: re.Pattern[Any]
    how: str

    @property
    def name(self) -> str:
        """For the test's name."""
        return f"{self.module.removeprefix('resilient_stream.')}:{self.place}"

    def run(self, text: str) -> None:
        """Apply it once."""
        said: Any = text if isinstance(self.pattern.pattern, str) else text.encode("utf-8", "replace")
        if self.how == "walk":
            self.pattern.sub(said[:0], said)
        elif self.how == "start":
            self.pattern.match(said)
        else:
            self.pattern.search(said)


def modules() -> Iterator[ModuleType]:
    """All modules of the package that can be imported here."""
    for found in pkgutil.walk_packages(resilient_stream.__path__, "resilient_stream."):
        if not found.name.endswith("__main__"):
            try:
                yield importlib.import_module(found.name)
            except ImportError:  # an extra that is not installed
                continue


TABLES: Mapping[tuple[str, str], Callable[[ModuleType], Iterable[str]]] = {
    ("providers.shared.named", "begins"): lambda module: module.FAMILIES,
    ("classify.rules", "lower"): lambda _: (),  # all phrases are collected from the rules themselves
    ("classify.pasted", "pattern"): lambda m: [row[0] for row in (*m._OURS, *m._CAUSES, *m._SAYINGS)],
    ("classify.network", "pattern"): lambda m: [row[0] for row in m._REASONS],  # sentences are compiled there
    ("classify.wording", "pattern"): lambda _: (),  # compiled in tuples, which are walked
    ("providers.bedrock.bodies", "row.models"): lambda m: [row.models for row in m.VENDORS],
    ("providers.openai.chat", "name"): lambda _: [name for host in HOSTS.values() for name in host.efforts or ()],
    ("providers.openai.chat", "host.sees"): lambda _: [host.sees for host in HOSTS.values()],
    ("providers.openai.model_rules", "only_json"): lambda m: m.JSON_MODE.values(),
    ("providers.bedrock.converse_request", "pattern"): lambda m: m._ANSWERS,
    ("providers.bedrock.converse_request", "models"): lambda m: m._TOP_K,
    ("providers.openai.host_tools", "tools.models"): lambda m: [row.models for row in m._CHAT.values() if row.models],
    ("fitting.hosted", "able.own_tools"): lambda _: {
        adapter_for(name).capabilities(model).own_tools
        for name in known_providers()
        for model in ("m", "claude-opus-4-7")
    },
    ("providers.openai.chat_thoughts", "takes.models"): lambda _: [
        host.thoughts.models for host in HOSTS.values() if host.thoughts is not None
    ],
    ("providers.openai.model_rules", "rule.models"): lambda m: [rule.models for rule in m.RULES],
    ("fitting.tool_names", "allowed"): lambda _: {
        adapter_for(name).capabilities("m").tool_names for name in known_providers()
    },
    ("masking.values", "_POSITION % '|'.join(map(re.escape, longest_first))"): lambda m: [m._POSITION % "abcdefg"],
    ("providers.openai.chat", "f'[a-zA-Z0-9]{{{host.call_id_length}}}'"): lambda _: [r"[a-zA-Z0-9]{9}"],
    ("cli.explain.command", "f'{re.escape(title)}( \\\\(|: |\\\\. |$)'"): lambda m: [
        rf"{re.escape(title)}( \(|: |\. |$)" for title, _ in m._titles()
    ],
}
"""Patterns that are not written where they are applied: the module, the expression there, and what it may be."""


def patterns() -> list[Applied]:
    """All of them, each once."""
    found: dict[tuple[Any, ...], Applied] = {}
    for module in modules():
        kept = tuple(_compiled(module))
        known = {(applied.pattern.pattern, applied.pattern.flags) for applied in kept}
        for applied in (*kept, *_called(module, known)):
            found.setdefault((applied.pattern.pattern, applied.pattern.flags, applied.how), applied)
    for applied in _phrases():
        found.setdefault((applied.pattern.pattern, applied.pattern.flags, applied.how), applied)
    return list(found.values())


def unaccounted() -> list[str]:
    """Patterns that are neither written where they are applied nor in `TABLES`."""
    return [
        f"{_short(module)}: {ast.unparse(call.args[0])}"
        for module in modules()
        for call in _calls(module)
        if _value(call.args[0], module) is None and (_short(module), ast.unparse(call.args[0])) not in TABLES
    ]


def _short(module: ModuleType) -> str:
    return module.__name__.removeprefix("resilient_stream.")


def _phrases() -> Iterator[Applied]:
    for provider in ("", *ERROR_RULES):
        rules: Rules = rules_for(provider)
        for row in rules.phrases:
            yield from _of_phrase(row, provider or "generic")


def _of_phrase(row: Phrase, provider: str) -> Iterator[Applied]:
    for text in filter(None, (row.pattern, row.unless, *(text for near in row.near for text in near.words))):
        place = f"{provider}.{row.verdict.kind.value}.{text[:30]}"
        yield Applied("resilient_stream.classify.generic", place, re.compile(text, re.M), "search")


def _compiled(module: ModuleType) -> Iterator[Applied]:
    found = [(name, pattern) for name, value in vars(module).items() for pattern in _inside(value)]
    how = _methods(module) if found else {}
    for name, pattern in found:
        yield Applied(module.__name__, name, pattern, how.get(name, "search"))


def _inside(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 5 and isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from _inside(item, depth + 1)
    elif depth < 5 and isinstance(value, dict):
        for item in (*value.keys(), *value.values()):
            yield from _inside(item, depth + 1)
    elif depth < 5 and hasattr(value, "__struct_fields__") and not isinstance(value, type):
        for name in value.__struct_fields__:
            yield from _inside(getattr(value, name, None), depth + 1)
    elif depth < 5 and hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        for name in value.__dataclass_fields__:
            yield from _inside(getattr(value, name, None), depth + 1)


def _methods(module: ModuleType) -> dict[str, str]:
    """The way each compiled pattern of a module is applied: the most expensive of those that are used."""
    found: dict[str, str] = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _FUNCTIONS:
            kind = "walk" if node.attr in _WALKS else "start" if node.attr in _FROM_START else "search"
            order = ("start", "search", "walk")
            found[node.value.id] = max(kind, found.get(node.value.id, "start"), key=order.index)
    return found


@functools.cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(_text(module))


def _text(module: ModuleType) -> str:
    with open(module.__file__ or "", encoding="utf-8") as file:
        return file.read()


@functools.cache
def _calls(module: ModuleType) -> tuple[ast.Call, ...]:
    """Where a module calls a function of `re`. Most modules do not name it, and are not parsed."""
    nodes = ast.walk(_tree(module)) if _NAMED.search(_text(module)) else ()
    return tuple(
        node
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in _FUNCTIONS
    )


def _value(node: ast.expr, module: ModuleType) -> Any:
    """What an expression of names, texts and f-texts is; None for one that has other names than the module's."""
    if not isinstance(node, ast.Constant | ast.JoinedStr | ast.Name | ast.BinOp | ast.Attribute):
        return None
    try:
        return eval(compile(ast.Expression(node), "<pattern>", "eval"), vars(module))
    except Exception:
        return None


def _called(module: ModuleType, known: set[Any]) -> Iterator[Applied]:
    for call in _calls(module):
        name = call.func.attr  # type: ignore[attr-defined]
        how = "walk" if name in _WALKS else "start" if name in _FROM_START else "search"
        value = _value(call.args[0], module)
        texts = TABLES.get((_short(module), ast.unparse(call.args[0])), lambda _: ())(module) if value is None else ()
        flags = next((_value(arg, module) for arg in call.args[1:] if "re." in ast.unparse(arg)), 0)
        for text in (value, *texts):
            if not isinstance(text, str | bytes):
                continue
            pattern = re.compile(text, flags or 0)
            if name != "compile" or (pattern.pattern, pattern.flags) not in known:
                yield Applied(module.__name__, f"line {call.lineno}", pattern, how)


# -- texts of a pattern's own words -------------------------------------------------------------


class Pump(NamedTuple):
    """A text of any length: a start, and a unit that is repeated behind it; the end lets a pattern fail late."""

    start: str
    unit: str

    def text(self, size: int) -> str:
        """Of `size` characters."""
        times = max(1, size // max(1, len(self.unit)))
        return f"{self.start}{self.unit * times}"[: size - 1] + "\x00"


def pumps(pattern: re.Pattern[Any]) -> list[Pump]:
    """The pattern's words and beginnings repeated, and runs of one sign, alone and behind each beginning."""
    found: dict[Pump, None] = dict.fromkeys(Pump("", filler) for filler in _FILLERS)
    for words in _sentences(pattern):
        starts = ["".join(words[:end]) for end in range(1, len(words) + 1)]
        for unit in (*starts, *(word for word in words if len(word) > 1)):
            found.update(dict.fromkeys(Pump("", f"{unit}{gap}") for gap in ("", " ", "\n") if unit))
        found.update(dict.fromkeys(Pump(start, filler) for start in starts for filler in _FILLERS))
    return list(found)


def _sentences(pattern: re.Pattern[Any]) -> Iterator[list[str]]:
    """Samples of what the pattern means, each as a list of words: every branch once, short and long."""
    text = pattern.pattern
    tree = _parser.parse(text.decode("latin-1") if isinstance(text, bytes) else text, pattern.flags & ~re.UNICODE)
    for choice in range(min(24, _most_branches(tree))):
        for many in (0, 3):
            yield from _sequences(tree, choice, many)


def _sequences(tree: Any, choice: int, many: int) -> Iterator[list[str]]:
    yield [_sample([item], choice, many) for item in tree]
    for op, value in tree:  # the branches' own beginnings
        if str(op) == "BRANCH":
            branch = value[1][choice % len(value[1])]
            yield [_sample([item], choice, many) for item in branch]


def _most_branches(tree: Any) -> int:
    most = 1
    for op, value in tree:
        name = str(op)
        if name == "BRANCH":
            most = max(most, len(value[1]), *(_most_branches(branch) for branch in value[1]))
        elif (inner := _inner(name, value)) is not None:
            most = max(most, _most_branches(inner))
    return most


def _inner(name: str, value: Any) -> Any:
    if name == "SUBPATTERN":
        return value[-1]
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return value[2]
    return value if name == "ATOMIC_GROUP" else None


def _sample(tree: Any, choice: int, many: int) -> str:
    out = []
    for op, value in tree:
        name = str(op)
        if name == "LITERAL":
            out.append(chr(value))
        elif name == "NOT_LITERAL":
            out.append("x" if value != ord("x") else "y")
        elif name == "ANY":
            out.append("x")
        elif name == "IN":
            out.append(_one_of(value))
        elif name == "BRANCH":
            out.append(_sample(value[1][choice % len(value[1])], choice, many))
        elif name.endswith("_REPEAT"):
            low, high, inner = value
            out.append(_sample(inner, choice, many) * min(int(high), max(int(low), many)))
        elif (inner := _inner(name, value)) is not None:
            out.append(_sample(inner, choice, many))
    return "".join(out)


_OF_CATEGORY = {
    "CATEGORY_DIGIT": "1", "CATEGORY_WORD": "a", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "x",
    "CATEGORY_NOT_DIGIT": "x", "CATEGORY_NOT_WORD": "-",
}  # fmt: skip


def _one_of(items: list[Any]) -> str:
    negated = str(items[0][0]) == "NEGATE"
    if negated:
        return "x"
    op, value = items[0]
    name = str(op)
    if name == "RANGE":
        return chr(value[0])
    return _OF_CATEGORY.get(str(value), "x") if name == "CATEGORY" else chr(value)
