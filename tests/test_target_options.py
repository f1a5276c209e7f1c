"""What a target may be given: no option is ignored, and a wrong one is answered with the right one."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import resilient_stream
from resilient_stream import Client, StreamMisused, Target
from resilient_stream.given.target_options import FIELDS, OF_STREAM
from resilient_stream.options import StreamOptions
from resilient_stream.providers import adapter_for, known_providers

SECRET = "SECRET-VALUE"


def refusal(name: str, **options: Any) -> str:
    """What is said of it, by the target or by the client that it is given to."""
    with pytest.raises(StreamMisused) as caught:
        Client(Target(name, **options))
    said = str(caught.value)
    assert SECRET not in said
    return said


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("api_keyy", "did you mean api_key?"),
        ("header", "did you mean headers?"),
        ("base_ulr", "did you mean base_url?"),
        ("timeout", "did you mean timeouts?"),
        ("temprature", "did you mean temperature? give it to stream()"),
        ("temperature", "give it to stream()"),
        ("max_tokens", "give it to stream()"),
        ("tools", "give it to stream()"),
        ("top_k", "give it to stream()"),
        ("verify", "certificates: set SSL_CERT_FILE or give Client(session="),
        ("ssl", "certificates: set SSL_CERT_FILE or give Client(session="),
        ("ca", "certificates: set SSL_CERT_FILE or give Client(session="),
        ("proxy", "HTTPS_PROXY"),
        ("api_base", "did you mean base_url?"),
        ("key", "did you mean api_key?"),
        ("max_retries", "RetryPolicy"),
        ("termnal", "did you mean terminal?"),
        ("zzz", "it knows api_key, base_url"),
    ],
)
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "bedrock", "vllm", "cohere", "azure"])
def test_an_unknown_option_is_answered_with_what_was_meant(provider, option, words):
    """At every provider, and without its value."""
    assert words in refusal(f"{provider}:m", **{option: SECRET})


def test_an_option_of_one_provider_is_none_of_anothers():
    """Each adapter says what it takes."""
    assert "region" in refusal("openai:m", region="eu-1")
    assert "did you mean region?" in refusal("bedrock:m", regoin="eu-1")
    assert "did you mean background?" in refusal("openai-responses:m", backgroud=True)


def test_stream_to_a_target_with_an_unknown_option_is_refused():
    """A target of one call is looked at, too."""
    with pytest.raises(StreamMisused, match="did you mean raw"):
        Client("openai:m").stream("Hi", to=Target("openai:m", rawr=True))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("openai:m", {"raw": True, "stream": False, "terminal": "eof_ok"}),
        ("openai-responses:m", {"background": True, "reasoning_summary": "auto"}),
        ("azure:m", {"api_version": "v1", "azure_ad_token": SECRET}),
        ("azure-responses:m", {"api_version": "v1", "background": True}),
        ("bedrock:m", {"api": "invoke", "region": "eu-1", "profile": "p", "session": object()}),
        ("gemini:m", {"stream_format": "array"}),
        ("gemini-interactions:m", {"background": True}),
        ("vertex:m", {"project": "p", "location": "eu", "credentials": object(), "stream_format": "array"}),
        ("replay:f", {"speed": 2, "repeat": True}),
        ("claude-code", {"command": "claude", "tools": "", "arguments": ("--x",)}),
    ],
)
def test_what_an_adapter_knows_is_taken(name, options):
    """The options that the documents name."""
    assert Client(Target(name, **options)).targets[0].options == options


@pytest.mark.parametrize("provider", known_providers())
def test_every_adapter_of_ours_says_what_it_takes(provider):
    """Every adapter of ours lists its options, and none takes any other."""
    assert isinstance(adapter_for(provider).options, tuple)  # type: ignore[attr-defined]


def test_every_option_that_the_code_reads_is_declared_by_an_adapter():
    """A new `request.option("x")` has to be declared, or no target could have it."""
    declared = {name for provider in known_providers() for name in adapter_for(provider).options}  # type: ignore[attr-defined]
    package = Path(resilient_stream.__file__).parent
    texts = [
        path.read_text()
        for part in ("providers", "credentials", "recording")
        for path in (package / part).rglob("*.py")
    ]
    read = {
        piece.split('"')[1]
        for text in texts
        for mark in ('.option("', '.options.get("')
        for piece in (mark[-1] + rest for rest in text.split(mark)[1:])
    }
    assert read <= declared
    assert {"background", "region", "api_version"} <= read


def test_the_names_of_streams_options_are_those_of_stream():
    """So that a new one is not taken for a target's."""
    named = set(inspect.signature(Client.stream).parameters) - {"self", "prompt", "timeouts"}
    assert named >= OF_STREAM
    assert set(StreamOptions.__annotations__) - {"timeouts", "headers"} <= OF_STREAM
    assert set(FIELDS) == set(Target.model_fields) - {"provider", "model", "options"}


def test_a_third_partys_adapter_takes_whatever_comes(monkeypatch):
    """One that declares nothing; with a declaration it is held to that."""

    class Loose:
        default_model = None

    class Strict(Loose):
        options = ("feather",)

    monkeypatch.setattr(
        "resilient_stream.call_options.adapter_for", lambda name: Strict() if name == "strict" else Loose()
    )
    assert Client(Target("loose:x", feather=1, colour=2)).targets[0].options == {"feather": 1, "colour": 2}
    assert Client(Target("strict:x", feather=1)).targets
    with pytest.raises(StreamMisused, match="did you mean feather"):
        Client(Target("strict:x", feathr=1))


@pytest.mark.parametrize("make", [list, tuple])
def test_a_list_of_targets_is_its_elements(make):
    """What people write who have their targets in a list."""
    client = Client(make(["openai:a", Target("anthropic:b")]))  # what types advise against
    assert [target.name for target in client.targets] == ["openai:a", "anthropic:b"]
    assert Client([]).targets == ()  # type: ignore[arg-type]


@pytest.mark.parametrize("targets", [(["openai:a"], "b:c"), (5,), (None,), ({"openai:a"},), (["openai:a", ["b:c"]],)])
def test_what_is_no_target_is_said(targets):
    """What is not a target is refused with its type."""
    with pytest.raises(StreamMisused, match='a target is "provider:model" or a Target'):
        Client(*targets)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("terminal", "eof-ok", 'terminal is "eof_ok", or not given'),
        ("terminal", "EOF_OK", 'terminal is "eof_ok", or not given'),
        ("terminal", True, 'terminal is "eof_ok", or not given'),
        ("raw", "x", "raw is True, False, or not given"),
        ("raw", 1, "raw is True, False, or not given"),
        ("stream", "no", "stream is True, False, or not given"),
    ],
)
def test_a_value_that_nobody_knows_is_answered_with_those_known(option, value, words):
    """An end that was to count must not be ignored for a wrong letter; the value is not shown."""
    with pytest.raises(StreamMisused) as caught:
        Target("openai:m", **{option: value})
    assert words in str(caught.value)
    assert "eof-ok" not in str(caught.value)


@pytest.mark.parametrize("options", [{"terminal": "eof_ok"}, {"terminal": None}, {"raw": True}, {"raw": None}])
def test_values_that_are_known_are_taken(options):
    """Known values of options are accepted, and None counts as not given."""
    assert Target("openai:m", **options).options == options
