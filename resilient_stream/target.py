"""Defines `Target`: one model at one provider, and how to reach it.

A target's key never appears in a repr, log, error, dict or pickle made from it, and the values of its options appear in
nothing that is shown. A target neither reads the environment nor sends anything: that happens when an attempt starts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator

from .failures import StreamMisused
from .given.target_options import refuse_elsewhere
from .messages import describe
from .policy import Limits, Timeouts
from .text.harmless import is_secret_name, safe_headers, safe_url

__all__ = ["ApiKey", "Target"]

logger = logging.getLogger("resilient_stream")

ApiKey: TypeAlias = str | Callable[[], str | Awaitable[str]]


class Target(BaseModel):
    """Names a model at a provider: `Target("openai:gpt-5-mini")`.

    name: "provider:model". A provider with a default model may stand alone ("local").
    api_key: a string, or a function (sync or async) that is called before each attempt, for keys that change. Default:
        from the provider's environment variable.
    base_url: the address in the form of that provider's own SDK. Default: from the environment, else the provider's.
    headers: added to each request; they take precedence over the adapter's own.
    weight: the share of traffic where targets are balanced.
    timeouts, limits: for this target; they take precedence over the client's.
    options: what only some providers know. The `options` of an adapter lists them, and any other name is refused. All
        providers know these:
        terminal="eof_ok": the server sends no end marker, so a clean end of the body counts as one.
        raw=True: events that are not content and have no chunk class come as `Raw`, too. Content always does.
        stream=False: the answer is asked for in one piece, and comes as the same chunks, later. stream=True: it is
            always streamed. By default it is streamed, unless memory is short, the target's streamed tool calls cannot
            be read (`engine/middleware/buffered.py` has the list), or the environment has
            `<PROVIDER>_DISABLE_STREAMING=1` (such as OPENAI_RESPONSES_DISABLE_STREAMING: the provider's name in
            capitals, with "_" for other characters than letters and digits).
    A copy has everything. A pickle goes to other processes and into files, so it leaves out what is secret: a key that
    is a string, headers that are not known to be harmless, a login and query fields in base_url, and options named like
    a secret. A warning is logged when something was left out. Let the other process read its key from its environment,
    or give a function as api_key, which is pickled by its name.
    Raises StreamMisused for a bad name or value.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    provider: str
    model: str
    api_key: ApiKey | None = Field(default=None, repr=False, exclude=True)
    base_url: str | None = None
    headers: dict[str, str] | None = Field(default=None, repr=False, exclude=True)
    weight: float = Field(default=1, gt=0)
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
        refuse_elsewhere(name, options)
        try:
            super().__init__(
                provider=provider, model=model, api_key=api_key, base_url=base_url, headers=headers,
                weight=weight, timeouts=timeouts, limits=limits, options=options,
            )  # fmt: skip
        except ValidationError as error:
            # Without the cause: pydantic's own error holds the values.
            raise StreamMisused(describe(error, f"Target({name!r})")) from None

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("a base URL begins with http:// or https://")
        return value.rstrip("/") if value else value

    @field_validator("options")
    @classmethod
    def _values_are_known(cls, options: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(options.get("stream"), bool | None):
            raise ValueError("stream is True, False, or not given")
        if not isinstance(options.get("raw"), bool | None):
            raise ValueError("raw is True, False, or not given")
        if options.get("terminal") not in (None, "eof_ok"):
            raise ValueError('terminal is "eof_ok", or not given')
        return options

    @property
    def name(self) -> str:
        """Return the target as "provider:model"."""
        return f"{self.provider}:{self.model}"

    @field_serializer("base_url")
    def _without_secrets(self, value: str | None) -> str | None:
        return value and safe_url(value)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show options by name only. This also works for a target that failed while being made and has no fields."""
        fields = vars(self)
        yield from ((name, _shown_value(name, fields[name])) for name in _SHOWN if name in fields)
        if options := fields.get("options"):
            yield "options", sorted(options)

    def __iter__(self) -> Generator[tuple[str, Any], None, None]:
        """Yield the fields that a repr shows, so that `dict(target)` has only these."""
        yield from ((name, value) for name, value in self.__repr_args__() if name in _SHOWN)

    def __str__(self) -> str:
        return self.name if "model" in vars(self) else "Target()"

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        kept = _without_secrets(state["__dict__"])
        left_out = [name for name, value in state["__dict__"].items() if kept[name] != value]
        if left_out:
            logger.warning("%s is pickled without what is secret in its %s", self.name, ", ".join(left_out))
        return {**state, "__dict__": kept}

    @classmethod
    def of(cls, target: str | Target) -> Target:
        """Return the target for a "provider:model" string, or the `Target` itself."""
        if not isinstance(target, str | Target):
            raise StreamMisused(f'a target is "provider:model" or a Target(…), not {type(target).__name__}')
        return target if isinstance(target, Target) else cls(target)


_SHOWN = ("provider", "model", "base_url", "weight", "timeouts", "limits")


def _shown_value(name: str, value: Any) -> Any:
    return safe_url(value) if name == "base_url" and value else value


def _without_login(url: str) -> str:
    """Return an address without user, password, query and anything after a ";". Its path is kept."""
    scheme, separator, rest = re.split("[?;]", url, maxsplit=1)[0].partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{separator}{place.rpartition('@')[2]}{slash}{path}"


def _without_secrets(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a target's fields without the ones that must not be in a pickle."""
    headers, url, options = fields["headers"], fields["base_url"], fields["options"]
    return {
        **fields,
        "api_key": None if isinstance(fields["api_key"], str) else fields["api_key"],
        "headers": headers and safe_headers(headers),
        "base_url": url and _without_login(url),
        "options": {name: value for name, value in options.items() if callable(value) or not is_secret_name(name)},
    }
