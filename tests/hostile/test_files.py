"""Files: recordings and saved chats are private, and nothing but a plain file is read or written."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import stat
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from resilient_stream import Client, ErrorKind, Message, RetryPolicy, StreamError, StreamMisused, Target
from resilient_stream.cli.chat.commands import Chat, run_command
from resilient_stream.recording import format as recorded
from resilient_stream.recording import playback as replay
from tests.loopback import Loopback, chat


def mode(path: Path) -> int:
    """Who may read it."""
    return stat.S_IMODE(path.stat().st_mode)


async def record(file: Path) -> None:
    """One answer, recorded."""
    async with Loopback(chat("Hello")) as server, Client(server.target(), record=file) as client:
        await client.complete("hi")


async def test_a_recording_is_private_even_if_it_was_not(tmp_path: Path) -> None:
    """A file that others could read is theirs no longer."""
    file = tmp_path / "a.jsonl"
    file.touch(0o644)
    await record(file)
    assert file.read_bytes()
    assert mode(file) == 0o600


def not_plain(folder: Path) -> dict[str, Path]:
    """What is no file to record into, or to play."""
    fifo, link, sock = folder / "fifo", folder / "link", folder / "sock"
    os.mkfifo(fifo)
    link.symlink_to(folder / "elsewhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(sock))
    return {"fifo": fifo, "link": link, "socket": sock, "device": Path("/dev/zero"), "folder": folder}


@pytest.mark.parametrize("what", ["fifo", "link", "socket", "device", "folder"])
def test_a_recording_goes_into_a_plain_file(what: str, tmp_path: Path) -> None:
    """Anything else is refused when the client is made."""
    with pytest.raises(StreamMisused, match="record: "):
        Client("openai:m", record=not_plain(tmp_path)[what])


async def test_a_link_that_comes_later_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody else's file stays as it was; the stream goes on."""
    file, other = tmp_path / "a.jsonl", tmp_path / "other"
    other.write_text("untouched")
    async with Loopback(chat("Hello")) as server, Client(server.target(), record=file) as client:
        file.symlink_to(other)
        with caplog.at_level(logging.WARNING, "resilient_stream"):
            assert (await client.complete("hi")).text == "Hello"
    assert other.read_text() == "untouched"
    assert "it is a link" in caplog.text


@pytest.mark.parametrize("what", ["fifo", "socket", "device", "folder"])
async def test_only_a_plain_file_is_played(what: str, tmp_path: Path) -> None:
    """A pipe is not opened, a device not read to its end that never comes: it is said at once."""
    started = time.monotonic()
    async with Client(f"replay:{not_plain(tmp_path)[what]}", retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi", deadline=60)
    assert caught.value.kind is ErrorKind.CLIENT_CONFIG
    assert time.monotonic() - started < 20


async def test_a_file_that_is_too_large_is_not_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is held in memory."""
    monkeypatch.setattr(replay, "MAX_FILE", 10)
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"{}\n" * 10)
    async with Client(f"replay:{file}") as client:
        with pytest.raises(StreamError, match="MiB"):
            await client.complete("hi")


async def test_a_file_that_is_much_too_large_is_not_read(tmp_path: Path) -> None:
    """The size of a file is checked before the file is read."""
    file = tmp_path / "a.jsonl"
    with file.open("wb") as sparse:
        sparse.truncate(3 * 1024**3)
    tracemalloc.start()
    async with Client(f"replay:{file}") as client:
        with pytest.raises(StreamError, match="MiB"):
            await client.complete("hi")
    assert tracemalloc.get_traced_memory()[1] < 16 * 1024**2
    tracemalloc.stop()


class Counted:
    """A read of a recording that counts how often its bytes were asked for."""

    asked = 0

    @property
    def bytes(self) -> bytes:
        """As many bytes as a read of a fast answer has."""
        Counted.asked += 1
        return b"data: {}\n\n" * 6000


def test_the_beginning_of_a_long_recording_decides_its_form() -> None:
    """An answer of some hundred megabytes is not joined while the loop waits."""
    ended = recorded.Ending(how="end", after=1.0)
    headers = {"content-type": "text/event-stream"}
    exchange = recorded.Exchange(version=1, target="openai:m", messages=[], ended=ended, headers=headers)
    exchange.pieces = [recorded.Piece(0.0, "\n "), *[Counted()] * 5000]  # type: ignore[list-item]
    assert replay._form(exchange) == "stream"
    assert Counted.asked <= 2


def test_the_collector_does_not_look_at_the_reads_of_a_recording() -> None:
    """A recording of very many reads would hold all threads while the collector goes through them."""
    assert not gc.is_tracked(recorded.Piece(0.0, "x"))
    assert not gc.is_tracked(recorded.Piece(0.0, recorded.Binary(b"x")))


async def test_a_disk_that_does_not_answer_does_not_hold_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reads is left alone when the time is over."""
    answers = threading.Event()
    monkeypatch.setattr(replay, "_content", lambda path: answers.wait(60) and b"")
    async with Client(f"replay:{tmp_path / 'a.jsonl'}") as client:
        started = time.monotonic()
        with pytest.raises(StreamError) as caught:
            await client.complete("hi", deadline=0.05)
    answers.set()
    assert caught.value.deadline_passed
    assert time.monotonic() - started < 20
    await asyncio.sleep(0)


class Page(list[str]):
    """A person at a chat, who says yes or no."""

    yes = False

    def note(self, text: str) -> None:
        """Keep it."""
        self.append(text)

    def confirm(self, question: str) -> bool:
        """As told."""
        self.append(question)
        return self.yes


def test_a_chat_asks_before_it_overwrites_and_saves_privately(tmp_path: Path) -> None:
    """A file stays as it is unless somebody says yes; then only its owner can read it."""
    talk = Chat([Target("openai:m")], [], {})
    talk.take([Message(role="user", content="hi")])
    page, file = Page(), tmp_path / "chat.json"
    file.write_text("precious")
    with pytest.raises(StreamMisused, match="was left as it is"):
        run_command(f"/save {file}", talk, page)
    assert file.read_text() == "precious"
    page.yes = True
    run_command(f"/save {file}", talk, page)
    assert page[0] == f"{file} exists. Overwrite it?"
    assert "precious" not in file.read_text()
    assert mode(file) == 0o600
    run_command(f"/save {tmp_path / 'new.md'}", talk, page)
    assert mode(tmp_path / "new.md") == 0o600
