"""Finds out which target was meant by an unknown provider name, e.g. a bare model name or another library's word.

The answer is a whole target to copy, where one can be told; else where all names are listed. Between two providers of
the same model nothing is guessed. A family stands here with the one that makes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...given.nearest import nearest

__all__ = ["FAMILIES", "OTHER_NAMES", "meant_by"]

FAMILIES: Mapping[str, str] = {
    r"(chat)?gpt-\d|gpt-(image|audio|realtime)|o[1345](-|$)|codex": "openai",
    r"claude-": "anthropic",
    r"gemini-": "gemini",
    r"(open-)?(mistral|mixtral|ministral|magistral|codestral|devstral|pixtral)-": "mistral",
    r"command-|c4ai-": "cohere",
    r"deepseek-": "deepseek",
    r"grok-": "xai",
    r"sonar(-|$)": "perplexity",
    r"kimi-|moonshot-": "moonshot",
    r"glm-\d": "zai",
    r"qwen|qwq-": "alibaba",
    r"palmyra-": "writer",
    r"smollm2": "local",
}
"""How the models of a provider begin, by who makes them."""

OTHER_NAMES: Mapping[str, str] = {
    "aws": "bedrock", "amazon": "bedrock", "bedrock-converse": "bedrock", "azure-openai": "azure",
    "claude": "anthropic", "dashscope": "alibaba", "qwen": "alibaba", "fireworks-ai": "fireworks",
    "google": "gemini", "google-genai": "gemini", "googleai": "gemini", "gpt": "openai", "chatgpt": "openai",
    "hf": "huggingface", "kimi": "moonshot", "llama.cpp": "llamacpp", "mistralai": "mistral", "nim": "nvidia",
    "pplx": "perplexity", "together-ai": "together", "togetherai": "together", "vertexai": "vertex",
    "vertex-ai": "vertex", "google-vertex": "vertex", "x-ai": "xai", "grok": "xai", "zhipu": "zai", "bigmodel": "zai",
}  # fmt: skip
"""The names that other libraries use for a provider."""


def meant_by(name: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the target as it should be written, or says where all names are listed."""
    known = list(known)
    provider, slash, model = name.partition("/")
    spelt = _provider(provider, known)
    if slash and model and spelt:
        return f'Use a colon: "{spelt}:{model}"'
    if maker := _maker(name.rpartition("/")[2], known):
        return f'It looks like a model: write "{maker}:{name.rpartition("/")[2]}"'
    if spelt or (spelt := nearest(name, known)):
        return f"Did you mean {spelt!r}?"
    return f"`resilient-stream providers` lists all {len(known)}"


def _provider(name: str, known: list[str]) -> str | None:
    """Return the provider for a misspelt name or another library's name for it."""
    plain = name.lower().replace("_", "-")
    found = OTHER_NAMES.get(plain, plain)
    return found if found in known else None


def _maker(model: str, known: list[str]) -> str | None:
    """Return the provider that makes the models with such a name."""
    found = next((maker for begins, maker in FAMILIES.items() if re.match(begins, model.lower()[:100])), None)
    return found if found in known else None
