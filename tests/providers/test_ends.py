"""Last words of an answer that no table has: an end that is none is never complete, in any dialect and spelling."""

from __future__ import annotations

from typing import Any

import pytest

from resilient_stream.chunks import Finished
from resilient_stream.contract import Request
from resilient_stream.errors import ErrorKind
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for
from resilient_stream.providers.shared.ends import end_of, failed_end
from resilient_stream.target import Target
from tests.corpus.dialects import DIALECTS
from tests.corpus.said import Said

WORDS = (
    "error", "ERROR", "Error", "server_error", "internal_error", "engine_error", "failed", "ABORT", "aborted",
    "cancelled", "CANCELED", "timeout", "TIMED_OUT", "network_error", "exception", "interrupted", "overloaded",
    "crashed",
)  # fmt: skip
NAMED = [name for name in DIALECTS if not name.startswith(("openai-responses", "gemini"))]
"""Responses and Interactions end with a status, and Gemini with a known-good list of its own."""


def read(name: str, word: str) -> tuple[Any, list[Any]]:
    """An answer of a dialect that ends with this word: its decoder, and the chunks."""
    dialect = DIALECTS[name]
    options = {"api": "invoke", "region": "us-east-1"} if "invoke" in name else {}
    target = Target(f"{dialect.provider}:{dialect.model}", **options)
    decoder = adapter_for(dialect.provider).decoder(Request(messages=to_messages("hi"), target=target))
    body = dialect.frame(list(dialect.events(Said(("Half an", " answer")), word)))
    chunks = decoder.feed(body)
    return decoder, chunks + ([] if decoder.failure else decoder.finish())


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", NAMED)
def test_an_end_that_says_it_failed_is_a_failure(name: str, word: str) -> None:
    """Its text is kept, and nothing claims that it is whole."""
    decoder, chunks = read(name, word)
    assert decoder.failure is not None
    assert not any(isinstance(chunk, Finished) for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == "Half an answer"


@pytest.mark.parametrize(
    ("word", "reason", "kind"),
    [
        ("MAX_TOKENS", "length", "output_truncated"), ("max_output_tokens", "length", "output_truncated"),
        ("maxTokens", "length", "output_truncated"), ("SAFETY", "content_filter", "content_filtered"),
        ("CONTENT_FILTER", "content_filter", "content_filtered"), ("Refusal", "refusal", "refusal"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", NAMED)
def test_an_end_in_another_spelling_is_known(name: str, word: str, reason: str, kind: str) -> None:
    """A gateway's words for a cut or a filtered answer count as the dialect's own."""
    decoder, chunks = read(name, word)
    assert decoder.failure is None
    [finished] = [chunk for chunk in chunks if isinstance(chunk, Finished)]
    assert (finished.reason, finished.kind, finished.raw_reason) == (reason, kind, word)


def test_a_word_that_nobody_knows_is_other() -> None:
    """It is an end of some sort, and none that failed."""
    assert end_of("banana", {}) == ("other", None)
    assert failed_end("banana", {}, {}) is None
    assert failed_end("", {}, {}) is None


def test_a_dialects_own_tables_come_first() -> None:
    """A word that it uses for a good end is one, whatever it is made of."""
    assert failed_end("error_free", {}, {"error_free": ("stop", None)}) is None
    assert failed_end("stop", {"stop": ErrorKind.CONFLICT}, {}) is ErrorKind.CONFLICT
