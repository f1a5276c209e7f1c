"""Complaints about a field of the request are not about rights or keys, whoever words them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream.classify import classify_error, classify_response
from resilient_stream.errors import error_for
from resilient_stream.providers.error_rules import rules_for

FIELDS = ("stream_options", "api_key", "account", "safety_settings", "model_kwargs", "budget", "organization")
SENTENCES = ("Extra inputs are not permitted", "Field required", "Input should be a valid string")
PROVIDERS = ("openai", "anthropic", "mistral", "vllm", "azure", "bedrock", "groq", "cohere", "openrouter", "")


def complaint(field: str, sentence: str) -> dict[str, Any]:
    """One of pydantic's."""
    return {"type": "extra_forbidden", "loc": ["body", field], "msg": sentence, "input": "SECRET"}


SHAPES = {
    "fastapi": lambda field, said: {"detail": [complaint(field, said)]},
    "mistral": lambda field, said: {"object": "error", "message": {"detail": [complaint(field, said)]}, "type": "x"},
    "vllm": lambda field, said: {"object": "error", "message": str([complaint(field, said)]), "code": 400},
    "anthropic": lambda field, said: {
        "type": "error", "error": {"type": "invalid_request_error", "message": f"tools.0.{field}: {said}"}
    },
    "azure": lambda field, said: {"error": {"code": "invalid_input", "message": "invalid input error",
                                            "details": [complaint(field, said)]}},
    "bedrock": lambda field, said: {"message": f"The model returned the following errors: {field}: {said}"},
    "gateway": lambda field, said: {"error": {"message": f"BadRequest: {{'detail': {[complaint(field, said)]}}}"}},
    "json in json": lambda field, said: {"error": {"message": json.dumps({"detail": [complaint(field, said)]})}},
}  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", FIELDS)
def test_a_validators_complaint_is_an_invalid_request(provider: str, shape: str, field: str) -> None:
    """Whatever the field is called; its name is in the message, and what was sent is not."""
    for sentence in SENTENCES:
        body = SHAPES[shape](field, sentence)
        for status in (400, 422):
            failure = classify_response(status, {}, json.dumps(body).encode(), rules_for(provider))
            assert failure.kind.value == "invalid_request"
            if shape != "gateway":
                assert "SECRET" not in failure.detail
                assert field in error_for(failure).message
        assert classify_error(body, rules_for(provider)).kind.value == "invalid_request"


@pytest.mark.parametrize(
    ("status", "message", "param", "kind"),
    [
        (400, "temperature is not allowed with this model", "temperature", "invalid_request"),
        (400, "role 'tool' is not allowed here", None, "invalid_request"),
        (400, "The parameter `top_k` is not permitted for this endpoint", None, "invalid_request"),
        (400, "value of type null is not allowed", "messages[0].content", "invalid_request"),
        (400, "Unknown variant `developer`", None, "invalid_request"),
        (403, "You are not allowed to sample from this model", None, "permission_denied"),
        (403, "This key is not permitted to use the parameter logprobs", None, "permission_denied"),
        (401, "key not allowed to access model", "key", "permission_denied"),
        (400, "Your organization must be verified to stream this model", "stream", "permission_denied"),
        (400, "API key not valid. Please pass a valid API key.", None, "authentication"),
        (400, "The API key field is required", None, "authentication"),
        (422, "You do not have permission to use this model", None, "permission_denied"),
    ],
)
def test_words_of_rights_count_where_the_body_is_about_rights(
    status: int, message: str, param: str | None, kind: str
) -> None:
    """A field, a role or a value is not permitted; a person or a key may not."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}
    assert classify_response(status, {}, json.dumps(body).encode()).kind.value == kind


def test_a_missing_header_is_a_missing_key() -> None:
    """FastAPI says so in the form of a complaint."""
    body = {"detail": [{"type": "missing", "loc": ["header", "authorization"], "msg": "Field required"}]}
    assert classify_response(422, {}, json.dumps(body).encode()).kind.value == "authentication"
