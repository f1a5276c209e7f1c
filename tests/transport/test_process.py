"""A program as a provider: it answers, and when it is closed nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import Client, RetryPolicy, StreamError, Target
from resilient_stream.contract import ProcessRequest, Sending
from resilient_stream.transport.process import READ_BUFFER, ProcessResponse, Programs

pytestmark = [
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc"),
]

QUICK = RetryPolicy(initial=0.001, maximum=0.002)

EVENTS = """
def say(**event): print(json.dumps(event), flush=True)
def piece(text): say(type="stream_event", event={"type": "content_block_delta", "index": 0,
                                                 "delta": {"type": "text_delta", "text": text}})
def result(**fields): say(**{"type": "result", "subtype": "success", "is_error": False, "result": "",
                             "usage": {"input_tokens": 9, "output_tokens": 2}, **fields})
asked = sys.stdin.read()
say(type="system", subtype="init", model="claude-test", session_id="s-1")
"""
HELLO = EVENTS + "piece('Hel'); piece('lo'); result()"
CHILD = EVENTS + "import subprocess; child = subprocess.Popen(['sleep', '600'], stdin=-3, stdout=-3, stderr=-3)\n"
HANGS = CHILD + "piece('Hel'); child.wait()"

Program = Callable[[str], Target]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a `claude` on PATH that runs this Python code, and gives a target for it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def install(code: str, **options: object) -> Target:
        path = tmp_path / "claude"
        path.write_text(f"#!{sys.executable}\nimport json, os, sys\nopen({str(tmp_path / 'pid')!r}, 'w')"
                        f".write(str(os.getpid()))\n{code}\n")  # fmt: skip
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return Target("claude-code:sonnet", **options)  # type: ignore[arg-type]

    return install


@pytest.fixture
async def programs() -> AsyncIterator[Programs]:
    """What starts programs; none is left at the end."""
    started = Programs()
    yield started
    await started.aclose()


async def group_is_gone(tmp_path: Path) -> bool:
    """Whether the program and all it started have ended; a moment is allowed for the kernel."""
    group = int((tmp_path / "pid").read_text())
    for _ in range(2000):
        if not living(group):
            return True
        await asyncio.sleep(0.005)
    return False


def living(group: int) -> list[str]:
    """The processes of a group that still run. Dead ones that nobody has collected yet do not count."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, its_group, *_ = rest.split()
        if int(its_group) == group and state not in "ZX":
            found.append(f"{name}) {state}")
    return found


async def test_a_program_answers(program: Program) -> None:
    """Text piece by piece, usage, model and the program's own id; complete after its result."""
    async with Client(program(HELLO)) as client:
        transcript = await client.complete("hi")
    assert (transcript.text, transcript.outcome) == ("Hello", "complete")
    assert (transcript.model, transcript.request_id, transcript.usage.output_tokens) == ("claude-test", "s-1", 2)
    assert transcript.finish_reason == "stop"


async def test_the_prompt_arrives_whole(program: Program) -> None:
    """A prompt larger than any pipe's buffer arrives whole, with the whole command line."""
    code = EVENTS + "piece(f'{len(asked)} {asked[-3:]} ' + ' '.join(sys.argv[1:])); result()"
    async with Client(program(code)) as client:
        transcript = await client.complete("x" * 300_000 + "end", system="Be short.")
    assert transcript.text.startswith("300003 end --print --output-format stream-json")
    assert "--model sonnet --tools" in transcript.text


async def test_breaking_off_ends_the_program_and_what_it_started(program: Program, tmp_path: Path) -> None:
    """After `break` no process of the group is left, children included."""
    async with Client(program(HANGS)) as client:
        async with client.stream("hi") as stream:
            async for chunk in stream:
                assert chunk.text == "Hel"
                break
        assert stream.transcript.outcome == "abandoned"
        assert await group_is_gone(tmp_path)


async def test_cancelling_ends_the_program(program: Program, tmp_path: Path) -> None:
    """A cancelled task leaves no process, and the partial answer is kept."""
    async with Client(program(HANGS)) as client:
        stream = client.stream("hi")
        task = asyncio.create_task(stream.collect())
        while not stream.transcript.text:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (stream.transcript.text, stream.transcript.outcome) == ("Hel", "cancelled")
    assert await group_is_gone(tmp_path)


async def test_a_closed_client_has_seen_its_programs_end(program: Program, tmp_path: Path) -> None:
    """Not even a dead process is left that nobody has collected, so a loop that ends then has nothing to warn of."""
    async with Client(program(HANGS)) as client:
        stream = client.stream("hi")
        assert (await anext(stream)).text == "Hel"
        stream.close()
        pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()
    assert client.transport._programs._running == set()


async def test_a_deadline_before_the_first_word_ends_the_program(program: Program, tmp_path: Path) -> None:
    """A program that says nothing is ended with the call."""
    async with Client(program("import time; time.sleep(600)")) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi", deadline=1)
    assert caught.value.kind == "deadline_exceeded"
    assert await group_is_gone(tmp_path)


async def test_what_a_program_leaves_behind_ends_with_it(program: Program, tmp_path: Path) -> None:
    """A child in the background does not outlive an answer."""
    async with Client(program(CHILD + "piece('Hello'); result()")) as client:
        assert (await client.complete("hi")).outcome == "complete"
    assert await group_is_gone(tmp_path), living(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (EVENTS + "result(is_error=True, result='Invalid API key · Please run /login')",
         "authentication", "Claude Code"),
        (EVENTS + "result(is_error=True, result='Credit balance is too low')", "insufficient_funds", "credit"),
        (EVENTS + "result(is_error=True, result='API Error: 529 {\"type\":\"error\",\"error\":"
                  "{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}')", "provider_overloaded", "capacity"),
        (EVENTS + "result(is_error=True, result='Claude AI usage limit reached|1749924000')",
         "quota_exhausted", "quota"),
        (EVENTS + "result(subtype='error_during_execution')", "server_error", "internal error"),
        (EVENTS, "stream_interrupted", "before its end"),
        ("sys.exit('error: unknown option --nope')", "client_config", "unknown option --nope"),
        ("", "client_config", "without any output"),
    ],
)  # fmt: skip
async def test_each_way_to_fail_has_its_name(program: Program, code: str, kind: str, said: str) -> None:
    """An error result, an end without one, and a complaint on standard error."""
    async with Client(program(code), retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi")
    assert caught.value.kind == kind
    assert said in caught.value.message


async def test_an_overloaded_program_is_run_again(program: Program, tmp_path: Path) -> None:
    """Retryable failures are retried, as with any provider."""
    code = EVENTS + (
        f"first = not os.path.exists({str(tmp_path / 'ran')!r})\nopen({str(tmp_path / 'ran')!r}, 'w')\n"
        "if first: result(is_error=True, result='API Error: 503 overloaded')\nelse: piece('Hello'); result()"
    )
    async with Client(program(code), retry=QUICK) as client:
        transcript = await client.complete("hi")
    assert (transcript.text, len(transcript.attempts)) == ("Hello", 2)


async def test_no_program_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without `claude` on PATH the error has the command to install it, and the next target is asked."""
    monkeypatch.setenv("PATH", str(tmp_path))
    async with Client("claude-code") as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi")
    assert caught.value.title == "Program not found"
    assert "npm install -g @anthropic-ai/claude-code" in caught.value.resolution
    assert caught.value.fallback


async def test_a_file_that_cannot_be_run_is_no_traceback(programs: Programs, tmp_path: Path) -> None:
    """Not a program: the operating system's reason is the answer."""
    path = tmp_path / "claude"
    path.write_text("no program")
    path.chmod(0o755)
    output = await programs.run(ProcessRequest(command=(str(path),), stdin=b""), Sending())
    assert output.status == 500
    assert b"format" in await output.read()


async def test_a_program_waits_for_its_reader(programs: Programs) -> None:
    """Output that nobody reads does not fill the memory; all of it arrives in the end."""
    code = "import sys; sys.stdin.read(); sys.stdout.write('x' * 5_000_000)"
    output = await programs.run(ProcessRequest(command=(sys.executable, "-c", code), stdin=b"go"), Sending())
    await asyncio.sleep(0.05)
    assert len(output._output) < 2 * READ_BUFFER + 256 * 1024
    total = 0
    while data := await output.read():
        total += len(data)
    output.close()
    assert total == 5_000_000


async def test_an_interrupted_read_raises_now(programs: Programs) -> None:
    """`interrupt` wakes a pending read with its error."""
    output = await programs.run(ProcessRequest(command=("sh", "-c", "echo a; sleep 600"), stdin=b""), Sending())
    assert await output.read() == b"a\n"
    pending = asyncio.create_task(output.read())
    await asyncio.sleep(0)
    output.interrupt(ValueError("enough"))
    with pytest.raises(ValueError, match="enough"):
        await pending


def test_a_response_before_its_program_runs_can_be_closed() -> None:
    """Closing is idempotent and needs nothing to be there."""
    ProcessResponse().close()


SEEN = (
    EVENTS
    + """
words = sys.argv
file = words[words.index('--system-prompt-file') + 1] if '--system-prompt-file' in words else ''
mode = oct(os.stat(file).st_mode)[-3:] + ' ' + oct(os.stat(os.path.dirname(file)).st_mode)[-3:] if file else ''
told = {'words': words, 'file': file, 'mode': mode, 'system': open(file).read() if file else '',
        'environment': dict(os.environ), 'asked': asked[-40:]}
piece(json.dumps(told)); result()
"""
)


async def seen_by(target: Target, prompt: str = "hi", **options: str) -> dict[str, Any]:
    """What the program was given."""
    async with Client(target, retry=RetryPolicy.off()) as client:
        return dict(json.loads((await client.complete(prompt, **options)).text))


async def test_no_prompt_is_in_the_command_line(program: Program) -> None:
    """All users of a machine can see it. The system prompt is in a private file, which is gone when the answer is."""
    seen = await seen_by(program(SEEN), "secret prompt", system="secret rules " * 20_000)
    assert "secret" not in " ".join(seen["words"])
    assert (seen["system"], seen["asked"]) == ("secret rules " * 20_000, "secret prompt")
    assert seen["mode"] == "600 700"
    assert not Path(seen["file"]).parent.exists()


@pytest.mark.parametrize("ending", ["close", "cancel", "failure", "no program"])
async def test_the_private_file_is_removed_however_it_ends(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """Left, cancelled, failed or never started."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = {"failure": "sys.exit('no')", "no program": ""}.get(ending, HANGS)
    target = program(code)
    if ending == "no program":
        (tmp_path / "claude").write_text("no program")
    async with Client(target, retry=RetryPolicy.off()) as client:
        stream = client.stream("hi", system="Be short.")
        if ending in ("failure", "no program"):
            with pytest.raises(StreamError):
                await anext(stream)
        else:
            await anext(stream)
            assert list(tmp_path.glob("resilient-stream-*/*"))
        task = asyncio.create_task(stream.collect()) if ending == "cancel" else None
        await asyncio.sleep(0)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        stream.close()
        assert not list(tmp_path.glob("resilient-stream-*"))


async def test_the_program_gets_the_variables_that_it_needs(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name: no key of another provider's; a cloud's only where the program is to use that cloud."""
    given = {"OPENAI_API_KEY": "a", "AWS_SECRET_ACCESS_KEY": "b", "ANTHROPIC_MODEL": "c", "https_proxy": "http://d",
             "LC_ALL": "C.UTF-8", "MY_OWN": "f", "GITHUB_TOKEN": "g"}  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    environment = (await seen_by(program(SEEN)))["environment"]
    assert set(given) & set(environment) == {"ANTHROPIC_MODEL", "https_proxy", "LC_ALL"}
    assert "PATH" in environment
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    environment = (await seen_by(program(SEEN, environment=("MY_*",))))["environment"]
    assert set(given) - set(environment) == {"OPENAI_API_KEY", "GITHUB_TOKEN"}


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("a\0b", {}, "a NUL"),
        ("a\ud83d", {}, "half a character"),
        ("m" * 200_000, {}, "longer than"),
        ("m", {"arguments": ["--x", "y" * 200_000]}, "longer than"),
        ("m", {"arguments": ["a\0"]}, "a NUL"),
        ("m", {"tools": "\udfff"}, "half a character"),
    ],
)
async def test_a_command_that_no_system_can_run_is_refused(
    program: Program, model: str, options: dict[str, Any], said: str
) -> None:
    """Before anything is started, in words that do not repeat it."""
    program(HELLO)
    async with Client(Target(f"claude-code:{model}", **options), retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError, match=said) as caught:
            await client.complete("hi")
    assert caught.value.kind == "client_config"
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("text", ["a\0b", "half \ud83d", "x" * 300_000])
async def test_any_prompt_reaches_the_program(program: Program, text: str) -> None:
    """NUL, half a character, or a long text, as a prompt and as a system prompt: they are in no command line."""
    seen = await seen_by(program(SEEN), text, system=text)
    assert len(seen["system"]) == len(text)
