"""What a developer sees of a client, a stream and a conversation: who, and how far; never a key or a text."""

from __future__ import annotations

from resilient_stream import Client, Target
from resilient_stream.testing import End, FakeProvider, Text

SECRET = "sk-very-secret"


async def test_a_stream_says_whom_it_asks_and_how_far_it_is():
    """From before its first pull to after its end."""
    async with FakeProvider([Text("Hel", "lo"), End()]) as provider, Client(provider.target("openai")) as client:
        stream = client.stream(f"Do not show {SECRET}")
        assert repr(stream) == "<Stream openai:fake-model, not started, 0 characters>"
        await anext(stream)
        assert repr(stream).startswith("<Stream openai:fake-model, running, ")
        assert repr(client) == "<Client openai:fake-model, 1 running>"
        await stream.collect()
        assert repr(stream) == "<Stream openai:fake-model, complete, 5 characters>"
        assert repr(client) == "<Client openai:fake-model>"


async def test_a_client_shows_targets_and_no_key():
    """Targets by name, in order; closed, once it is."""
    client = Client(Target("openai:a", api_key=SECRET, headers={"x-key": SECRET}), "anthropic:b")
    assert repr(client) == "<Client openai:a, anthropic:b>"
    assert repr(Client()) == "<Client no targets>"
    await client.aclose()
    assert repr(client) == "<Client openai:a, anthropic:b, closed>"
    assert SECRET not in repr(client)


async def test_a_conversation_says_how_many_turns():
    """The repr of a conversation has its number of turns and its state."""
    async with FakeProvider([Text("Hello"), End()]) as provider, Client(provider.target("openai")) as client:
        conversation = client.converse("Hi")
        assert repr(conversation) == "<Conversation openai:fake-model, not started, 0 turns>"
        await conversation.collect()
        assert repr(conversation) == "<Conversation openai:fake-model, complete, 1 turn>"
