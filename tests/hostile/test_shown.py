"""What is shown of the values that hold secrets: reprs, dumps, pickles, complaints, tracebacks."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from rich.pretty import pretty_repr

from resilient_stream import Client, Message, RetryPolicy, StreamMisused, Target, Timeouts
from resilient_stream.contract import Endpoint, HttpRequest, ProcessRequest, ReplayRequest, Request
from resilient_stream.credentials.claude_code import Program
from resilient_stream.messages import ImagePart, to_messages
from resilient_stream.providers.bedrock.signature import SigningKey
from resilient_stream.providers.openai.azure import AzureAccess
from resilient_stream.transport.proxies import Proxy
from resilient_stream.transport.routes import Route

KEY, PASSWORD, QUERY, HEADER, OPTION, PROMPT = (
    "KEY-4f2a9c", "PASS-81bd02", "QUERY-77aa1c", "HEADER-30fe9", "OPTION-5c11e", "PROMPT-aa4401",
)  # fmt: skip
SECRETS = (KEY, PASSWORD, QUERY, HEADER, OPTION, PROMPT)
URL = f"https://me:{PASSWORD}@host.example/v1?key={QUERY}"
TARGET = Target("azure:m", api_key=KEY, base_url=URL, headers={"X-Mine": HEADER}, azure_ad_token=OPTION)
MESSAGES = to_messages(PROMPT)

VALUES: dict[str, Any] = {
    "target": TARGET,
    "endpoint": Endpoint(base_url=URL, api_key=KEY, headers={"X-Mine": HEADER}),
    "http": HttpRequest(url=URL, headers={"X-Mine": HEADER}, body=PROMPT.encode()),
    "program": ProcessRequest(command=("claude", PROMPT), stdin=PROMPT.encode(), environment={"A": KEY}),
    "replay": ReplayRequest(file="a.jsonl", messages=MESSAGES),
    "request": Request(messages=MESSAGES, target=TARGET, extra={"api_key": KEY}),
    "client": Client(TARGET),
    "stream": Client(TARGET).stream(PROMPT),
    "call": Client(TARGET).stream(PROMPT)._call,
    "settings": Client(TARGET).stream(PROMPT)._call.settings,
    "signing key": SigningKey(access_key=KEY, secret_key=KEY, token=KEY, region="us-east-1", now=""),
    "azure": AzureAccess(token=KEY),
    "route": Route(url=URL, headers={"X-Mine": HEADER}, options={"proxy_headers": {"A": KEY}}, proxy=None),
    "proxy": Proxy(url=URL, name="host:80", variable="HTTPS_PROXY", authorization=f"Basic {KEY}"),
    "environment": Program(path="claude", model=None, environment={"ANTHROPIC_API_KEY": KEY}),
}


@pytest.mark.parametrize("show", [repr, str, pretty_repr])
@pytest.mark.parametrize("name", VALUES)
def test_a_value_shows_no_secret(name: str, show: Callable[[Any], str]) -> None:
    """Neither a repr nor a debugger's pretty printer shows a secret."""
    shown = show(VALUES[name])
    assert [secret for secret in SECRETS if secret in shown] == []


def test_a_target_dumps_no_secret() -> None:
    """pydantic's ways to write a model out."""
    dumped = str(TARGET.model_dump()) + TARGET.model_dump_json() + str(dict(TARGET))
    assert [secret for secret in SECRETS if secret in dumped] == []
    assert "https://host.example/v1?key=***" in dumped


LONG = "q7Zp-4vX1mLd9_RtB8wK2sYf6h"
PATHS = {
    f"https://host.example/{LONG}/v1": "https://host.example/***/v1",
    f"https://host.example/v1;key={LONG}": "https://host.example/v1;***",
    "https://host.example/v1/d41d8cd98f00b204e9800998ecf8427e": "https://host.example/v1/***",
    "https://host.example/models/gpt-4o-mini-2024-07-18/chat": "https://host.example/models/gpt-4o-mini-2024-07-18/chat",
    "https://h.example/openai/deployments/MyDeployment-v2": "https://h.example/openai/deployments/MyDeployment-v2",
    "https://h.example/v1beta/openai/compatible-mode": "https://h.example/v1beta/openai/compatible-mode",
}


@pytest.mark.parametrize("url", PATHS)
def test_what_looks_like_a_key_in_a_path_is_not_shown(url: str) -> None:
    """Names of models and deployments, in which words and numbers take turns, are. A pickle keeps the path."""
    target = Target("openai:m", base_url=url)
    assert target.model_dump()["base_url"] == dict(target)["base_url"] == PATHS[url]
    assert PATHS[url] in repr(target)
    assert pickle.loads(pickle.dumps(target)).base_url == url.partition(";")[0]


def test_a_half_made_target_has_a_repr() -> None:
    """Whoever prints the variables of a failed `__init__` must not fail over them."""
    assert repr(Target.__new__(Target)) == str(Target.__new__(Target)) == "Target()"


def test_a_pickle_leaves_secrets_out_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """It goes to other processes and into files. What is no secret comes along; what is left out is logged by name."""
    target = Target("azure:m", api_key=KEY, base_url=URL, headers={"X-Mine": HEADER, "Accept": "a"}, raw=True,
                    azure_ad_token=OPTION)  # fmt: skip
    with caplog.at_level(logging.WARNING, "resilient_stream"):
        stored = pickle.dumps(target)
    assert [secret for secret in SECRETS if secret.encode() in stored] == []
    assert caplog.messages == ["azure:m is pickled without what is secret in its api_key, base_url, headers, options"]
    again = pickle.loads(stored)
    assert again == Target("azure:m", base_url="https://host.example/v1", headers={"Accept": "a"}, raw=True)


def read_key() -> str:
    """A key's function, which a pickle has by its name."""
    return KEY


def test_a_pickle_keeps_a_function_for_the_key() -> None:
    """That is how another process gets a key."""
    assert pickle.loads(pickle.dumps(Target("openai:m", api_key=read_key))).api_key is read_key


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, Target.model_copy])
def test_a_copy_has_everything(again: Callable[[Target], Target]) -> None:
    """A copy keeps the secrets, because it stays in this process."""
    copied = again(TARGET)
    assert (copied.api_key, copied.base_url, copied.headers, copied.options) == (
        TARGET.api_key, TARGET.base_url, TARGET.headers, TARGET.options,
    )  # fmt: skip


MISTAKES: dict[str, Callable[[], Any]] = {
    "a header's name": lambda: Target("openai:m", headers={LONG: 1}),  # type: ignore[dict-item]
    "an option's name": lambda: Client(Target("openai:m", **{LONG: 1})),  # type: ignore[arg-type]
    "headers": lambda: Target("openai:m", headers=[KEY]),  # type: ignore[arg-type]
    "headers' values": lambda: Target("openai:m", headers={"X-Mine": {"a": KEY}}),  # type: ignore[dict-item]
    "base_url": lambda: Target("openai:m", base_url=f"me:{PASSWORD}@host"),
    "weight": lambda: Target("openai:m", weight=KEY),  # type: ignore[arg-type]
    "stream": lambda: Target("openai:m", stream=KEY),
    "a policy": lambda: RetryPolicy(attempts=KEY),  # type: ignore[arg-type]
    "timeouts": lambda: Timeouts(connect=KEY, nothing=KEY),  # type: ignore[arg-type, call-arg]
    "a message": lambda: Message(role="user", content=[PROMPT]),  # type: ignore[list-item]
    "a picture": lambda: ImagePart(url=3, other=PROMPT),  # type: ignore[arg-type, call-arg]
    "messages": lambda: Client(TARGET).stream([{"role": PROMPT, "content": PROMPT, "x": PROMPT}]),
    "tools": lambda: Client(TARGET).stream("hi", tools=[{"name": 4, "parameters": PROMPT}]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_complaint_about_a_value_does_not_have_it(mistake: str) -> None:
    """In its text, its repr, its arguments, or in a traceback with everything behind it."""
    with pytest.raises((StreamMisused, ValueError)) as caught:
        MISTAKES[mistake]()
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error.args)
    assert [secret for secret in (*SECRETS, LONG) if f"{secret!r}"[1:-1] in shown] == []
