"""What each host takes of a request: nothing leaves that it is known to refuse, and nothing is lost on the way.

The table is `hosts.py` and `model_rules.py`; the tests go through all of their rows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from resilient_stream import ImagePart, Message, Target
from resilient_stream.contract import Endpoint, Request
from resilient_stream.fitting.told import left_out
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for, known_providers
from resilient_stream.providers.openai import host_files, host_tools
from resilient_stream.providers.openai.azure import CHAT as AZURE
from resilient_stream.providers.openai.host_marks import MARKED
from resilient_stream.providers.openai.hosts import HOSTS, UNKNOWN, host_at
from resilient_stream.providers.openai.model_rules import JSON_MODE, RULES, rule_for

CHAT = sorted(HOSTS)
RESPONSES = [f"{name}-responses" for name, host in HOSTS.items() if host.responses != "none"]
OPENAIS_OWN = {"openai", "openai-responses", "azure", "azure-responses"}
JOINING = sorted(name for name, host in HOSTS.items() if host.joins != "no")


def encode(name: str, messages: Sequence[Any] = (), model: str = "m", url: str = "", **fields: Any) -> dict[str, Any]:
    """The body that this provider's adapter makes, at its own address if none is given."""
    adapter = adapter_for(name)
    said = to_messages(messages or "Hi")
    request = Request(messages=said, target=Target(f"{name}:{model}"), **fields)
    sent = adapter.encode(request, Endpoint(base_url=url or adapter.base_url, api_key="k"))
    body: dict[str, Any] = json.loads(sent.body)  # type: ignore[union-attr]
    return body


def turns(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """Who says what, in the chat and in the Responses shape."""
    return [(turn["role"], turn["content"]) for turn in body.get("messages") or body["input"]]


BY_TITLE: dict[str, Iterable[str]] = {
    "files in chat completions": host_files._CHAT,
    "files in the Responses API": host_files._RESPONSES,
    "tools in chat completions": host_tools._CHAT,
    "tools in the Responses API": host_tools._RESPONSES,
    "cache marks": MARKED,
    "JSON mode": JSON_MODE,
    "rules of models": [title for rule in RULES for title in rule.hosts],
}


@pytest.mark.parametrize("table", BY_TITLE)
def test_a_table_by_title_names_titles_of_hosts(table: str) -> None:
    """What is kept of a host by its title is not lost when the title changes: no key is without a host."""
    assert set(BY_TITLE[table]) <= {AZURE.title, *(host.title for host in HOSTS.values())}


def test_no_two_hosts_have_one_title() -> None:
    """What is kept by a title is of one host."""
    titles = [AZURE.title, *(host.title for host in HOSTS.values())]
    assert len(titles) == len(set(titles))


# -- roles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CHAT, *RESPONSES, "azure", "azure-responses"])
def test_a_developers_message_has_a_role_that_the_host_knows(name: str) -> None:
    """`developer` stays what it is at OpenAI and Azure, and is `system` everywhere else."""
    said = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    role = "developer" if name in OPENAIS_OWN else "system"
    assert turns(encode(name, said)) == [(role, "Be brief."), ("user", "Hi")]


@pytest.mark.parametrize("url", ["https://gateway.example/v1", "http://127.0.0.1:9/v1", "https://notapi.openai.com/v1"])
@pytest.mark.parametrize("name", ["openai", "openai-responses"])
def test_an_unknown_host_is_not_taken_for_openai(name: str, url: str) -> None:
    """At an address of one's own another server answers, which may know `system` only."""
    assert turns(encode(name, [{"role": "developer", "content": "A"}], url=url)) == [("system", "A")]
    assert turns(encode(name, [{"role": "developer", "content": "A"}], url="https://eu.api.openai.com/v1")) == [
        ("developer", "A")
    ]


def test_an_old_api_of_azure_knows_no_developer() -> None:
    """API versions of before December 2024 refuse the role."""
    from resilient_stream.providers.openai.azure import CHAT as AZURE
    from resilient_stream.providers.openai.azure import AzureAccess

    request = Request(messages=to_messages([{"role": "developer", "content": "A"}]), target=Target("azure:dep"))
    for version, role in (("2024-10-21", "system"), ("2024-12-01-preview", "developer"), ("preview", "developer")):
        there = Endpoint(base_url="https://r.openai.azure.com", credentials=AzureAccess(api_version=version))
        assert json.loads(AZURE.encode(request, there).body)["messages"][0]["role"] == role


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("https://api.deepseek.com/v1", "DeepSeek"),
        ("https://api.moonshot.cn/v1", "Moonshot"),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", "Alibaba Cloud"),
        ("https://api.mistral.ai/v1", "Mistral"),
    ],
)
def test_a_known_host_is_known_by_its_address(url: str, title: str) -> None:
    """`openai` with the address of a host that has a row is asked by that row."""
    assert host_at(HOSTS["openai"], url).title == title
    assert host_at(HOSTS["groq"], url).title == "Groq"  # a provider named by the user is believed
    assert host_at(HOSTS["openai"], "https://example.com") is UNKNOWN


# -- turns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAT)
def test_turns_of_one_role_are_joined_where_they_must_alternate(name: str) -> None:
    """Two of the user's, two of the model's, two of the system's: one each with a blank line, or as they were."""
    said = [
        {"role": role, "content": f"{role} {number}"} for role in ("system", "user", "assistant") for number in (1, 2)
    ]
    said.append({"role": "user", "content": "Go"})
    sent = turns(encode(name, said))
    if name in JOINING:
        joined = [(role, f"{role} 1\n\n{role} 2") for role in ("system", "user", "assistant")]
        assert sent == [*joined, ("user", "Go")]
    else:
        assert sent == [(turn["role"], turn["content"]) for turn in said]


@pytest.mark.parametrize("name", JOINING)
def test_a_turn_with_calls_is_never_joined_with_what_follows_it(name: str) -> None:
    """Text and then calls are one turn; results stay results, each its own."""
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    second = {**call, "id": "abcdefghj"}
    said = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "I look."},
        {"role": "assistant", "content": "", "tool_calls": [call, second]},
        {"role": "tool", "tool_call_id": "abcdefghi", "content": "1"},
        {"role": "tool", "tool_call_id": "abcdefghj", "content": "2"},
        {"role": "assistant", "content": "So."},
        {"role": "user", "content": "And?"},
    ]
    sent = encode(name, said)["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool", "tool", "assistant", "user"]
    assert sent[1]["content"] == "I look."
    assert [made["id"] for made in sent[1]["tool_calls"]] == ["abcdefghi", "abcdefghj"]
    assert [turn["content"] for turn in sent[2:4]] == ["1", "2"]


def test_pictures_and_names_of_joined_turns_are_kept() -> None:
    """Parts follow each other; two speakers in one turn are named in what they say."""
    picture = ImagePart(url="https://example.com/a.png")
    said = [Message(role="user", content="Look", name="ann"), Message(role="user", content=(picture,), name="bob")]
    [turn] = encode("perplexity", said)["messages"]
    assert "name" not in turn
    assert [part["type"] for part in turn["content"]] == ["text", "text", "text", "image_url"]
    assert [part.get("text") for part in turn["content"]] == ["ann: ", "Look", "bob: ", None]
    same = [Message(role="user", content="A", name="ann"), Message(role="user", content="B", name="ann")]
    assert encode("perplexity", same)["messages"] == [{"role": "user", "content": "A\n\nB", "name": "ann"}]


def test_a_late_system_message_keeps_its_place_at_perplexity(caplog: pytest.LogCaptureFixture) -> None:
    """It takes them in front only: later ones are the user's words, and the log says so once."""
    left_out.cache_clear()
    said = [
        {"role": "system", "content": "One."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "system", "content": "French now."},
        {"role": "user", "content": "Go"},
    ]
    with caplog.at_level(logging.WARNING, "resilient_stream"):
        for _ in range(2):
            sent = turns(encode("perplexity", said))
    assert sent == [("system", "One."), ("user", "Hi"), ("assistant", "Hello"), ("user", "French now.\n\nGo")]
    assert [record.getMessage() for record in caplog.records] == [
        "a system message in mid-conversation is not sent to perplexity:m as it was given: "
        "it is sent as the user's; no other may stand there"
    ]


# -- what a model fixes -----------------------------------------------------------------------

FIXED = [
    ("openai", "gpt-5-mini"), ("openai", "gpt-5-2025-08-07"), ("openai", "gpt-5.1-codex"), ("openai", "gpt-5.2-pro"),
    ("openai", "gpt-5.5"), ("openai", "gpt-6"), ("openai", "o1"), ("openai", "o3"), ("openai", "o3-mini"),
    ("openai", "o4-mini-2025-04-16"), ("openai-responses", "gpt-5"), ("azure", "my-gpt5"), ("azure", "team-o3"),
    ("azure-responses", "gpt-5"), ("openrouter", "openai/gpt-5"), ("openrouter", "openai/o3"),
    ("databricks", "databricks-gpt-5"), ("vercel", "openai/o4-mini"), ("moonshot", "kimi-k2.5"),
    ("moonshot", "kimi-k2.6"), ("anthropic", "claude-opus-4-7"),
]  # fmt: skip
FREE = [
    ("openai", "gpt-4.1"), ("openai", "gpt-4o"), ("openai", "gpt-5-chat-latest"), ("openai", "gpt-5.1"),
    ("openai", "gpt-5.2"), ("openai-responses", "gpt-5.2"), ("azure", "gpt-35-turbo"), ("azure", "prod"),
    ("groq", "openai/gpt-oss-120b"), ("vllm", "AIDC-AI/Marco-o1"), ("vllm", "kimi-k2.5"), ("moonshot", "kimi-k2-turbo"),
    ("openrouter", "openai/gpt-5-chat"), ("mistral", "mistral-small-latest"), ("deepseek", "deepseek-chat"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "model"), FIXED)
def test_sampling_is_left_out_for_models_that_fix_it(name: str, model: str, caplog: pytest.LogCaptureFixture) -> None:
    """temperature and top_p would be answered with a 400; what is left out is said once for each target and field."""
    left_out.cache_clear()
    with caplog.at_level(logging.WARNING, "resilient_stream"):
        for _ in range(2):
            body = encode(name, model=model, temperature=0.7, top_p=0.5, max_tokens=50)
    assert not {"temperature", "top_p", "max_tokens"} & body.keys() - (
        {"max_tokens"} if name in ("moonshot", "anthropic") else set()
    )
    assert [record.getMessage().split()[0] for record in caplog.records] == ["temperature", "top_p"]
    assert all(f"{name}:{model}" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(("name", "model"), FREE)
def test_sampling_is_sent_to_the_others(name: str, model: str, caplog: pytest.LogCaptureFixture) -> None:
    """A model that is not known to refuse it gets what was asked for."""
    body = encode(name, model=model, temperature=0.7, top_p=0.5)
    assert (body["temperature"], body["top_p"]) == (0.7, 0.5)
    assert not caplog.records


def test_newer_gpts_take_it_while_they_do_not_reason() -> None:
    """GPT-5.1 to 5.4 answer without reasoning unless an effort is asked for."""
    for reasoning, kept in ((None, True), ("none", True), ("low", False), (2000, False)):
        body = encode("openai", model="gpt-5.2", temperature=0.7, reasoning=reasoning)
        assert ("temperature" in body) is kept, reasoning


def test_what_is_the_default_anyway_is_left_out_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """temperature=1 asks for nothing that such a model does not do."""
    left_out.cache_clear()
    assert "temperature" not in encode("openai", model="o3", temperature=1.0)
    assert not caplog.records


@pytest.mark.parametrize(("name", "model", "takes"), [
    ("openai", "o3", False), ("openai", "gpt-5", False), ("openai", "gpt-4.1", True), ("openai", "o3-mini", True),
    ("xai", "grok-4", False), ("xai", "grok-4-fast-non-reasoning", True), ("vllm", "grok-4", True),
])  # fmt: skip
def test_a_stop_sequence_is_refused_before_it_is_sent(name: str, model: str, takes: bool) -> None:
    """An answer that goes on behind its stop sequence is a wrong one, so the next target is asked instead."""
    assert adapter_for(name).capabilities(model).stop is takes


def test_every_rule_is_reached() -> None:
    """A row that no name reaches, since one before it takes them all, is a mistake."""
    models = {model for _, model in (*FIXED, *FREE)}
    names = {*models, "kimi-k2-thinking", "deepseek-reasoner", "grok-4", "team-o1", "o3-mini", "gpt-4", "gpt-3.5-turbo"}
    titles = {UNKNOWN.title, "Azure OpenAI", "Moonshot", "xAI", "vLLM", "Mistral"}
    assert {rule_for(title, name) for title in titles for name in names} >= set(RULES)


# -- extra ------------------------------------------------------------------------------------

REACHABLE = [name for name in known_providers() if name not in ("replay", "claude-code", "vertex", "bedrock")]


@pytest.mark.parametrize("name", REACHABLE)
def test_a_none_in_extra_takes_a_field_out(name: str) -> None:
    """Whatever the dialect, a field that a server refuses can be left out, and other fields stay."""
    plain = encode(name, model="gpt-4.1")
    field = "stream_options" if "stream_options" in plain else next(key for key in plain if key != "model")
    body = encode(name, model="gpt-4.1", extra={field: None, "made_up": 1})
    assert body == {**{key: value for key, value in plain.items() if key != field}, "made_up": 1}


@pytest.mark.parametrize("name", ["gemini", "gemini-interactions"])
def test_a_none_inside_of_an_object_takes_out_a_field_of_it(name: str) -> None:
    """Where objects are merged into objects, the same holds for their fields."""
    outer = "generationConfig" if name == "gemini" else "generation_config"
    plain = encode(name, temperature=0.5, max_tokens=9)[outer]
    body = encode(name, temperature=0.5, max_tokens=9, extra={outer: {"temperature": None}})
    assert body[outer] == {key: value for key, value in plain.items() if key != "temperature"}


def test_azures_own_data_is_asked_for_without_stream_options() -> None:
    """A request with `data_sources` is refused with that field."""
    assert "stream_options" not in encode("azure", extra={"data_sources": []})
    assert "stream_options" in encode("azure")
