"""Real error bodies, as recorded: a sanity check against what their names and statuses say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from resilient_stream.classify import classify_response
from resilient_stream.providers import rules_for
from tests.shared_files import shared_or_none

ROOT = shared_or_none("recordings")
FILES = sorted(path for path in ROOT.glob("*/error-*") if not path.name.endswith(".meta.json")) if ROOT else []

NAMED = {
    "context_length_exceeded_error": {"context_length_exceeded", "rate_limited"},  # Gemini answers with its quota
    "appropriate_auth_error": {"authentication"},
    "wrong_api_key": {"authentication"},
    "model_name_suggestion": {"model_not_found"},
    "quota-exceeded": {"quota_exhausted"},
    "api-not-enabled": {"permission_denied"},
    "invalid-location": {"unexpected_response"},
}
BY_STATUS = {
    400: {"invalid_request", "authentication", "model_not_found", "context_length_exceeded", "unsupported_feature"},
    401: {"authentication"},
    403: {"permission_denied", "authentication", "insufficient_funds"},
    404: {"model_not_found", "unexpected_response", "unsupported_feature", "invalid_request"},
    429: {"rate_limited", "quota_exhausted", "insufficient_funds", "provider_overloaded"},
    500: {"server_error"},
}


@pytest.mark.parametrize("path", [pytest.param(path, id=f"{path.parent.name}/{path.stem[:40]}") for path in FILES])
def test_a_recorded_error_gets_a_fitting_kind(path: Path) -> None:
    """The kind fits the status and the name of the recording, and the detail is fit to show."""
    meta: dict[str, Any] = json.loads(path.with_suffix(".meta.json").read_text("utf-8"))
    status = int(path.name.removeprefix("error-").partition("__")[0])
    headers = {name.lower(): str(value) for name, value in (meta.get("response_headers") or {}).items()}
    provider = path.parent.name.partition("-")[0]
    failure = classify_response(status, headers, path.read_bytes(), rules_for(provider))
    fitting = next((kinds for name, kinds in NAMED.items() if name in path.name), BY_STATUS[status])
    assert failure.kind.value in fitting
    assert failure.status == status
    assert "<html" not in failure.detail.lower()
