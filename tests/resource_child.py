"""A process with little memory, or few files, that uses the client; run by tests/test_resources.py.

    python -m tests.resource_child memory URL MIB [whole|falls_back|streamed]
    python -m tests.resource_child files URL OTHER_URL THIRD_URL [idle|full]

The limit is the operating system's (setrlimit), and the output is one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import zlib
from typing import Any

from resilient_stream import Client, RetryPolicy, Stream, StreamError, Target
from resilient_stream.events import Event, FellBack

MIB = 1024 * 1024


def status_of(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name + ":"))


def target(url: str, **options: Any) -> Target:
    """OpenAI's dialect, spoken there."""
    return Target("openai:m", base_url=url, api_key="test", **options)


async def read(stream: Stream) -> dict[str, Any]:
    """Take every chunk, keep none; how much it was, and how it ended."""
    size = check = 0
    try:
        async for chunk in stream:
            data = chunk.text.encode()
            size += len(data)
            check = zlib.crc32(data, check)
    except StreamError as error:
        stream.close()
        return {"bytes": size, "crc32": check, "outcome": stream.transcript.outcome, "error": str(error)}
    return {"bytes": size, "crc32": check, "outcome": stream.transcript.outcome, "error": None}


async def memory(url: str, limit: int, way: str) -> dict[str, Any]:
    """An answer that is larger than all the memory that this process may have."""
    happened: list[Event] = []
    there = target(url, **({} if way == "falls_back" else {"stream": way == "streamed"}))
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    async with Client(there, on_event=happened.append) as client:
        stream = client.stream("hi")
        found = await read(stream)
        return {
            **found,
            "limit": limit,
            "peak_address_space": status_of("VmPeak"),
            "peak_rss": status_of("VmHWM"),
            "fell_back": [event.error.kind.value for event in happened if isinstance(event, FellBack)],
            "transcript": sum(len(chunk.text) for chunk in stream.transcript.chunks),
            "omitted": stream.transcript.omitted,
        }


async def files(url: str, other: str, third: str, way: str) -> dict[str, Any]:
    """As many files open as may be: eight of them idle connections, or none that could go."""
    async with Client(target(other), target(third), retry=RetryPolicy(initial=0.05)) as client:
        await asyncio.gather(*(client.complete("hi", to=target(url)) for _ in range(8)))
        await asyncio.sleep(0.05)
        if way == "full":
            client.transport.close_idle()
            await asyncio.sleep(0.05)
        held = no_more_files()
        stream = client.stream("hi")
        found = await read(stream)
        for file in held:
            file.close()
        attempts = stream.transcript.attempts
        return {
            **found,
            "limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "attempts": [each.error.kind.value if each.error else "answered" for each in attempts],
        }


def no_more_files() -> list[Any]:
    """Fill every gap among the open files, and forbid the next one."""
    highest = max(map(int, os.listdir("/proc/self/fd")))
    held: list[Any] = []
    while not held or held[-1].fileno() <= highest:
        held.append(open(os.devnull))  # noqa: SIM115
    limit = held[-1].fileno() + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return held


def main(what: str, *arguments: str) -> None:
    """Run one of the two, and say how it went."""
    if what == "memory":
        url, limit, way = arguments
        found = asyncio.run(memory(url, int(limit) * MIB, way))
    else:
        found = asyncio.run(files(*arguments))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
