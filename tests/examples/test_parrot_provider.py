"""The example of a provider from outside: it is found by its entry point, keeps the rules, and stays small."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import resilient_stream.providers as providers
from resilient_stream import Client, RetryPolicy, StreamError
from resilient_stream.testing import CleanEnd, Cut, FakeProvider, Head, Script, Send, check_adapter

PACKAGE = Path(__file__).parents[2] / "docs" / "examples" / "parrot_provider"
QUICK = RetryPolicy(initial=0.001, maximum=0.002)
HEAD = Head(200, {"content-type": "application/x-ndjson"})
ANSWER = b'{"say":"Hel"}\n{"say":"lo"}\n{"end":"stop","tokens":[9,2]}\n'
BUSY = b'{"problem":{"code":"overloaded","message":"Too many crackers"}}\n'


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package as pip leaves it: a module on the path, and its entry point beside it."""
    about = tmp_path / "parrot_provider-1.0.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot-provider\nVersion: 1.0.0\n")
    declared = (PACKAGE / "pyproject.toml").read_text().rpartition("\n[project.entry-points")[2]
    (about / "entry_points.txt").write_text(
        "[resilient_stream.providers]\n" + declared.partition("]\n")[2].replace('"', "")
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(PACKAGE))
    for cache in (providers._third_parties, providers.adapter_for):
        cache.cache_clear()
    yield
    sys.modules.pop("parrot_provider", None)
    for cache in (providers._third_parties, providers.adapter_for):
        cache.cache_clear()


def test_it_keeps_the_rules(installed: None) -> None:
    """The conformance suite finds nothing wrong with the example."""
    check_adapter(providers.adapter_for("parrot"), ANSWER, text="Hello")


async def test_it_streams_and_is_retried(installed: None) -> None:
    """An error inside a 200 is retried, an answer streams; none of that is in the package."""
    scripts: list[Script] = [[HEAD, Send(BUSY), CleanEnd()], [HEAD, Send(ANSWER), CleanEnd()]]
    async with FakeProvider(*scripts) as provider:
        target = provider.target("parrot", base_url=provider.url)
        async with Client(target, retry=QUICK) as client:
            transcript = await client.complete("hi")
        assert provider.requests[0].path == "/talk"
    assert (transcript.text, transcript.usage.output_tokens, len(transcript.attempts)) == ("Hello", 2, 2)
    assert transcript.attempts[0].error is not None
    assert transcript.attempts[0].error.kind == "provider_overloaded"


async def test_a_cut_answer_is_not_whole(installed: None) -> None:
    """Its end marker is what makes an answer whole."""
    async with FakeProvider([HEAD, Send(ANSWER[:14]), Cut()]) as provider:
        async with Client(provider.target("parrot", base_url=provider.url), retry=QUICK) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
    assert caught.value.transcript is not None
    assert caught.value.transcript.text == "Hel"


def test_the_example_is_under_a_hundred_lines() -> None:
    """The module a stranger has to write, blank lines and docstrings included."""
    assert len((PACKAGE / "parrot_provider.py").read_text().splitlines()) < 100
