"""Holds what only one of the hosts says of errors: its rows over the shared rules, by the host's name.

A row is here only when it would be wrong at other providers, or is a code that means nothing without the provider's
manual. What generalises goes to `classify.generic`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from ...classify.generic import GENERIC
from ...classify.rules import Rules, make_rules, phrase
from ...failures import ErrorKind

__all__ = ["HOSTS_ROWS", "rules_of"]

_K = ErrorKind

_OPENAI: dict[str, Any] = {
    "codes": {
        _K.CONTENT_FILTERED: """bio_policy cyber_policy misalignment_policy_violation
            image_content_policy_violation""",
    },
}

HOSTS_ROWS: Mapping[str, Mapping[str, Any]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "groq": {
        # 422 is an invalid tool call by the model, which another try may not repeat; 498 means that the flex tier is
        # full.
        "statuses": {422: _K.MODEL_OUTPUT_INVALID, 498: _K.PROVIDER_OVERLOADED},
        "codes": {_K.INSUFFICIENT_FUNDS: "blocked_api_access"},
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
    "deepseek": {"phrases": (phrase(_K.CONTENT_FILTERED, r"^content exists risk"),)},
    # Its code is a sentence about permission, whatever the reason.
    "xai": {"phrases": (phrase(_K.CONTENT_FILTERED, r"violates usage guidelines|failed check: safety"),)},
    "fireworks": {"statuses": {412: _K.INSUFFICIENT_FUNDS}},
    "cloudflare": {
        "codes": {
            _K.QUOTA_EXHAUSTED: "3036",
            _K.PROVIDER_OVERLOADED: "3040",
            _K.MODEL_NOT_FOUND: "5007",
            _K.AUTHENTICATION: "10000 9106",
        },
    },
    # It parses what the model wrote, with the grammar of the model's own tool calls.
    "llamacpp": {"phrases": (phrase(_K.MODEL_OUTPUT_INVALID, r"^failed to parse input at pos \d"),)},
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


@functools.cache
def rules_of(name: str) -> Rules:
    """Return the rules of a host, which are the same for its Responses API ("xai-responses") and its other one."""
    rows = HOSTS_ROWS.get(name.removesuffix("-responses"))
    return GENERIC if rows is None else make_rules(**rows, over=GENERIC)
