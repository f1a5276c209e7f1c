"""`batch`: the command from start to end, killed and stopped in the middle, and what it shows."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import signal
import sys
import termios
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from resilient_stream.batch import Counts, Result, Row, ended_line, progress_line
from resilient_stream.chunks import Usage
from resilient_stream.cli import exit_codes
from resilient_stream.cli.batch.command import batch
from resilient_stream.cli.batch.view import bar
from resilient_stream.testing import End, FakeProvider, ReceivedRequest, Sleep, Stall, Status, Text
from resilient_stream.testing.steps import Script
from resilient_stream.transcript import Transcript

from .conftest import Ran, begin, end, environment, run

TO = ("--to", "openai:some-model")


def at(provider: FakeProvider) -> dict[str, str]:
    """The environment that leads `openai:` to this provider."""
    return {"OPENAI_BASE_URL": provider.base_url("openai"), "OPENAI_API_KEY": "test-key", "PYTHONUTF8": "1"}


def echo(request: ReceivedRequest) -> Script:
    """Repeat the question after a moment; one that says so fails or never ends."""
    assert request.json is not None
    asked = request.json["messages"][-1]["content"]
    scripts: dict[str, Script] = {"bad": [Status(400)], "hang": [Text("Half"), Stall()]}
    return scripts.get(asked, [Sleep(0.002), Text(f"{asked}!"), End()])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of three rows, one of which fails."""
    return written(tmp_path, "one", "bad", "three")


def written(folder: Path, *prompts: str) -> Path:
    """A file with these rows."""
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(prompt)}\n" for prompt in prompts))
    return path


def results(path: Path, ending: str = "out") -> list[dict[str, object]]:
    """What is in a file of results, by line."""
    found = [json.loads(line) for line in path.with_suffix(f".{ending}.jsonl").read_text().splitlines()]
    return sorted(found, key=lambda each: each["line"])


async def asked(provider: FakeProvider, path: Path, *arguments: str) -> Ran:
    """Run the command; standard output has nothing."""
    ran = await run("batch", str(path), *TO, *arguments, **at(provider))
    assert ran.out == ""
    return ran


async def test_answers_and_failures_have_files_of_their_own(fake_provider: FakeProvider, rows: Path) -> None:
    """Some failed: a code of its own, which stays until they have answers; --retry-failed asks only them."""
    fake_provider.play(echo)
    ran = await asked(fake_provider, rows, "--system", "Be brief.", "--temperature", "0")
    assert ran.code == exit_codes.ROWS_FAILED
    assert all(request.json["temperature"] == 0 for request in fake_provider.requests if request.json)
    assert "2 answered · 1 failed (1 invalid_request)" in ran.err
    assert [each["text"] for each in results(rows)] == ["one!", "three!"]
    assert [each["line"] for each in results(rows, "out.failed")] == [2]
    ran = await asked(fake_provider, rows)
    assert ran.code == exit_codes.ROWS_FAILED
    assert ran.err.startswith("2 answered before · 1 failed before (--retry-failed asks them again) · 0 to ask\n")
    assert len(fake_provider.requests) == 3
    fake_provider.play([Text("two!"), End()])
    ran = await asked(fake_provider, rows, "--retry-failed")
    assert ran.code == exit_codes.COMPLETE
    assert [each["text"] for each in results(rows)] == ["one!", "two!", "three!"]
    assert not rows.with_suffix(".out.failed.jsonl").exists()


async def test_a_killed_run_goes_on_and_each_row_is_answered_once(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """kill -9 in the middle, also in the middle of a line: afterwards each row has exactly one answer."""
    fake_provider.play(echo)
    prompts = [f"Row {number}" for number in range(200)]
    path = written(tmp_path, *prompts)
    out = path.with_suffix(".out.jsonl")
    process = await begin("batch", str(path), *TO, **at(fake_provider))
    async with asyncio.timeout(30):
        while not out.exists() or len(out.read_bytes().splitlines()) < 20:
            await asyncio.sleep(0.002)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    with out.open("r+b") as file:
        file.truncate(out.stat().st_size - 9)
    answered, before = len(out.read_bytes().splitlines()) - 1, len(fake_provider.requests)
    assert answered < 190
    ran = await asked(fake_provider, path)
    assert ran.code == 0
    assert f"1 result that was cut by a kill is removed; its row is asked again\n{answered} answered before" in ran.err
    assert [each["text"] for each in results(path)] == [f"{prompt}!" for prompt in prompts]
    assert len(fake_provider.requests) - before == 200 - answered


async def test_an_edited_file_is_noticed_before_anything_is_asked(fake_provider: FakeProvider, rows: Path) -> None:
    """Rows are not paid for twice because a line was inserted; --changed asks them."""
    fake_provider.play(echo)
    written(rows.parent, "one", "two")
    await asked(fake_provider, rows)
    written(rows.parent, "zero", "one", "two")
    ran = await asked(fake_provider, rows)
    assert ran.code == exit_codes.MISUSED
    assert "2 lines have changed since the answers in" in ran.err
    assert len(fake_provider.requests) == 2
    ran = await asked(fake_provider, rows, "--changed")
    assert ran.code == 0
    assert Counter(each["line"] for each in results(rows)) == {1: 2, 2: 2, 3: 1}


async def test_odd_lines_fail_alone(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """A BOM, blank lines, no JSON, a slip: the rest is answered, and each failure names its line."""
    fake_provider.play(echo)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf"a"\r\n\n{no\n{"prompt": "b", "max_token": 1}\n' + b"[" * 9999 + b'\n"c"')
    ran = await asked(fake_provider, path)
    assert ran.code == exit_codes.ROWS_FAILED
    assert "2 answered · 3 failed (3 unusable)" in ran.err
    assert [each["line"] for each in results(path)] == [1, 6]
    assert [each["error"]["resolution"] for each in results(path, "out.failed")] == [  # type: ignore[index]
        f"Correct line {line} and run it again." for line in (3, 4, 5)
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_lets_running_rows_end(fake_provider: FakeProvider, tmp_path: Path, number: int) -> None:
    """No more rows are taken, what runs is kept, and a second one ends what still runs; none of it counts as failed."""
    fake_provider.play(echo)
    path = written(tmp_path, "hang", *(f"Row {number}" for number in range(500)))
    out = path.with_suffix(".out.jsonl")
    process = await begin("batch", str(path), *TO, "--concurrency", "2", **at(fake_provider))
    async with asyncio.timeout(30):
        while not out.exists() or not out.stat().st_size:
            await asyncio.sleep(0.002)
    process.send_signal(number)
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.readline(), 10)
    assert re.match(rb"Stopping. \d rows? still runs?, for 5 s at most; Ctrl-C again", said)
    process.send_signal(number)
    ran = await end(process)
    assert ran.code == exit_codes.INTERRUPTED
    answered = len(results(path))
    assert f"{501 - answered} left: the same command goes on with them." in ran.err
    assert 1 <= answered < 500
    assert not path.with_suffix(".out.failed.jsonl").exists()


async def test_a_limit_is_of_this_run(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """A few rows first, to look at them; the next run takes the next ones."""
    fake_provider.play(echo)
    path = written(tmp_path, *"abcde")
    for count in (2, 4, 5):
        ran = await asked(fake_provider, path, "--limit", "2", "--concurrency", "1")
        assert ran.code == 0
        assert [each["line"] for each in results(path)] == list(range(1, count + 1))
        assert (f"{5 - count} left" in ran.err) is (count < 5)


async def test_a_schema_and_an_out_file(fake_provider: FakeProvider, rows: Path) -> None:
    """Objects are in the results, which are where --out says, failures beside them."""
    (rows.parent / "schema.json").write_text('{"type": "object", "required": ["n"]}')
    fake_provider.play([Text('{"n": 3}'), End()], [Text("none"), End()])
    arguments = ("--schema", str(rows.parent / "schema.json"), "--out", str(rows.parent / "made.jsonl"))
    await asked(fake_provider, rows, *arguments, "--concurrency", "1")
    assert json.loads((rows.parent / "made.jsonl").read_text().splitlines()[0])["output"] == {"n": 3}
    assert "model_output_invalid" in (rows.parent / "made.failed.jsonl").read_text()


async def test_it_stops_where_no_row_can_be_answered(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """A wrong key fails ten rows, not a million; the exit code is that of the error."""
    fake_provider.play([Status(401)])
    path = written(tmp_path, *map(str, range(100)))
    ran = await asked(fake_provider, path, "--concurrency", "1")
    assert ran.code == 11
    assert "the last 10 rows all failed for this reason" in ran.err
    assert "90 left" not in ran.err
    assert len(results(path, "out.failed")) == 10


def test_wrong_usage_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there, one that cannot be read twice, an unknown provider: a line, and exit code 2."""
    path = written(tmp_path, "a")
    cases: list[tuple[Path, str, dict[str, Any], str]] = [
        (tmp_path / "none", "openai:x", {}, "cannot be read a second time"),
        (Path("/dev/null"), "openai:x", {}, "cannot be read a second time"),
        (path, "nobody:x", {}, "no provider is called"),
        (path, "openai:x", {"out": path}, "is the file of the rows"),
        (path, "openai:x", {"schema": path}, "is no schema"),
    ]
    for file, target, options, said in cases:
        assert batch(file, [target], **options) == exit_codes.MISUSED
        assert said in capsys.readouterr().err.replace("\n", "")


# -- what is shown --------------------------------------------------------------------------------------


async def test_a_terminal_has_a_bar(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """One line that is drawn anew, and erased for what is said in between."""
    fake_provider.play(echo)
    path = written(tmp_path, *(f"Row {number}" for number in range(60)), "hang")
    ours, theirs = os.openpty()
    termios.tcsetwinsize(ours, (24, 80))

    def control() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "resilient_stream.cli", "batch", str(path), *TO,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=control,
        env=environment(TERM="xterm-256color", **at(fake_provider)),
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    shown = await until(ours, "60 of 61", "")
    assert re.search(r"\r\x1b\[2K.{0,8}━{11}╺ 60 of 61 · [\d.]+ s left · 1 running · [\d.]+ rows/s · \d+ tokens", shown)
    os.write(ours, b"\x03")
    shown = await until(ours, "Ctrl-C again ends them now.", shown[-20:])
    assert "Stopping. 1 row still runs" in shown
    os.write(ours, b"\x03")
    await until(ours, "1 left", shown)
    assert await process.wait() == exit_codes.INTERRUPTED
    os.close(ours)


async def until(terminal: int, text: str, shown: str) -> str:
    """Read what a terminal shows until it has a text."""
    async with asyncio.timeout(30):
        while text not in shown:
            try:
                shown += os.read(terminal, 65536).decode()
            except BlockingIOError:
                await asyncio.sleep(0.005)
    return shown


def test_a_log_has_lines_that_say_it_all() -> None:
    """Rows, what is left, failures, speed and tokens; what is not known yet is left out."""
    counts = Counts(total=1_000, started=0.0, taken=8)
    assert progress_line(counts, 1.0) == "0 of 1,000 · 8 running"
    transcript = Transcript()
    transcript._receive([Usage(input_tokens=1_000, output_tokens=100)])
    transcript._end("complete", None)
    for number in range(10):
        counts.count(Result(row=Row(line=number), transcript=transcript, wrong="" if number else "no"))
    counts.taken = 18
    assert (
        progress_line(counts, 5.0)
        == "10 of 1,000 · 8 min 15 s left · 1 failed · 8 running · 2.0 rows/s · 11,000 tokens"
    )
    assert ended_line(counts, 5.0) == "9 answered · 1 failed (1 unusable) · 10,000 tokens in, 1,000 out · 5 s"


@pytest.mark.parametrize(("ended", "drawn"), [(0, "╺───────────"), (500, "━━━━━━╺─────"), (1_000, "━━━━━━━━━━━━")])
def test_the_bar_has_one_length(ended: int, drawn: str) -> None:
    """It is full when each row has a result."""
    assert bar(Counts(total=1_000, answered=ended)) == drawn


async def test_a_log_has_a_line_now_and_then(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """Where standard error is no terminal, a line is written every few seconds, and none before the first result."""
    fake_provider.play(echo)
    path = written(tmp_path, *(f"Row {number}" for number in range(60)))
    program = (
        "import sys; from pathlib import Path; from resilient_stream.cli.batch.command import batch\n"
        f"sys.exit(batch(Path({str(path)!r}), ['openai:some-model'], every=0.01))"
    )
    ran = await run(program=program, **at(fake_provider))
    assert ran.code == 0
    lines = [line for line in ran.err.splitlines() if re.match(r"\d+ of 60 · ", line)]
    assert lines
    assert "\x1b" not in ran.err
