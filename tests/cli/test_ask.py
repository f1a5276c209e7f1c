"""`ask`: the output and the exit code that a person and a script get."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from resilient_stream.chunks import File, Source
from resilient_stream.cli import exit_codes, wording
from resilient_stream.cli.saving import save_files
from resilient_stream.errors import ErrorCategory
from resilient_stream.testing import FakeProvider, serve_bytes
from tests.local_model import local_model
from tests.providers.test_anthropic import _block, _end, _message_start, _sse, _stop

from .conftest import HEAD, HELLO, HOLD, begin, delta, end, finish, in_terminal, refusal, run

TO = ("--to", "openai:some-model")
HALF = HEAD + delta(content="Half an ")
HUGE = HEAD + b"data: " + b"x" * (9 * 1024 * 1024)
UNAUTHORIZED = refusal(401, code="invalid_api_key", message="Incorrect API key provided")

FAILURES = {
    ErrorCategory.RETRYABLE: ([HALF], (), "Answer cut off"),
    ErrorCategory.PERMANENT: ([UNAUTHORIZED], (), "API key not accepted"),
    ErrorCategory.CONTEXT: ([HALF, HOLD], ("--deadline", "0.5"), "Out of time"),
    ErrorCategory.RESOURCE: ([HUGE], (), "Event too large"),
}


def at(provider, **more):
    """The environment that leads `openai:` to this provider."""
    return {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "test-key", **more}


async def test_answer_on_stdout_summary_on_stderr(provider):
    """Standard output has the answer and a newline, nothing else; how it went is on standard error."""
    ran = await run("ask", "Hi", *TO, **at(await provider([HELLO])))
    assert (ran.code, ran.out) == (0, "Hello there.\n")
    assert ran.err.startswith("complete · openai:some-model · 3 tokens in, 2 out · 1 attempt · first chunk ")
    assert len(ran.err.splitlines()) == 1


async def test_answer_appears_as_it_comes(provider):
    """The first words are on standard output while the rest has not even been sent."""
    process = await begin("ask", "Hi", *TO, **at(await provider([HALF, HOLD])))
    assert await asyncio.wait_for(process.stdout.readexactly(8), 20) == b"Half an "
    process.send_signal(signal.SIGINT)
    await end(process)


async def test_options_reach_the_provider(provider):
    """Prompt, system prompt, output limit and temperature are sent as given."""
    asked = await provider([HELLO])
    options = ("--system", "Be brief.", "--max-tokens", "7", "--temperature", "0.2")
    await run("ask", "Hi", *TO, *options, **at(asked))
    assert [message["content"] for message in asked.asked[0]["messages"]] == ["Be brief.", "Hi"]
    assert (asked.asked[0]["max_completion_tokens"], asked.asked[0]["temperature"]) == (7, 0.2)


async def test_prompt_from_standard_input(provider):
    """A dash in place of the prompt reads it from standard input."""
    asked = await provider([HELLO])
    ran = await run("ask", "-", *TO, typed="Grüße\n".encode(), **at(asked), PYTHONUTF8="1")
    assert ran.code == 0
    assert asked.asked[0]["messages"][0]["content"] == "Grüße\n"


@pytest.mark.parametrize("category", ErrorCategory)
async def test_exit_code_of_each_category(category, provider):
    """Every category has an exit code of its own, a title and a way out on stderr, and no traceback."""
    script, options, title = FAILURES[category]
    ran = await run("ask", "Hi", *TO, *options, **at(await provider(script)))
    assert ran.code == exit_codes.BY_CATEGORY[category]
    assert f"\n{title} (openai:some-model)\n" in ran.err


def test_exit_codes_are_distinct_and_documented():
    """No two ends share a code, and the help has them all."""
    codes = [
        *exit_codes.BY_CATEGORY.values(),
        0,
        exit_codes.MISUSED,
        exit_codes.INTERRUPTED,
        exit_codes.PIPE_CLOSED,
    ]
    assert len(set(codes)) == len(codes)
    assert set(exit_codes.BY_CATEGORY) == set(ErrorCategory)
    assert all(f"{code} " in exit_codes.HELP for code in codes)


async def test_help_has_the_exit_codes():
    """`ask --help` says what its exit codes mean."""
    ran = await run("ask", "--help")
    assert ran.code == 0
    assert exit_codes.HELP[:60] in " ".join(ran.out.split())


async def test_partial_answer_is_kept_when_it_is_cut(provider):
    """What was received before a failure stays on standard output."""
    ran = await run("ask", "Hi", *TO, **at(await provider([HALF])))
    assert ran.out == "Half an \n"


async def test_fallback_is_told_and_taken(provider):
    """A second --to answers when the first cannot; standard error says so in one line."""
    ran = await run("ask", "Hi", *TO, "--to", "openai:other", **at(await provider([UNAUTHORIZED], [HELLO])))
    assert (ran.code, ran.out) == (0, "Hello there.\n")
    assert "openai:some-model  API key not accepted (401), going on with openai:other\n" in ran.err


async def test_the_same_target_asked_again_is_told_as_that(provider):
    """Nothing goes on with the target that has just failed: it is asked again, in one piece or as it was."""
    unread = HEAD + delta(answer="Hello") + finish().replace(b'"completion_tokens": 2', b'"completion_tokens": 40')
    ran = await run("ask", "Hi", *TO, **at(await provider([unread], [HELLO])))
    assert (ran.code, ran.out) == (0, "Hello there.\n")
    assert ran.err.startswith("openai:some-model  Nothing readable. Retrying in ")
    assert "\nopenai:some-model  Nothing readable, this time asking for the whole answer at once\n" in ran.err
    ran = await run("ask", "Hi", *TO, *TO, **at(await provider([UNAUTHORIZED], [HELLO])))
    assert (ran.code, ran.out) == (0, "Hello there.\n")
    assert "openai:some-model  API key not accepted (401), asking it again\n" in ran.err


async def test_all_targets_failed_names_each(provider):
    """When no target answers, each one's reason is there."""
    ran = await run("ask", "Hi", *TO, "--to", "openai:other", **at(await provider([UNAUTHORIZED])))
    assert ran.code == exit_codes.BY_CATEGORY[ErrorCategory.PERMANENT]
    assert "Both targets failed\nopenai:some-model: " in ran.err
    assert "\nopenai:other: " in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "Hi", "--to", "nobody:model"), "no provider is called 'nobody'"),
        (("ask", "Hi", "--to", "openai"), "names no model"),
        (("ask", " ", *TO), "the prompt is empty"),
        (("ask", "Hi", *TO, "--max-tokens", "0"), "max_tokens"),
        (("ask", "Hi", "--tow", "x"), "--tow"),
    ],
)
async def test_misuse(arguments, said):
    """A wrong command ends with 2 and says what is wrong with it."""
    ran = await run(*arguments)
    assert (ran.code, ran.out) == (exit_codes.MISUSED, "")
    assert said in ran.err


async def test_key_in_the_environment_chooses_the_provider(provider):
    """Without --to, the first provider with a key is asked, and standard error says which."""
    asked = await provider([HELLO])
    ran = await run("ask", "Hi", **at(asked))
    assert asked.asked[0]["model"] == "gpt-5-mini"
    assert ran.err.startswith("Asking openai:gpt-5-mini; --to names another.\n")


@local_model
async def test_without_a_key_the_local_model_answers():
    """Without --to and without a key, the small local model answers, and standard error says so in a line."""
    ran = await run("ask", "What is the capital of France?", "--max-tokens", "12")
    assert ran.code == 0
    assert ran.out.strip()
    assert ran.err.startswith("No provider's key is set: asking the small local model.")
    assert " · local:smollm2 · " in ran.err


async def test_json_is_one_document(provider):
    """`--json` prints the transcript, and nothing else is printed."""
    ran = await run("ask", "Hi", *TO, "--json", **at(await provider([HELLO])))
    transcript = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert (transcript["outcome"], transcript["text"]) == ("complete", "Hello there.")


async def test_json_of_a_failure_has_the_error_and_the_partial_answer(provider):
    """--json after a failure: still one document, with the error and what was received; the exit code stays."""
    ran = await run("ask", "Hi", *TO, "--json", **at(await provider([HALF])))
    transcript = json.loads(ran.out)
    assert ran.code == exit_codes.BY_CATEGORY[ErrorCategory.RETRYABLE]
    assert (transcript["outcome"], transcript["text"]) == ("failed", "Half an ")
    assert transcript["error"]["kind"] == "stream_interrupted"


@pytest.mark.parametrize("json_option", [(), ("--json",)])
async def test_ctrl_c_keeps_the_partial_answer(json_option, provider):
    """SIGINT ends with 130, outcome cancelled, what was received; the provider sees the connection close."""
    asked = await provider([HALF, HOLD])
    process = await begin("ask", "Hi", *TO, *json_option, **at(asked))
    while not asked.asked:
        await asyncio.sleep(0.01)
    if not json_option:
        assert await asyncio.wait_for(process.stdout.readexactly(8), 20) == b"Half an "
    else:
        await asyncio.sleep(0.01)  # nothing shows yet; cancelled before its first word is fine here
    process.send_signal(signal.SIGINT)
    ran = await end(process)
    assert ran.code == exit_codes.INTERRUPTED
    if json_option:
        assert json.loads(ran.out)["outcome"] == "cancelled"
    else:
        assert ran.out == "\n"
        assert ran.err.startswith("cancelled · openai:some-model · 1 attempt · ")
    await asyncio.wait_for(asked.left.wait(), 5)


async def test_reader_that_leaves_ends_it_quietly(provider):
    """`ask … | head -c 1`: no complaint, and the provider's connection is closed."""
    words = [delta(content="word " * 1000)] * 200
    asked = await provider([HEAD, *words, HOLD])
    process = await begin("ask", "Hi", *TO, **at(asked))
    await process.stdout.readexactly(1)
    process.stdout._transport.close()
    complaints = await asyncio.wait_for(process.stderr.read(), 20)
    assert (await process.wait(), complaints) == (exit_codes.PIPE_CLOSED, b"")
    await asyncio.wait_for(asked.left.wait(), 5)


async def test_reader_of_the_json_that_left_is_no_error(provider):
    """`ask --json | true`: the same, though everything is written at the end."""
    asked = await provider([HELLO])
    process = await begin("ask", "Hi", *TO, "--json", **at(asked))
    process.stdout._transport.close()
    complaints = await asyncio.wait_for(process.stderr.read(), 20)
    assert (await process.wait(), complaints) == (exit_codes.PIPE_CLOSED, b"")


async def test_pipe_gets_the_answer_as_it_is(provider):
    """In a pipe there is no colour and no reasoning, and no byte of the answer is changed."""
    script = [HEAD, delta(reasoning_content="Hm."), delta(content="a\x1b[31mb\x07"), finish()]
    ran = await run("ask", "Hi", *TO, **at(await provider(script)))
    assert ran.out == "a\x1b[31mb\x07\n"
    assert "\x1b" not in ran.err


async def test_terminal_gets_dimmed_reasoning_and_no_control_codes(provider):
    """In a terminal the reasoning stands in front, dimmed, and a model cannot steer the terminal."""
    script = [HEAD, delta(reasoning_content="Hm."), delta(content="a\x1b]0;title\x07b"), finish()]
    shown = await in_terminal("ask", "Hi", *TO, **at(await provider(script)))
    assert "\x1b[2mHm.\x1b[0m\r\n\r\nab\r\n" in shown


async def test_cut_by_the_output_limit_is_said(provider):
    """An answer that is whole for the provider, but not for the reader, is called by its name."""
    ran = await run("ask", "Hi", *TO, **at(await provider([HEAD, delta(content="Half"), finish("length")])))
    assert ran.code == 0
    assert ran.err.startswith("output truncated · ")


async def test_what_is_not_modelled_is_said(provider):
    """Sources and pictures are not shown, and not left out without a word either."""
    noted = delta(content="Rings.", something_new=[{"type": "url_citation", "url": "https://example.org"}])
    ran = await run("ask", "Hi", *TO, **at(await provider([HEAD, noted, finish()])))
    assert ran.out == "Rings.\n"
    assert ran.err.endswith("1 event that is not modelled: something_new\n")


async def test_missing_packages_are_named():
    """Without typer or rich the command says how to install them, and ends with 2."""
    for package in ("typer", "rich"):
        program = f"import sys; sys.modules[{package!r}] = None; from resilient_stream.cli import main; main()"
        ran = await run("ask", "Hi", program=program)
        assert (ran.code, ran.out) == (2, "")
        assert "pip install 'resilient-stream[cli]'" in ran.err


# -- what comes beside the text -----------------------------------------------------------------

SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "Oslo"}}
FAILED = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": {"type": "web_search_tool_result_error"}}
CITED = [{"url": "https://a.test/x", "title": "A page", "cited_text": "fine"}] * 2


async def test_searches_and_sources_are_shown_beside_the_answer():
    """A tool of the provider is named as it begins and as it fails; sources are footnotes, each once."""
    text = {"type": "text", "text": "It is fine.", "citations": CITED}
    blocks = [[_block(place, block), _stop(place)] for place, block in enumerate((SEARCH, FAILED, text))]
    body = _sse(_message_start(), *(event for block in blocks for event in block), *_end())
    async with FakeProvider(serve_bytes(body)) as provider:
        address = {"ANTHROPIC_BASE_URL": provider.base_url("anthropic"), "ANTHROPIC_API_KEY": "test-key"}
        ran = await run("ask", "Oslo?", "--to", "anthropic:m", PYTHONUTF8="1", **address)
    assert (ran.code, ran.out) == (0, "It is fine.\n")
    assert ran.err.splitlines()[:3] == [
        '⇢ web_search {"query": "Oslo"}',
        '⇠ web_search failed: {"type": "web_search_tool_result_error"}',
        "[1] A page https://a.test/x",
    ]


def test_files_are_saved_and_nothing_is_overwritten(tmp_path):
    """Free names, endings of the media type, readable by their owner only; a file of which only the place came is
    said."""
    (tmp_path / "answer-1.png").write_bytes(b"mine")
    files = [File("image/png", b"picture"), File("x/../../y", b"odd"), File("text/csv", id="file_1")]
    said = save_files(files, tmp_path)
    assert (tmp_path / "answer-1.png").read_bytes() == b"mine"
    assert (tmp_path / "answer-2.png").read_bytes() == b"picture"
    assert (tmp_path / "answer-2.png").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "answer-1.bin").read_bytes() == b"odd"
    assert "file_1" in said[2]


async def test_a_folder_that_is_none_is_said_before_anything_is_asked(provider):
    """What came would be lost if that were noticed at the end."""
    asked = await provider([HELLO])
    ran = await run("ask", "Hi", *TO, "--save", "/nowhere/at/all", **at(asked))
    assert (ran.code, asked.asked) == (exit_codes.MISUSED, [])
    assert "no folder" in ran.err


def test_many_sources_are_counted():
    """A search with hundreds of sources fills no screen."""
    lines = wording.footnotes([Source(f"https://a.test/{number}") for number in range(100)])
    assert (len(lines), lines[-1]) == (wording.FOOTNOTES + 1, "and 80 more sources")


async def test_files_pictures_and_a_schema_are_sent(tmp_path, provider):
    """A PDF and a picture go with the prompt; an answer that does not follow the schema is an error."""
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7 report")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "schema.json").write_text(
        '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
    )
    named = [f"--{option}={tmp_path / name}" for option, name in (("file", "report.pdf"), ("image", "x.png"))]
    asked = await provider([HEAD + delta(content='{"city": "Oslo"}') + finish()])
    ran = await run("ask", "Where?", *TO, *named, f"--schema={tmp_path / 'schema.json'}", **at(asked))
    assert (ran.code, ran.out) == (0, '{"city": "Oslo"}\n')
    [content] = [message["content"] for message in asked.asked[0]["messages"]]
    assert [part["type"] for part in content] == ["file", "image_url", "text"]
    assert asked.asked[0]["response_format"]["type"] == "json_schema"
    ran = await run("ask", "Where?", *TO, f"--schema={tmp_path / 'schema.json'}", **at(await provider([HELLO])))
    assert ran.code == exit_codes.BY_CATEGORY[ErrorCategory.RETRYABLE]
    assert "Object not as asked for" in ran.err


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("--file", None, "No such file"),
        ("--schema", b"{", "is no JSON"),
        ("--schema", b"[]", "is no schema"),
        ("--image", b"%PDF-1.7", "FilePart"),
    ],
)
async def test_a_file_that_does_not_fit_is_said_before_anything_is_asked(option, content, said, tmp_path, provider):
    """With its name and what is wrong."""
    path = tmp_path / "given"
    if content is not None:
        path.write_bytes(content)
    asked = await provider([HELLO])
    ran = await run("ask", "Hi", *TO, f"{option}={path}", **at(asked))
    assert (ran.code, asked.asked) == (exit_codes.MISUSED, [])
    assert said in ran.err.replace("\n", " ")


async def test_a_search_is_asked_for_where_there_is_one(provider):
    """With the provider's own word; a target that has none says so, and the next one is asked."""
    asked = await provider([HELLO])
    ran = await run("ask", "News?", "--to", "openai:m", "--to", "openrouter:m", "--search", **at(asked),
                    OPENROUTER_BASE_URL=asked.url, OPENROUTER_API_KEY="test-key")  # fmt: skip
    assert ran.code == 0
    assert "web" in json.dumps(asked.asked[-1])
