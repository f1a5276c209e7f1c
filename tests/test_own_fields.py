"""Fields of `extra` under a provider's name go to that provider's targets only."""

from __future__ import annotations

from typing import Any

import pytest

from resilient_stream import Client, InvalidRequest, RetryPolicy, Target
from resilient_stream.contract import Request
from resilient_stream.fitting.own_fields import for_its_provider, refused
from resilient_stream.messages import Message
from resilient_stream.testing import End, FakeProvider, Status, Text

EXTRA: dict[str, Any] = {"top": 1, "anthropic:": {"service_tier": "auto"}, "openai:": {"store": True}}


def asked(target: str, extra: dict[str, Any]) -> Request:
    """A request with these fields in `extra`."""
    return Request(messages=(Message(role="user", content="Hi"),), target=Target(target), extra=extra)


async def test_each_provider_gets_its_own_fields_and_the_common_ones() -> None:
    """A fallback to another provider is asked without the fields of the first one."""
    async with FakeProvider([Status(500)], [Text("Hello"), End()]) as provider:
        targets = provider.target("anthropic"), provider.target("openai")
        async with Client(*targets, retry=RetryPolicy.off()) as client:
            answer = await client.complete("Hi", extra=EXTRA, max_tokens=5)
    assert answer.text == "Hello"
    bodies = [request.json for request in provider.requests]
    sent = [(body.get("top"), body.get("service_tier"), body.get("store")) for body in bodies]
    assert sent == [(1, "auto", None), (1, None, True)]
    assert not any(name.endswith((":", "!")) for body in bodies for name in body)


async def test_a_target_is_not_asked_for_what_only_another_provider_has() -> None:
    """Fields under `anthropic!` are refused by name at another provider, before anything is sent."""
    async with (
        FakeProvider([Text("Hello"), End()]) as provider,
        Client(provider.target("openai"), provider.target("anthropic")) as client,
    ):
        answer = await client.complete("Hi", extra={"anthropic!": {"container": "c_1"}})
        assert answer.target is not None
        assert answer.target.startswith("anthropic:")
        with pytest.raises(InvalidRequest, match=r"fields that only anthropic has \(container\)"):
            await client.complete("Hi", extra={"anthropic!": {"container": "c_1"}}, to=provider.target("openai"))
    assert [request.json.get("container") for request in provider.requests] == ["c_1"]


def test_a_request_without_such_fields_is_the_same_object() -> None:
    """What has no fields of one provider costs nothing."""
    request = asked("openai:gpt", {"top": 1})
    assert for_its_provider(request) is request
    assert refused(request) is None


def test_what_is_not_an_object_is_no_fields() -> None:
    """A value under a provider's name that is no object adds nothing, and does not fail."""
    assert for_its_provider(asked("openai:gpt", {"openai:": 3})).extra == {}
