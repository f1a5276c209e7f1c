"""How a client behaves, as frozen pydantic models: every figure has a unit, a default and a reason.

The one rule: a bad value is refused when the policy is made, with the field's name, never in the middle of a
stream. Seconds throughout; `None` switches a timeout off.
Must never: do anything. Middlewares and the call read these values.
"""

from __future__ import annotations

import os
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from .failures import StreamMisused
from .messages import complaint

__all__ = [
    "Breaker",
    "Hedge",
    "Limits",
    "Recovery",
    "RecoveryMethod",
    "RetryBudget",
    "RetryPolicy",
    "Telemetry",
    "Timeouts",
    "given",
]

MIB = 1024 * 1024
PolicyT = TypeVar("PolicyT", bound="_Policy")
RecoveryMethod: TypeAlias = Literal["native", "prefill", "replay", "instruct", "restart"]


class _Policy(BaseModel):
    """What all policies have in common: they are frozen, and a bad value or name is a StreamMisused that says which."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    if not TYPE_CHECKING:  # type checkers know the fields, each with its own type

        def __init__(self, *unnamed: Any, **values: Any) -> None:
            if unnamed:
                name, field = type(self).__name__, next(iter(type(self).model_fields))
                raise StreamMisused(f"{name} takes its values by name, like {name}({field}=…)")
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise StreamMisused(complaint(error, type(self))) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """For help(): the fields as they are written, without the bounds' own classes."""
        cls.__signature__ = Signature([_parameter(name, field) for name, field in cls.model_fields.items()])


def _parameter(name: str, field: FieldInfo) -> Parameter:
    default = field.get_default(call_default_factory=True, validated_data={})
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=field.annotation, default=default)


def given(name: str, value: PolicyT | None, default: PolicyT) -> PolicyT:
    """A policy as an argument, or the default for None; StreamMisused for what is none, like a number of seconds."""
    if value is None:
        return default
    kind = type(default)
    if isinstance(value, kind):
        return value
    like = f"{kind.__name__}({next(iter(kind.model_fields))}=…)"
    raise StreamMisused(f"{name}= takes a {kind.__name__}, like {like}, not {type(value).__name__}")


class RetryPolicy(_Policy):
    """How often, and how long apart, the same target is tried again before any content was delivered.

    The wait before retry n (from 0) is `min(initial * 2**n, maximum)` plus up to `jitter` of it; a server's own
    hint replaces it, with jitter upward only, since a thousand callers got the same hint.
    """

    attempts: int = Field(default=5, ge=1, le=100)
    """Requests per target at most, the first one included. Five requests have four waits between
    them, 1+2+4+8 s: enough for most overloads."""
    initial: float = Field(default=1.0, ge=0)
    """Seconds before the first retry."""
    maximum: float = Field(default=30.0, ge=0)
    """Seconds that no wait of our own exceeds."""
    max_elapsed: float | None = Field(default=120.0, gt=0)
    """Seconds after which no further attempt at a target is started; None for no bound but the deadline."""
    jitter: float = Field(default=0.1, ge=0, le=1)
    """Share of a wait that is added at random, so that callers do not come back together."""
    max_retry_after: float = Field(default=60.0, ge=0)
    """Seconds of server hint that are obeyed. A longer one means: do not wait here, go to the next target."""

    @classmethod
    def off(cls) -> RetryPolicy:
        """One attempt per target: somebody else (Temporal, tenacity, a queue) owns the retries."""
        return cls(attempts=1)


class RetryBudget(_Policy):
    """How much all calls of this process together may send again to a failing target, see `budget`.

    A retry that it refuses is not waited for: the next target is tried, or the error says that the budget was why.
    Every kind of retry counts, also one that a server's hint asked for: a thousand callers got the same hint.
    """

    ratio: float = Field(default=0.2, ge=0)
    """Retries for each request that ended at the target within ten seconds. A fifth: a target in trouble gets at
    most 1.2 times its normal load, instead of five times."""
    reserve: int = Field(default=20, ge=0)
    """Retries in ten seconds on top of that, so that an application with few requests can retry at all: five
    callers with four retries each."""

    @classmethod
    def off(cls) -> RetryBudget:
        """No bound over calls; each has only its own `RetryPolicy.attempts`."""
        return cls(reserve=1_000_000_000)


class Timeouts(_Policy):
    """What one stream waits for. The deadline of a call is over all of them, see `client.stream(deadline=)`."""

    connect: float | None = Field(default=10.0, gt=0)
    """Seconds for DNS, TCP and TLS together."""
    first_content: float | None = Field(default=300.0, gt=0)
    """Seconds from sending a request to its first content. Long: models that reason in silence take minutes,
    and a retry that comes too early is billed twice."""
    stall: float | None = Field(default=120.0, gt=0)
    """Seconds between two pieces of content. Comments, pings and keep-alives do not count as content."""
    total: float | None = Field(default=None, gt=0)
    """Seconds for the whole call when it names no deadline of its own."""
    consumer: float | None = Field(default=300.0, gt=0)
    """Seconds that the consumer may take nothing before the stream is given up and its connection closed."""


class Recovery(_Policy):
    """How an answer goes on when its stream breaks after content was delivered.

    Methods are tried in the given order, each only where the target can do it.
    """

    methods: tuple[RecoveryMethod, ...] = ("native", "prefill", "replay")
    """Ways to go on, in the order in which they are tried."""
    max_continuations: int = Field(default=2, ge=0)
    """Continuations of one answer at most."""

    @classmethod
    def off(cls) -> Recovery:
        """Raise at once; the transcript has what was received."""
        return cls(methods=(), max_continuations=0)


class Hedge(_Policy):
    """Ask a second target when the first is slow to begin; the first content wins, the other is closed."""

    after: float = Field(default=2.0, ge=0)
    """Seconds without content after which the next target is asked too."""
    extra: int = Field(default=1, ge=1)
    """How many more targets may be asked."""


class Breaker(_Policy):
    """Leave a failing target alone for a while, and then try it with one request."""

    failure_rate: float = Field(default=0.5, gt=0, le=1)
    """Share of failed requests from which the target is left alone."""
    min_calls: int = Field(default=10, ge=1)
    """Requests within the window before the rate counts."""
    window: float = Field(default=30.0, gt=0)
    """Seconds over which the rate is taken."""
    open_for: float = Field(default=30.0, gt=0)
    """Seconds without requests before the probe."""


class Limits(_Policy):
    """Bounds that turn a runaway into an error instead of a crash."""

    max_concurrency: int | None = Field(default=None, ge=1)
    """Streams at once to a target, for each client (and each of its running loops); None for no bound. The others
    wait in a line, first come, first served, as long as their deadline allows; no other clock runs there."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Requests per target and minute. Not built yet: the client refuses anything but None."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens per target and minute. Not built yet: the client refuses anything but None."""
    max_event_bytes: int = Field(default=8 * MIB, ge=1024)
    """Bytes of one event on the wire, and of what is held back of an answer over all events: tool calls until they are
    whole, a refusal, what comes before any content (of these at least 1 MiB). The largest real events carry images, of
    a few MiB."""
    max_transcript_bytes: int = Field(default=64 * MIB, ge=1024)
    """Bytes of text kept in a transcript; beyond it the middle is dropped, and the transcript says so."""
    max_rss_bytes: int | None = Field(default=None, ge=1)
    """Bytes of memory in use by the whole process beyond which answers are asked for in one piece and kept on disk
    instead of being streamed; None for no look at it. Read before each attempt."""


def _content_by_environment() -> bool:
    """What OpenTelemetry's own instrumentations of providers go by; their newer words for spans as well."""
    said = os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "")
    return said.strip().lower() in ("true", "1", "span_only", "span_and_event")


class Telemetry(_Policy):
    """What OpenTelemetry is told: a span for each call and each request, and the metrics of `telemetry.names`.

    Without an OpenTelemetry SDK in the process nothing is made, and nothing is paid. Logs go by `logging` alone.
    """

    enabled: bool = True
    """False: no spans and no metrics, whatever SDK there is."""
    content: bool = Field(default_factory=_content_by_environment)
    """Record prompts and answers on the call's span (gen_ai.input.messages, gen_ai.output.messages). Default: only
    when OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true in the environment: they are private, and long."""
    propagate: bool = False
    """Send the trace's context (`traceparent`, and whatever else the process's propagators write, like baggage) along
    with each request. Off: providers are somebody else's; on for a gateway of your own."""
    tracer_provider: Any = Field(default=None, repr=False)
    """OpenTelemetry's TracerProvider to use; None for the process's own."""
    meter_provider: Any = Field(default=None, repr=False)
    """OpenTelemetry's MeterProvider to use; None for the process's own."""
