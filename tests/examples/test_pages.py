"""The chat page in a real browser: type, stream, stop, reload, resume, a provider that dies, themes, a phone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from resilient_stream.testing import Cut, End, FakeProvider, Sleep, Stall, Status, Text
from resilient_stream.web import end_responses
from resilient_stream.web.answer import Answer, open_answers

from .chromium import Chromium, chromium
from .serving import SERVERS, served

pytestmark = pytest.mark.outside

ANSWER, STATUS = "#turns li.assistant:last-child .text", "#status"


class Page:
    """The page of an example, in front of a provider."""

    def __init__(self, window: Chromium, address: str, provider: FakeProvider) -> None:
        self.window = window
        self.address = address
        self.provider = provider

    async def ask(self, text: str) -> None:
        """Type a question, and press Enter."""
        await self.window.type("#prompt", text)
        await self.window.press("Enter")


@pytest.fixture(params=list(SERVERS))
async def chat(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Callable[..., Any]]:
    """`await chat(script, …)` opens the page of an example."""
    async with AsyncExitStack() as stack:

        async def start(*scripts: Any) -> Page:
            window = await stack.enter_async_context(chromium(tmp_path))
            provider = await stack.enter_async_context(FakeProvider(*scripts))
            targets = [provider.target("openai"), provider.target("anthropic")]
            address = await stack.enter_async_context(served(request.param, targets, monkeypatch))
            await window.open(address)
            return Page(window, address, provider)

        yield start


async def test_a_question_is_answered_as_it_is_typed(chat: Any) -> None:
    """Enter sends; the answer grows; at its end the page says that it is complete, and the keyboard is free to ask."""
    page = await chat([Text("Short waves ", "scatter "), Sleep(0.3), Text("most."), End()])
    await page.ask("Why is the sky blue?")
    await page.window.until(ANSWER, "scatter")
    assert await page.window.text("#stop") == "Stop"
    await page.window.until(STATUS, "Complete")
    assert await page.window.text(ANSWER) == "Short waves scatter most."
    assert await page.window.text("#turns li.user .text") == "Why is the sky blue?"
    assert await page.window.script("document.activeElement.id") == "prompt"
    assert page.window.complaints == []


async def test_a_reload_goes_on_with_the_answer(chat: Any) -> None:
    """Loaded anew in the middle: the question is there, and all of the answer, once."""
    page = await chat([Text("one "), Sleep(1.0), Text("two"), End()])
    await page.ask("Count.")
    await page.window.until(ANSWER, "one")
    await page.window.open(page.address)
    await page.window.until(STATUS, "Complete")
    assert await page.window.text(ANSWER) == "one two"
    assert await page.window.count("#turns li") == 2
    assert not page.provider.requests[0].closed_by_client


async def test_a_server_that_shuts_down_is_left_for_another(chat: Any) -> None:
    """The page is told so, which is not the answer's end: it comes back for the rest. Here the same server has it."""
    page = await chat([Text("one "), Sleep(1.0), Text("two"), End()])
    await page.ask("Count.")
    await page.window.until(ANSWER, "one")
    [answer] = open_answers()
    run: Any = answer._source._feed  # type: ignore[attr-defined]
    run._elsewhere = True
    await end_responses(after=0)
    await page.window.until(STATUS, "Complete")
    assert await page.window.text(ANSWER) == "one two"
    assert await page.window.count("[role=alert]") == 0


async def test_an_answer_that_nobody_has_is_told_in_words(chat: Any) -> None:
    """The second server that says so is believed, and what came stays."""
    page = await chat([Text("one "), Stall()])
    await page.ask("Count.")
    await page.window.until(ANSWER, "one")
    told: list[Answer] = []
    async with asyncio.timeout(10):
        while len(told) < 2:
            for answer in set(open_answers()).difference(told):
                answer._source.lose("worker_lost")  # type: ignore[attr-defined]
                told.append(answer)
            await asyncio.sleep(0.01)
    await page.window.until("#turns [role=alert]", "Server lost")
    assert await page.window.text(ANSWER) == "one "


async def test_stop_stops_and_says_so(chat: Any) -> None:
    """Escape ends the answer at the provider; what came stays on the page."""
    page = await chat([Text("Half"), Stall()])
    await page.ask("Go on for ever.")
    await page.window.until(ANSWER, "Half")
    await page.window.press("Escape")
    await page.window.until(STATUS, "Stopped")
    await page.window.until("#turns .note", "You stopped this answer.")
    await page.provider.wait_closed(1, timeout=2)
    assert await page.window.count("[role=alert]") == 0


async def test_a_stop_before_the_first_word_counts(chat: Any) -> None:
    """The page does not know the answer's name yet: it stops it as soon as it does."""
    page = await chat([Stall()])
    await page.ask("Think.")
    await page.window.click("#stop")
    await page.window.until(STATUS, "Stopped")
    await page.provider.wait_closed(1, timeout=2)


async def test_a_provider_that_dies_is_a_note_and_not_an_end(chat: Any) -> None:
    """Another one goes on; the page says so, in a sentence."""
    page = await chat([Text("Half an ", "answer"), Cut()], [Text("Half an answer", " and the rest."), End()])
    await page.ask("Hi")
    await page.window.until(STATUS, "Complete")
    assert await page.window.text(ANSWER) == "Half an answer and the rest."
    assert "broke off" in await page.window.text("#turns .note")


async def test_a_failure_is_told_in_words(chat: Any) -> None:
    """An alert with a title and a sentence; the page can be used again."""
    page = await chat([Status(401)], [Status(401)], [Text("Here."), End()])
    await page.ask("Hi")
    said = await page.window.until("[role=alert]", "\n")
    assert len(said.split("\n")[1]) > 20
    await page.ask("Again?")
    await page.window.until(ANSWER, "Here.")


async def test_what_a_model_says_is_never_run(chat: Any) -> None:
    """Tags in an answer are text."""
    page = await chat([Text("<img src=x onerror=\"document.title='run'\"><b>bold</b>"), End()])
    await page.ask("Hi")
    await page.window.until(STATUS, "Complete")
    assert "<b>bold</b>" in await page.window.text(ANSWER)
    assert await page.window.script("document.title") == "Chat"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_can_be_read_in_both_themes_and_on_a_phone(chat: Any, scheme: str, tmp_path: Path) -> None:
    """Text has enough contrast, and nothing is wider than a phone. PAGES_SHOWN names a folder for the pictures."""
    page = await chat(
        [Text("Short waves ", "scatter most, and blue is short."), Cut()],
        [Status(401)],
        [Text("It goes on."), End()],
    )
    folder = Path(os.environ.get("PAGES_SHOWN", tmp_path))
    await page.ask("Why is the sky blue?")
    await page.window.until("[role=alert]", "\n")
    await page.ask("And then?")
    await page.window.until(STATUS, "Complete")
    for name, width, height in (("desk", 1100, 800), ("phone", 360, 740)):
        await page.window.look(scheme, width, height)
        await page.window.picture(folder / f"{name}-{scheme}.png")
        assert await page.window.script("document.documentElement.scrollWidth") <= width
    assert await page.window.script(CONTRAST) >= 4.5


CONTRAST = """
{
const light = colour => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(each => each / 255)
    .map(each => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const ground = element => {
  const own = getComputedStyle(element).backgroundColor
  return own === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : own
}
const seen = [...document.querySelectorAll("h1, h2, .text, .note, [role=alert], #status, button, summary")]
  .filter(element => element.offsetParent && element.textContent.trim())
Math.min(...seen.map(element => {
  const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x)
  return (a + 0.05) / (b + 0.05)
}))
}
"""
"""The smallest contrast of a text with what is behind it, as the Web Content Accessibility Guidelines define it."""
