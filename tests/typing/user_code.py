"""The code of an application, as type checkers see it. Nothing here is run; see `test_types`.

Every policy, every option and every way to read an answer is here once, with the types that a user would write.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Unpack

from pydantic import BaseModel, Field, TypeAdapter

from resilient_stream import (
    AllTargetsFailed,
    Attempt,
    Breaker,
    Client,
    ContextError,
    Conversation,
    DeadlineExceeded,
    ErrorKind,
    Finished,
    FunctionCall,
    Hedge,
    History,
    ImagePart,
    Incomplete,
    Limits,
    Message,
    PermanentError,
    Prompt,
    RateLimited,
    Recovery,
    ResourceError,
    RetryableError,
    RetryBudget,
    RetryPolicy,
    Seam,
    StreamError,
    StreamOptions,
    Target,
    Telemetry,
    TextDelta,
    TextPart,
    Timeouts,
    Tool,
    ToolCall,
    ToolResult,
    Transcript,
    TurnOptions,
    TurnStarted,
    Usage,
)
from resilient_stream.events import Event, FellBack, RetryScheduled

# -- policies: one field at a time, all of them, none -------------------------------------------

policies = [
    (RetryPolicy(), Timeouts(), Recovery(), Limits(), RetryBudget(), Telemetry(), Hedge(), Breaker()),
    (RetryPolicy.off(), Recovery.off(), RetryBudget.off()),
    (RetryPolicy(attempts=3), RetryPolicy(initial=0), RetryPolicy(max_elapsed=None), RetryPolicy(jitter=0.5)),
    (Timeouts(connect=5), Timeouts(first_content=900), Timeouts(stall=None), Timeouts(total=60), Timeouts(consumer=1)),
    (Recovery(methods=("replay",)), Recovery(max_continuations=1)),
    (Limits(max_concurrency=4), Limits(max_event_bytes=1 << 20), Limits(max_rss_bytes=None)),
    (RetryBudget(ratio=0.1), RetryBudget(reserve=5)),
    (Telemetry(content=True), Telemetry(enabled=False), Telemetry(propagate=True, tracer_provider=object())),
    (Hedge(after=1.0), Hedge(extra=2), Breaker(failure_rate=0.2), Breaker(window=10, open_for=5, min_calls=3)),
]
all_retry = RetryPolicy(attempts=5, initial=1, maximum=30, max_elapsed=120, jitter=0.1, max_retry_after=60)
attempts: int = all_retry.attempts
patience: float | None = Timeouts().stall


# -- targets and clients ------------------------------------------------------------------------


async def fresh_key() -> str:
    """A key that rotates."""
    return "key"


def watch(event: Event) -> None:
    """Each event has its own fields."""
    if isinstance(event, RetryScheduled):
        wait: float = event.wait
        print(wait)
    elif isinstance(event, FellBack):
        print(event.source, event.target, event.error.kind)


target = Target(
    "openai:gpt-5-mini", api_key=fresh_key, base_url="https://example.com/v1", headers={"x": "y"}, weight=2,
    timeouts=Timeouts(stall=10), limits=Limits(max_concurrency=2), terminal="eof_ok",
)  # fmt: skip
client = Client(
    target, "anthropic:claude-haiku-4-5", retry=all_retry, timeouts=Timeouts(total=60), recovery=Recovery.off(),
    limits=Limits(max_concurrency=4), budget=RetryBudget(ratio=0.1), telemetry=Telemetry(content=True),
    on_event=watch, record="session.rec",
)  # fmt: skip


# -- asking -------------------------------------------------------------------------------------


class City(BaseModel):
    """What the answer has to be."""

    name: str


def ended(transcript: Transcript) -> None:
    """Called once."""
    print(transcript.outcome)


async def every_option() -> Transcript:
    """All options of a call, given to the three methods that take them."""
    options: StreamOptions = {
        "system": "Be brief.", "tools": [Tool(name="look"), {"name": "see"}], "tool_choice": "auto", "output": City,
        "max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "seed": 1, "reasoning": "low",
        "extra": {"user": "42"}, "to": [target, "local"], "deadline": 30, "timeouts": Timeouts(stall=5),
        "recovery": Recovery.off(), "on_end": ended, "metadata": {"tenant": 1},
    }  # fmt: skip
    client.stream("Hi", **options).close()
    async with client.scope(deadline=10) as scope:
        async for chunk in scope.stream("Hi", **options):
            print(chunk.text)
        print(scope.report().complete)
    return await client.complete("Hi", **options)


async def ask(question: Prompt, **options: Unpack[StreamOptions]) -> str:
    """A function of one's own that passes options on."""
    return (await client.complete(question, **options)).text


async def prompts() -> None:
    """Every form of a prompt."""
    picture = ImagePart(url="https://example.com/a.png", detail="low")
    await ask("Hi", max_tokens=5, deadline=3)
    await ask(Message(role="user", content="Hi"))
    await ask([{"role": "user", "content": "Hi"}])
    await ask([Message(role="user", content=[TextPart(text="What is this?"), picture])])
    await ask([Message(role="user", content=[{"type": "text", "text": "Hi"}]), {"role": "user", "content": "Hi"}])
    call = FunctionCall(id="1", name="look")
    await ask([Message(role="assistant", tool_calls=[call]), Message(role="tool", tool_call_id="1", content="sun")])
    await client.complete("Hi", to="local", stop="END", output={"type": "object"}, reasoning=1000)


async def talk() -> None:
    """A history of dicts and messages."""
    history: History = [{"role": "user", "content": "My name is Ada."}]
    answer = await client.complete(history)
    history += answer.as_history()
    history.append({"role": "user", "content": "What is my name?"})
    again: Transcript = await client.complete(history)
    await client.complete([*again.as_history(), {"role": "user", "content": "And yours?"}])


# -- reading ------------------------------------------------------------------------------------


async def read() -> None:
    """Chunks, texts, and the transcript."""
    async with client.stream("Hi", deadline=3) as stream:
        async for chunk in stream:
            match chunk:
                case TextDelta(text=text):
                    print(text)
                case ToolCall():
                    print(chunk.name, chunk.parsed)
                case Seam():
                    print(chunk.source, chunk.target)
                case Usage():
                    print(chunk.output_tokens)
                case Finished():
                    print(chunk.reason)
                case _:
                    print(chunk.type)
    transcript = stream.transcript
    tries: tuple[Attempt, ...] = tuple(transcript.attempts)
    tokens: int | None = transcript.usage.output_tokens
    print(tries, tokens, transcript.time_to_first_chunk, transcript.to_dict())
    pieces: list[str] = [text async for text in client.stream("Hi").texts()]
    await objects()
    print("".join(pieces))


async def objects() -> None:
    """Every type that an answer may be asked for, without a cast."""
    city: City = (await client.complete("Hi", output=City)).output
    cities: list[City] = (await client.complete("Hi", output=list[City])).output
    found = await client.complete("Hi", output={"type": "object", "properties": {"a": {"type": "string"}}})
    name: str = found.output["a"]
    await client.complete("Hi", output=City | None)
    await client.complete("Hi", output=Annotated[int, Field(ge=1)])
    await client.complete("Hi", output=Literal["yes", "no"])
    await client.complete("Hi", output=TypeAdapter(tuple[int, str]))
    async for growing in client.stream("Hi", output=City).objects():
        print(growing.name, city.name, cities, name)
    async with client.scope() as scope:
        scope.stream("Hi", output=City)
    conversation = client.converse("Hi", output=City)
    last: City = (await conversation.collect()).output
    print(last.name, conversation.output)


async def catch() -> str:
    """Errors, from the narrow to the wide, with what they carry."""
    try:
        return (await client.complete("Hi")).text
    except RateLimited as error:
        return f"{error.retry_after or 1:.0f} s"
    except AllTargetsFailed as error:
        return ", ".join(f"{each.target}: {each.kind.value}" for each in error.errors)
    except RetryableError as error:
        again: Exception = copy.copy(error)
        return f"{error.title}: {again}"
    except PermanentError as error:
        return error.resolution if error.code != "outputs_missing" else error.code
    except DeadlineExceeded as error:
        return error.transcript.text if error.transcript else ""
    except (ContextError, ResourceError) as error:
        return error.message
    except StreamError as error:
        refused: bool = error.kind is ErrorKind.REFUSAL
        partial = Transcript.of(error)
        return partial.text if partial is not None and not refused else str(error.to_dict())


# -- conversations ------------------------------------------------------------------------------


async def weather(city: str, days: int = 1) -> dict[str, object]:
    """The weather in a city."""
    return {"city": city, "days": days}


def add(one: int, other: int) -> int:
    """A sum."""
    return one + other


async def help_it_on(incomplete: Incomplete) -> str | None:
    """Asked when outputs are missing."""
    return incomplete.message or None


async def converse(turn: TurnOptions, history: Sequence[Message]) -> None:
    """Functions, outputs, a prompt, and the options of every turn."""
    conversation: Conversation = client.converse(
        history, tools=[weather, add, Tool(name="confirm")], outputs=[City], on_incomplete=help_it_on, max_turns=3,
        deadline=60, max_tokens=100, temperature=0, system="Be brief.", to="local",
    )  # fmt: skip
    async for chunk in conversation:
        if isinstance(chunk, TurnStarted):
            print(chunk.number)
        elif isinstance(chunk, ToolResult):
            print(chunk.name, chunk.content)
        print(chunk.text)
    record = await client.converse(conversation.history, outputs={"city": City}, **turn).collect()
    handed_in: dict[str, Any] = dict(record.outputs)
    print(record.history, record.usage.input_tokens, handed_in)
