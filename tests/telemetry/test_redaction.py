"""No key, header, prompt or answer is in any log record or span, at any level, unless it was asked for."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from resilient_stream import Client, StreamError, Target
from resilient_stream.testing import (
    BadChunk,
    CallTool,
    CleanEnd,
    Cut,
    End,
    ErrorEvent,
    FakeProvider,
    Script,
    Status,
    Step,
    Text,
)

from .endings import ENDINGS
from .seen import QUICK, Seen

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "sk-live-7Hq2mX9vLw3KpZ5tRb8N"
HEADER = "tenant-4411-confidential"
PROMPT = "My salary is 91,250 and my manager does not know that I am leaving"
SYSTEM = "You work for Umbra Ltd. and must never mention Project Heron"
TOOL = "account 5581 holds 12,400 in savings"
ANSWER = ("Then tell her on Friday, ", "after the bonus of 8,000 was paid out")
ARGUMENTS = '{"recipient": "ursula@example.com"}'
SECRETS = {"key": KEY, "header": HEADER, "prompt": PROMPT, "system": SYSTEM, "tool": TOOL, "answer": ANSWER[1],
           "arguments": "ursula@example.com"}  # fmt: skip

MESSAGES = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
    {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": ARGUMENTS}}]},
    {"role": "tool", "tool_call_id": "c1", "content": TOOL},
]


def refused(status: int, message: str, **more: str) -> Step:
    """An answer that repeats what it was sent."""
    error = {"message": message, "type": "invalid_request_error", **more}
    return Status(status, {"x-request-id": "req_1"}, {"error": error})


HALF = (Text(*ANSWER),)
INDISCREET: dict[str, Script] = {
    "a good answer": [*HALF, CallTool("mail", ARGUMENTS), End()],
    "a 401 with the key": [refused(401, f"Incorrect API key provided: {KEY}", code="invalid_api_key")],
    "a 403 with the header": [refused(403, f"Not for {HEADER}")],
    "a 400 with the prompt": [refused(400, f"Invalid value: '{PROMPT}'. Please shorten it.")],
    "a 400 with a part of the prompt": [refused(400, f"Cannot parse near 'salary {PROMPT[10:50]}'")],
    "a 400 with the system prompt": [refused(400, f"{SYSTEM} is no system prompt")],
    "a 400 with the tool's result": [refused(400, f"messages[3] = {TOOL}")],
    "a 400 with the arguments of a call": [refused(400, f"Cannot parse {ARGUMENTS}")],
    "a 422 in plain text": [Status(422, {"content-type": "text/plain"}, f"bad: {PROMPT} {KEY}")],
    "a page": [Status(502, {"content-type": "text/html"}, f"<html>{PROMPT} {KEY} {HEADER}</html>")],
    "a blocked prompt": [refused(400, f"content management policy: {PROMPT}", code="content_filter")],
    "an error event with the answer": [*HALF, ErrorEvent(500, f"failed at: {''.join(ANSWER)}"), CleanEnd()],
    "a refusal half-way, with the answer": [*HALF, ErrorEvent(400, f"Cannot go on after {ANSWER[1]}"), CleanEnd()],
    "a cut": [*HALF, Cut()],
    "broken framing": [*HALF, BadChunk()],
}


class _Kept(logging.Handler):
    """Everything that a record holds, as one text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.texts.append(f"{record.getMessage()} {vars(record)!r} {trace}")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All records at DEBUG, whole."""
    logger, kept = logging.getLogger("resilient_stream"), _Kept()
    before = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    yield kept.texts
    logger.removeHandler(kept)
    logger.setLevel(before)


def traced(seen: Seen) -> str:
    """Everything that spans and metrics hold."""
    spans: list[Any] = [
        (span.name, dict(span.attributes or {}), span.status.description,
         [(event.name, dict(event.attributes or {})) for event in span.events])
        for span in seen.spans
    ]  # fmt: skip
    return repr(spans) + repr([seen.points(name) for name in seen.metrics])


def found_in(text: str) -> set[str]:
    """Which of the secrets can be read there."""
    return {name for name, secret in SECRETS.items() if secret in text}


async def ask(script: Script, seen: Seen, **policy: Any) -> None:
    """The private conversation, with that answer; at two targets."""
    async with FakeProvider(script) as provider:
        first = Target("openai:m", base_url=provider.base_url("openai"), api_key=KEY, headers={"x-tenant": HEADER})
        second = provider.target("anthropic", api_key=KEY, headers={"x-tenant": HEADER})
        async with Client(first, second, retry=QUICK, telemetry=seen.telemetry(**policy)) as client:
            with contextlib.suppress(StreamError):
                await client.complete(MESSAGES)


@pytest.mark.parametrize("script", INDISCREET.values(), ids=list(INDISCREET))
async def test_nothing_private_is_logged_or_traced(script: Script, logged: list[str], seen: Seen) -> None:
    """Also when the provider repeats it in its complaint."""
    await ask(script, seen)
    assert logged
    assert found_in("\n".join(logged)) == set()
    assert found_in(traced(seen)) == set()


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=list(ENDINGS))
async def test_no_ending_tells_prompt_or_answer(ending: Any, logged: list[str], seen: Seen) -> None:
    """Neither prompt nor answer is in a log line or span, however the call ends."""
    async with FakeProvider() as provider:
        async with ending.client(provider, retry=QUICK, telemetry=seen.telemetry()) as client:
            stream = await ending.play(provider, client)
    told = "\n".join(logged) + traced(seen)
    assert logged
    assert "deal with failure" not in told
    assert not stream.transcript.text or stream.transcript.text not in told


async def test_asked_for_it_is_on_the_calls_span_and_nowhere_else(logged: list[str], seen: Seen) -> None:
    """`Telemetry(content=True)`: prompt and answer in the conventions' attributes; never a key or a header."""
    await ask(INDISCREET["a good answer"], seen, content=True)
    (call,) = seen.calls
    said = dict(call.attributes or {})
    assert found_in(str(said["gen_ai.input.messages"])) == {"prompt", "tool", "arguments"}
    assert found_in(str(said["gen_ai.system_instructions"])) == {"system"}
    assert found_in(str(said["gen_ai.output.messages"])) == {"answer", "arguments"}
    told = (".messages", ".system_instructions")
    rest = {name: value for name, value in said.items() if not str(name).endswith(told)}
    assert found_in(repr(rest) + repr([dict(each.attributes or {}) for each in seen.requests])) == set()
    assert found_in("\n".join(logged)) == set()


@pytest.mark.parametrize(
    ("said", "wanted"), [("true", True), ("SPAN_ONLY", True), ("false", False), ("event_only", False)]
)
async def test_the_environment_can_ask_for_it(
    said: str, wanted: bool, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable of OpenTelemetry's own instrumentations; what the code says explicitly stands over it."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", said)
    await ask(INDISCREET["a good answer"], seen)
    assert ("prompt" in found_in(traced(seen))) is wanted
    assert seen.telemetry(content=False).content is False


async def test_a_providers_sentence_is_for_the_application(logged: list[str], seen: Seen) -> None:
    """It is in the error's message; a record has our words, and the provider's code and id of the request."""
    refusal = refused(400, "Unknown parameter: 'frobnicate'.", code="unknown_parameter")
    async with FakeProvider([refusal]) as provider:
        async with Client(provider.target("openai"), retry=QUICK, telemetry=seen.telemetry()) as client:
            with pytest.raises(StreamError, match="Unknown parameter: 'frobnicate'"):
                await client.complete("hi")
    told = "\n".join(logged)
    assert "frobnicate" not in told + traced(seen)
    assert "unknown_parameter" in told
    assert "req_1" in told


async def test_with_content_a_span_has_the_sentence(logged: list[str], seen: Seen) -> None:
    """Who wants prompts on spans gets complaints about them, too; the log stays as it is."""
    await ask([refused(400, "Unknown parameter: 'frobnicate'.")], seen, content=True)
    assert "frobnicate" in traced(seen)
    assert "frobnicate" not in "\n".join(logged)


async def test_a_server_forges_no_line(logged: list[str], seen: Seen) -> None:
    """Line ends and escape sequences in a code, an id or a message are in no line, field or attribute."""
    evil = "x\nERROR root: forged\x1b]52;c;aGk=\x07\u2028\x9b2J"
    await ask([refused(400, evil, code=evil, type=evil)], seen)
    lines = [text.partition(" {")[0] for text in logged]
    assert not [line for line in lines if len(line.splitlines()) > 1 or not line.isprintable()]
    assert "forged" not in "\n".join(logged) + traced(seen)
