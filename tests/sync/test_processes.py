"""`SyncClient` in whole programs: Ctrl-C, the end of the interpreter, and processes that fork."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.loopback import Loopback, chat, cut_after

from .conftest import soon

Serve = Callable[..., Loopback]
Start = Callable[..., subprocess.Popen[str]]

BEGIN = """
import sys
from resilient_stream import Target
from resilient_stream.sync import SyncClient
client = SyncClient(Target("openai:m", base_url=sys.argv[1], api_key="test"))
"""

STRICT = ("-W", "error")


def ended(program: subprocess.Popen[str]) -> tuple[str, str]:
    """What it printed, and what it complained of."""
    return program.communicate(timeout=30)


def test_ctrl_c_in_a_script(serve: Serve, start: Start) -> None:
    """The connection is closed, the program goes on with what had come, and ends without a complaint."""
    server = serve(cut_after("Hello", end="stall"))
    program = start(
        BEGIN
        + """
try:
    with client.stream("Hi") as stream:
        for chunk in stream:
            print("got", chunk.text, flush=True)
except KeyboardInterrupt as error:
    print(stream.transcript.outcome, stream.transcript.text, type(error.__context__))
    print(sys.stdin.readline())
""",
        server.url,
        options=STRICT,
    )
    assert program.stdout is not None
    assert program.stdin is not None
    assert program.stdout.readline() == "got Hello\n"
    assert server.open == 1
    program.send_signal(signal.SIGINT)
    assert program.stdout.readline() == "cancelled Hello <class 'NoneType'>\n"
    assert soon(lambda: not server.open)  # the program is still there
    assert program.poll() is None
    program.stdin.write("go on\n")
    assert ended(program) == ("go on\n\n", "")
    assert program.returncode == 0


def test_ctrl_c_that_nobody_catches(serve: Serve, start: Start) -> None:
    """The program ends as any other does, at once, and says no more than where it was."""
    program = start(
        BEGIN + "for chunk in client.stream('Hi'): print(chunk.text, flush=True)",
        serve(cut_after("Hello", end="stall")).url,
        options=STRICT,
    )
    assert program.stdout is not None
    program.stdout.readline()
    program.send_signal(signal.SIGINT)
    complaint = ended(program)[1]
    assert complaint.splitlines()[-1] == "KeyboardInterrupt"
    assert complaint.count("Traceback") == 1
    assert program.returncode == -signal.SIGINT


OPEN_AT_THE_END = """
import threading
def ended(transcript):
    print(transcript.outcome, transcript.text, flush=True)
begun = client.stream("Hi", on_end=ended)
next(begun)
unbegun = client.stream("Hi")
waited_for = client.stream("Hi", on_end=ended)
pulled = threading.Event()
def wait():
    for chunk in waited_for:
        pulled.set()
threading.excepthook = lambda caught: None
threading.Thread(target=wait, daemon=True).start()
pulled.wait()
"""


def test_the_interpreter_ends_with_streams_open(serve: Serve, start: Start) -> None:
    """No hang, no warning: streams that nobody closed are ended, also one for which a daemon thread waits."""
    server = serve(cut_after("Hello", end="stall"))
    program = start(BEGIN + OPEN_AT_THE_END, server.url, options=STRICT)
    printed, complaint = ended(program)
    assert (complaint, program.returncode) == ("", 0)
    assert printed.splitlines() == ["client_closed Hello"] * 2
    assert soon(lambda: not server.open)


FORKED = """
import os
stream = client.stream("Hi")
print("parent", next(stream).text, flush=True)
child = os.fork()
if not child:
    try:
        next(stream)
    except RuntimeError as error:
        print("child", str(error).partition(";")[0])
    stream.close()
    print("child", client.complete("Hi").text)
    del stream
    client.close()
    sys.stdout.flush()
    {leave}
os.waitpid(child, 0)
print("parent", "".join(stream.texts()), stream.transcript.outcome)
"""


@pytest.mark.parametrize("leave", ["sys.exit()", "os._exit(0)"])
def test_a_forked_process_has_a_loop_of_its_own(leave: str, serve: Serve, start: Start) -> None:
    """The child asks with the client that it was born with, and leaves the parent's streams as they are."""
    server = serve(chat("a", "b", "c", gap=0.3), chat("whole"))
    program = start(BEGIN + FORKED.format(leave=leave), server.url)
    printed, complaint = ended(program)
    assert printed.splitlines() == [
        "parent a",
        "child this stream was made before the process was forked",
        "child whole",
        "parent bc complete",
    ]
    assert [line for line in complaint.splitlines() if "fork" not in line] == []  # Python 3.12 warns of threads


WORKERS = """
import multiprocessing

def work(number):
    return client.complete(f"task {number}").text + "".join(client.stream("Hi").texts())

if __name__ == "__main__":
    if sys.argv[2] == "used":
        client.complete("Hi")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(work, range(4)))
    print(client.complete("Hi").text)
"""


@pytest.mark.parametrize("before", ["fresh", "used"])
def test_prefork_workers(before: str, serve: Serve, start: Start) -> None:
    """A client that is made when the program is loaded serves each worker, whether or not it was used before."""
    program = start(BEGIN + WORKERS, serve(chat("x")).url, before)
    printed, complaint = ended(program)
    assert printed.splitlines() == ["['xx', 'xx', 'xx', 'xx']", "x"]
    assert sys.version_info >= (3, 12) or complaint == ""


def test_the_thread_starts_with_the_first_pull(start: Start) -> None:
    """Making a client and a stream starts no thread, so that a process can still fork without a worry."""
    program = start(
        BEGIN + "import threading\nstream = client.stream('Hi')\nprint(threading.active_count())", "http://x"
    )
    assert ended(program) == ("1\n", "")
