"""Runs llama.cpp's HTTP server, and nothing of ours, in the child process of `local_server`.

It ends with its parent. Its standard input is a pipe that the parent never writes to, so the pipe's end is the parent's
end, on every system; on Linux the kernel is asked to see to it as well, at once. Nothing of this package is imported
here: the module is run as a file, so that its start costs 0.7 s and not more.

usage: child.py MODEL.gguf
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import sys
from typing import Any

READY = "READY "
"""The line that says where the server listens, and with which API key, begins with this."""

MODEL = "smollm2"
"""The model's name; llama.cpp accepts any name in a request."""

PARALLEL = 2
CONTEXT = 2048
"""Tokens for each of the parallel requests: what SmolLM2 was trained on; 50 MB of memory each."""

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Start the server, print its address, and serve until standard input ends."""
    _die_with_parent()
    import xllamacpp

    key = secrets.token_urlsafe(32)  # made here, since all users of the machine could see an argument
    server = xllamacpp.Server(_settings(xllamacpp.CommonParams(), sys.argv[1], key))
    # One write, which begins with a line end, since llama.cpp's threads may have written before.
    os.write(1, f"\n{READY}{server.listening_address} {key}\n".encode())
    while os.read(0, 4096):
        pass
    # Exit without waiting for llama.cpp's threads: they may still be busy with an answer that nobody can receive.
    os._exit(0)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the parent's thread that started it ends (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _settings(params: Any, model: str, key: str) -> Any:
    params.model.path = model
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    if hasattr(params, "cors_origins"):  # no page in a browser may read an answer
        params.cors_origins, params.cors_credentials = "", False
    params.n_parallel = PARALLEL
    params.n_ctx = PARALLEL * CONTEXT
    params.kv_unified = False
    # A second thread is slower whenever the other core is busy, and our process keeps it busy by reading the answer.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    params.endpoint_slots = True
    params.ui = False
    params.offline = True
    return params


if __name__ == "__main__":
    main()
