"""Checks which options a target takes, and explains one that it does not take.

No option is ignored. An unknown name is refused with the one that was probably meant, or with where it belongs: most of
what people write here is an option of `stream()`. A value is never shown, and no provider is imported: a client checks
its options by the adapter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..failures import StreamMisused
from ..text.harmless import safe_name
from .nearest import nearest

__all__ = ["COMMON", "FIELDS", "OF_STREAM", "refuse_elsewhere", "refuse_unknown"]

FIELDS = ("api_key", "base_url", "headers", "weight", "timeouts", "limits")
"""The fields that every target has."""

COMMON = ("raw", "stream", "terminal")
"""Options that every provider knows."""

OF_STREAM = frozenset({
    "system", "tools", "tool_choice", "output", "max_tokens", "temperature", "top_p", "stop", "seed", "reasoning",
    "extra", "to", "deadline", "recovery", "on_end", "metadata", "top_k", "presence_penalty", "frequency_penalty",
    "user", "drain",
})  # fmt: skip
"""Options of a call; a test compares them with those of `Client.stream`."""

_CERTIFICATES = "certificates: set SSL_CERT_FILE or give Client(session=…)"
_PROXIES = "proxies: set HTTPS_PROXY or give Client(session=…)"
_BODY = "give it to stream(), in extra={…}, which is merged into the request's body"

_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(
        ("verify", "ssl", "ca", "cert", "certs", "cafile", "ca_file", "ca_bundle", "verify_ssl", "ssl_verify",
         "ssl_context", "ssl_cert_file", "insecure"),
        _CERTIFICATES,
    ),
    **dict.fromkeys(("proxy", "proxies", "http_proxy", "https_proxy", "proxy_url"), _PROXIES),
    **dict.fromkeys(("extra_body", "logit_bias", "logprobs"), _BODY),
    **dict.fromkeys(("url", "api_base", "endpoint", "azure_endpoint", "host", "api_url"), "did you mean base_url?"),
    **dict.fromkeys(("key", "apikey", "token", "api_token"), "did you mean api_key?"),
    **dict.fromkeys(("max_completion_tokens", "max_output_tokens"), "did you mean max_tokens? give it to stream()"),
    **dict.fromkeys(("max_retries", "num_retries", "retry", "retries"), "give Client(retry=RetryPolicy(…))"),
    "timeout": "did you mean timeouts? it takes Timeouts(…); a limit for everything is stream(deadline=…)",
    "extra_headers": "did you mean headers?",
    "default_headers": "did you mean headers?",
    "model": 'the model stands in the name, as in "openai:gpt-5-mini"',
    "provider": 'the provider stands in the name, as in "openai:gpt-5-mini"',
    "max_concurrency": "give it as limits=Limits(max_concurrency=…)",
}  # fmt: skip
"""Names that other libraries use for an option, and what to write here. None may be an option of a provider's."""


def refuse_elsewhere(target: str, options: Iterable[str]) -> None:
    """Raise StreamMisused for an option that no provider has; called when a target is made.

    `tools` is left to the adapter: an agent's program has tools of its own.
    """
    for name in options:
        if advice := _ELSEWHERE.get(name.lower()):
            raise _misused(target, name, advice)
        if name in OF_STREAM and name != "tools":
            raise _misused(target, name, "give it to stream()")
        if name not in COMMON and (meant := nearest(name, FIELDS, 0.8)):
            raise _misused(target, name, f"did you mean {meant}?")


def refuse_unknown(target: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Raise StreamMisused for an option that the target's provider does not know. known: the options of its adapter."""
    taken = (*COMMON, *known)
    for name in options:
        if name not in taken:
            raise _misused(target, name, _advice(name, taken))


def _advice(name: str, taken: tuple[str, ...]) -> str:
    meant = nearest(name, (*taken, *FIELDS, *OF_STREAM))
    if name in OF_STREAM:
        return "give it to stream()"
    if meant is None:
        return (
            f"it knows {', '.join((*FIELDS, *taken))}; what belongs into a request's body is given to stream(extra=…)"
        )
    return f"did you mean {meant}?" + (" give it to stream()" if meant in OF_STREAM else "")


def _misused(target: str, name: str, advice: str) -> StreamMisused:
    return StreamMisused(f"Target({target!r}) has no option {safe_name(name)!r}: {advice}")
