"""A cluster: each call finds the node that has its keys, and a lost node is the loss of its own targets only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from resilient_stream import StreamMisused
from resilient_stream.fleet.board import News, Rates
from resilient_stream.fleet.bucket import Cost
from resilient_stream.stores import RedisStore
from resilient_stream.stores.cluster import Cluster, nodes_of
from resilient_stream.stores.exchange import keys
from resilient_stream.stores.redis import OUTDATED_AFTER
from resilient_stream.web import Hub

from ..engine.clock import running_clock
from ..web.redis_server import RedisCluster
from .test_redis_exchange import FINE

errors = pytest.importorskip("redis.exceptions", reason="the extra redis is not installed")
pytestmark = pytest.mark.usefixtures("nothing_left")

PATIENCE = 1.0
"""Seconds that a call waits for a real node here: more than it is, since the machine may be busy with other tests."""

ONE, OTHER = "redis://:secret@one:1", "redis://:secret@other:2"


# -- which node is asked --------------------------------------------------------------------------


class Node:
    """A node that answers by a script: exceptions are raised, and at its end it answers with its name."""

    def __init__(self, name: str, *answers: Exception) -> None:
        self.name = name
        self.answers = list(answers)
        self.asked: list[str] = []
        self.closed = False

    async def execute_command(self, *command: Any) -> Any:
        """Answer one command."""
        self.asked.append(command[0])
        if self.answers:
            raise self.answers.pop(0)
        return self.name

    def pipeline(self, *, transaction: bool) -> Pipeline:
        """Several commands on one connection."""
        assert not transaction
        return Pipeline(self)

    async def aclose(self) -> None:
        """Close it."""
        self.closed = True


class Pipeline:
    """Commands that go together."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.commands: list[tuple[Any, ...]] = []

    def execute_command(self, *command: Any) -> None:
        """Keep a command."""
        self.commands.append(command)

    async def execute(self) -> list[Any]:
        """Send them all."""
        self.node.asked.append("+".join(command[0] for command in self.commands[:-1]))
        return [None, await self.node.execute_command(*self.commands[-1])]


class World:
    """Two nodes, and a cluster that knows the first."""

    def __init__(self, one: Node, other: Node) -> None:
        self.nodes = {ONE: one, OTHER: other}
        self.closed: list[Node] = []
        self.cluster = Cluster([ONE], self.nodes.__getitem__, self.closed.append)

    async def call(self) -> Any:
        """A call whose keys are of one target."""
        return await self.cluster.evalsha("sha", 1, "p:fleet:{t}:circuit:c", "1")


def moved(kind: str, node: str = "other:2") -> Exception:
    """What a node answers that has not, or not any more, what is asked for."""
    error: Exception = getattr(errors, kind)(f"7 {node}")
    return error


async def test_where_keys_are_is_learned() -> None:
    """A node that has moved them says where to, with the password that all have; the next call goes there at once."""
    one, other = Node("one", moved("MovedError")), Node("other")
    world = World(one, other)
    assert [await world.call(), await world.call()] == ["other", "other"]
    assert (one.asked, other.asked) == (["EVALSHA"], ["EVALSHA"] * 2)


@pytest.mark.parametrize(("said", "asked"), [("MOVED", ["EVALSHA"]), ("ASK", ["ASKING", "EVALSHA"])])
async def test_older_versions_of_the_package_have_the_words_only(said: str, asked: list[str]) -> None:
    """There is no class for it then."""
    one, other = Node("one", errors.ResponseError(f"{said} 7 other:2")), Node("other")
    assert await World(one, other).call() == "other"
    assert other.asked == asked


async def test_keys_on_their_way_are_asked_for_once() -> None:
    """The node that gets them is told so on the same connection, and the next call asks the first one again."""
    one, other = Node("one", moved("AskError")), Node("other")
    world = World(one, other)
    assert [await world.call(), await world.call()] == ["other", "one"]
    assert other.asked == ["ASKING", "EVALSHA"]


async def test_a_call_whose_keys_are_half_moved_is_tried_again() -> None:
    """They are together in a moment; it is not tried for ever."""
    half = errors.TryAgainError("some keys are there")
    assert await World(Node("one", half, half), Node("other")).call() == "one"
    with pytest.raises(errors.TryAgainError):
        await World(Node("one", *[half] * 9), Node("other")).call()


async def test_nodes_that_name_each_other_are_not_asked_for_ever() -> None:
    """A few steps, then it is a failure."""
    one = Node("one", *[moved("MovedError")] * 9)
    other = Node("other", *[moved("MovedError", "one:1")] * 9)
    with pytest.raises(errors.TryAgainError):
        await World(one, other).call()
    assert len(one.asked) + len(other.asked) == 5


async def test_a_node_without_a_name_is_another_port() -> None:
    """A server that does not know its address names the port alone."""
    world = World(Node("one", moved("MovedError", ":2")), Node("other"))
    world.nodes["redis://:secret@one:2"] = world.nodes[OTHER]
    assert await world.call() == "other"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("gone"),
        errors.ClusterDownError("lost the others"),
        errors.ResponseError("CLUSTERDOWN it has lost the others"),
    ],
)
async def test_of_a_lost_node_another_one_is_asked(error: Exception) -> None:
    """It may know who has taken its place. The connections of the lost one are closed."""
    one, other = Node("one", moved("MovedError")), Node("other", error)
    world = World(one, other)
    with pytest.raises(type(error)):
        await world.call()
    assert world.closed == [other]
    assert await world.call() == "one"


async def test_a_refusal_is_no_loss() -> None:
    """A node that does not know the function is there."""
    world = World(Node("one", errors.NoScriptError("unknown")), Node("other"))
    with pytest.raises(errors.NoScriptError):
        await world.call()
    assert not world.closed
    await world.cluster.aclose()
    assert world.nodes[ONE].closed


# -- the URL ----------------------------------------------------------------------------------------


def test_the_url_of_a_cluster_names_nodes() -> None:
    """Each is a URL of its own, with the login of all; another URL names none."""
    assert nodes_of("redis+cluster://u:p%40@a:1,b:2/?x=1") == ["redis://u:p%40@a:1/?x=1", "redis://u:p%40@b:2/?x=1"]
    assert nodes_of("rediss+cluster://a") == ["rediss://a"]
    assert nodes_of("redis://a:1") == []
    assert repr(RedisStore("redis+cluster://u:secret@a:1,b:2")).startswith("RedisStore('redis+cluster://a:1,b:2'")
    with pytest.raises(StreamMisused, match=r"redis\+cluster://"):
        RedisStore("redis+cluster://u:secret@a:1,b:port")


def test_a_hub_refuses_a_cluster() -> None:
    """It says what it needs, when it is made."""
    with pytest.raises(StreamMisused, match="single Redis"):
        Hub(RedisStore("redis+cluster://a:1"))


# -- trouble, by the loop's clock ---------------------------------------------------------------------


class Answering:
    """A cluster in which each target is answered after some seconds, or is out of reach."""

    def __init__(self) -> None:
        self.takes: dict[str, float | None] = {}

    async def evalsha(self, sha: str, number: int, key: str, *rest: str) -> Any:
        """Answer as the function does."""
        takes = self.takes.get(key.split("{")[1].split("}")[0], 0.0)
        if takes is None:
            raise ConnectionRefusedError("no node here")
        await asyncio.sleep(takes)
        return FINE

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the log is told, also that all is well."""
    caplog.set_level(logging.INFO, "resilient_stream")
    return caplog


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[tuple[RedisStore, Answering]]:
    """A store on a cluster that does what it is told, by a clock of the test's own."""
    with running_clock():
        store, cluster = RedisStore("redis+cluster://there:1"), Answering()
        store._connect = lambda: cluster
        await asyncio.gather(*(store.exchange(News(key, "p")) for key in "abc"))
        yield store, cluster
        await store.aclose()


async def ask(store: RedisStore, keys: str, seconds: float = 1.0) -> list[bool]:
    """Ask for some targets, and wait. Which were answered?"""
    views = [await store.exchange(News(key, "p")) for key in keys]
    await asyncio.sleep(seconds)
    return [view is not None for view in views]


async def test_all_troubles_are_one_warning_and_one_end(
    fake: tuple[RedisStore, Answering], told: pytest.LogCaptureFixture
) -> None:
    """One target is late and one is lost; the end is told when both are well again."""
    store, cluster = fake
    cluster.takes = {"a": 0.2, "b": None}
    for _ in range(3):
        assert await ask(store, "abc") == [False, False, True]
    assert not store.up
    cluster.takes = {"b": None}
    await ask(store, "ab")
    assert await ask(store, "abc") == [True, False, True]
    assert levels(told) == ["WARNING"]
    cluster.takes = {}
    await ask(store, "ab")
    assert await ask(store, "abc") == [True] * 3
    assert store.up
    assert levels(told) == ["WARNING", "INFO"]


async def test_a_lost_target_that_is_late_afterwards_is_not_lost_any_more(
    fake: tuple[RedisStore, Answering], told: pytest.LogCaptureFixture
) -> None:
    """It answers, but too late to wait for: it is not well yet, and not down either."""
    store, cluster = fake
    cluster.takes = {"a": None}
    await ask(store, "a")
    cluster.takes = {"a": 0.2}
    await ask(store, "a")
    assert store.up
    assert await ask(store, "a") == [False]
    assert levels(told) == ["WARNING"]


async def test_troubles_of_targets_that_nobody_asks_for_end(
    fake: tuple[RedisStore, Answering], told: pytest.LogCaptureFixture
) -> None:
    """A target that was lost with its node, and is not used any more, does not keep the next outage from being told."""
    store, cluster = fake
    cluster.takes = {"a": None, "b": None}
    for _ in range(2):
        await ask(store, "ab", OUTDATED_AFTER + 1)
        cluster.takes = {"a": None}
        assert await ask(store, "b") == [False]
        assert await ask(store, "b") == [True]
        cluster.takes = {"a": None, "b": None}
    assert levels(told) == ["WARNING", "INFO"] * 2


# -- three real nodes ---------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def store(redis_cluster: RedisCluster, request: pytest.FixtureRequest) -> AsyncIterator[RedisStore]:
    """A store on the cluster. Its first connections are made."""
    own = RedisStore(redis_cluster.url, prefix=request.node.name)
    yield own
    await own.aclose()


def target_on(redis_cluster: RedisCluster, number: int) -> str:
    """The key of a target whose node this is."""
    names = (f"target{each}" for each in range(1000))
    return next(name for name in names if redis_cluster.node_of(f"{{{name}}}") is redis_cluster.nodes[number])


async def answered(store: RedisStore, key: str, seconds: float = 5.0) -> Any:
    """The first answer of the store: the first connection, and the end of an outage, take a moment."""
    until = time.monotonic() + seconds
    while (view := await store.exchange(asked(key))) is None:
        assert time.monotonic() < until, "no answer"
        await asyncio.sleep(0.01)
    return view


def asked(key: str) -> News:
    """Leave for a request."""
    return News(key, "a", circuit="c", calls=1, limits="l", rates=Rates(60_000), take=Cost(1, 0))


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    """How grave each of it is that was logged."""
    return [record.levelname for record in caplog.records]


@pytest.mark.outside
async def test_each_node_learns_the_function(redis_cluster: RedisCluster, store: RedisStore) -> None:
    """Targets on three nodes are asked for after all nodes have forgotten it."""
    for _ in range(2):
        for node in redis_cluster.nodes:
            node.tell("SCRIPT FLUSH")
        for number in range(3):
            assert await answered(store, target_on(redis_cluster, number)) is not None


@pytest.mark.outside
async def test_keys_that_move_lose_no_count(
    redis_cluster: RedisCluster,
    store: RedisStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before, while and after a slot goes to another node every call is counted once, and nobody notices."""
    monkeypatch.setattr("resilient_stream.stores.redis.PATIENCE", PATIENCE)
    key = target_on(redis_cluster, 0)
    old, new = redis_cluster.nodes[:2]
    slot = old.tell("CLUSTER", "KEYSLOT", f"{{{key}}}")
    ids = [node.tell("CLUSTER", "MYID") for node in (old, new)]
    counted = News(key, "a", circuit="c", calls=1)
    (name,) = keys(store.prefix, counted)

    async def ten(after: int) -> None:
        views = await asyncio.gather(*(store.exchange(counted) for _ in range(10)))
        assert sorted(view.calls for view in views if view) == list(range(after + 1, after + 11))

    await answered(store, key)
    old.tell("DEL", name)
    try:
        await ten(0)
        new.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        old.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        await ten(10)
        old.tell("MIGRATE", "127.0.0.1", new.port, name, 0, 5000)
        await ten(20)
        for node in (new, old):
            node.tell("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
        await ten(30)
    finally:
        new.tell("DEL", name)
        for node in (old, new):
            node.tell("CLUSTER", "SETSLOT", slot, "NODE", ids[0])
    assert not caplog.records


@pytest.mark.outside
async def test_a_lost_node_costs_its_targets_one_wait(
    redis_cluster: RedisCluster,
    store: RedisStore,
    told: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They go on alone, with one warning; those of other nodes are asked for as before. It comes back by itself."""
    monkeypatch.setattr("resilient_stream.stores.redis.PATIENCE", PATIENCE)
    lost, *others = (target_on(redis_cluster, number) for number in range(3))
    for key in (lost, *others):
        await answered(store, key)
    redis_cluster.nodes[0].stop()
    waits = []
    for _ in range(20):
        began = time.monotonic()
        assert await store.exchange(asked(lost)) is None
        waits.append(time.monotonic() - began)
        for key in others:
            assert await store.exchange(asked(key)) is not None
        await asyncio.sleep(0.05)
    assert max(waits) < 2 * PATIENCE
    assert sorted(waits)[-2] < PATIENCE / 2
    assert levels(told) == ["WARNING"]
    redis_cluster.nodes[0].start()
    redis_cluster.wait()
    await answered(store, lost)
    assert levels(told) == ["WARNING", "INFO"]
