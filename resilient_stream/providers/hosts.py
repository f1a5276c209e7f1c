"""The hosts that speak OpenAI's chat completions, one row each.

The one rule: a host is data. What differs between two hosts is a column; what they stream is told apart by the
decoder, which accepts every dialect's oddities from everyone.
Must never: hold code for a single host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["HOSTS", "Host", "Prefill"]

ReasoningStyle: TypeAlias = Literal["effort", "object", "none"]


class Prefill(NamedTuple):
    """How an unfinished assistant turn at the end is marked, where it is continued.

    turn, body: fields of that turn, and of the request. base_url: where, if not at the host's own. echoed: the answer
    begins with that turn again.
    """

    turn: Mapping[str, Any] = {}
    body: Mapping[str, Any] = {}
    base_url: str | None = None
    echoed: bool = False


class Host(NamedTuple):
    """One row. base_url: as that host's users write it, up to but without `/chat/completions`.

    keys: environment variables that may hold the key; empty when none is needed. max_tokens: the field's name.
    usage: whether `stream_options.include_usage` is understood (Mistral, Perplexity send usage unasked, and the
    former refuses unknown fields). reasoning: how an effort is asked for. prefill: how an unfinished assistant
    turn is continued; None where it is not. seed: the field's name. must_call: the word that demands a tool call.
    """

    title: str
    base_url: str
    keys: tuple[str, ...]
    url_variable: str
    max_tokens: str = "max_tokens"
    usage: bool = True
    reasoning: ReasoningStyle = "effort"
    prefill: Prefill | None = None
    default_model: str | None = None
    seed: str = "seed"
    must_call: str = "required"


HOSTS: dict[str, Host] = {
    "openai": Host(
        "OpenAI", "https://api.openai.com/v1", ("OPENAI_API_KEY",), "OPENAI_BASE_URL", "max_completion_tokens"
    ),
    "groq": Host("Groq", "https://api.groq.com/openai/v1", ("GROQ_API_KEY",), "GROQ_BASE_URL"),
    "deepseek": Host(
        "DeepSeek", "https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",), "DEEPSEEK_BASE_URL", reasoning="none",
        prefill=Prefill({"prefix": True}, base_url="https://api.deepseek.com/beta"),
    ),
    "openrouter": Host(
        "OpenRouter", "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",), "OPENROUTER_BASE_URL",
        reasoning="object",
    ),
    "xai": Host("xAI", "https://api.x.ai/v1", ("XAI_API_KEY",), "XAI_BASE_URL"),
    "together": Host(
        "Together AI", "https://api.together.xyz/v1", ("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"), "TOGETHER_BASE_URL"
    ),
    "fireworks": Host(
        "Fireworks", "https://api.fireworks.ai/inference/v1", ("FIREWORKS_API_KEY",), "FIREWORKS_BASE_URL"
    ),
    "mistral": Host(
        "Mistral", "https://api.mistral.ai/v1", ("MISTRAL_API_KEY",), "MISTRAL_BASE_URL", usage=False,
        reasoning="none", prefill=Prefill({"prefix": True}, echoed=True), seed="random_seed", must_call="any",
    ),
    "perplexity": Host(
        "Perplexity", "https://api.perplexity.ai", ("PERPLEXITY_API_KEY", "PPLX_API_KEY"), "PERPLEXITY_BASE_URL",
        usage=False,
    ),
    "cerebras": Host(
        "Cerebras", "https://api.cerebras.ai/v1", ("CEREBRAS_API_KEY",), "CEREBRAS_BASE_URL", "max_completion_tokens"
    ),
    "huggingface": Host(
        "Hugging Face", "https://router.huggingface.co/v1", ("HF_TOKEN", "HUGGINGFACE_API_KEY"), "HUGGINGFACE_BASE_URL"
    ),
    "moonshot": Host(
        "Moonshot", "https://api.moonshot.ai/v1", ("MOONSHOT_API_KEY",), "MOONSHOT_BASE_URL", reasoning="none",
        prefill=Prefill({"partial": True}),
    ),
    "zai": Host("Z.ai", "https://api.z.ai/api/paas/v4", ("ZAI_API_KEY",), "ZAI_BASE_URL", reasoning="none"),
    "alibaba": Host(
        "Alibaba Cloud", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", ("DASHSCOPE_API_KEY",),
        "DASHSCOPE_BASE_URL", reasoning="none", prefill=Prefill({"partial": True}),
    ),
    "vllm": Host(
        "vLLM", "http://127.0.0.1:8000/v1", (), "VLLM_BASE_URL",
        prefill=Prefill(body={"continue_final_message": True, "add_generation_prompt": False}),
    ),
    "llamacpp": Host("llama.cpp", "http://127.0.0.1:8080/v1", (), "LLAMACPP_BASE_URL", prefill=Prefill()),
    "lmstudio": Host("LM Studio", "http://127.0.0.1:1234/v1", (), "LMSTUDIO_BASE_URL"),
    # The small model of the extra `local`; its address is known once its process runs (transport/local_server.py).
    "local": Host("The local model", "", (), "LOCAL_BASE_URL", prefill=Prefill(), default_model="smollm2"),
}  # fmt: skip
