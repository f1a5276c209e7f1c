"""Calls a function at the node of a Redis cluster that has its keys.

The keys of one target are all on one node. Which one it is, is learned from what a node answers: MOVED for good, or ASK
for this time, while keys are on their way. So nothing is asked before the first call, a lost node is noticed by those
only who need it, and who took its place is asked of another. (The asyncio client for clusters of the package redis
learns all slots and the forms of all commands anew whenever a node is lost. That holds up the event loop for 40 ms, and
breaks off commands that begin meanwhile.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

__all__ = ["Cluster", "is_cluster_client", "nodes_of"]

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""How the URL of a cluster begins, and that of each of its nodes."""

HOPS = 5
"""Nodes that are asked for one call: any of them, the right one, and some more if keys move meanwhile."""

AGAIN = 0.005
"""Seconds before a call is tried again of whose keys only some have been moved."""


_CLASSES = {
    "MovedError": "MOVED", "AskError": "ASK", "TryAgainError": "TRYAGAIN", "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "CLUSTERDOWN",
}  # fmt: skip


def nodes_of(url: str) -> list[str]:
    """Return the URLs of the nodes that are named in the URL of a cluster; none for that of a single server."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        return []
    return [_node(parts, SCHEMES[parts.scheme], host) for host in parts.netloc.rpartition("@")[2].split(",")]


def is_cluster_client(client: Any) -> bool:
    """Return whether this is the client for clusters of the package redis or valkey."""
    return any(cls.__name__.endswith("Cluster") for cls in type(client).__mro__)


def _node(parts: SplitResult, scheme: str, host: str) -> str:
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit((scheme, f"{login}{at}{host}", parts.path, parts.query, ""))


class Cluster:
    """Keeps the nodes of a cluster by their URLs, of which some are known at first. connect: makes a client of one
    node. close: closes it, some time."""

    def __init__(self, nodes: Sequence[str], connect: Callable[[str], Any], close: Callable[[Any], object]) -> None:
        self._connect = connect
        self._close = close
        self._clients: dict[str, Any] = dict.fromkeys(nodes)
        self._homes: dict[int, str] = {}

    async def evalsha(self, sha: str, number: int, *keys_and_arguments: str) -> Any:
        """Call a function that the node knows, at the node of the first key."""
        return await self._at_home("EVALSHA", sha, number, *keys_and_arguments)

    async def eval(self, script: str, number: int, *keys_and_arguments: str) -> Any:
        """Send a function and call it, at the node of the first key."""
        return await self._at_home("EVAL", script, number, *keys_and_arguments)

    async def _at_home(self, *command: Any) -> Any:
        from redis.crc import key_slot
        from redis.exceptions import ResponseError, TryAgainError

        slot = key_slot(command[3].encode())
        node, asking = self._homes.get(slot) or next(iter(self._clients)), False
        for _ in range(HOPS):
            try:
                return await self._send(node, asking, command)
            except ResponseError as error:
                said = _refusal_word(error)
                if said == "TRYAGAIN":
                    await asyncio.sleep(AGAIN)
                elif said in ("MOVED", "ASK"):
                    node, asking = self._url_of(error, node), said == "ASK"
                    if not asking:
                        self._homes[slot] = node
                else:
                    raise
        raise TryAgainError("the keys move from node to node")

    async def _send(self, node: str, asking: bool, command: Sequence[Any]) -> Any:
        client = self._clients.get(node)
        if client is None:
            client = self._clients[node] = self._connect(node)
        try:
            if not asking:
                return await client.execute_command(*command)
            pipe = client.pipeline(transaction=False)  # in one connection, since the first command is about the second
            pipe.execute_command("ASKING")
            pipe.execute_command(*command)
            return (await pipe.execute())[1]
        except BaseException as error:
            if not _is_refusal(error):
                self._leave_node(node, client)
            raise

    def _leave_node(self, node: str, client: Any) -> None:
        """Note that a node does not answer: ask others first who has its keys, and use nothing of its connections any
        more."""
        self._homes = {slot: home for slot, home in self._homes.items() if home != node}
        if self._clients.get(node) is client:
            del self._clients[node]
            self._clients[node] = None  # added last, so that it is asked last
            self._close(client)

    def _url_of(self, moved: Exception, node: str) -> str:
        """Return the URL of the node that an answer names; without a host, it is another port of the same machine."""
        parts = urlsplit(node)
        host, _, port = str(moved).split()[-1].rpartition(":")
        host = host or str(parts.hostname)
        return _node(parts, parts.scheme, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    async def aclose(self) -> None:
        """Close all connections."""
        clients, self._clients = self._clients, dict.fromkeys(self._clients)
        await asyncio.gather(*(client.aclose() for client in clients.values() if client is not None))


def _is_refusal(error: BaseException) -> bool:
    """Return whether the node itself refused the call. One that has lost the others can say nothing of the cluster."""
    from redis.exceptions import ResponseError

    return isinstance(error, ResponseError) and _refusal_word(error) != "CLUSTERDOWN"


def _refusal_word(error: Exception) -> str:
    """Return the word by which a node refuses: newer versions of the package have a class for it in its place."""
    return _CLASSES.get(type(error).__name__) or str(error).partition(" ")[0]
