"""The pytest fixture exists by its entry point, runs, and does not disturb other plugins."""

from __future__ import annotations

import asyncio
import socket
import tomllib
from pathlib import Path

import resilient_stream
from resilient_stream.testing import Cut, FakeProvider, Status, plugin

# Not by the entry point, so that the tests also run from a checkout that is not installed.
fake_provider = plugin.fake_provider


def test_the_entry_point_names_the_plugin() -> None:
    """Installing the package gives the fixture."""
    project = tomllib.loads((Path(resilient_stream.__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"resilient_stream": plugin.__name__}


def test_the_fixture_is_a_running_provider(fake_provider: FakeProvider) -> None:
    """It serves a test that has no loop at all, with whatever script."""
    fake_provider.play([Status(418, body="teapot"), Cut()])
    host, _, port = fake_provider.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"teapot")


async def test_the_fixture_leaves_the_tests_loop_alone(fake_provider: FakeProvider) -> None:
    """In an asynchronous test it adds no task to the loop."""
    assert fake_provider.open == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
