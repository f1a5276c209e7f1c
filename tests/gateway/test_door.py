"""Who may ask a gateway."""

from __future__ import annotations

import pytest

from resilient_stream import StreamMisused
from resilient_stream.gateway.door import Door, keys_of
from resilient_stream.integrations.refused import Refused

KEY = "a-key-of-twenty-four-chars"


@pytest.mark.parametrize("name", ["Authorization", "x-api-key"])
def test_one_of_the_keys_lets_in(name: str) -> None:
    """As OpenAI's clients send it, and as Anthropic's do."""
    door = Door(["another-key-of-the-gateway", KEY])
    door.check({name: f"Bearer {KEY}" if name == "Authorization" else KEY})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {KEY}x"},
        {"x-api-key": KEY[:-1]},
        {"x-api-key": "ä"},
    ],
)
def test_no_other_key_does(headers: dict[str, str]) -> None:
    """A missing, longer, shorter or odd key is a 401 that says where a key goes."""
    with pytest.raises(Refused, match="Authorization") as raised:
        Door([KEY]).check(headers)
    assert raised.value.status == 401


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost", "[::1]:8642", "LOCALHOST:1"])
def test_programs_of_this_machine_need_no_key(host: str) -> None:
    """They name the machine itself, and they send no `Origin`."""
    Door().check({"Host": host})


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1:8642", "Origin": "https://example.org"},
        {"Host": "127.0.0.1:8642", "Origin": "null"},
        {"Host": "evil.example:8642"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {},
    ],
)
def test_web_pages_are_kept_out(headers: dict[str, str]) -> None:
    """A page cannot spend this machine's keys, also not under a name that it makes mean 127.0.0.1."""
    with pytest.raises(Refused, match="no web pages") as raised:
        Door().check(headers)
    assert raised.value.status == 403


def test_keys_stand_on_lines_or_between_commas() -> None:
    """Blank ones are none."""
    assert keys_of(f"{KEY}\n\n  {KEY}2 , {KEY}3,\n") == (KEY, f"{KEY}2", f"{KEY}3")
    assert keys_of(" \n") == ()


def test_a_key_that_can_be_guessed_is_refused() -> None:
    """The complaint does not repeat it."""
    with pytest.raises(StreamMisused, match="at least 16 characters") as raised:
        keys_of("hunter2")
    assert "hunter2" not in str(raised.value)
