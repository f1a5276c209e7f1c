"""The processes of a benchmark: the fake provider, one client each, and the certificate that TLS needs.

What a client's process prints last is its result; a process that fails ends the whole run, because half
a table says nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["Upstream", "import_ms", "new_certificate", "run", "upstream"]

LONGEST_SECONDS = 300
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""An environment in which modules are compiled once and then read, as in an installation. Where the variable is set,
each import would compile all that is not an installed package: ours, for 100 ms."""


class Upstream(NamedTuple):
    """Where the fake provider listens. https is empty without a certificate."""

    http: str
    https: str = ""


@contextmanager
def upstream(certificate: Path | None = None) -> Iterator[Upstream]:
    """The fake provider in a process of its own, for as long as the block runs."""
    command = [sys.executable, "-m", "benchmarks.upstream", *([str(certificate)] if certificate else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ports = process.stdout.readline().split()
            schemes = ("http", "https")
            yield Upstream(*(f"{scheme}://127.0.0.1:{port}" for scheme, port in zip(schemes, ports, strict=False)))
        finally:
            process.terminate()


def run(*arguments: str, **environment: str) -> str:
    """The last line that such a Python process prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        # Or litellm's import asks the network for prices.
        env=os.environ | COMPILED | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"} | environment,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout.splitlines()[-1]


def new_certificate(folder: Path) -> Path | None:
    """A certificate for 127.0.0.1 with its key, in one file, made for this run; None where there is no `openssl`."""
    if shutil.which("openssl") is None:
        return None
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_text(certificate.read_text() + key.read_text())
    return certificate


# -- imports ----------------------------------------------------------------------------------

_TIMED = """
import resource
def used():
    now = resource.getrusage(resource.RUSAGE_SELF)
    return (now.ru_utime + now.ru_stime) * 1e3
began = used(); {statement}; print(used() - began)
"""


def import_ms(statement: str) -> float:
    """Milliseconds of CPU for an import in a fresh process, without the interpreter's own start."""
    return float(run("-c", _TIMED.format(statement=statement)))
