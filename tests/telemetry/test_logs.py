"""The log: its levels, wording and fields, and that nothing is made for a level that is off."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from resilient_stream import Client, RateLimited, RetryPolicy, StreamError, Telemetry
from resilient_stream.errors import Failure, error_for
from resilient_stream.events import AttemptFailed, AttemptStarted, FellBack
from resilient_stream.kinds import ErrorKind
from resilient_stream.telemetry import log_fields
from resilient_stream.telemetry.log_fields import FIELDS, chain
from resilient_stream.telemetry.logs import LEVELS, CallLog
from resilient_stream.testing import FakeProvider, Status
from resilient_stream.transcript import Attempt

from .endings import ENDINGS, GOOD, PROMPT, Ending
from .seen import QUICK, Seen

pytestmark = pytest.mark.usefixtures("nothing_left")

PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class _Kept(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    """All records of the logger, at any level."""
    logger, kept = logging.getLogger("resilient_stream"), _Kept()
    before = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    yield kept.records
    logger.removeHandler(kept)
    logger.setLevel(before)


def at(level: int, records: list[logging.LogRecord]) -> list[str]:
    """The messages of one level."""
    return [record.getMessage() for record in records if record.levelno == level]


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What `extra` added."""
    return {name: value for name, value in vars(record).items() if name not in PLAIN}


async def play(ending: Ending, **options: Any) -> None:
    """One ending, from begin to end."""
    async with FakeProvider() as provider, ending.client(provider, retry=QUICK, **options) as client:
        await ending.play(provider, client)


async def test_a_good_call_has_a_begin_and_an_end(lines: list[logging.LogRecord]) -> None:
    """A good call logs two lines at INFO, and no warning."""
    await play(ENDINGS["success"])
    started, ended = at(logging.INFO, lines)
    assert re.fullmatch(r"call-\d+ started: openai:model-openai", started)
    assert re.fullmatch(
        r"call-\d+ complete: openai:model-openai, finished by stop, first chunk after \d.\d\d s, \d.\d\d s in all, "
        r"9 tokens in, 2 out",
        ended,
    )
    assert not at(logging.WARNING, lines)
    assert not at(logging.ERROR, lines)


async def test_a_retry_says_which_attempt_of_how_many(lines: list[logging.LogRecord]) -> None:
    """Each retry logs `attempt N/M` at WARNING, and the call logs a summary at INFO."""
    async with FakeProvider([Status(503)], [Status(503)], GOOD) as provider:
        async with Client(provider.target("openai"), retry=QUICK) as client:
            await client.complete(PROMPT)
    first, second = at(logging.WARNING, lines)
    assert first.endswith("(attempt 2/5)")
    assert second.endswith("(attempt 3/5)")
    assert re.search(r"openai:fake-model: Provider overloaded \(503\)\. .* Retrying in 0\.00\d+ s", first)
    assert any(line.endswith("took 3 requests: 3 to openai:fake-model (provider_overloaded 2)")
               for line in at(logging.INFO, lines))  # fmt: skip


@pytest.mark.parametrize("ending", ["permanent failure", "every retry fails", "cut after content", "no key"])
async def test_giving_up_says_so(ending: str, lines: list[logging.LogRecord]) -> None:
    """ERROR, once, with `not retrying` and what to do."""
    await play(ENDINGS[ending])
    (line,) = at(logging.ERROR, lines)
    assert "failed, not retrying: " in line


async def test_a_fallback_says_who_is_left_and_who_is_next(lines: list[logging.LogRecord]) -> None:
    """WARNING that it is taken, INFO with the detail."""
    await play(ENDINGS["fallback"])
    (line,) = at(logging.WARNING, lines)
    assert re.search(r"openai:model-openai: .* Not retrying it; going on with anthropic:model-anthropic$", line)
    assert any("fell back (provider_switch)" in line for line in at(logging.INFO, lines))


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=list(ENDINGS))
async def test_every_end_is_told_at_its_level(ending: Ending, lines: list[logging.LogRecord]) -> None:
    """Each end is logged once, at the level of its outcome."""
    await play(ending)
    ends = [record for record in lines if getattr(record, "outcome", None) and hasattr(record, "duration")]
    assert [(record.levelno, vars(record)["outcome"]) for record in ends] == [(LEVELS[ending.outcome], ending.outcome)]
    assert at(logging.DEBUG, lines)[-1].endswith("cleaned up: no connection and no timer of it is left")


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=list(ENDINGS))
async def test_every_record_has_its_fields(ending: Ending, lines: list[logging.LogRecord], seen: Seen) -> None:
    """Only fields of the table; call, trace and span on each; the span is the call's or one of its requests'."""
    await play(ending, telemetry=seen.telemetry())
    ids = {(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}") for span in seen.spans if span.context}
    assert lines
    for record in lines:
        found = fields(record)
        assert set(found) <= set(FIELDS)
        assert found["call_id"] in record.getMessage()
        assert (found["trace_id"], found["span_id"]) in ids


async def test_without_a_span_of_ours_the_callers_is_told(lines: list[logging.LogRecord], seen: Seen) -> None:
    """Telemetry off: the record belongs to what was current at the first pull, also when a timer ends the call."""
    with seen.tracers.get_tracer("application").start_as_current_span("request") as span:
        await play(ENDINGS["deadline"], telemetry=Telemetry(enabled=False))
    expected = f"{span.get_span_context().span_id:016x}"
    assert {vars(record)["span_id"] for record in lines} == {expected}


async def test_without_any_span_the_ids_are_empty(lines: list[logging.LogRecord]) -> None:
    """A formatter with %(trace_id)s never fails."""
    await play(ENDINGS["success"])
    assert {vars(record)["trace_id"] for record in lines} == {""}


async def test_debug_tells_every_step_of_a_request(lines: list[logging.LogRecord]) -> None:
    """Sent, head, first content, end and what became of the connection; a failure with its chain."""
    await play(ENDINGS["retry then success"])
    steps = [line.split(": ", 1)[1] for line in at(logging.DEBUG, lines) if "openai:" in line]
    shapes = [re.sub(r"\d+\.\d+", "T", re.sub(r"127\S+", "HOST", step)) for step in steps]
    assert shapes == [
        "request 1 goes to HOST",
        "head of the answer after T s, status 503",
        "request over after T s, chunks: 0; its connection is closed",
        "request 1 failed: Overloaded(provider_overloaded, server_error)",
        "request 2 goes to HOST",
        "head of the answer after T s, status 200",
        "first content after T s",
        "request over after T s, chunks: 4; its connection is kept",
    ]


def log_of(client: Client) -> tuple[CallLog, Any]:
    """The log of a call that was not pulled, and its stream, which keeps it alive."""
    stream = client.stream(PROMPT)
    stream._call.now = lambda: 0.0
    return CallLog(stream._call, lambda _: None), stream


def test_a_fallback_for_want_of_memory_says_so(lines: list[logging.LogRecord]) -> None:
    """The specification asks for it by name."""
    log, _stream = log_of(Client("openai:m"))
    error = error_for(Failure(kind=ErrorKind.OUT_OF_MEMORY), provider="openai", model="m")
    log.attempt_failed(AttemptFailed("call-1", "openai:m", 1, error))
    log.fell_back(FellBack("call-1", "openai:m", "openai:m", error, "buffered"))
    pressure, way = at(logging.WARNING, lines)
    assert "this process is short of something" in pressure
    assert "Memory is short: falling back to buffered mode" in way


def test_a_chain_names_causes_but_quotes_only_the_system() -> None:
    """The text of a foreign exception may hold anything; that of the operating system does not."""
    error: StreamError = RateLimited(Failure(kind=ErrorKind.RATE_LIMITED, code="slow"))
    error.__cause__ = ValueError("a secret prompt")
    error.__cause__.__cause__ = ConnectionResetError(104, "Connection reset by peer")
    assert chain(error) == (
        "RateLimited(rate_limited, slow) <- ValueError <- ConnectionResetError: [Errno 104] Connection reset by peer"
    )


@pytest.mark.parametrize("level", [logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO])
async def test_nothing_is_made_when_its_level_is_off(
    level: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record below the level, and none of the texts and facts that only such a record would need."""
    made: list[str] = []
    for name in ("why", "result", "figures", "chain", "summary", "tried", "named"):
        monkeypatch.setattr(
            log_fields, name, lambda *_, name=name: made.append(name) or ({} if name != "chain" else "")
        )
    caplog.set_level(level, "resilient_stream")
    await play(ENDINGS["retry then success"])
    await play(ENDINGS["permanent failure"])
    assert all(record.levelno >= level for record in caplog.records)
    expected = {
        logging.CRITICAL: set(),
        logging.ERROR: {"why", "result"},
        logging.WARNING: {"why", "result"},
        logging.INFO: {"why", "result", "summary", "tried"},
    }
    assert set(made) == expected[level]


def test_values_are_not_put_into_the_template(lines: list[logging.LogRecord]) -> None:
    """%-style arguments: an aggregator groups by `record.msg`."""
    log, _stream = log_of(Client("openai:m"))
    log.attempt_started(AttemptStarted("call-1", "openai:m", 1, Attempt(target="openai:m", model="m", started=0.0)))
    assert lines[-1].msg == "%s %s: request %d goes to %s"


LOGGED = """
import asyncio
from resilient_stream import Client, StreamError
async def main():
    async with Client("openai:m") as client:
        try:
            await client.complete("hi")
        except StreamError:
            pass
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("asked", "levels"),
    [("", set()), ("debug", {"DEBUG", "INFO", "ERROR"}), ("ERROR", {"ERROR"}), ("loud", {"WARNING", "INFO", "ERROR"})],
)
def test_the_environment_turns_the_log_on(asked: str, levels: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, readable, at the level that was asked for; nothing without the variable."""
    monkeypatch.setenv("RESILIENT_STREAM_LOG", asked)
    script = LOGGED + "import importlib, resilient_stream; importlib.reload(resilient_stream)\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    said = done.stderr.splitlines()
    assert {line.split()[1] for line in said} == levels
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} [A-Z]+ +resilient_stream: ", line) for line in said)
    assert len(said) == len(set(said))
    assert ("is one of debug, info, warning, error" in done.stderr) is (asked == "loud")


def test_retry_policy_is_what_the_lines_count() -> None:
    """The default of five attempts is what `attempt N/5` above rests on."""
    assert RetryPolicy().attempts == QUICK.attempts == 5
