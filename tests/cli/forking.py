"""Runs commands in processes that are forked from one which has imported them: half a second less for each.

    python -W error -m tests.cli.forking FD     serve the tests at the other end of this socket until they close it

A command gets its own arguments, variables, standard streams and exit code, and ends like any program. Tests of
signals, and of the start itself, start a program of its own.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import io
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["run_forked"]

MODULE = "resilient_stream.cli"
_USED_LATER = ("resilient_stream.providers.openai.chat", "resilient_stream.transport.http", "rich.live", "rich.table")
LONGEST = 1 << 20
"""Bytes of arguments and variables."""

_one_at_a_time = threading.Lock()


def run_forked(arguments: Sequence[str], variables: Mapping[str, str], streams: Sequence[int]) -> int:
    """Run the command with these standard streams, and return its exit code. It blocks."""
    asked = json.dumps({"arguments": arguments, "variables": dict(variables)}).encode()
    with _one_at_a_time:
        socket.send_fds(_server(), [asked], list(streams))
        return int(_server().recv(32))


@functools.cache
def _server() -> socket.socket:
    """The tests' end of the socket to the process that forks; it ends with them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(60)
    with theirs:
        command = [sys.executable, "-W", "error", "-m", "tests.cli.forking", str(theirs.fileno())]
        forking = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    atexit.register(_end, ours, forking)
    return ours


def _end(ours: socket.socket, forking: subprocess.Popen[bytes]) -> None:
    ours.close()
    forking.wait(5)


def serve(tests: socket.socket) -> None:
    """Fork a process for each command, one after the other."""
    _import_what_commands_use()
    while True:
        asked, streams, _, _ = socket.recv_fds(tests, LONGEST, 3)
        if not asked:
            return
        if (child := os.fork()) == 0:
            tests.close()
            _become(json.loads(asked), streams)
        for stream in streams:
            os.close(stream)
        tests.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _import_what_commands_use() -> None:
    """All commands, and what most of them only import when they ask a provider or write to a terminal."""
    commands = pkgutil.walk_packages(importlib.import_module(MODULE).__path__, f"{MODULE}.")
    for name in (*(found.name for found in commands), *_USED_LATER):
        if not name.endswith("__main__"):
            importlib.import_module(name)


def _become(asked: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Be the command, to its end."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["variables"])
    sys.argv = ["resilient-stream", *asked["arguments"]]
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)), "utf-8")
    out, err = (io.BufferedWriter(io.FileIO(number, "wb")) for number in (1, 2))
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(out, "utf-8", line_buffering=os.isatty(1))
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(err, "utf-8", "backslashreplace", line_buffering=True)
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
