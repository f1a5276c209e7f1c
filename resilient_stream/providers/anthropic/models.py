"""Says what each generation of Claude accepts, wherever it is served: one table, by the version in a model's name.

A row holds from its version on. A model newer than the last row is treated like the last row, so that a new model works
on its first day. The table has only fields about thinking and its limits, and only facts that a refusal depends on.

Source: Anthropic's pages on thinking, effort, prefill and sampling, and its migration guides for 4.6 to 5.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from ..shared.effort import effort_for

__all__ = ["BUDGETS", "GENERATIONS", "OTHER", "Generation", "generation_of", "reasoning_fields"]

Thinking: TypeAlias = Literal["none", "budget", "either", "adaptive"]
Sampling: TypeAlias = Literal["both", "one", "none"]


class Generation(NamedTuple):
    """Describes what one generation of Claude accepts, as a row of the table. since: the first version it holds for.

    thinking: how reasoning is asked for: by a budget in tokens, by an effort (adaptive), or either.
    sampling: whether temperature and top_p are both accepted, one of them, or neither.
    prefill: whether an unfinished assistant turn is continued; since 4.6 it is refused with a 400.
    max_tokens: what is sent when the caller names none, since the API demands a number. Thinking counts
    towards it, so it grows with the generation. most_tokens: the largest that all models of the row accept.
    schema: whether it answers by a schema that is enforced; the others are given a tool to answer by.
    """

    since: tuple[int, int]
    thinking: Thinking
    sampling: Sampling
    prefill: bool
    max_tokens: int
    most_tokens: int
    schema: bool


GENERATIONS: tuple[Generation, ...] = (
    Generation((0, 0), "none", "both", True, 4_096, 4_096, False),
    Generation((3, 5), "none", "both", True, 8_192, 8_192, False),
    Generation((3, 7), "budget", "both", True, 16_000, 64_000, False),
    Generation((4, 0), "budget", "both", True, 16_000, 32_000, False),
    Generation((4, 1), "budget", "one", True, 16_000, 32_000, False),
    Generation((4, 5), "budget", "one", True, 16_000, 64_000, True),
    Generation((4, 6), "either", "one", False, 32_000, 64_000, True),
    Generation((4, 7), "adaptive", "none", False, 32_000, 128_000, True),
)

OTHER = Generation((0, 0), "budget", "both", False, 8_192, 64_000, False)
"""What other makers' models behind an Anthropic-shaped API (Kimi, GLM, MiniMax) have in common."""

_THINKS_UNLESS_TOLD: Mapping[tuple[str, tuple[int, int]], str] = {
    ("opus", (5, 0)): "disabled",
    ("sonnet", (5, 0)): "disabled",
    ("haiku", (5, 5)): "disabled",
    ("sonnet", (5, 5)): "between_tools",
}
"""Models that think by default and can be told not to. From 5.0 on, models that are not in this list cannot."""

BUDGETS: Mapping[str, int] = {
    "minimal": 1_024, "low": 1_024, "medium": 4_096, "high": 16_000, "xhigh": 32_000, "max": 32_000,
}  # fmt: skip
"""Thinking tokens for an effort, where a model only takes a budget. `effort_for` translates in the other direction."""

SMALLEST_BUDGET = 1_024
"""The smallest thinking budget that the API accepts."""

_VERSION = re.compile(r"claude\D{0,40}?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_FAMILY = re.compile(r"opus|sonnet|haiku")
_NEWEST = (99, 0)


def generation_of(model: str) -> Generation:
    """Return the row of a model in any spelling: claude-3-5-haiku@…, us.anthropic.claude-sonnet-4-5-v1:0."""
    version = _version(model)
    if version is None:
        return OTHER
    return next(row for row in reversed(GENERATIONS) if version >= row.since)


def reasoning_fields(
    model: str, reasoning: str | int | None, max_tokens: int | None, *, tool_is_forced: bool, may_think: bool
) -> dict[str, Any]:
    """Return the fields that ask for reasoning: none, a budget with room for it, or adaptive thinking with an effort.

    A forced tool takes precedence over reasoning, since the API refuses the two together. may_think: False while an
    assistant turn continues that began without thinking; with a budget, the API refuses that, too.
    """
    accepts = generation_of(model)
    if reasoning is None:
        return {}
    if reasoning in ("none", 0):
        return _without_thinking(model)
    if accepts.thinking == "adaptive" or (accepts.thinking == "either" and isinstance(reasoning, str)):
        return _adaptive(effort_for(reasoning), accepts, think=not tool_is_forced)
    if accepts.thinking == "none" or tool_is_forced or not may_think:
        return {}
    budget = reasoning if isinstance(reasoning, int) else BUDGETS.get(reasoning, BUDGETS["high"])
    return _budget(max(budget, SMALLEST_BUDGET), max_tokens, accepts)


def _without_thinking(model: str) -> dict[str, Any]:
    """Return the fields that turn thinking off or, where that is refused, reduce it to the least."""
    version = _version(model)
    if version is None or version < (5, 0):
        return {}  # these models think only when asked to
    family = _FAMILY.search(model)
    kind = _THINKS_UNLESS_TOLD.get((family.group(), version)) if family else None
    return {"thinking": {"type": kind}} if kind else {"output_config": {"effort": "low"}}


def _adaptive(effort: str, accepts: Generation, *, think: bool) -> dict[str, Any]:
    """Return the fields of adaptive thinking. `display` asks for the text of the thinking, which is empty by default
    since 4.6."""
    fields: dict[str, Any] = {"output_config": {"effort": "low" if effort == "minimal" else effort}}
    if think:
        shown = {"display": "summarized"} if accepts.thinking == "adaptive" else {}
        fields["thinking"] = {"type": "adaptive", **shown}
    return fields


def _budget(budget: int, max_tokens: int | None, accepts: Generation) -> dict[str, Any]:
    """Return the fields of thinking with a budget.

    The API demands a budget below max_tokens, so a larger one becomes half of max_tokens; if that is too small, there
    is no thinking.
    """
    limit = max_tokens or min(accepts.max_tokens + budget, accepts.most_tokens)
    budget = budget if budget < limit else limit // 2
    if budget < SMALLEST_BUDGET:
        return {}
    return {"max_tokens": limit, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _version(model: str) -> tuple[int, int] | None:
    """Return the version in a name, (4, 5) for claude-sonnet-4-5-20250929. A Claude without a number counts as the
    newest; None means that the model is no Claude."""
    found = _VERSION.search(model)
    if found:
        return int(found.group(1)), int(found.group(2) or 0)
    return _NEWEST if "claude" in model else None
