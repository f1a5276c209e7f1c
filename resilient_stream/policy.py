"""Defines the policies of a client: frozen pydantic models in which every figure has a unit, a default and a reason.

A wrong value is refused when the policy is made, with the field's name, and never while a stream runs. All times are in
seconds, and `None` switches a timeout off. The policies only hold values: the middlewares and the call act on them.
"""

from __future__ import annotations

import os
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
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
Percentile: TypeAlias = Literal["p50", "p75", "p90", "p95", "p99"]
RecoveryMethod: TypeAlias = Literal["native", "prefill", "replay", "instruct", "restart"]


class _Policy(BaseModel):
    """Is the base of all policies: they are frozen, and a wrong value or name raises a StreamMisused that names it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False, hide_input_in_errors=True
    )

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
        """Make `help()` show the fields as they are written, without the classes of their bounds."""
        cls.__signature__ = Signature([_parameter(name, field) for name, field in cls.model_fields.items()])

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        """Set the signature again: pydantic writes its own when it builds the class, which is at the first use."""
        cls.__pydantic_init_subclass__()


def _parameter(name: str, field: FieldInfo) -> Parameter:
    default = field.get_default(call_default_factory=True, validated_data={})
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=field.annotation, default=default)


def given(name: str, value: PolicyT | None, default: PolicyT) -> PolicyT:
    """Return a policy that was given, or the default for None. Anything else, like a number, is a StreamMisused."""
    if value is None:
        return default
    kind = type(default)
    if isinstance(value, kind):
        return value
    like = f"{kind.__name__}({next(iter(kind.model_fields))}=…)"
    raise StreamMisused(f"{name}= takes a {kind.__name__}, like {like}, not {type(value).__name__}")


class RetryPolicy(_Policy):
    """Says how often, and after which waits, the same target is tried again before any content was delivered.

    The wait before retry n (from 0) is `min(initial * 2**n, maximum)`, plus a random part of it (`jitter`). A server's
    own hint replaces this wait. Jitter only makes a hint longer, since a thousand callers may have got the same hint.
    """

    attempts: int = Field(default=5, ge=1, le=100)
    """Requests to one target at most, the first one included. Five requests have four waits between them, 1+2+4+8 s,
    which is enough for most overloads."""
    initial: float = Field(default=1.0, ge=0)
    """Seconds before the first retry."""
    maximum: float = Field(default=30.0, ge=0)
    """The longest wait of our own, in seconds, without jitter. A server may ask for a longer one."""
    max_elapsed: float | None = Field(default=120.0, gt=0)
    """Seconds after which no further attempt at a target begins. None: only the deadline bounds it."""
    jitter: float = Field(default=0.1, ge=0, le=1)
    """The random part of a wait, as a share of it, so that callers do not all come back at once."""
    max_retry_after: float = Field(default=60.0, ge=0)
    """The longest server hint, in seconds, that is waited for. For a longer one, the next target is asked."""

    @classmethod
    def off(cls) -> RetryPolicy:
        """Make a policy of one attempt per target, for when somebody else (Temporal, tenacity, a queue) retries."""
        return cls(attempts=1)


class RetryBudget(_Policy):
    """Limits how many retries all calls of this process together may send to a failing target.

    Nobody waits for the budget: when it is spent, the next target is tried, or the error says that the budget was the
    reason. Every kind of retry counts, also one that a server's hint asked for, since a thousand callers may have got
    the same hint.
    """

    ratio: float = Field(default=0.2, ge=0)
    """Retries for each request that ended at the target in the last ten seconds. With a fifth, a target in trouble gets
    at most 1.2 times its normal load, instead of five times."""
    reserve: int = Field(default=20, ge=0)
    """Retries in ten seconds in addition to that, so that an application with few requests can retry at all: this is
    enough for five callers with four retries each."""

    @classmethod
    def off(cls) -> RetryBudget:
        """Make a budget without a bound. Each call then has only its own `RetryPolicy.attempts`."""
        return cls(reserve=1_000_000_000)


class Timeouts(_Policy):
    """Says how long a stream waits for what. A call's deadline is above all of them, see `client.stream(deadline=)`."""

    connect: float | None = Field(default=10.0, gt=0)
    """Seconds for DNS, TCP and TLS together."""
    first_content: float | None = Field(default=300.0, gt=0)
    """Seconds from sending a request to its first content. The default is long because models that reason in silence
    take minutes, and a retry that comes too early is billed twice."""
    stall: float | None = Field(default=120.0, gt=0)
    """Seconds between two pieces of content. Comments, pings and keep-alives do not count as content."""
    total: float | None = Field(default=None, gt=0)
    """Seconds for the whole call when it names no deadline of its own."""
    consumer: float | None = Field(default=300.0, gt=0)
    """Seconds without a pull by the consumer, after which the stream is given up and its connection closed."""


class Recovery(_Policy):
    """Says how an answer goes on when its stream breaks after content was delivered.

    Methods are tried in the given order, each only where the target can do it.
    """

    methods: tuple[RecoveryMethod, ...] = ("native", "prefill", "replay")
    """The recovery methods, in the order in which they are tried."""
    max_continuations: int = Field(default=2, ge=0)
    """Continuations of one answer at most."""

    @classmethod
    def off(cls) -> Recovery:
        """Make a policy that never continues: the error is raised at once, and its transcript has what was received."""
        return cls(methods=(), max_continuations=0)

    def without(self, method: RecoveryMethod) -> Recovery:
        """Return the same policy without one of its methods."""
        left = tuple(each for each in self.methods if each != method)
        return Recovery(methods=left, max_continuations=self.max_continuations)


class Hedge(_Policy):
    """Asks another target when the first is slow to begin. The first content wins, and the other request is closed."""

    after: float | Percentile = 2.0
    """Seconds without content after which the next target is asked too. "p95": as many as the fastest 95 % of the
    target's last 500 answers needed, so about one request in twenty is raced; 2 s until it has answered twenty."""
    extra: int = Field(default=1, ge=1)
    """How many more targets may be asked."""

    @field_validator("after")
    @classmethod
    def _is_no_time_before(cls, after: float | str) -> float | str:
        if not isinstance(after, str) and after < 0:
            raise ValueError("it is less than 0")
        return after


class Breaker(_Policy):
    """Stops asking a failing target for a while, then tests it with one request."""

    failure_rate: float = Field(default=0.5, gt=0, le=1)
    """The share of failed requests at which the target is no longer asked."""
    min_calls: int = Field(default=10, ge=1)
    """Requests in the window from which on the rate counts."""
    window: float = Field(default=30.0, gt=0)
    """Seconds over which the rate is measured."""
    open_for: float = Field(default=30.0, gt=0)
    """Seconds without requests before the test."""
    slow_after: float | None = Field(default=None, gt=0)
    """Seconds without content, at the beginning or later, after which a request counts as failed. The request itself
    goes on. None: only what ends a request counts, because models that reason in silence take minutes; set it below
    your calls' deadline where yours do not. Answers in one piece are left out."""


class Limits(_Policy):
    """Limits what is sent to a target, for each of its keys, and sets bounds that make an error of what would otherwise
    crash the process."""

    max_concurrency: int | None = Field(default=None, ge=1)
    """Streams to one target at the same time, for each client (and each of its running loops), or for all that share a
    `store`; None for no bound. Further calls wait in order of arrival, as long as their deadline allows. No other
    timeout runs there."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Requests to one target in a minute, for each client; None for no bound. Further calls wait in order of arrival.
    One whose deadline would pass in the line is refused at once, and the next target is asked."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens read and written in a minute, in the same way. They are estimated before a request and corrected by the
    count that comes back."""
    adaptive: bool = False
    """Find out how many streams a target can carry: more while all is well, fewer after rate limits, overload, or slow
    first content (AIMD). `max_concurrency` is the most then, 1,000 without it."""
    cost_per_day: float | None = Field(default=None, ge=0)
    """US dollars that may be spent in a day (UTC): at one target for the limits of a `Target`, at all targets together
    for those of the client. Above it no request is sent: the next target is asked, or the call fails as
    `quota_exhausted`. It needs prices: the extra `prices`, or `Client(prices=…)`. Calls that run already go on. With a
    `store` it is the budget of all processes."""
    max_event_bytes: int = Field(default=8 * MIB, ge=1024)
    """Bytes of one event on the wire, and of all that is held of one answer: tool calls until they are whole, a
    refusal, and what comes before the first content (at least 1 MiB of it). The largest real events carry images of a
    few MiB."""
    max_transcript_bytes: int = Field(default=64 * MIB, ge=1024)
    """Bytes of text that a transcript keeps. Above it, the middle is dropped, and the transcript says so."""
    max_rss_bytes: int | None = Field(default=None, ge=1)
    """Bytes of memory of the whole process above which answers are not streamed: they are asked for in one piece and
    kept on disk. None: memory is not looked at. It is measured before each attempt."""


def _content_by_environment() -> bool:
    """Read the variable that OpenTelemetry's own instrumentations use, with its newer values for spans."""
    said = os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "")
    return said.strip().lower() in ("true", "1", "span_only", "span_and_event")


class Telemetry(_Policy):
    """Chooses what OpenTelemetry is told: a span for each call and each request, and the metrics of `telemetry.names`.

    Without an OpenTelemetry SDK in the process nothing is made, and it costs nothing. Logs only need `logging`.
    """

    enabled: bool = True
    """False switches spans and metrics off, whatever SDK there is."""
    content: bool = Field(default_factory=_content_by_environment)
    """Record prompts and answers on the call's span (gen_ai.input.messages, gen_ai.output.messages), and arguments and
    results of a conversation's tools on theirs. They are private and long, so the default is to record them only when
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true in the environment."""
    propagate: bool = False
    """Send the trace's context (`traceparent`, and what else the process's propagators write, such as baggage) with
    each request. It is off because providers belong to somebody else; switch it on for a gateway of your own."""
    tracer_provider: Any = Field(default=None, repr=False)
    """The TracerProvider of OpenTelemetry to use. None: the process's own."""
    meter_provider: Any = Field(default=None, repr=False)
    """The MeterProvider of OpenTelemetry to use. None: the process's own."""
