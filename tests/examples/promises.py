"""What both examples promise, written once; each framework's test file runs all of it on its own server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from tests.loopback import COMMENT, HEAD, PREAMBLE, Script, chat, cut_after, delta, status

from .stage import Browser, Flood, Stage

Serve: TypeAlias = Callable[..., Awaitable[Stage]]
SLOW_DOWN = {"error": {"message": "Slow down."}}


class Promises:
    """Collected by way of a subclass; `start` is a fixture of its module."""

    async def test_whole_answer_ends_in_done(self, serve: Serve) -> None:
        """Text comes as events in order, then `done` with outcome, reason and usage; nothing may keep or collect it."""
        stage = await serve(chat("Hel", "lo\n", "there"))
        answer = await stage.post({"prompt": "hi"})
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.events[:-1] == [("message", {"text": text}) for text in ("Hel", "lo\n", "there")]
        name, done = answer.events[-1]
        assert (name, done["outcome"], done["finish_reason"]) == ("done", "complete", "stop")
        assert (done["usage"]["input_tokens"], done["usage"]["output_tokens"]) == (9, 3)
        assert stage.upstream.seen[0].body["messages"] == [{"role": "user", "content": "hi"}]

    async def test_answer_without_a_word_is_whole(self, serve: Serve) -> None:
        """A model that says nothing and stops gives `done` alone."""
        stage = await serve(chat())
        answer = await stage.post({"prompt": "hi"})
        assert [(name, data["outcome"]) for name, data in answer.events] == [("done", "complete")]

    async def test_app_has_one_client(self, serve: Serve) -> None:
        """The second question goes out on the first one's connection."""
        stage = await serve(chat("one"), chat("two"))
        assert [(await stage.post({"prompt": "hi"})).events[0][1]["text"] for _ in range(2)] == ["one", "two"]
        assert stage.upstream.connections == 1

    async def test_piece_is_not_held_back(self, serve: Serve) -> None:
        """A piece reaches the browser while the provider is silent, and leaving then closes the provider's side."""
        stage = await serve(cut_after("first", end="stall"))
        browser = await Browser.ask(stage.port)
        await browser.hears(b"first")
        assert stage.upstream.open == 1
        await self.leave(browser, stage)

    @pytest.mark.parametrize(
        "script",
        [["stall"], [HEAD, PREAMBLE, "stall"], [HEAD, PREAMBLE, *([COMMENT, 0.005] * 2000)]],
        ids=["no-head", "preamble", "keep-alives"],
    )
    async def test_leaving_before_the_first_content(self, serve: Serve, script: Script) -> None:
        """A browser that goes while the provider still thinks closes the provider's side."""
        stage = await serve(script)
        browser = await Browser.ask(stage.port)
        await stage.asked()
        await self.leave(browser, stage)

    async def test_leaving_without_reading(self, serve: Serve) -> None:
        """A browser that does not read stops the provider, not the memory; when it goes the provider's side closes."""
        flood = Flood()
        stage = await serve(flood)
        browser = await Browser.ask(stage.port)
        await browser.hears(b"data: ")
        taken = await flood.dammed()
        print(f"taken from the provider for a browser that does not read: {taken / 1e6:.1f} MB")
        assert taken < 10e6
        assert stage.upstream.open == 1
        await self.leave(browser, stage)

    async def leave(self, browser: Browser, stage: Stage) -> None:
        """Go, and see that the provider notices within a second, and that no task stays."""
        browser.leave()
        print(f"provider's side closed after {await stage.upstream_is_left():.1f} ms")
        await stage.at_rest()

    @pytest.mark.parametrize(
        ("script", "code", "wait", "title"),
        [
            (status(429, SLOW_DOWN, retry_after="30", x_should_retry="false"), 429, "30", "Rate limited"),
            (status(429, SLOW_DOWN, retry_after="90"), 429, "90", "Rate limited"),
            (status(529, SLOW_DOWN, x_should_retry="false"), 503, None, "Provider overloaded"),
            (status(401, {"error": {"code": "invalid_api_key"}}), 502, None, "API key not accepted"),
        ],
        ids=["limited", "patience", "overloaded", "key"],
    )
    async def test_failure_before_content_is_a_status(
        self, serve: Serve, script: Script, code: int, wait: str | None, title: str
    ) -> None:
        """Without any content the browser gets an HTTP error with a title, a message and what to do, as JSON."""
        stage = await serve(script)
        answer = await stage.post({"prompt": "hi"})
        assert answer.status == code
        assert answer.json["title"] == title
        assert answer.json.keys() == {"title", "message", "resolution"}
        assert all(answer.json.values())
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers.get("retry-after") == wait
        assert len(stage.upstream.seen) == 1
        await stage.at_rest()

    async def test_failure_after_content_is_an_event(self, serve: Serve) -> None:
        """An answer that is cut gives what came, an `error` event, and a `done` that does not claim to be complete."""
        stage = await serve(cut_after("Hel", "lo"))
        answer = await stage.post({"prompt": "hi"})
        assert answer.status == 200
        assert [name for name, _ in answer.events] == ["message", "message", "error", "done"]
        assert answer.events[2][1]["title"] == "Answer cut off"
        assert answer.events[2][1].keys() == {"title", "message", "resolution"}
        assert answer.events[3][1]["outcome"] == "failed"
        await stage.at_rest()

    async def test_limit_of_the_model_is_told(self, serve: Serve) -> None:
        """An answer that ran into max_tokens is complete, and says why it stopped."""
        stage = await serve([HEAD, PREAMBLE, delta("Hel"), delta(finish="length"), *chat()[-2:]])
        assert (await stage.post({"prompt": "hi"})).events[-1][1]["finish_reason"] == "length"

    @pytest.mark.parametrize("body", [{}, {"prompt": ""}, {"prompt": 7}, "hi", None])
    async def test_bad_question_is_refused(self, serve: Serve, body: Any) -> None:
        """What is no question is refused without asking the provider."""
        stage = await serve(chat("never"))
        assert (await stage.post(body)).status == 422
        assert not stage.upstream.seen

    async def test_page_is_there(self, serve: Serve) -> None:
        """A person can open the page in a browser."""
        stage = await serve(chat())
        answer = await stage.get("/")
        assert answer.status == 200
        assert "<form>" in answer.text

    @pytest.mark.parametrize("script", [["stall"], cut_after("first", end="stall"), Flood()])
    async def test_shutdown_closes_the_provider_side(self, serve: Serve, script: Script) -> None:
        """Stopping the server ends running answers, whatever they wait for, and takes no longer than it must."""
        stage = await serve(script)
        stage.may_log = {"uvicorn.error"}  # it calls the end of a request that it cancelled an error
        browser = await Browser.ask(stage.port)
        await stage.asked()
        if script != ["stall"]:
            await browser.hears(b"data: ")
        if isinstance(script, Flood):
            await script.dammed()
        stopping = asyncio.create_task(stage.stop())
        print(f"provider's side closed {await stage.upstream_is_left():.1f} ms after the server was told to stop")
        browser.leave()
        await asyncio.wait_for(stopping, 2)
