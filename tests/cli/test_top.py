"""`top`: what it adds up, what fits, what it says where there is nothing to show, and how it leaves the terminal."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import struct
import sys
import termios
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import Client, Limits
from resilient_stream.cli import exit_codes
from resilient_stream.cli.terminal import Screen
from resilient_stream.cli.top import command
from resilient_stream.cli.top.command import top
from resilient_stream.cli.top.rows import as_dict, rows_of, total_of
from resilient_stream.cli.top.view import COLUMNS, DROPPED, MOST_ROWS, Seen, drawn, number
from resilient_stream.engine import reporting
from resilient_stream.fleet.histogram import bucket_of
from resilient_stream.fleet.report import Figures, Report, Reports, read, written
from resilient_stream.stores import RedisStore
from resilient_stream.stores.looking import Server
from resilient_stream.stores.redis import StoreLost
from resilient_stream.stores.reports import RecordRefused
from resilient_stream.testing import End, FakeProvider, Text

from ..hostile.test_terminal import EVIL, steering
from ..stores.conftest import redis_server
from ..web.redis_server import RedisServer
from .conftest import environment, run

__all__ = ["redis_server"]

PLACE = "redis://there:1/0"
GOOD = Figures(
    target="openai:gpt-5-mini", closed=2, requests=120.4, tokens=98_765.0, ended=100, failed=5,
    first={bucket_of(0.3): 90, bucket_of(3.0): 10}, in_flight=12, queued=3, longest_wait=2.4, cost=1.25, wasted=1500,
)  # fmt: skip
SICK = Figures(target="mistral:small", open=1, opens_in=11.6, ended=40, failed=36, cost=0.0042, unpriced=2)
TESTED = Figures(target="anthropic:haiku", closed=1, half_open=1, open=0, opens_in=0.0, unpriced=4)
IDLE = Figures(target="local:smollm2", closed=1)
REPORTS = [
    Report(process="a", targets=[GOOD, SICK, TESTED, IDLE]),
    Report(process="b", targets=[GOOD, Figures(target="mistral:small", closed=1)]),
    Report(process="b", targets=[IDLE]),
]


def seen(*reports: Report, **more: Any) -> Seen:
    """What was read."""
    return Seen(**{"place": PLACE, "prefix": "p", "reports": reports, "known": len(reports), "found": len(reports),
                   **more})  # fmt: skip


def shown(what: Seen, width: int = 200, **more: Any) -> list[str]:
    """The lines that are drawn."""
    console = Screen(file=io.StringIO(), width=width)
    console.print(drawn(what, console, **more))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def headings(lines: list[str]) -> list[str]:
    """The names of the columns that are shown: those of one line stand above those of the other."""
    above, below = lines[2], lines[3]
    found = [(each.start(), each.end(), each[0]) for each in re.finditer(r"\S+", below)]
    words = [(each.start(), each.end(), each[0]) for each in re.finditer(r"\S+", above)]
    over = lambda start, end: [word for first, last, word in words if first < end and last > start]  # noqa: E731
    return [" ".join((*over(start, end), name)) for start, end, name in found]


# -- sums ---------------------------------------------------------------------------------------


def test_processes_are_added_up() -> None:
    """Figures are sums; percentiles are of all times; of what comes next and of waits the nearest and the longest."""
    rows = {row.target: as_dict(row) for row in rows_of(REPORTS)}
    good = rows["openai:gpt-5-mini"]
    assert (good["processes"], good["requests_per_minute"], good["in_flight"], good["waiting"]) == (2, 240.8, 24, 6)
    assert (good["failure_rate"], good["longest_wait"], good["cost_today"]) == (0.05, 2.4, 2.5)
    assert good["first_chunk"]["p50"] == pytest.approx(0.3, rel=0.1)
    assert good["first_chunk"]["p95"] == pytest.approx(3.0, rel=0.1)
    assert (rows["mistral:small"]["state"], rows["mistral:small"]["circuits"]["open"]) == ("open", 1)
    assert (rows["local:smollm2"]["processes"], rows["local:smollm2"]["failure_rate"]) == (2, None)
    total = as_dict(total_of(REPORTS))
    assert (total["processes"], total["state"], total["requests_per_minute"]) == (2, "open", 240.8)


def test_of_waits_the_nearest_test_and_the_longest_wait_are_told() -> None:
    """Whichever process says so; a name is on one line."""
    reports = [
        Report(process=process, targets=[Figures(target="a\nb", open=1, opens_in=opens, queued=1, longest_wait=wait)])
        for process, opens, wait in (("a", 5.0, 2.0), ("b", 0.2, 7.0), ("c", 9.0, 1.0))
    ]
    (row,) = rows_of(reports)
    assert (row.target, row.opens_in, row.longest_wait) == ("a b", 0.2, 7.0)
    assert re.split(r"\s{2,}", shown(seen(*reports))[4])[:3] == ["a b", "open 1 s", "3"]


def test_what_is_ill_comes_first() -> None:
    """Open, tested, closed; each by name, so that rows keep their places."""
    assert [row.target for row in rows_of(REPORTS)] == [
        "mistral:small", "anthropic:haiku", "local:smollm2", "openai:gpt-5-mini",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.04, "0.0"), (0.5, "0.5"), (9.96, "10"), (12.4, "12"), (9999, "9,999"), (12_345, "12.3k"),
     (99_949, "99.9k"), (1_234_567, "1.23M"), (4.5e9, "4.5G"), (1e12, "1T")],
)  # fmt: skip
def test_a_number_is_short(value: float, said: str) -> None:
    """Three figures are enough to see where it goes."""
    assert number(value) == said


# -- what is shown ------------------------------------------------------------------------------


def test_each_target_has_its_row() -> None:
    """State in words, rates, what waits and how long, what is not known, and all of it together."""
    lines = shown(seen(*REPORTS))
    assert lines[0] == f"2 processes at {PLACE}"
    ill, tested, idle, good, together = lines[4:9]
    assert re.split(r"\s{2,}", ill) == [
        "mistral:small", "open 12 s (1/2)", "2", "0", "0", "90%", "-", "-", "0", "0", "$0.0042+", "0",
    ]  # fmt: skip
    assert re.split(r"\s{2,}", tested)[:2] == ["anthropic:haiku", "half open (1/2)"]
    assert re.split(r"\s{2,}", tested)[-2] == "-"
    assert re.split(r"\s{2,}", idle)[1:3] == ["closed", "2"]
    assert re.split(r"\s{2,}", good) == [
        "openai:gpt-5-mini", "closed", "2", "241", "198k", "5%", "0.29 s", "3.1 s", "24", "6, 2 s", "$2.50", "3,000",
    ]  # fmt: skip
    assert re.split(r"\s{2,}", together)[:6] == ["all targets", "1 open", "2", "241", "198k", "19%"]
    assert len(lines) == 9
    both = shown(seen(Report(process="a", targets=[SICK, Figures(target="other:m", open=1), GOOD])))
    assert re.split(r"\s{2,}", both[7])[:2] == ["all targets", "2 open"]


def test_columns_go_in_the_stated_order() -> None:
    """Whatever the width: those that are left are the last of the order, and those that went are named."""
    names = [column.name for column in COLUMNS]
    assert set(DROPPED) == set(names) - {"target", "state"}
    before = len(names)
    exact = max(map(len, shown(seen(*REPORTS))))
    assert headings(shown(seen(*REPORTS), exact)) == names
    assert headings(shown(seen(*REPORTS), exact - 1)) == names[:-1]
    for width in range(140, 33, -1):
        lines = shown(seen(*REPORTS), width)
        assert max(map(len, lines)) <= width
        gone = DROPPED[: len(names) - len(headings(lines))]
        assert headings(lines) == [name for name in names if name not in gone]
        said = " ".join(lines).partition("columns for: ")[2]
        assert said == (f"{', '.join(name for name in names if name in gone)}." if gone else "")
        assert before >= len(headings(lines))
        before = len(headings(lines))
    assert before == 2


@pytest.mark.parametrize("width", [1, 10, 20, 30])
def test_a_tiny_terminal_is_no_error(width: int) -> None:
    """Names are broken then."""
    assert shown(seen(*REPORTS), width)


def test_a_long_name_takes_no_column_away() -> None:
    """It is broken into lines."""
    long = Figures(target="openai:" + "x" * 100, closed=1)
    wide, with_long = shown(seen(*REPORTS), 132), shown(seen(Report(process="a", targets=[long])), 132)
    assert headings(wide) == headings(with_long)
    assert "x" * 100 in "".join(line.split(" ")[0] for line in with_long)


def test_rows_that_do_not_fit_are_counted() -> None:
    """A terminal has so many lines, and what is printed is bounded whatever is in the store."""
    many = [Report(process="a", targets=[Figures(target=f"openai:{number:03}")]) for number in range(300)]
    for height in (None, 1000):
        assert f"… and {300 - MOST_ROWS} more targets" in shown(seen(*many), height=height)
    lines = shown(seen(*many), height=24)
    assert len(lines) <= 24
    assert "… and 285 more targets" in lines


def test_what_is_not_whole_is_said() -> None:
    """Reports that are too many or broken, and figures that are old."""
    lines = shown(seen(*REPORTS, known=5000, found=4, lost=(12.2, "there:1: no answer in time.")))
    assert lines[1:4] == [
        "These figures are 12 s old. there:1: no answer in time.",
        "Only 4 of 5,000 reports are added up.",
        "1 of 4 reports could not be read, and are left out.",
    ]


def test_nothing_to_show_is_said() -> None:
    """Nobody reports; or somebody does, who has no target."""
    (nobody,) = [line for line in shown(seen(), 400) if "No process" in line]
    assert 'No process reports to this store: redis://there:1/0, prefix "p".' in nobody
    assert "none yet" in shown(seen(Report(process="a", targets=[])))[-1]


# -- the command --------------------------------------------------------------------------------


class Fake:
    """A store with these records. raises: what it does instead."""

    def __init__(self, *records: bytes, raises: Exception | None = None) -> None:
        self.records = records
        self.raises = raises
        self.closed = False
        self.prefix = "p"

    def place(self) -> str:
        """Where it is."""
        return PLACE

    async def reports(self) -> Reports:
        """What is there."""
        if self.raises is not None:
            raise self.raises
        return Reports(list(self.records), len(self.records))

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command on a store, of which nothing else can be asked."""

    async def nobody(url: str) -> Server:
        raise ConnectionRefusedError(url)

    monkeypatch.setattr(command, "looked_at", nobody)

    def ask(store: Fake, url: str = PLACE, **options: Any) -> int:
        monkeypatch.setattr(command, "RedisStore", lambda *_, **__: store)
        code = top(url, prefix="p", **options)
        assert store.closed
        return code

    return ask


def test_one_table_or_one_document(asked: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe it prints one table and ends, with and without --once; --json prints an object and nothing else."""
    store = Fake(*map(written, REPORTS), b"rubbish")
    for options in ({}, {"once": True}):
        assert asked(store, **options) == exit_codes.COMPLETE
        told = capsys.readouterr()
        assert (told.err, "mistral:small" in told.out, "could not be read" in told.out) == ("", True, True)
    assert asked(store, as_json=True) == exit_codes.COMPLETE
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert told.err == ""
    assert (document["processes"], document["reports"]) == (2, {"known": 4, "read": 3})
    assert document["targets"][0]["target"] == "mistral:small"
    assert document["total"]["in_flight"] == 24


def test_nobody_reports_is_no_failure(asked: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """It is said on standard error; a document has no targets."""
    assert asked(Fake(), once=True) == exit_codes.COMPLETE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("No process reports to this store: redis://there:1/0")
    assert asked(Fake(b"rubbish"), once=True) == exit_codes.COMPLETE
    assert "1 of 1 reports could not be read" in capsys.readouterr().out
    assert asked(Fake(), as_json=True) == exit_codes.COMPLETE
    assert json.loads(capsys.readouterr().out)["targets"] == []


class ConnectionLost(Exception):
    """An error of the package redis that came from one of the network."""

    def __init__(self, behind: BaseException) -> None:
        super().__init__("Error 111\x1b[2J\nconnecting.")
        self.__context__ = behind


class AuthenticationError(Exception):
    """As the package redis has it."""


class ResponseError(Exception):
    """As the package redis has it."""


class MovedError(ResponseError):
    """As the package redis has it."""


class NoPermissionError(ResponseError):
    """As the package redis has it."""


REACH = "Is the server running, and may this machine reach it? A firewall or TLS (rediss://) may be why."


@pytest.mark.parametrize("options", [{"once": True}, {"as_json": True}])
@pytest.mark.parametrize(
    ("cause", "code", "said"),
    [
        (ConnectionLost(ConnectionRefusedError()), 10, f"{PLACE}: no server listens there. {REACH}"),
        (ConnectionLost(ValueError()), 10, f"{PLACE}: Error 111 connecting. {REACH}"),
        (TimeoutError(), 10, f"{PLACE}: no answer in time. {REACH}"),
        (AuthenticationError("Bad"), 11, f"{PLACE} asks for a password, and the URL has none. Put it into the URL: "
         "redis://:PASSWORD@host, percent-encoded."),
        (NoPermissionError("NOPERM no\npermission."), 11,
         "NOPERM no permission. Allow this user the command on keys of the prefix."),
        (MovedError("7 there:2"), 11, "The server is a node of a cluster, and the URL names a single server: most keys "
         "are elsewhere. Begin the URL with redis+cluster:// (rediss+cluster:// for TLS)."),
        (ResponseError("WRONGTYPE key"), 11, f"{PLACE} refuses: WRONGTYPE key. Another database or prefix may be "
         "needed."),
    ],
)  # fmt: skip
def test_a_store_that_is_lost_or_refuses_has_its_code(
    asked: Callable[..., int], capsys: pytest.CaptureFixture[str], options: dict[str, bool], cause: Exception,
    code: int, said: str,
) -> None:  # fmt: skip
    """What went wrong is said in one line of our words, with where: 10 where it may pass, 11 where it does not."""
    error = RecordRefused(str(cause)) if isinstance(cause, ResponseError) else StoreLost(type(cause).__name__)
    error.__cause__ = cause
    assert asked(Fake(raises=error), **options) == code
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"Error: {said}\n")


@pytest.mark.parametrize(
    ("url", "is_cluster", "said"),
    [
        ("redis+cluster://there:1", False, "The URL says that it is a cluster, and the server is a single one. Begin"),
        ("redis://there:1/0", True, "The server is a node of a cluster, and the URL names a single server"),
        ("redis://there:1/0", False, ""),
        ("redis+cluster://there:1", True, ""),
    ],
)
def test_where_nobody_reports_the_wrong_kind_of_server_is_said(
    asked: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str,
    is_cluster: bool, said: str,
) -> None:  # fmt: skip
    """Else one would look for processes. Where somebody reports, or the server does not say what it is, it is fine."""
    server = Server(seconds=0.001, apart=0.0, version="7.2", is_cluster=is_cluster)

    async def looked_at(_: str) -> Server:
        return server

    monkeypatch.setattr(command, "looked_at", looked_at)
    assert asked(Fake(), url=url, once=True) == (11 if said else exit_codes.COMPLETE)
    told = capsys.readouterr().err
    assert told.startswith(f"Error: {said}" if said else "No process reports")
    assert asked(Fake(*map(written, REPORTS)), url=url, once=True) == exit_codes.COMPLETE
    server = server._replace(version="")
    assert asked(Fake(), url=url, once=True) == exit_codes.COMPLETE


async def test_where_no_redis_is(tmp_path: Path) -> None:
    """The real command: nothing listens there; and a URL that is none, by a variable."""
    pytest.importorskip("redis")
    ran = await run("top", "--once", "--store", f"unix://{tmp_path}/none")
    assert (ran.code, ran.out) == (10, "")
    assert "there is no such socket." in ran.err
    ran = await run("top", "--json", RESILIENT_STREAM_STORE="http://user:secret@there")
    assert ran.code == exit_codes.MISUSED
    assert "the URL begins with redis://" in ran.err
    assert "secret" not in ran.err


# -- in a terminal ------------------------------------------------------------------------------

PROGRAM = """
import sys
from resilient_stream.cli import main
from resilient_stream.cli.top import command
from tests.cli.test_top import Fake, HOSTILE, REPORTS, StoreLost, written

class Changing(Fake):
    async def reports(self):
        found = await super().reports()
        if sys.argv[0] == "lost":
            self.raises = StoreLost("gone")
        return found

mode, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = mode
command.RedisStore = lambda *_, **__: Changing(*map(written, [HOSTILE] if mode == "hostile" else REPORTS))
main()
"""

HOSTILE = Report(process="a", targets=[Figures(target=EVIL[:120], closed=1)])


class Terminal:
    """A terminal with the command in it. shown: all that was written to it."""

    def __init__(self, columns: int = 132, lines: int = 24) -> None:
        self.shown = ""
        self._ours, self._theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self.size(columns, lines)
        self._before = termios.tcgetattr(self._theirs)

    def size(self, columns: int, lines: int) -> None:
        """Make it as large as this."""
        ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    async def start(self, mode: str = "", *options: str) -> Process:
        """Run the command in it."""
        variables = environment(TERM="xterm-256color")
        variables.pop("COLUMNS")
        return await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", PROGRAM, mode, "top", "--every", "0.5", *options,
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, env=variables,
        )  # fmt: skip

    async def until(self, *words: str) -> None:
        """Wait until these words have been shown."""
        until = time.monotonic() + 30
        while not all(word in self.read() for word in words):
            assert time.monotonic() < until, self.shown
            await asyncio.sleep(0.005)

    def read(self) -> str:
        """Return what has been shown so far."""
        with suppress(BlockingIOError):
            while piece := os.read(self._ours, 65536):
                self.shown += piece.decode()
        return self.shown

    def type(self, keys: bytes) -> None:
        """Type."""
        os.write(self._ours, keys)

    @property
    def is_as_it_was(self) -> bool:
        """Whether keys are shown and sent by lines again, on the screen that was there before, with a cursor."""
        ends = ("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?25l", "\x1b[?25h")
        screen = all(self.read().rfind(off) < self.shown.rfind(on) for off, on in ends)
        return screen and termios.tcgetattr(self._theirs) == self._before

    def close(self) -> None:
        """It is over."""
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal of its own."""
    one = Terminal()
    yield one
    one.close()


def ends_by_key(key: bytes) -> Callable[[Terminal, Process], None]:
    """Somebody types it."""
    return lambda terminal, _: terminal.type(key)


def ends_by_signal(number: signal.Signals) -> Callable[[Terminal, Process], None]:
    """Somebody sends it."""
    return lambda _, process: process.send_signal(number)


@pytest.mark.parametrize(
    "stop",
    [ends_by_key(b"q"), ends_by_key(b"xyz\x1aQ"), ends_by_signal(signal.SIGINT), ends_by_signal(signal.SIGTERM)],
    ids=["q", "Q after other keys and Ctrl-Z", "Ctrl-C", "SIGTERM"],
)
async def test_it_leaves_the_terminal_as_it_was(terminal: Terminal, stop: Callable[[Terminal, Process], None]) -> None:
    """It ends quietly, with nothing said and no code of an error, on the screen that was there before."""
    process = await terminal.start()
    await terminal.until("all targets", "q ends")
    assert not terminal.is_as_it_was
    stop(terminal, process)
    assert await asyncio.wait_for(process.wait(), 20) == exit_codes.COMPLETE
    assert terminal.is_as_it_was
    assert terminal.shown.endswith("\x1b[?1049l")


def test_a_terminal_that_is_gone_is_the_end() -> None:
    """Where the process outlives it, as under nohup, it does not run for ever."""
    stopped, (ours, theirs) = asyncio.Event(), os.openpty()
    os.close(ours)
    command._read_key(theirs, stopped)
    os.close(theirs)
    assert stopped.is_set()


async def test_it_is_drawn_anew_for_another_size(terminal: Terminal) -> None:
    """More columns where there is more room, at once."""
    terminal.size(80, 24)
    process = await terminal.start("", "--every", "100")
    await terminal.until("all targets", "No room in 80 columns")
    terminal.size(132, 24)
    process.send_signal(signal.SIGWINCH)
    await terminal.until("wasted")
    terminal.type(b"q")
    assert await asyncio.wait_for(process.wait(), 20) == exit_codes.COMPLETE


async def test_a_store_that_is_lost_meanwhile_is_waited_for(terminal: Terminal) -> None:
    """What was read last stays, with how old it is."""
    process = await terminal.start("lost")
    await terminal.until("all targets")
    await terminal.until("These figures are", "old. redis://there:1/0: gone.")
    assert process.returncode is None
    terminal.type(b"q")
    assert await asyncio.wait_for(process.wait(), 20) == exit_codes.COMPLETE


async def test_no_name_in_the_store_steers_the_terminal(terminal: Terminal) -> None:
    """Whoever can write to Redis writes into no clipboard and no title."""
    process = await terminal.start("hostile")
    await terminal.until("all targets", "abcdefghi")
    terminal.type(b"q")
    await asyncio.wait_for(process.wait(), 20)
    assert steering(terminal.read().replace("\x1b[?1049h", "").replace("\x1b[?1049l", "")) == []


# -- with Redis ---------------------------------------------------------------------------------


@pytest.mark.outside
async def test_what_a_real_server_has_against_it_is_said(redis_server: RedisServer) -> None:
    """A wrong login, a database that there is not, and a single server by the URL of a cluster."""
    there = redis_server.url.removeprefix("redis://").removesuffix("/0")
    for url, said in (
        (f"redis://nobody:hush@{there}/0", f"redis://{there}/0 does not accept the user or the password. Correct"),
        (f"redis://{there}/99", f"redis://{there}/99 refuses: DB index is out of range."),
        (f"redis+cluster://{there}", "The URL says that it is a cluster, and the server is a single one."),
    ):
        ran = await run("top", "--once", "--prefix", "nobody", "--store", url)
        assert (ran.code, ran.out) == (11, "")
        assert ran.err.startswith(f"Error: {said}")
        assert "hush" not in ran.err


@pytest.mark.outside
async def test_a_process_that_streams_is_shown_until_it_is_dead(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client's calls over a real Redis, read by the real command; a moment after its end its row is gone."""
    monkeypatch.setattr(reporting, "LASTS", 2)
    options = ("--store", redis_server.url, "--prefix", "shown")
    store = RedisStore(redis_server.url, prefix="shown")
    async with FakeProvider(lambda _: [Text("Hello"), End()]) as provider:
        target = provider.target("openai", model="gpt-5-mini")
        async with Client(target, store=store, limits=Limits(max_concurrency=5)) as client:
            await asyncio.gather(*(client.complete("Hi") for _ in range(10)))
            await until_shown(store, 10)
            (row,) = json.loads((await run("top", "--json", *options)).out)["targets"]
            ran = await run("top", "--once", *options)
    assert (row["target"], row["state"], row["processes"]) == ("openai:gpt-5-mini", "closed", 1)
    assert (row["failure_rate"], row["in_flight"], row["waiting"]) == (0.0, 0, 0)
    assert row["first_chunk"]["p50"] > 0
    assert re.search(r"openai:gpt-5-mini +closed", ran.out)
    await until_shown(store, 0)
    await store.aclose()
    ran = await run("top", "--once", *options)
    assert (ran.code, ran.out) == (exit_codes.COMPLETE, "")
    assert "No process reports" in ran.err


async def until_shown(store: RedisStore, ended: int) -> None:
    """Wait until so many requests are reported to have ended; none where nobody reports."""
    async with asyncio.timeout(20):
        while total_of(read((await store.reports()).records)).ended != ended:
            await asyncio.sleep(0.05)
