"""What does a chunk cost on its way through the gateway, beside LiteLLM's proxy?

    python -m benchmarks.gateway [--rounds 5] [--litellm PATH/TO/litellm] [--out docs/benchmarks]

One process plays a provider of chat completions: answers of 500 chunks, all at once or one every two milliseconds. Each
gateway is a process of its own in front of it, with one target and without retries that could fire. Six clients read
at once. What is compared is the processor time of the gateway's process, by the operating system's count, divided by
the chunks that passed; the rounds are interleaved. LiteLLM is wanted in an environment of its own:
pip install 'litellm[proxy]'. Without it only ours is measured. Writes gateway.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
from aiohttp import web

CHUNKS, READERS, ANSWERS = 500, 6, 24
KEY = "sk-not-a-key-of-anybody-0123456789"
TICK = os.sysconf("SC_CLK_TCK")
SHAPES = {"at once": 0.0, "one every 2 ms": 0.002}
ASK = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


class Measured(NamedTuple):
    """One gateway in one round. cpu: microseconds of its process for each chunk."""

    gateway: str
    shape: str
    cpu: float


HEAD = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"fake"'


def event(number: int) -> bytes:
    """One chunk of a chat completion, as OpenAI sends it."""
    said = f'{{"index":0,"delta":{{"content":"word{number} "}},"finish_reason":null}}'
    return (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"fake","choices":[%b]}\n\n'
        % (said.encode())
    )


END = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"fake",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


async def answer(request: web.Request) -> web.StreamResponse:
    """Play an answer; the model's name says how fast."""
    asked = await request.json()
    pause = TICKS.get(asked["model"], 0.0)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for number in range(CHUNKS):
        await response.write(event(number))
        if pause:
            await asyncio.sleep(pause)
    await response.write(END)
    return response


TICKS = {"fake": 0.0, "fake-slow": 0.002}


@contextmanager
def provider() -> Iterator[str]:
    """The provider, in a thread with a loop of its own."""
    started, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    found: list[str] = []

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        started.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    started.wait()
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def ours(base_url: str, port: int, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command of our gateway."""
    models = [f"--model={name}=openai:{name}" for name in TICKS]
    command = [sys.executable, "-m", "resilient_stream", "serve", *models, "--port", str(port)]
    return command, {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "k" * 20, "RESILIENT_STREAM_SERVE_KEYS": KEY}


def litellm(base_url: str, port: int, folder: Path, program: str) -> tuple[list[str], dict[str, str]]:
    """The command of LiteLLM's proxy."""
    rows = "".join(
        f"  - model_name: {name}\n    litellm_params:\n      model: openai/{name}\n"
        f"      api_base: {base_url}\n      api_key: {'k' * 20}\n"
        for name in TICKS
    )
    config = folder / "litellm.yaml"
    config.write_text(f"model_list:\n{rows}litellm_settings:\n  telemetry: false\n  num_retries: 0\n")
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return command, {"LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@asynccontextmanager
async def running(command: list[str], variables: dict[str, str], port: int) -> AsyncIterator[int]:
    """A gateway; gives its process's number when it answers."""
    process = subprocess.Popen(  # noqa: ASYNC220 (nothing else runs yet)
        command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession() as session:
            await _until_it_answers(session, port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


async def _until_it_answers(session: aiohttp.ClientSession, port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit(f"the gateway ended with {process.returncode}")
        try:
            async with session.get(f"http://127.0.0.1:{port}/health"):
                return
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
    raise SystemExit("the gateway does not answer")


def cpu_of(process: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def read(session: aiohttp.ClientSession, port: int, model: str) -> None:
    """Read one answer; it must be whole."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with session.post(
        f"http://127.0.0.1:{port}/v1/chat/completions", json={**ASK, "model": model}, headers=headers
    ) as response:
        body = await response.read()
    if body.count(b'"content":"word') + body.count(b'"content": "word') != CHUNKS or b"[DONE]" not in body:
        raise SystemExit(f"not a whole answer: {response.status} {body[:300]!r}")


async def load(port: int, model: str, answers: int) -> None:
    """Read so many answers, some at a time."""
    async with aiohttp.ClientSession() as session:
        waiting = asyncio.Semaphore(READERS)

        async def one() -> None:
            async with waiting:
                await read(session, port, model)

        await asyncio.gather(*(one() for _ in range(answers)))


async def measure(rounds: int, program: str | None) -> list[Measured]:
    """Measure each gateway in each shape, in turns."""
    found: list[Measured] = []
    with provider() as base_url, tempfile.TemporaryDirectory() as folder:
        port, other = free_port(), free_port()
        command, variables = ours(base_url, port, Path(folder))
        async with running(command, variables, port) as mine:
            gateways = {"resilient-stream serve": (port, mine)}
            if program is None:
                return await _rounds(rounds, gateways)
            command, variables = litellm(base_url, other, Path(folder), program)
            async with running(command, variables, other) as theirs:
                found = await _rounds(rounds, {**gateways, "LiteLLM proxy": (other, theirs)})
    return found


async def _rounds(rounds: int, gateways: dict[str, tuple[int, int]]) -> list[Measured]:
    found = []
    for number in range(rounds + 1):  # the first one warms up
        for (shape, _), model in zip(SHAPES.items(), TICKS, strict=True):
            for name, (port, process) in gateways.items():
                before = cpu_of(process)
                await load(port, model, ANSWERS)
                spent = 1e6 * (cpu_of(process) - before) / (ANSWERS * CHUNKS)
                print(f"round {number}  {name:24} {shape:16} {spent:8.1f} us a chunk", flush=True)
                found += [Measured(name, shape, spent)] if number else []
    return found


def version_of(program: str | None) -> str:
    """LiteLLM's version."""
    if program is None:
        return ""
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    return said.strip().rpartition(" ")[2]


def page(found: list[Measured], version: str) -> str:
    """The report."""
    lines = ["| | " + " | ".join(SHAPES) + " |", "|---|" + "---:|" * len(SHAPES)]
    names = list(dict.fromkeys(each.gateway for each in found))
    for name in names:
        cells = [_cell([each.cpu for each in found if (each.gateway, each.shape) == (name, shape)]) for shape in SHAPES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if len(names) == 2:
        shares = [_share(found, names, shape) for shape in SHAPES]
        lines.append("| LiteLLM's time for each of ours | " + " | ".join(shares) + " |")
    said = f" LiteLLM {version}." if version else ""
    return (
        "# What a chunk costs in the gateway\n\n"
        "Microseconds of processor time of the gateway's process for each chunk of an answer: median, least and most "
        f"of the rounds.{said} Answers of {CHUNKS} chunks, {READERS} at a time, loopback, the same provider for both, "
        "interleaved rounds. Both run as they come: ours keeps its breakers and metrics, LiteLLM its callbacks.\n\n"
        + "\n".join(lines)
        + "\n\nMade by `python -m benchmarks.gateway`.\n"
    )


def _cell(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} - {max(values):.1f})"


def _share(found: list[Measured], names: list[str], shape: str) -> str:
    mine, theirs = (
        statistics.median(each.cpu for each in found if (each.gateway, each.shape) == (name, shape)) for name in names
    )
    return f"{theirs / mine:.1f}x"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--litellm", default=shutil.which("litellm"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    given = parser.parse_args()
    found = asyncio.run(measure(given.rounds, given.litellm or None))
    (given.out / "gateway.md").write_text(page(found, version_of(given.litellm or None)))
    print((given.out / "gateway.md").read_text())


if __name__ == "__main__":
    main()
