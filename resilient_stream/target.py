"""`Target`: one model at one provider, and how to reach it.

The one rule: a key never appears in a repr, a log, an error or a dict made from this; nor does an option's value.
Must never: read the environment or send anything; that happens when an attempt starts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .errors import StreamMisused
from .messages import describe
from .policy import Limits, Timeouts

__all__ = ["ApiKey", "Target"]

ApiKey: TypeAlias = str | Callable[[], str | Awaitable[str]]


class Target(BaseModel):
    """A model at a provider: `Target("openai:gpt-5-mini")`.

    name: "provider:model"; a provider with a default model may stand alone ("local").
    api_key: a string, or a callable (sync or async) asked before each attempt, for rotating keys. Default: from
        the provider's environment variable.
    base_url: what that provider's own SDK means by it. Default: from the environment, else the provider's.
    headers: added to each request, over the adapter's own.
    weight: share of traffic where targets are balanced.
    timeouts, limits: over the client's, for this target.
    options: what only some providers know. Known to all:
        terminal="eof_ok": the server sends no end marker; a clean end of the body counts as one.
        raw=True: events without a chunk class of their own come as `Raw`.
        stream=False: the answer is asked for in one piece and comes as the same chunks, later; True: never, whatever
            happens. Unset, it is streamed unless memory is short, its tool calls cannot be read (`middleware.buffered`
            has the list), or the environment has `<PROVIDER>_DISABLE_STREAMING=1` (OPENAI_DISABLE_STREAMING,
            OPENAI_RESPONSES_DISABLE_STREAMING: the provider's name in capitals, "_" for what is no letter or digit).
    Raises StreamMisused for a bad name or value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    provider: str
    model: str
    api_key: ApiKey | None = Field(default=None, repr=False, exclude=True)
    base_url: str | None = None
    headers: dict[str, str] | None = Field(default=None, repr=False, exclude=True)
    weight: float = Field(1, gt=0)
    timeouts: Timeouts | None = None
    limits: Limits | None = None
    # Some hold a secret (azure_ad_token).
    options: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)

    def __init__(
        self,
        name: str,
        *,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        headers: dict[str, str] | None = None,
        weight: float = 1,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        **options: Any,
    ) -> None:
        provider, _, model = str(name).partition(":")
        if not provider:
            raise StreamMisused(f'a target is written "provider:model", like "openai:gpt-5-mini"; got {name!r}')
        try:
            super().__init__(
                provider=provider, model=model, api_key=api_key, base_url=base_url, headers=headers,
                weight=weight, timeouts=timeouts, limits=limits, options=options,
            )  # fmt: skip
        except ValidationError as error:
            raise StreamMisused(describe(error, f"Target({name!r})")) from error

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("a base URL begins with http:// or https://")
        return value.rstrip("/") if value else value

    @field_validator("options")
    @classmethod
    def _stream_is_yes_or_no(cls, options: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(options.get("stream"), bool | None):
            raise ValueError("stream is True, False, or not given")
        return options

    @property
    def name(self) -> str:
        """The target as "provider:model"."""
        return f"{self.provider}:{self.model}"

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The options by their names only."""
        yield from super().__repr_args__()
        if self.options:
            yield "options", sorted(self.options)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, target: str | Target) -> Target:
        """A target from either form that users give."""
        return target if isinstance(target, Target) else cls(target)
