"""What people are told: every text of the catalogue, with all facts known and with none."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from resilient_stream import Transcript
from resilient_stream.chunks import TextDelta
from resilient_stream.errors import AllTargetsFailed, Failure, StreamError, error_for
from resilient_stream.kinds import GAVE_UP, KINDS, TEXTS, ErrorKind, Text
from resilient_stream.text import readable

KNOWN = {
    "provider": "openai", "provider_title": "OpenAI", "model": "gpt-5-mini", "host": "api.openai.com",
    "env_var": "OPENAI_API_KEY", "attempt": 3, "billed_maybe": True,
}  # fmt: skip
FACTS = {
    "limit": 128000, "used": 131072, "feature": "images", "reason": "the certificate has expired",
    "proxy": "proxy.example:3128", "seconds": 20.0,
}  # fmt: skip
JARGON = re.compile(
    r"errno|\bEOF\b|socket|ECONN|traceback|(?-i:\bNone\b)|\bnull\b|\bNaN\b|\binf\b|exception|payload|handshake|\bTLS\b|"
    r"\bTCP\b|\bDNS\b|\bCA\b|front-end|backend|\bconcurrency\b|captive portal|https?://(?!user:)",
    re.IGNORECASE,
)
CASES = [*((kind, "") for kind in ErrorKind), *TEXTS]
NAMES = [f"{kind}-{code}" if code else str(kind) for kind, code in CASES]


def fully_known(kind: ErrorKind, code: str = "") -> StreamError:
    """An error of which everything is known."""
    return error_for(
        Failure(
            kind=kind, code=code, detail="Unknown parameter: 'foo'", status=503, retry_after=93.4,
            resets_at="2026-08-01T00:00:00Z", request_id="req_1", facts=FACTS,
        ),
        **KNOWN,
    )  # fmt: skip


def barely_known(kind: ErrorKind, code: str = "") -> StreamError:
    """An error of which nothing is known but its kind."""
    return error_for(Failure(kind=kind, code=code))


def texts(error: StreamError) -> Iterator[str]:
    """Its three texts."""
    yield from (error.title, error.message, error.resolution)


@pytest.mark.parametrize("known", [fully_known, barely_known])
@pytest.mark.parametrize(("kind", "code"), CASES, ids=NAMES)
def test_a_text_is_whole_short_and_plain(kind, code, known):
    """Every text with all facts and with none: sentences that end, no open placeholder, no jargon, not long."""
    error = known(kind, code)
    for text in texts(error):
        assert text
        assert not re.search(r"[{}]|\.\.|\s\s|\s[.,]", text), text
        assert not JARGON.search(text), text
        assert text[0].isupper() or text.startswith((KNOWN["model"], KNOWN["host"])), text
    assert "The " not in re.sub(r"(^|[.:] )The ", "", error.message + " " + error.resolution)
    assert 5 <= len(error.title) <= 30
    assert error.message.endswith((".", "…"))
    assert error.resolution.endswith((".", ")"))
    assert len(error.message) <= 160
    assert len(error.resolution) <= 130


@pytest.mark.parametrize(("kind", "code"), CASES, ids=NAMES)
def test_what_is_known_is_said(kind, code):
    """Each fact that a text has a place for is in it, made readable."""
    row: Text = TEXTS[kind, code] if code else Text(*KINDS[kind][4:7])
    said = " ".join(texts(fully_known(kind, code)))
    for fact, value in {
        "provider": "OpenAI", "model": "gpt-5-mini", "env_var": "OPENAI_API_KEY", "retry_after": "93 s",
        "resets_at": "on 1 August 2026 at 00:00 UTC", "limit": "128,000", "used": "131,072", "seconds": "20 s",
        "status": "HTTP 503", "proxy": "proxy.example:3128", "detail": "Unknown parameter: 'foo'.",
        "host": "api.openai.com", "feature": "images", "reason": "he certificate has expired.",
    }.items():  # fmt: skip
        if f"{{{fact}}}" in " ".join((*row.message, *row.resolution)):
            assert value in said, fact


def test_a_part_that_was_received_is_said():
    """Whatever ended an answer, its message says how much of it was kept."""
    error = fully_known(ErrorKind.STREAM_INTERRUPTED)
    error.transcript = Transcript()
    assert "kept" not in error.message
    error.transcript._receive([TextDelta("x" * 312)])
    assert error.message == "The answer from OpenAI stopped before its end. 312 characters were received and kept."
    error.gave_up = "budget"
    assert " kept. It was not tried again: " in error.message


def test_the_providers_own_sentence_ends_once():
    """A full stop is added where the provider has none, and not where it has."""
    for said, shown in (
        ("No", "No."),
        ("No.", "No."),
        ('Unknown "x."', 'Unknown "x."'),
        ("Why?", "Why?"),
        ("a…", "a…"),
    ):
        error = error_for(Failure(kind=ErrorKind.INVALID_REQUEST, detail=said))
        assert error.message == f"The provider did not accept the request. It says: {shown}"


def test_a_name_keeps_its_spelling_in_front_of_a_sentence():
    """xAI stays xAI; the local model gets its capital only at the beginning."""
    failure = Failure(kind=ErrorKind.SERVER_ERROR)
    assert error_for(failure, provider="xai", provider_title="xAI").message.startswith("xAI had ")
    local = error_for(failure, provider="local", provider_title="The local model")
    assert local.message.startswith("The local model had ")
    assert "status page of the local model" in local.resolution


def test_all_targets_failed_has_a_line_for_each_with_what_to_do():
    """One line per target: what happened there and the way out; nothing is cut over several lines."""
    errors = [
        error_for(Failure(kind=ErrorKind.INSUFFICIENT_FUNDS, status=429), **KNOWN),
        error_for(
            Failure(kind=ErrorKind.CLIENT_CONFIG, code="local_model", facts={"reason": "it says:\nno"}),
            provider="local", model="smollm2", provider_title="The local model",
        ),
    ]  # fmt: skip
    failed = AllTargetsFailed.of(errors)
    assert str(failed).splitlines() == [
        "Both targets failed:",
        "  openai:gpt-5-mini: No credit left. Your account at OpenAI has no credit or has reached its spending limit. "
        "Add credit or raise the limit in the billing settings of OpenAI.",
        "  local:smollm2: Local model not available. The local model cannot be used. it says: no. "
        "Correct that, or name another target and set its key.",
    ]
    assert failed.message == "openai:gpt-5-mini: No credit left. local:smollm2: Local model not available."
    assert failed.resolution == f"{errors[0].resolution} {errors[1].resolution}"
    assert failed.billed_maybe


def test_targets_that_were_not_tried_are_not_called_failed():
    """Where the last error would be the same elsewhere, the rest of the targets is left alone, and it says so."""
    errors = [fully_known(ErrorKind.SERVER_ERROR), fully_known(ErrorKind.CONTENT_FILTERED)]
    failed = AllTargetsFailed.of(errors, untried=1)
    assert failed.title == "2 of 3 targets failed"
    assert failed.message.endswith("The others were not tried: it would be the same there.")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.25, "0.25 s"), (0.999, "1 s"), (3.25, "3.2 s"), (2.0, "2 s"), (45.4, "45 s"), (93.4, "93 s"),
     (578.016, "9 min 38 s"), (3600, "1 h"), (18720, "5 h 12 min"), (86400, "1 d"), (183600, "2 d 3 h")],
)  # fmt: skip
def test_durations(seconds, said):
    """Two units at most, and no more digits than a person wants."""
    assert readable.duration(seconds) == said


def test_moments_are_in_utc_and_say_so():
    """A reset time is read without doubt; what is no time is passed on."""
    assert readable.moment("2026-08-01T02:05:00+02:00") == "on 1 August 2026 at 00:05 UTC"
    assert readable.moment("tomorrow") == "tomorrow"


def test_the_line_while_the_sdk_waits():
    """While the SDK waits it says `Retrying in 3.2 s (attempt 2/5)`."""
    assert readable.retrying(3.2, 2, 5) == "Retrying in 3.2 s (attempt 2/5)"
    assert readable.retrying(0, 1, 5) == "Retrying now (attempt 1/5)"


def test_why_it_was_not_tried_again_reads_on():
    """Each reason is a sentence of its own after the message."""
    for why in GAVE_UP:
        error = error_for(Failure(kind=ErrorKind.PROVIDER_OVERLOADED, retry_after=90), **KNOWN, gave_up=why)
        assert re.fullmatch(r"OpenAI is short of capacity right now\. It asks to wait 90 s\. [A-Z].*\.", error.message)
