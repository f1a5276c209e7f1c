"""What only one provider says: its rows over the shared error rules.

A row is here only when it would be wrong elsewhere, or is a code that means nothing without the provider's manual. What
generalises goes to `classify.generic`. This module must never repeat a shared row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...classify.generic import GENERIC
from ...classify.rules import Rules, Verdict, make_rules, phrase
from ...failures import ErrorCategory, ErrorKind

__all__ = ["ERROR_RULES", "rules_for"]

_K = ErrorKind

_OPENAI: dict[str, Any] = {
    "codes": {
        _K.CONTENT_FILTERED: """bio_policy cyber_policy misalignment_policy_violation
            image_content_policy_violation""",
    },
}
_ANTHROPIC: dict[str, Any] = {
    # `api_error` comes with 503 too, when a part of theirs is broken; load is `overloaded_error`.
    "types": {_K.SERVER_ERROR: "api_error"},
    "codes": {_K.PERMISSION_DENIED: "cmek_key_disabled"},
}
_GOOGLE: dict[str, Any] = {
    "codes": {
        # Finish reasons that are failures; blocked prompts use the shared names.
        _K.MODEL_OUTPUT_INVALID: "language other image_other no_image",
        _K.PERMISSION_DENIED: "pup_limited_disabled",
        _K.OUTPUT_TRUNCATED: "too_many_tool_calls",
    },
    # The same words as OpenAI's, but here a minute's quota is meant unless the details say a day.
    "phrases": (
        phrase(
            _K.RATE_LIMITED,
            r"exceeded your current quota(?!.{0,400}(prepay|credit))",
            unless=r"limit:? ?0\b|per ?day",
        ),
    ),
}
_BEDROCK: dict[str, Any] = {
    "codes": {
        _K.AUTHENTICATION: """UnrecognizedClientException InvalidSignatureException IncompleteSignature
            RequestExpired InvalidClientTokenId MissingAuthenticationToken SignatureDoesNotMatch""",
        # Temporary credentials: the next attempt asks for fresh ones, once.
        Verdict(_K.AUTHENTICATION, retry=True): "ExpiredTokenException ExpiredToken",
        _K.QUOTA_EXHAUSTED: "ServiceQuotaExceededException",
        _K.PERMISSION_DENIED: "OptInRequired FTUFormNotFilled",
        _K.MODEL_LOADING: "ModelNotReadyException",
        _K.PROVIDER_TIMEOUT: "ModelTimeoutException",
        _K.SERVER_ERROR: """ModelErrorException ModelStreamErrorException InternalServerException
            InternalFailure""",
    },
    "phrases": (
        phrase(
            _K.MODEL_NOT_FOUND,
            r"on-demand throughput isn.t supported|model identifier is invalid|marked .{0,30}legacy",
        ),
    ),
}  # fmt: skip
_OLLAMA: dict[str, Any] = {
    "phrases": (
        # The server has too little memory. A retry does not change that, and it is not this process's memory.
        phrase(
            Verdict(_K.SERVER_ERROR, retry=False, category=ErrorCategory.PERMANENT),
            r"requires more (system|gpu|video) memory|more (system )?memory .{0,40}than is available",
        ),
    ),
}

ERROR_RULES: Mapping[str, Mapping[str, Any]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "anthropic": _ANTHROPIC,
    "gemini": _GOOGLE,
    "gemini-interactions": _GOOGLE,
    "vertex": _GOOGLE,
    "bedrock": _BEDROCK,
    "ollama": _OLLAMA,
    "groq": {
        # 422 is an invalid tool call by the model, which another try may not repeat; 498 means that the flex tier is
        # full.
        "statuses": {422: _K.MODEL_OUTPUT_INVALID, 498: _K.PROVIDER_OVERLOADED},
        "codes": {_K.PERMISSION_DENIED: "blocked_api_access"},
    },
    "openrouter": {
        "codes": {
            _K.INSUFFICIENT_FUNDS: """openrouter_credits openrouter_key_limit openrouter_guardrail_budget
                openrouter_workspace_budget openrouter_in_flight_budget weight_exceeds_budget""",
            _K.PROVIDER_OVERLOADED: "upstream_provider_shared_pool",
            _K.MODEL_NOT_FOUND: "privacy_restricted constraint_filtered free_variant_ended",
        },
        # It passes an upstream's 429 on, so the caller's own limit is not reached and another route may be free.
        "phrases": (phrase(_K.PROVIDER_OVERLOADED, r"^provider returned error", statuses=(429,)),),
    },
    "mistral": {
        "codes": {_K.MODEL_NOT_FOUND: "1500", _K.PROVIDER_OVERLOADED: "3505"},
        "types": {_K.RATE_LIMITED: "1300"},
    },
    "claude-code": {
        **_ANTHROPIC,
        "phrases": (
            phrase(_K.AUTHENTICATION, r"run /login|claude login|not logged in|oauth token"),
            phrase(_K.QUOTA_EXHAUSTED, r"usage limit reached|hit your limit"),
        ),
    },
    "deepseek": {"phrases": (phrase(_K.CONTENT_FILTERED, r"^content exists risk"),)},
    "cohere": {
        "statuses": {498: _K.AUTHENTICATION},
        "codes": {_K.MODEL_OUTPUT_INVALID: "INVALID_TOOL_GENERATION"},
    },
    "fireworks": {"statuses": {412: _K.INSUFFICIENT_FUNDS}},
    "cloudflare": {
        "codes": {
            _K.QUOTA_EXHAUSTED: "3036",
            _K.PROVIDER_OVERLOADED: "3040",
            _K.MODEL_NOT_FOUND: "5007",
            _K.AUTHENTICATION: "10000 9106",
        },
    },
    "moonshot": {"codes": {_K.INSUFFICIENT_FUNDS: "exceeded_current_quota_error"}},
    "alibaba": {
        "codes": {
            _K.INSUFFICIENT_FUNDS: "Arrearage AllocationQuota.FreeTierOnly",
            _K.CONTENT_FILTERED: "DataInspectionFailed",
        },
        "types": {_K.RATE_LIMITED: "Throttling.RateQuota Throttling.BurstRate Throttling.AllocationQuota"},
    },
    "zai": {
        "codes": {
            _K.AUTHENTICATION: "1000 1001 1002 1003 1004",
            _K.INSUFFICIENT_FUNDS: "1113",
            _K.MODEL_NOT_FOUND: "1211",
            _K.CONTENT_FILTERED: "1301",
            _K.QUOTA_EXHAUSTED: "1304 1308 1310",
            _K.PROVIDER_OVERLOADED: "1305 1312",
        },
        "types": {_K.RATE_LIMITED: "1302 1303"},
    },
}

_RULES: dict[str, Rules] = {provider: make_rules(**rows, over=GENERIC) for provider, rows in ERROR_RULES.items()}


def rules_for(provider: str) -> Rules:
    """The error rules of a provider by its name; the shared ones for one that says nothing of its own.

    A host says the same over its Responses API ("xai-responses") as over its other one.
    """
    return _RULES.get(provider.removesuffix("-responses"), GENERIC)
