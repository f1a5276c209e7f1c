"""Complaints about a field of the request are not about rights or keys, whoever words them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from resilient_stream.classify import classify_error, classify_response
from resilient_stream.errors import error_for
from resilient_stream.providers import rules_for

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


THINGS = (
    "messages.0.name: is not permitted",
    "tool_choice 'required' is not permitted when thinking",
    "system messages are not permitted in this position",
    "This field is not authorized: tools",
    "key 'foo' is disabled in this request",
    "messages[1]: unauthorized role",
    "Invalid API key format in field metadata.api_key: Extra inputs are not permitted",
    "context_management: Extra inputs are not permitted",
    "'temperature' is not permitted with reasoning effort 'high'",
    "Assistant messages are not permitted as the last message",
    "tools[0].function.strict: not authorized",
    "The header 'x-foo' is not permitted on this request",
    "role: unauthorized value 'developer'",
    "response_format of type json_object is not permitted when tools are given",
    "Only one system message is permitted; more are not permitted in messages",
    "max_tokens greater than 8192 is not authorized in this mode",
    "`top_p` and `temperature` together are not permitted",
    "property 'foo' blocked by schema",
    "prefix field is disabled for chat completions",
    "body.messages.3.content.0.type: 'video' is not permitted",
    "Parallel tool calls are disabled in this request while thinking",
    "unauthorized parameter: logit_bias",
    "images are not permitted in tool messages",
    "Null values are not permitted",
    "stop sequences consisting of whitespace are not permitted",
    "Changing the thinking budget is not permitted in the middle of a turn",
    "consecutive user turns are not permitted",
    "tool_use ids with characters outside [a-zA-Z0-9_-] are not permitted",
    "user key in metadata is restricted to 64 characters",
    "messages[0].content: access denied to field 'cache_control'",
    "cache_control on thinking blocks is not permitted",
    "$.tools[2].input_schema: not permitted",
    "Prefilling assistant messages is not permitted for this model",
    "The 'n' option is not allowed to be greater than 1",
    "stream_options is not allowed in non-streaming requests",
    "empty string is not allowed in content",
    "JSON key 'response_schema' is blocked",
    "Empty content blocks are not permitted",
    "input[3].content[1]: input_image is not permitted for role assistant",
    "Duplicate tool names are not permitted",
    "verbosity 'low' is not allowed with this reasoning effort",
    "The following keys are not permitted: foo, bar",
    "user: must not be blank; extra keys not allowed",
    "Value for 'n' is restricted to 1 when streaming",
    "generationConfig.responseModalities is not authorized for TEXT",
    "function call arguments are not permitted to be empty",
    "Thinking blocks are not permitted to be modified in the latest assistant message",
    "Multiple candidates are disabled for streaming",
    "Unauthorized field name: cachePoint",
    "tool_result blocks not permitted without a preceding tool_use",
    "Non-ASCII characters are not permitted in tool names",
    "presence_penalty isn't permitted",
    "The stop parameter is blocked when using tools",
    "audio is not permitted in system messages",
    "messages: first message with role assistant not permitted",
    "metadata.user_id: value is restricted to uuid",
    "body -> messages -> 0 -> name: not permitted",
    "additionalProperties 'client' is not permitted",
    "Unsupported: dimension parameter not allowed here",
    "token_count field is not permitted",
    "Temperature must be 1; other values are not permitted",
    "A `project` key is not permitted at the top level",
    "service_tier 'flex' is not permitted",
)
PARTIES = (
    "You are not authorized to use this model",
    "Your API key is not authorized for this model",
    "This model is not permitted for your organization",
    "Access denied for this project",
    "Your account has been disabled",
    "This organization has been disabled.",
    "key is disabled",
    "The API key is disabled",
    "The key 'prod-1' has been disabled by an administrator",
    "User is not authorized to access this resource",
    "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock::x",
    "Unauthorized",
    "unauthorized: token expired",
    "unauthorized client detected",
    "Request is unauthorized",
    "Your IP address is not permitted",
    "Requests from your country are not permitted",
    "not permitted",
    "Not authorized",
    "This operation is not permitted for this API key",
    "Your team is not allowed to use the tools feature",
    "Model access is denied due to IAM user or service role is not authorized to perform the required actions",
    "Operation not allowed for your account",
    "You do not have access to this model; access denied",
    "This account is restricted",
    "Model gpt-9 is not authorized for use",
    "access to model 'x' is not permitted",
    "This token is not permitted to access this model",
    "Service accounts are not permitted to use this model",
    "The client is not authorized",
    "The project `proj_1` is not allowed to call this model",
    "This resource is disabled",
    "deployment access denied",
    "Caller not authorized for 'aiplatform.endpoints.predict' on resource",
    "The key has been disabled",
    "API calls from this user are not permitted",
    "the user 'joe' is suspended",
    "tools are not permitted on the free plan",
    "organization_id: not permitted to use beta features",
    "Permission denied on resource project foo",
    "Virtual key 'team-a' is blocked",
    "Key 'abc' has been suspended",
    "Free users are not allowed to use tool calls",
)
SHAPES_OF_ERRORS: dict[str, Callable[[str], Any]] = {
    "an error": lambda said: {"error": {"message": said}},
    "a message": lambda said: {"message": said},
    "a detail": lambda said: {"detail": said},
}


@pytest.mark.parametrize("said", THINGS)
def test_a_thing_that_is_forbidden_is_a_wrong_request(said: str) -> None:
    """A message, a value or a field may not stand where it stands: no key and no other provider would help."""
    for shape in SHAPES_OF_ERRORS.values():
        for provider in ("", "openai", "anthropic", "mistral"):
            body = json.dumps(shape(said)).encode()
            assert classify_response(400, {}, body, rules_for(provider)).kind.value == "invalid_request"


@pytest.mark.parametrize("said", PARTIES)
def test_a_party_that_has_no_right_is_still_told_so(said: str) -> None:
    """A person, an account, a key or a model, whatever is quoted beside it; and a sentence that names nothing."""
    for shape in SHAPES_OF_ERRORS.values():
        found = classify_response(400, {}, json.dumps(shape(said)).encode()).kind.value
        assert found in ("permission_denied", "authentication")


@pytest.mark.parametrize("said", [THINGS[0], "Extra inputs are not permitted", "unauthorized role in messages[0]"])
def test_a_server_that_fails_over_a_field_is_no_missing_right(said: str) -> None:
    """The status says what it is: gateways answer so for a request that they made themselves."""
    for status, kind in ((500, "server_error"), (502, "gateway_error"), (503, "provider_overloaded")):
        body = json.dumps({"error": {"message": said}}).encode()
        assert classify_response(status, {}, body).kind.value == kind


def test_a_forbidden_thing_in_a_stream_is_a_wrong_request() -> None:
    """In a stream, where no status says it, a forbidden field is an invalid request."""
    assert classify_error({"error": {"message": THINGS[2]}}).kind.value == "invalid_request"
