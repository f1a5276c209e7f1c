"""The ledger against the provider's own books: 1,000 random calls, with faults, retries, fallbacks, cancels, hedges."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from resilient_stream import Client, Hedge, Limits, Recovery, RetryBudget, RetryPolicy, StreamError, Target, Usage
from resilient_stream.fleet.health import digest_of
from resilient_stream.testing import Cut, End, FakeProvider, Preamble, Stall, Status, Text
from resilient_stream.testing.http import ReceivedRequest
from resilient_stream.testing.steps import Script

PROMPTS = ("Hi", "Why is the sky blue?", "Tell me of the sea. " * 20)
TENANTS = ("acme", "globex", "initech")
KEYS = ("first-key-0000", "second-key-000")
MARK = "~"
"""The last piece of an answer that stalls: the caller leaves when it has come."""


def tokens(characters: int) -> int:
    """What the ledger takes for tokens where nobody counted: one for four characters, rounded up."""
    return -(-characters // 4)


class Books:
    """What the provider sent and said, kept by model, by tenant and by key. seed: of everything that is random."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.by: dict[str, Counter[str]] = {}

    def answer(self, request: ReceivedRequest) -> Script:
        """One answer, written into the books before it is sent."""
        body = request.json
        prompt, model = body["messages"][-1]["content"], body["model"]
        pieces = ["".join(self.chance.choices("abc ", k=self.chance.randint(1, 9))) for _ in range(4)]
        fate = (
            model if model in ("stalls", "silent") else self.chance.choice(("good", "good", "good", "cut", "refused"))
        )
        names = (model, str(prompt).partition("|")[0], self.key(request))
        if fate == "refused":
            self.write(names, wasted=0)
            return (Status(self.chance.choice((429, 500, 503))),)
        asked = tokens(len(prompt))
        if fate == "good":
            usage = Usage(self.chance.randint(1, 99), self.chance.randint(1, 99), cached_input_tokens=1)
            given, made = usage.input_tokens or 0, usage.output_tokens or 0
            given += 1 if "/messages" in request.path else 0  # Anthropic's input is without what was cached
            self.write(names, given=given, made=made, cached=1)
            return (Text(*pieces), End(usage=usage))
        if fate == "silent":  # its head has come, and no content: the input is on the bill
            self.write(names, given=asked, wasted=asked)
            return (Preamble(), Stall())
        if fate == "stalls":
            made = tokens(len("".join(pieces)) + 1)
            self.write(names, given=asked, made=made, wasted=asked + made)
            return (Text(*pieces, MARK), Stall())
        sent = pieces[: self.chance.randint(1, 4)]
        made = tokens(len("".join(sent)))
        self.write(names, given=asked, made=made, wasted=asked + made)
        return (Text(*sent), Cut())

    def key(self, request: ReceivedRequest) -> str:
        """The digest of the key that came with a request."""
        sent = request.headers.get("x-api-key") or request.headers["authorization"].removeprefix("Bearer ")
        return digest_of(sent)

    def write(self, names: Iterable[str], **counts: int) -> None:
        """Add to the rows of a model, a tenant and a key."""
        for name in names:
            row = self.by.setdefault(name, Counter())
            row["attempts"] += 1
            row.update(counts)


def price(target: str, usage: Usage) -> Decimal:
    """A price of our own: a dollar for each token that the provider counted or that was estimated."""
    return Decimal((usage.input_tokens or 0) + (usage.output_tokens or 0))


async def _call(client: Client, books: Books, targets: list[Target], *, leave: bool) -> None:
    tenant = books.chance.choice(TENANTS)
    prompt = f"{tenant}|{books.chance.choice(PROMPTS)}"
    stream = client.stream(prompt, to=targets, metadata={"tenant": tenant})
    try:
        async with stream:
            async for chunk in stream:
                if leave and chunk.text == MARK:
                    return
    except StreamError:
        return


def _targets(server: FakeProvider, books: Books) -> list[list[Target]]:
    """What a call may be sent to: one or two targets, each with one of two keys."""
    key = books.chance.choice(KEYS)
    chat = server.target("openai", model="chat", api_key=key)
    other = server.target("openai", model="other", api_key=books.chance.choice(KEYS))
    return [[chat], [other], [chat, other], [other, chat], [server.target("openai", model="stalls", api_key=key)]]


async def _many(client: Client, books: Books, server: FakeProvider, calls: int, pick: Any) -> None:
    async def some(count: int) -> None:
        for _ in range(count):
            targets = pick(books)
            await _call(client, books, targets, leave=targets[0].model == "stalls")

    await asyncio.gather(*(some(calls // 20) for _ in range(20)))


def _compare(client: Client, books: Books, calls: int) -> None:
    for by, names in (("target", None), ("tenant", TENANTS), ("key", [digest_of(key) for key in KEYS])):
        totals = client.ledger.totals(by)  # type: ignore[arg-type]
        assert sum(total.requests for total in totals.values()) == calls
        rows = {name.partition(":")[2] or name: total for name, total in totals.items()}
        assert names is None or set(rows) == set(names)
        for name, total in rows.items():
            book = books.by[name]
            seen = {
                "attempts": total.attempts, "given": total.input_tokens.tokens, "made": total.output_tokens.tokens,
                "cached": total.cached_input_tokens.tokens, "wasted": total.wasted_tokens.tokens,
            }  # fmt: skip
            assert seen == {key: book[key] for key in seen}, name


@pytest.mark.slow
async def test_the_sums_are_those_of_the_providers_books() -> None:
    """900 calls with faults, retries, fallbacks and callers that leave: each sum by target, tenant and key is equal."""
    books = Books(14)
    async with FakeProvider(books.answer) as server:
        client = Client(
            retry=RetryPolicy(initial=0, attempts=3), budget=RetryBudget.off(), recovery=Recovery.off(),
            prices=price, limits=Limits(cost_per_day=1e9),
        )  # fmt: skip
        async with client:
            await _many(client, books, server, 900, lambda books: books.chance.choice(_targets(server, books)))
            _compare(client, books, 900)
            rows = client.ledger.totals("tenant").values()
            spent = sum(row.input_tokens.tokens + row.output_tokens.tokens for row in rows)
            assert sum(row.cost or 0 for row in rows) == client.ledger.today() == spent
            assert {row.cost_certainty for row in rows} == {"estimated"}
            assert len(server.requests) == sum(row.attempts for row in rows) > 1000


async def test_the_sums_of_hedged_calls_are_those_of_the_books() -> None:
    """100 races: what the slow one was sent is wasted, and the other one's tokens are what the provider counted."""
    books = Books(15)
    async with FakeProvider(books.answer) as server:
        pair = [server.target("openai", model="silent", api_key=KEYS[0]), server.target("anthropic", model="good-one",
                api_key=KEYS[1])]  # fmt: skip
        books.chance.choice = lambda options: options[0]  # type: ignore[method-assign,assignment]
        client = Client(hedge=Hedge(after=0.01), budget=RetryBudget.off(), retry=RetryPolicy.off())
        async with client:
            await _many(client, books, server, 100, lambda _: pair)
            for total in client.ledger.totals("target").values():
                book = books.by[total.name.partition(":")[2]]
                assert (total.attempts, total.wasted_tokens.tokens) == (100, book["wasted"])
                assert (total.input_tokens.tokens, total.output_tokens.tokens) == (book["given"], book["made"])
            slow, good = (client.ledger.totals("target")[target.name] for target in pair)
            assert (slow.requests, good.requests) == (100, 0)
            assert (slow.output_tokens.tokens, slow.input_tokens.certainty, slow.wasted_tokens.certainty) == (
                0, "estimated", "estimated",
            )  # fmt: skip
            assert (good.input_tokens.certainty, good.wasted_tokens) == ("exact", (0, "exact"))
