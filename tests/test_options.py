"""A wrong name or value is refused before anything is sent, and the name that was meant is told."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

from resilient_stream import (
    Breaker,
    Client,
    Hedge,
    Limits,
    Recovery,
    RetryBudget,
    RetryPolicy,
    StreamMisused,
    Target,
    Telemetry,
    Timeouts,
)
from resilient_stream.options import IN_THE_BODY, OTHERS_NAMES, StreamOptions

POLICIES = (RetryPolicy, Timeouts, Recovery, Limits, RetryBudget, Telemetry, Hedge, Breaker)
METHODS = ("stream", "complete", "converse", "scope")


async def ask(method: str, *prompt: Any, **options: Any) -> None:
    """One call by the method of this name."""
    async with Client("openai:gpt") as client, client.scope() as scope:
        if method == "complete":
            await client.complete(*prompt, **options)
        else:
            getattr(scope if method == "scope" else client, "stream" if method == "scope" else method)(
                *prompt, **options
            )


@pytest.mark.parametrize("method", METHODS)
async def test_a_misspelt_option_is_answered_with_the_right_one(method: str) -> None:
    """By the method that was called, not by one inside it."""
    own = "stream" if method == "scope" else method
    with pytest.raises(StreamMisused) as caught:
        await ask(method, "Hi", max_tokns=5)
    assert str(caught.value) == f"{own}() has no option 'max_tokns': did you mean max_tokens?"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("response_format", "output="), ("timeout", "deadline="), ("timeout", "timeouts="),
        ("max_completion_tokens", "max_tokens="), ("model", "Client("), ("n", "several calls"),
        ("store", "extra={'store': …}"), ("safety_identifier", "user="), ("extra_headers", "headers="),
        ("max_retries", "RetryPolicy(attempts=…)"), ("Temperature", "temperature"),
    ],
)  # fmt: skip
async def test_other_libraries_names_are_answered_with_ours(method: str, name: str, said: str) -> None:
    """What openai and others call it, in every method that takes options."""
    with pytest.raises(StreamMisused, match="has no option") as caught:
        await ask(method, "Hi", **{name: 1})
    assert said in str(caught.value)


async def test_messages_by_name_are_answered_although_the_prompt_is_missing() -> None:
    """`complete(model=…, messages=[…])`, as in openai's own SDK."""
    with pytest.raises(StreamMisused, match="the messages are the first argument"):
        await ask("complete", messages=[{"role": "user", "content": "Hi"}], model="gpt-5-mini")


async def test_a_name_like_no_other_is_answered_with_all() -> None:
    """An unknown name unlike any other is answered with all names, and its value is not repeated."""
    with pytest.raises(StreamMisused, match=r"has no option 'zzz'\. It has deadline, drain, extra, ") as caught:
        await ask("stream", "Hi", zzz="secret")
    assert "secret" not in str(caught.value)


def test_the_hints_are_about_options_that_do_not_exist() -> None:
    """An option that is built later takes its hint out of the table."""
    assert not StreamOptions.__annotations__.keys() & {*OTHERS_NAMES, *IN_THE_BODY}


def test_methods_stay_what_they_are() -> None:
    """The check is not seen from outside: a coroutine function, and signatures that name the options."""
    assert inspect.iscoroutinefunction(Client.complete)
    assert not inspect.iscoroutinefunction(Client.stream)
    assert list(inspect.signature(Client.stream).parameters)[:3] == ["self", "prompt", "system"]


@pytest.mark.parametrize(
    ("policy", "fields", "said"),
    [
        (RetryPolicy, {"attempts": 0}, "RetryPolicy.attempts: Input should be greater than or equal to 1"),
        (RetryPolicy, {"attempts": "sk-1"}, "RetryPolicy.attempts: Input should be a valid integer"),
        (RetryPolicy, {"atempts": 3}, "RetryPolicy has no field 'atempts': did you mean attempts?"),
        (Timeouts, {"connect": float("nan")}, "Timeouts.connect: Input should be "),
        (Timeouts, {"read": 3}, "Timeouts has no field 'read'. It has connect, first_content, stall, total, consumer"),
        (Recovery, {"methods": ("prefil",)}, "Recovery.methods[0]: Input should be 'native', 'prefill'"),
        (Telemetry, {"content": "sk-1"}, "Telemetry.content: Input should be a valid boolean"),
        (Telemetry, {"contents": "sk-1"}, "Telemetry has no field 'contents': did you mean content?"),
    ],
)
def test_a_bad_policy_says_which_field(policy: Any, fields: dict[str, Any], said: str) -> None:
    """A bad policy is a StreamMisused that names the field and never has the value, also in its cause."""
    with pytest.raises(StreamMisused) as caught:
        policy(**fields)
    assert str(caught.value).startswith(said)
    assert "sk-1" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_takes_its_values_by_name(policy: Any) -> None:
    """A number by itself could be anything."""
    with pytest.raises(StreamMisused, match=f"{policy.__name__} takes its values by name, like {policy.__name__}"):
        policy(30)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policys_signature_is_for_people(policy: Any) -> None:
    """help() shows names, types and defaults, and nothing of how they are checked."""
    shown = str(inspect.signature(policy))
    assert all(f"{name}: " in shown for name in policy.model_fields)
    assert "Annotated" not in shown
    assert "Undefined" not in shown
    assert "=" in shown


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_stays_a_frozen_value(policy: Any) -> None:
    """A policy can be compared, copied and pickled, and never changed."""
    made = policy()
    assert pickle.loads(pickle.dumps(made)) == made == policy.model_validate(made.model_dump()) == made.model_copy()
    with pytest.raises(ValueError, match="frozen"):
        setattr(made, next(iter(policy.model_fields)), 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("retry", 3), ("timeouts", 30), ("recovery", False), ("limits", {"max_concurrency": 4}), ("budget", 0.2),
     ("telemetry", True)],
)  # fmt: skip
def test_a_client_names_what_is_no_policy(name: str, value: object) -> None:
    """A number in the place of a policy would fail much later, in the middle of a call."""
    with pytest.raises(StreamMisused, match=rf"^{name}= takes a \w+, like \w+\(\w+=…\), not {type(value).__name__}$"):
        Client("openai:gpt", **{name: value})


@pytest.mark.parametrize(("name", "value"), [("timeouts", 30), ("recovery", "off")])
async def test_a_call_names_what_is_no_policy(name: str, value: object) -> None:
    """Also where it is given to one call."""
    with pytest.raises(StreamMisused, match=f"^{name}= takes a "):
        await ask("stream", "Hi", **{name: value})


def test_a_policy_inside_a_target_says_which_field() -> None:
    """The same words, wherever the policy is made."""
    with pytest.raises(StreamMisused, match=r"Timeouts\.stall: Input should be greater than 0"):
        Target("openai:gpt", timeouts={"stall": -1})  # type: ignore[arg-type]


async def test_an_end_that_nobody_would_await_is_refused() -> None:
    """on_end as a coroutine function, in a scope as elsewhere."""

    async def ended(transcript: object) -> None: ...

    for method in METHODS:
        with pytest.raises(StreamMisused, match="on_end must be a plain function"):
            await ask(method, "Hi", on_end=ended)


@pytest.mark.parametrize(
    "options",
    [
        {"deadline": 1}, {"timeouts": Timeouts(stall=1)}, {"recovery": Recovery.off()}, {"to": "openai:other"},
        {"on_end": print},
    ],
)  # fmt: skip
async def test_a_call_goes_by_its_own_options(options: dict[str, Any]) -> None:
    """Calls share what they go by only where they ask for the same."""
    async with Client("openai:m") as client:
        plain = client.stream("Hi")._call.settings
        assert client.stream("Hi")._call.settings is plain
        assert client.stream("Hi", **options)._call.settings is not plain
        assert client.stream("Hi")._call.settings == plain
