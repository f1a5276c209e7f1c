"""How the command line is asked for help, and how it answers what it cannot do: in one style, with what was meant."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from resilient_stream import __version__
from resilient_stream.chunks import Usage
from resilient_stream.cli import exit_codes, wording
from resilient_stream.cli.app import app
from resilient_stream.kinds import KINDS, TEXTS
from resilient_stream.transcript import Attempt, Transcript

from .conftest import HEAD, delta, environment, finish, run

COMMANDS = [command.callback.__name__ for command in app.registered_commands if command.callback]


async def test_version_is_said() -> None:
    """`--version` prints the version and nothing else."""
    ran = await run("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"resilient-stream {__version__}\n", "")


def test_the_package_is_a_command() -> None:
    """`python -m resilient_stream`, where the script is not on the PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "resilient_stream", "--version"], capture_output=True, text=True, env=environment()
    )
    assert done.stdout == f"resilient-stream {__version__}\n"


@pytest.mark.parametrize("command", [None, *COMMANDS])
@pytest.mark.parametrize("columns", [50, 80, 120])
def test_help_is_for_people(command: str | None, columns: int) -> None:
    """No types, no braces, nothing cut; within the terminal's width."""
    asked = CliRunner().invoke(app, [*([command] if command else []), "--help"], terminal_width=columns)
    assert asked.exit_code == 0
    assert not re.search(r"<\w+|\{|\w\.\.\.$|…", asked.output, re.MULTILINE)
    assert max(map(len, asked.output.splitlines())) <= columns


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "Hi", "--bogus"), "Error: ask has no option --bogus"),
        (("ask",), "Error: Missing argument 'PROMPT'."),
        (("ask", ""), "Error: the prompt is empty"),
        (("demo", " "), "Error: the prompt is empty"),
        (("ask", "Hi", "--deadline", "-1"), "Error: deadline must be a number of at least 0, not -1.0"),
        (("ask", "Hi", "--to", "gpt-5-mini"), "Error: no provider is called 'gpt-5-mini'. It looks like a model: write "
         '"openai:gpt-5-mini"'),
        (("chat", "--to", "openai/gpt-5-mini"), "Error: no provider is called 'openai/gpt-5-mini'. Use a colon: "
         '"openai:gpt-5-mini"'),
        (("ask", "Hi", "--to", "nobody:x"), "Error: no provider is called 'nobody'. `resilient-stream providers` lists "
         "all "),
        (("explain", "429", "--provider", "nobody"), "Error: no provider is called 'nobody'."),
    ],
)  # fmt: skip
async def test_wrong_usage_is_said_in_one_style(arguments: tuple[str, ...], said: str) -> None:
    """`Error: …` with what was meant, on one line, and nothing about targets in front of it."""
    ran = await run(*arguments)
    assert (ran.code, ran.out) == (exit_codes.MISUSED, "")
    last = ran.err.splitlines()[-1]
    assert last.startswith(said)
    assert len(last) < 200
    assert "No provider's key" not in ran.err


OPTIONS = [
    (name, option.opts[0])
    for name, command in [(None, get_command(app)), *get_command(app).commands.items()]
    for option in command.params
    if option.opts[0].startswith("--")
]


def complaint(command: str | None, *arguments: str) -> str:
    """What is said of an option that there is not."""
    asked = CliRunner().invoke(app, [*([command] if command else []), *arguments])
    assert asked.exit_code == exit_codes.MISUSED
    return asked.output.splitlines()[-1]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_an_option_that_is_nearly_right_is_answered_with_what_was_meant(command: str | None, option: str) -> None:
    """Of each command and of all together: one letter more, a value, capitals, underscores, one dash less."""
    spelt = {option + option[-1], option + "s=3", option.upper(), "--" + option[2:].replace("-", "_") + "_"}
    if not option.startswith("--h"):  # one dash less asks for help
        spelt |= {option[1:], option[1:] + "=3"}
    for wrong in spelt:
        said = f"Error: {command or 'root'} has no option {wrong.partition('=')[0]}: did you mean {option}?"
        assert complaint(command, wrong) == said


def test_every_command_has_its_options_answered() -> None:
    """None is left out: a command that is added later needs the class, too."""
    assert {command for command, _ in OPTIONS} >= {None, *COMMANDS} - {"demo"}
    assert complaint("demo", "--hepl") == "Error: demo has no option --hepl: did you mean --help?"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--temprature", "0.2"), "--temprature: did you mean --temperature?"),
        (("--temprature=0.2",), "--temprature: did you mean --temperature?"),
        (("-t", "openai:m"), "-t"),
        (("--no", "openai:m"), "--no"),
        (("--key", "sk-secret"), "--key"),
        (("-ksk-secret",), "-k"),
        (("--aB3dE6gH9jK2mN5pQ8",), "***"),
        (("--\x1b[2Jsystm",), "--systm: did you mean --system?"),
    ],
)
def test_of_an_option_only_what_is_harmless_is_shown(arguments: tuple[str, ...], said: str) -> None:
    """No value, no key in the place of a name, nothing that steers the terminal, and no far guess."""
    assert complaint("ask", "Hi", *arguments) == f"Error: ask has no option {said}"


async def test_doctor_names_what_was_meant() -> None:
    """Its table and its advice have the same words."""
    ran = await run("doctor", "gpt-5-mini")
    assert 'write "openai:gpt-5-mini"' in " ".join(ran.out.split())


async def test_a_notice_in_the_same_pipe_has_a_line_of_its_own(provider) -> None:
    """`ask … 2>&1 | tee`: what is said in the middle of an answer does not stand on the answer's line."""
    upstream = await provider([HEAD, delta(content="Half an")], [HEAD, delta(content="Half an answer"), finish()])
    process = subprocess.Popen(
        [sys.executable, "-m", "resilient_stream.cli", "ask", "Hi", "--to", "openai:m"], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(OPENAI_BASE_URL=upstream.url),
    )  # fmt: skip
    shown, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert shown.startswith("Half an\nopenai:m  Answer cut off")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([(1, 3, 2)], "3 tokens in, 2 out"),
        ([(1, 3, 2), (1, 5, 4)], "8 tokens in, 6 out"),
        ([(1, None, None), (1, 5, 4)], "at least 5 tokens in, 4 out"),
        ([(0, None, None), (1, 5, 4)], "5 tokens in, 4 out"),
    ],
)
def test_tokens_are_those_of_all_requests(counts: list[tuple[int, int | None, int | None]], said: str) -> None:
    """One that was cut before its provider had counted it makes the sum a least one; a refused one costs nothing."""
    transcript = Transcript()
    transcript.attempts = [
        Attempt(
            target="a:m", model="m", started=1.0, chunks=chunks,
            usage=None if given is None else Usage(input_tokens=given, output_tokens=out, certainty="exact"),
        )
        for chunks, given, out in counts
    ]  # fmt: skip
    last = transcript.attempts[-1].usage
    assert last is not None
    transcript._receive([last])
    assert wording.summary(transcript).split(" · ")[0] == said


def test_advice_for_programmers_is_translated() -> None:
    """Each phrase is one of the texts', still; and what a command's user reads names no parameter of the library."""
    resolutions = [" ".join(row.resolution) for row in (*KINDS.values(), *TEXTS.values())]
    for phrase, _ in wording.IN_CODE:
        assert any(phrase in resolution for resolution in resolutions), phrase
    shown = " ".join(map(wording.for_a_prompt, resolutions))
    assert not re.search(r"api_key|base_url|\bRecovery\b", shown)
