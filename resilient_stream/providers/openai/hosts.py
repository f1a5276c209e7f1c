"""Lists the hosts that speak OpenAI's chat completions, one row each; some also have a Responses API.

A host is data: a difference between two hosts is a column, and no code stands here for a single host. Differences in
their streams are no columns: the decoder accepts every dialect's oddities from every host.

What few hosts have is in tables of their own beside this one. By the host's title: files in `host_files.py`, tools in
`host_tools.py`, cache marks in `host_marks.py`; JSON mode and what single models refuse in `model_rules.py`. By its
name: codes of errors in `host_errors.py`, and how its models' names begin in `providers/shared/named.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from ...contract import LimitHeaders, ProviderFacts

__all__ = ["HOSTS", "REASONS_IN_THE_OPEN", "UNKNOWN", "Host", "Joins", "Prefill", "Thoughts", "host_at", "words_of"]

ReasoningStyle: TypeAlias = Literal["effort", "object", "none"]
ResponsesStyle: TypeAlias = Literal["none", "plain", "encrypted", "background"]
Joins: TypeAlias = Literal["no", "turns", "strict"]
"""Whether turns of one role that follow each other are sent as one, and "strict": system messages only in front."""


# Sources: the SDKs of OpenAI, Groq, Mistral, OpenRouter and xAI; "OpenAI compatibility" of Cerebras (a 400 for the
# penalties) and Alibaba Cloud; the API references of Databricks and Z.ai; the documents of vLLM, SGLang and llama.cpp.
_PENALTIES: Mapping[str, str] = {name: name for name in ("presence_penalty", "frequency_penalty")}
_USUAL: Mapping[str, str] = {**_PENALTIES, "user": "user"}
_SAFE: Mapping[str, str] = {**_PENALTIES, "user": "safety_identifier"}
_TOP_K: Mapping[str, str] = {"top_k": "top_k"}
_ALL: Mapping[str, str] = {**_TOP_K, **_USUAL}


class Prefill(NamedTuple):
    """Says how a host continues an unfinished assistant turn at the end, and how that turn is marked.

    turn, body: fields of that turn, and of the request. base_url: where, if not at the host's own. echoed: when the
    answer begins with that turn again (see `contract.Echo`).
    """

    turn: Mapping[str, Any] = {}
    body: Mapping[str, Any] = {}
    base_url: str | None = None
    echoed: Literal["never", "whole", "always"] = "never"


class Thoughts(NamedTuple):
    """Says how a model's reasoning of an earlier turn is sent back to a host.

    fields: fields of the assistant's message, each with the text; `reasoning_details` instead has the list that the
    host itself gave. models: a pattern of the models' names. demanded: models that refuse a turn without reasoning, so
    it gets a placeholder (see `model_rules.py`).
    """

    fields: tuple[str, ...]
    models: str = ""
    demanded: bool = False


class Host(NamedTuple):
    """Describes one host, as a row of the table.

    A column that a row leaves out claims the usual: the field `max_tokens`, usage when it is asked for, an effort as
    `reasoning_effort`, seed, `tool_choice="required"`, the penalties and the user (`words`), several turns of one role
    in a row, and pictures for every model. So a host that answers 400 to one of these needs the column. What a row
    leaves out of prefill, responses, developer, thoughts, returns, top_k in `words` and a default model, the host does
    not have. `tests/providers/test_openai.py` encodes a request for each row; `test_requests_hosts.py` beside it tests
    turns and names, `test_requests_pictures.py` pictures, `test_call_options.py` words.

    title: for people, and the key of the host's rows in the tables of what few hosts have (see the top of this file).
    base_url: as that host's users write it, up to but without `path`. A name in braces is read from the environment;
    empty where each user has an address of their own. url_variable: the environment variable with another one.
    keys: environment variables that may hold the key; empty when none is needed. max_tokens: the field's name.
    usage: whether `stream_options.include_usage` is understood (Mistral, Perplexity, Databricks send usage unasked,
    and the first refuses unknown fields). reasoning: how an effort is asked for; efforts: by a pattern of their names,
    the models that take one, and which of them; None where nothing is known of any. prefill: how an unfinished
    assistant turn is continued; None where it is not. default_model: asked where a target names none.
    responses: what its Responses API does, each more than the one before it: answer; give reasoning encrypted, to be
    sent back; answer in the background, so that a broken stream can be resumed. seed: the field's name; None where
    there is none. must_call: the word that demands a tool call. call_id_length: of a tool call's id, exactly and
    letters and digits only; None where up to 40 characters of any kind are taken.
    developer: knows that role; elsewhere it is sent as `system`, which all of them know. joins: turns of one role in a
    row, which a host or the chat template of a model may refuse. thoughts: what goes back of a model's reasoning; None
    where the field is refused, or nothing is known. general: its users name other addresses too, and then the row is
    found by the address (`host_at`). addresses: other domains of the same host.
    tool_names: a pattern of those that are taken. words: for each option of a call that not every host has, the field's
    name. responses_samples: its Responses API has all of these, too; elsewhere that has only the user.
    sees: a regular expression, searched in the name of a model that takes pictures; empty: all of them do; `(?!)`: none
    does. returns: fields of an assistant's turn in which it takes back what it gave. facts: what most hosts do not
    have; see there.
    """

    title: str
    base_url: str
    keys: tuple[str, ...]
    url_variable: str
    max_tokens: str = "max_tokens"
    usage: bool = True
    reasoning: ReasoningStyle = "effort"
    efforts: Mapping[str, tuple[str, ...]] | None = None
    prefill: Prefill | None = None
    default_model: str | None = None
    seed: str | None = "seed"
    must_call: str = "required"
    call_id_length: int | None = None
    responses: ResponsesStyle = "none"
    path: str = "/chat/completions"
    developer: bool = False
    joins: Joins = "no"
    thoughts: Thoughts | None = None
    general: bool = False
    addresses: tuple[str, ...] = ()
    tool_names: str = r"[a-zA-Z0-9_-]{1,64}"
    words: Mapping[str, str] = _USUAL
    responses_samples: bool = False
    sees: str = ""
    returns: tuple[str, ...] = ()
    facts: ProviderFacts = ProviderFacts()


REASONS_IN_THE_OPEN = r"deepseek|kimi|moonshot|glm-|qwen|qwq|minimax|mimo"
"""Models whose own APIs give their reasoning as text and take it back as `reasoning_content`."""

# Sources, by the name of the document. DeepSeek: "Thinking Mode" (a 400 without it where tools were called; ignored on
# other turns). Moonshot: "Use Kimi K2 Thinking Model". Z.ai: "Thinking Mode", interleaved. Alibaba Cloud:
# `preserve_thinking` of "Deep thinking", and relayed DeepSeek models. Fireworks: "Reasoning". vLLM: RFC 27755, which
# renamed `reasoning_content`; before it only that is read, after it only `reasoning`. OpenRouter: "Preserving
# reasoning". xAI: "Troubleshooting Reasoning". Groq and Cerebras answer 400 to the field.
_TOLD = Thoughts(("reasoning_content",))
_DEMANDED = Thoughts(("reasoning_content",), demanded=True)
_BOTH_NAMES = Thoughts(("reasoning", "reasoning_content"))
_DETAILS = Thoughts(("reasoning", "reasoning_details"))

_DAY_AND_MINUTE = LimitHeaders(requests="requests-day", tokens="tokens-minute")
_GOES_ON: Mapping[str, Any] = {"continue_final_message": True, "add_generation_prompt": False}

HOSTS: dict[str, Host] = {
    "openai": Host(
        "OpenAI", "https://api.openai.com/v1", ("OPENAI_API_KEY",), "OPENAI_BASE_URL", "max_completion_tokens",
        responses="background",
        developer=True, general=True, words=_SAFE, returns=("audio",),
    ),
    "groq": Host(
        "Groq", "https://api.groq.com/openai/v1", ("GROQ_API_KEY",), "GROQ_BASE_URL", responses="plain"
    ),
    # Its Responses API is at the root only; chat completions are at the root and under /v1.
    "deepseek": Host(
        "DeepSeek", "https://api.deepseek.com", ("DEEPSEEK_API_KEY",), "DEEPSEEK_BASE_URL", reasoning="none",
        prefill=Prefill({"prefix": True}, base_url="https://api.deepseek.com/beta"), responses="plain",
        joins="turns", thoughts=_DEMANDED, sees=r"vision|vl|ocr",
    ),
    "openrouter": Host(
        "OpenRouter", "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",), "OPENROUTER_BASE_URL",
        reasoning="object", responses="encrypted",
        # What was made of a file is taken back, so that it is not read and paid for again ("PDF Inputs").
        thoughts=_DETAILS, words=_ALL, responses_samples=True, returns=("images", "audio", "annotations"),
    ),
    "xai": Host(
        "xAI", "https://api.x.ai/v1", ("XAI_API_KEY",), "XAI_BASE_URL", responses="encrypted",
        thoughts=_TOLD, facts=ProviderFacts(telemetry_name="x_ai"),
    ),
    "together": Host(
        "Together AI", "https://api.together.xyz/v1", ("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"), "TOGETHER_BASE_URL",
        words=_ALL,
    ),
    "fireworks": Host(
        "Fireworks", "https://api.fireworks.ai/inference/v1", ("FIREWORKS_API_KEY",), "FIREWORKS_BASE_URL",
        responses="plain",
        joins="turns", thoughts=_TOLD, words=_ALL,
    ),
    "mistral": Host(
        "Mistral", "https://api.mistral.ai/v1", ("MISTRAL_API_KEY",), "MISTRAL_BASE_URL", usage=False,
        # Its other models answer the field with a 400; models named Magistral reason without being asked.
        efforts={
            r"mistral-large-4": ("none", "low", "medium", "high"),
            r"mistral-(small-(latest|2603)|medium-3-5)": ("none", "high"),
        },
        prefill=Prefill({"prefix": True}, echoed="always"), seed="random_seed", must_call="any",
        call_id_length=9, words={**_TOP_K, **_PENALTIES},
        facts=ProviderFacts(telemetry_name="mistral_ai"),
    ),
    "perplexity": Host(
        "Perplexity", "https://api.perplexity.ai", ("PERPLEXITY_API_KEY", "PPLX_API_KEY"), "PERPLEXITY_BASE_URL",
        usage=False,
        joins="strict", words={**_TOP_K, **_PENALTIES},
    ),
    "cerebras": Host(
        "Cerebras", "https://api.cerebras.ai/v1", ("CEREBRAS_API_KEY",), "CEREBRAS_BASE_URL", "max_completion_tokens",
        words={"user": "user"}, facts=ProviderFacts(limit_headers=_DAY_AND_MINUTE),
    ),
    "huggingface": Host(
        "Hugging Face", "https://router.huggingface.co/v1", ("HF_TOKEN", "HUGGINGFACE_API_KEY"), "HUGGINGFACE_BASE_URL",
        responses="plain", joins="turns", words=_PENALTIES,
    ),
    "moonshot": Host(
        "Moonshot", "https://api.moonshot.ai/v1", ("MOONSHOT_API_KEY",), "MOONSHOT_BASE_URL", reasoning="none",
        prefill=Prefill({"partial": True}),
        thoughts=_DEMANDED, addresses=("api.moonshot.cn", "api.kimi.com"),
        tool_names=r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", words=_SAFE,
        facts=ProviderFacts(telemetry_name="moonshot_ai"),
    ),
    "zai": Host(
        "Z.ai", "https://api.z.ai/api/paas/v4", ("ZAI_API_KEY",), "ZAI_BASE_URL", reasoning="none",
        thoughts=_TOLD, addresses=("open.bigmodel.cn",), words={"user": "user_id"},
    ),
    "alibaba": Host(
        "Alibaba Cloud", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", ("DASHSCOPE_API_KEY",),
        "DASHSCOPE_BASE_URL", reasoning="none", prefill=Prefill({"partial": True}),
        thoughts=_DEMANDED, addresses=("dashscope.aliyuncs.com", "dashscope-us.aliyuncs.com"),
        words={**_TOP_K, "presence_penalty": "presence_penalty"},
    ),
    "avian": Host("Avian", "https://api.avian.io/v1", ("AVIAN_API_KEY",), "AVIAN_BASE_URL"),
    "bedrock-mantle": Host(
        "Bedrock Mantle", "https://bedrock-mantle.{AWS_REGION}.api.aws/openai/v1", ("AWS_BEARER_TOKEN_BEDROCK",),
        "BEDROCK_MANTLE_BASE_URL", responses="encrypted",
    ),
    "cloudflare": Host(
        "Cloudflare", "https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1",
        ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"), "CLOUDFLARE_BASE_URL",
        words={**_TOP_K, **_PENALTIES},
    ),
    "databricks": Host(
        "Databricks", "{DATABRICKS_HOST}/serving-endpoints", ("DATABRICKS_TOKEN",), "DATABRICKS_BASE_URL", usage=False,
        joins="turns", words=_TOP_K,
    ),
    "deepinfra": Host(
        "DeepInfra", "https://api.deepinfra.com/v1/openai", ("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
        "DEEPINFRA_BASE_URL", words=_ALL,
    ),
    "gpustack": Host(
        "GPUStack", "", ("GPUSTACK_API_KEY",), "GPUSTACK_BASE_URL",
        joins="turns", thoughts=_BOTH_NAMES, words=_ALL,
    ),
    "nebius": Host(
        "Nebius", "https://api.studio.nebius.com/v1", ("NEBIUS_API_KEY",), "NEBIUS_BASE_URL", words=_ALL
    ),
    "nvidia": Host(
        "NVIDIA", "https://integrate.api.nvidia.com/v1", ("NVIDIA_API_KEY",), "NVIDIA_BASE_URL",
        joins="turns", thoughts=_TOLD,
    ),
    "sambanova": Host(
        "SambaNova", "https://api.sambanova.ai/v1", ("SAMBANOVA_API_KEY",), "SAMBANOVA_BASE_URL", words=_TOP_K
    ),
    "snowflake": Host(
        "Snowflake", "https://{SNOWFLAKE_ACCOUNT}.snowflakecomputing.com/api/v2/cortex/v1", ("SNOWFLAKE_TOKEN",),
        "SNOWFLAKE_BASE_URL", reasoning="object",
    ),
    "vercel": Host(
        "Vercel AI Gateway", "https://ai-gateway.vercel.sh/v1", ("AI_GATEWAY_API_KEY",), "AI_GATEWAY_BASE_URL",
        reasoning="object", responses="plain",
        thoughts=_DETAILS,
    ),
    "writer": Host(
        "Writer", "https://api.writer.com/v1", ("WRITER_API_KEY",), "WRITER_BASE_URL", reasoning="none", path="/chat",
        words={},
    ),
    "vllm": Host(
        "vLLM", "http://127.0.0.1:8000/v1", (), "VLLM_BASE_URL", prefill=Prefill(body=_GOES_ON), responses="plain",
        joins="turns", thoughts=_BOTH_NAMES, words=_ALL, responses_samples=True,
    ),
    "sglang": Host(
        "SGLang", "http://127.0.0.1:30000/v1", (), "SGLANG_BASE_URL", prefill=Prefill(body=_GOES_ON),
        joins="turns", thoughts=_TOLD, words=_ALL,
    ),
    "llamacpp": Host(
        "llama.cpp", "http://127.0.0.1:8080/v1", (), "LLAMACPP_BASE_URL", prefill=Prefill(echoed="whole"),
        responses="plain",
        joins="turns", thoughts=_TOLD, words=_ALL,
    ),
    "lmstudio": Host(
        "LM Studio", "http://127.0.0.1:1234/v1", (), "LMSTUDIO_BASE_URL", responses="plain",
        joins="turns", words=_ALL,
    ),
    # The small model of the extra `local`; its address is known once its process runs (local/server.py).
    "local": Host(
        "The local model", "", (), "LOCAL_BASE_URL", prefill=Prefill(echoed="whole"), default_model="smollm2",
        joins="turns", words=_ALL, sees=r"(?!)", reasoning="none",
        facts=ProviderFacts(server="resilient_stream.local.server"),
    ),
}  # fmt: skip

_OPEN = Thoughts(("reasoning_content", "reasoning_details"), REASONS_IN_THE_OPEN, demanded=True)
UNKNOWN = HOSTS["openai"]._replace(developer=False, words=_ALL, thoughts=_OPEN, returns=())
"""Whoever answers at an address that no row has: OpenAI's dialect, without what only OpenAI takes."""

_place = functools.lru_cache(maxsize=256)(lambda url: urlsplit(url).hostname or "")


def host_at(host: Host, url: str) -> Host:
    """Return the row that holds for requests to this address: the host's own or, for a general one, that of the host at
    the address."""
    if not host.general or url == host.base_url:
        return host
    place = _place(url)
    if f".{place}".endswith(f".{_place(host.base_url)}"):
        return host
    return _PLACES.get(place, UNKNOWN)


def words_of(host: Host) -> Mapping[str, str]:
    """Return a host's words for the options of a call; for a general one those of any host that it may stand for."""
    return {**UNKNOWN.words, **host.words} if host.general else host.words


def _places(host: Host) -> tuple[str, ...]:
    place = _place(host.base_url)
    own = (place,) if host.base_url.startswith("https:") and "{" not in host.base_url else ()
    return (*own, *host.addresses)


_PLACES: Mapping[str, Host] = {place: host for host in HOSTS.values() for place in _places(host)}
