"""The core knows no provider by name: what it has to know of one stands at that provider's adapter."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import resilient_stream
from resilient_stream import Target
from resilient_stream.contract import Capabilities, Endpoint, ProviderFacts, facts_of
from resilient_stream.credentials.endpoint import resolve
from resilient_stream.providers import (
    adapter_for,
    capabilities_of,
    facts_about,
    families_of,
    known_providers,
    rules_for,
)
from resilient_stream.providers.openai.host_errors import HOSTS_ROWS
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.providers.shared.named import FAMILIES, OTHER_NAMES

PACKAGE = Path(resilient_stream.__file__).parent

CORE = (
    "call_options.py", "chunks.py", "client.py", "contract", "conversation", "credentials/endpoint.py",
    "credentials/keys.py", "engine", "events.py",
    "fitting", "outcome", "policy.py", "scope.py", "stream.py", "telemetry", "classify",
)  # fmt: skip

NAMES = re.compile(
    r"openai|azure|anthropic|claude|gemini|google|vertex|bedrock|amazon|\baws|cohere|ollama|mistral|deepseek|groq"
    r"|openrouter|\bx_?ai\b|moonshot|kimi|alibaba|qwen|fireworks|perplexity|cerebras|huggingface|llama|lmstudio",
    re.IGNORECASE,
)

REASONS = {
    ("call_options.py", "no target: give one to"): "an example of a target, in a message",
    ("classify/generic.py", "ai\\.google\\.dev"): "an address in a sentence that relays pass on, whoever is asked",
    ("classify/hints.py", "anthropic-ratelimit-"): "a form of rate limit headers, which relays pass on",
    ("classify/hints.py", "_ANTHROPIC_LIMITS"): "the same",
    ("classify/hints.py", "_anthropic_reset"): "the same",
    ("classify/pasted.py", "claude"): "a shell's sentence about a program, pasted by somebody without a target",
    ("classify/wording.py", "xai"): "forms of keys that are masked, whoever quotes them",
}
"""Where a name stands in the core all the same, as the beginning or a part of what is said there, and why."""


def files() -> Iterator[Path]:
    """The files of the core."""
    for name in CORE:
        path = PACKAGE / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def said(tree: ast.AST) -> Iterator[str]:
    """The strings and identifiers of a file's code, without its docstrings."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in prose:
                yield text
            case ast.Constant(value=bytes(data)):
                yield data.decode("latin-1")
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.ImportFrom(module=str(module)):
                yield module
            case ast.keyword(arg=str(name)):
                yield name


def named(path: Path) -> Iterator[tuple[str, str]]:
    """What a file says in which a provider's name is found: (file, what it says)."""
    place = str(path.relative_to(PACKAGE))
    return ((place, text) for text in said(ast.parse(path.read_text())) if NAMES.search(text))


def test_the_core_knows_no_provider_by_name() -> None:
    """No string and no identifier of the core's code has a provider's name in it, but for a few with a reason."""
    found = [each for path in files() for each in named(path)]
    without = [
        (place, text) for place, text in found if not any(place == file and part in text for file, part in REASONS)
    ]
    assert without == []


def test_each_reason_is_needed() -> None:
    """A reason without its case is taken out."""
    found = [each for path in files() for each in named(path)]
    assert [case for case in REASONS if not any(case[0] == place and case[1] in text for place, text in found)] == []


@pytest.mark.parametrize(
    "code", ["x = 'bedrock'", "if p == 'claude-code': pass", "def gemini(): pass", "x = {'vertex': 1}", "f(azure=1)"]
)
def test_a_name_in_code_is_found(code: str) -> None:
    """The search sees strings, definitions, keys and keywords; prose is not code."""
    assert [text for text in said(ast.parse(code)) if NAMES.search(text)]
    assert not [text for text in said(ast.parse(f'"""About {code} and more."""')) if NAMES.search(text)]


# -- the facts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", known_providers())
def test_the_modules_that_facts_name_have_what_is_asked_of_them(name: str) -> None:
    """Credentials are resolved, and a server of our own is started, by a module that an adapter names."""
    facts = facts_of(adapter_for(name))
    if facts.credentials:
        assert callable(import_module(facts.credentials).resolve)
    if facts.server:
        server = import_module(facts.server)
        assert callable(server.base_url)
        assert callable(server.api_key)
        assert callable(server.installed)
        assert server.INSTALL


def test_the_rows_of_errors_are_of_hosts() -> None:
    """No row of the hosts' error rules stands there for nobody."""
    assert set(HOSTS_ROWS) - {"azure"} <= set(HOSTS)


def test_a_suggested_provider_is_one() -> None:
    """A mistaken name is answered with a provider that there is, and no provider's own name is another word for one."""
    assert {*FAMILIES.values(), *OTHER_NAMES.values()} <= set(known_providers())
    assert not OTHER_NAMES.keys() & set(known_providers())


def test_an_adapter_without_facts_is_like_most() -> None:
    """An adapter of somebody else needs none of the optional attributes."""
    assert facts_of(SimpleNamespace(name="theirs")) == ProviderFacts()  # type: ignore[arg-type]


def test_a_name_that_nobody_has_is_like_most() -> None:
    """A stored history may name a provider whose plugin is not installed here."""
    assert facts_about("nobody") == ProviderFacts()
    assert capabilities_of("nobody:model") == Capabilities()
    assert families_of("nobody:model").signed == "nobody"
    assert families_of("nobody:claude-sonnet-4").signed == "claude"
    assert rules_for("nobody") == rules_for("")


async def resolve_here(target: Target, adapter: Any, base_url: str, key: str | None, attempt: int) -> Endpoint:
    """Stand in for a module with credentials, under the name that `resolve` looks for."""
    return Endpoint(base_url="https://theirs.example", api_key=f"made-{attempt}")


async def test_the_credentials_of_somebody_elses_adapter_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter from a plugin names the module that finds its credentials, as ours do."""
    monkeypatch.setattr(sys.modules[__name__], "resolve", resolve_here)
    theirs: Any = SimpleNamespace(
        name="theirs", base_url="", key_variables=(), url_variable="", facts=ProviderFacts(credentials=__name__)
    )
    found = await _resolve(Target("theirs:model"), theirs, 2)
    assert found == Endpoint(base_url="https://theirs.example", api_key="made-2")


_resolve = resolve
