"""An object streamed into a table of the terminal, row by row, as the model writes it.

    python object_table.py                                  the small local model, by a schema that it cannot leave
    python object_table.py openai:gpt-5-mini                any other target
    python object_table.py local --wrong                    no schema is enforced: the complaint, the next try

It shows three things: `stream(output=…).objects()` for what grows, `transcript.output` for what is whole, and
`complete(output=…)` for an answer that has to be right.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import nullcontext

from pydantic import BaseModel, Field
from rich.console import Console
from rich.live import Live
from rich.table import Table

from resilient_stream import Client, StreamError
from resilient_stream.events import AttemptFailed, Event, RetryScheduled

PROMPT = "Give me a list of three cities, each with its country and the number of people who live there."


class City(BaseModel):
    """One row."""

    name: str
    country: str
    people: int = Field(ge=0)


class Cities(BaseModel):
    """The answer."""

    cities: list[City] = Field(min_length=3, max_length=3)


def table(found: Cities | None) -> Table:
    """Draw the rows that are there. What has not come yet is None, and shown as dots."""
    drawn = Table("city", "country", "people", width=64)
    for city in (found.cities or []) if found is not None else []:
        people = "…" if city.people is None else f"{city.people:,}"
        drawn.add_row(city.name or "…", city.country or "…", people)
    return drawn


async def grow(client: Client, console: Console) -> None:
    """Show the object as it grows. In a file each state is a table of its own."""
    stream = client.stream(PROMPT, output=Cities, temperature=0, max_tokens=300)
    live = Live(table(None), console=console, auto_refresh=False) if console.is_terminal else None
    with live or nullcontext():
        async for cities in stream.objects():
            if live is not None:
                live.update(table(cities), refresh=True)
            else:
                console.print(table(cities))
    console.print("whole:", stream.transcript.output)


def watch(event: Event) -> None:
    """Say what was wrong with an answer, and that it is asked for anew."""
    if isinstance(event, AttemptFailed):
        print(f"not as asked for: {event.error.message}")
    elif isinstance(event, RetryScheduled):
        print(f"asked again ({event.attempt + 1} of {event.attempts})")


async def insist(target: str, console: Console) -> None:
    """Ask a model that is not made to follow the schema, until its answer fits or it was asked often enough."""
    free = {"response_format": None}  # takes the schema out of the request: the model is only told in words
    async with Client(target, on_event=watch) as client:
        try:
            transcript = await client.complete(
                f"{PROMPT} Answer in JSON.", output=Cities, extra=free, temperature=0, max_tokens=120, deadline=120
            )
            console.print("whole:", transcript.output)
        except StreamError as error:
            console.print(f"[bold]{error.title}[/bold]: {error.message} {error.resolution}", highlight=False)
            kept = error.transcript
            if kept is not None:
                console.print(f"{len(kept.attempts)} answers; the last one: {kept.text[:200]!r}", highlight=False)


async def main() -> None:
    """Run one of the two shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", default="local")
    parser.add_argument("--wrong", action="store_true", help="do not enforce the schema")
    chosen, console = parser.parse_args(), Console(width=100)
    if chosen.wrong:
        await insist(chosen.target, console)
        return
    async with Client(chosen.target) as client:
        await grow(client, console)


if __name__ == "__main__":
    asyncio.run(main())
