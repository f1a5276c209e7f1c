"""Bodies that are in no table: paraphrases and neighbours of the known ones, to see that the rules generalise."""

# ruff: noqa: E501

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream.classify import classify_error, classify_response
from resilient_stream.providers.error_rules import rules_for

# Provider, status (None: inside a stream), body, kind, headers.
UNSEEN: list[tuple[str, int | None, Any, str, dict[str, str]]] = [
    (
        "openai",
        401,
        {
            "error": {
                "message": "Incorrect API key provided: sk-abc***xyz. You can find your API key at https://platform.openai.com/account/api-keys.",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
        },
        "authentication",
        {},
    ),
    (
        "openai",
        401,
        {
            "error": {
                "message": "You didn't provide an API key. You need to provide your API key in an Authorization header",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
        "authentication",
        {},
    ),
    (
        "openai",
        403,
        {
            "error": {
                "message": "You are not allowed to sample from this model",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
        "permission_denied",
        {},
    ),
    (
        "openai",
        429,
        {
            "error": {
                "message": "Your account is not active, please check your billing details on our website.",
                "type": "billing_not_active",
                "param": None,
                "code": "billing_not_active",
            }
        },
        "insufficient_funds",
        {},
    ),
    (
        "openai",
        503,
        {
            "error": {
                "message": "The model is currently overloaded with other requests. You can retry your request",
                "type": "server_error",
                "param": None,
                "code": None,
            }
        },
        "provider_overloaded",
        {},
    ),
    (
        "openai",
        404,
        {
            "error": {
                "message": "Invalid URL (POST /v1/chat/completion)",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
        "unexpected_response",
        {},
    ),
    (
        "openai",
        400,
        {
            "error": {
                "message": "This model's maximum context length is 8192 tokens, however you requested 9000 tokens (8000 in your prompt; 1000 for the completion).",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
        "context_length_exceeded",
        {},
    ),
    (
        "openai",
        400,
        {
            "error": {
                "message": "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                "type": "invalid_request_error",
                "param": None,
                "code": "unsupported_value",
            }
        },
        "invalid_request",
        {},
    ),
    (
        "openai",
        404,
        {
            "error": {
                "message": "Previous response with id 'resp_x' not found.",
                "type": "invalid_request_error",
                "param": None,
                "code": "previous_response_not_found",
            }
        },
        "invalid_request",
        {},
    ),
    (
        "openai",
        400,
        {
            "error": {
                "message": "Your request was rejected as a result of our safety system.",
                "type": "image_generation_user_error",
                "param": None,
                "code": "moderation_blocked",
            }
        },
        "content_filtered",
        {},
    ),
    (
        "anthropic",
        402,
        {
            "type": "error",
            "error": {"type": "billing_error", "message": "Your account has a billing issue."},
            "request_id": "req_1",
        },
        "insufficient_funds",
        {},
    ),
    (
        "anthropic",
        429,
        {
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "This request would exceed your organization's rate limit of 30,000 input tokens per minute. For details, refer to: https://docs",
            },
            "request_id": "req_1",
        },
        "rate_limited",
        {"retry-after": "21"},
    ),
    (
        "anthropic",
        429,
        {
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "Number of concurrent connections has exceeded your rate limit.",
            },
            "request_id": "req_1",
        },
        "rate_limited",
        {},
    ),
    (
        "anthropic",
        429,
        {
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "Limit.",
                "details": {"error_code": "contract_spend_limit_reached"},
            },
            "request_id": "req_1",
        },
        "insufficient_funds",
        {},
    ),
    (
        "anthropic",
        404,
        {"type": "error", "error": {"type": "not_found_error", "message": "Not Found"}, "request_id": "req_1"},
        "unexpected_response",
        {},
    ),
    (
        "anthropic",
        403,
        {
            "type": "error",
            "error": {"type": "permission_error", "message": "This organization has been disabled."},
            "request_id": "req_1",
        },
        "permission_denied",
        {},
    ),
    (
        "anthropic",
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude-3-5",
            },
            "request_id": "req_1",
        },
        "invalid_request",
        {},
    ),
    (
        "anthropic",
        500,
        {"type": "error", "error": {"type": "api_error", "message": "Overloaded"}, "request_id": "req_1"},
        "provider_overloaded",
        {},
    ),
    (
        "anthropic",
        None,
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
            "request_id": "req_1",
        },
        "context_length_exceeded",
        {},
    ),
    (
        "gemini",
        429,
        {
            "error": {
                "code": 429,
                "message": "You exceeded your current quota, please check your plan and billing details.",
                "status": "RESOURCE_EXHAUSTED",
            }
        },
        "rate_limited",
        {},
    ),
    (
        "gemini",
        400,
        {
            "error": {
                "code": 400,
                "message": "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.",
                "status": "FAILED_PRECONDITION",
            }
        },
        "insufficient_funds",
        {},
    ),
    (
        "gemini",
        403,
        {
            "error": {
                "code": 403,
                "message": "Your API key was reported as leaked. Please use another API key.",
                "status": "PERMISSION_DENIED",
            }
        },
        "authentication",
        {},
    ),
    (
        "gemini",
        500,
        {
            "error": {
                "code": 500,
                "message": "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
                "status": "INTERNAL",
            }
        },
        "server_error",
        {},
    ),
    (
        "gemini",
        403,
        {
            "error": {
                "code": 403,
                "message": "You do not have permission to access the File abc or it may not exist.",
                "status": "PERMISSION_DENIED",
            }
        },
        "permission_denied",
        {},
    ),
    (
        "azure",
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
                "type": None,
                "param": None,
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
            }
        },
        "content_filtered",
        {},
    ),
    (
        "azure",
        429,
        {
            "error": {
                "code": "429",
                "message": "Requests to the Embeddings_Create Operation have exceeded call rate limit of your current OpenAI F0 pricing tier. Please retry after 86400 seconds.",
            }
        },
        "quota_exhausted",
        {},
    ),
    (
        "azure",
        401,
        {
            "statusCode": 401,
            "message": "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired.",
        },
        "authentication",
        {},
    ),
    (
        "bedrock",
        403,
        {"message": "The security token included in the request is invalid."},
        "authentication",
        {"x-amzn-errortype": "UnrecognizedClientException:http://internal.amazon.com/coral/"},
    ),
    (
        "bedrock",
        400,
        {"message": "The provided model identifier is invalid."},
        "model_not_found",
        {"x-amzn-errortype": "ValidationException:http://internal.amazon.com/coral/"},
    ),
    (
        "bedrock",
        403,
        {
            "message": "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be provided."
        },
        "insufficient_funds",
        {"x-amzn-errortype": "AccessDeniedException:http://internal.amazon.com/coral/"},
    ),
    (
        "bedrock",
        400,
        {"message": "Conflict"},
        "conflict",
        {"x-amzn-errortype": "ConflictException:http://internal.amazon.com/coral/"},
    ),
    (
        "bedrock",
        None,
        {"message": "Input is too long for requested model."},
        "context_length_exceeded",
        {":exception-type": "validationException"},
    ),
    (
        "mistral",
        400,
        {
            "object": "error",
            "message": "Prompt contains 40960 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
            "type": "invalid_request_invalid_args",
            "param": None,
            "code": "3051",
        },
        "context_length_exceeded",
        {},
    ),
    ("mistral", 429, {"message": "Requests rate limit exceeded"}, "rate_limited", {}),
    (
        "cohere",
        429,
        {
            "message": "You are using a Trial key, which is limited to 10 API calls / minute. You can continue to use the Trial key for free or upgrade to a Production key"
        },
        "rate_limited",
        {},
    ),
    (
        "cohere",
        404,
        {
            "message": "model 'command-x' not found, make sure the correct model ID was used and that you have access to the model."
        },
        "model_not_found",
        {},
    ),
    ("cohere", 401, {"message": "invalid api token"}, "authentication", {}),
    ("cohere", 500, {"message": "internal server error, this has been reported to our developers"}, "server_error", {}),
    (
        "groq",
        429,
        {
            "error": {
                "message": "Rate limit reached for model `x` in organization `org_01` service tier `on_demand` on requests per day (RPD): Limit 1000, Used 1000, Requested 1. Please try again in 1m26.4s.",
                "type": "requests",
                "param": None,
                "code": "rate_limit_exceeded",
            }
        },
        "quota_exhausted",
        {},
    ),
    (
        "groq",
        413,
        {
            "error": {
                "message": "Request Entity Too Large",
                "type": "invalid_request_error",
                "param": None,
                "code": "request_too_large",
            }
        },
        "request_too_large",
        {},
    ),
    ("groq", 502, "<html>502</html>", "gateway_error", {}),
    (
        "groq",
        400,
        {
            "error": {
                "message": "You have reached your organization's spend limit. Please increase",
                "type": "invalid_request_error",
                "param": None,
                "code": "spend_limit_reached",
            }
        },
        "insufficient_funds",
        {},
    ),
    (
        "deepseek",
        400,
        {
            "error": {
                "message": "Model Not Exist",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_request_error",
            }
        },
        "model_not_found",
        {},
    ),
    ("deepseek", None, {"code": "insufficient_system_resource"}, "provider_overloaded", {}),
    (
        "openrouter",
        402,
        {
            "error": {
                "code": 402,
                "message": "This request requires more credits, or fewer max_tokens. You requested up to 4096 tokens, but can only afford 200.",
            }
        },
        "insufficient_funds",
        {},
    ),
    ("openrouter", 401, {"error": {"message": "No auth credentials found", "code": 401}}, "authentication", {}),
    (
        "openrouter",
        429,
        {
            "error": {
                "message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
                "code": 429,
                "metadata": {
                    "headers": {
                        "X-RateLimit-Limit": "50",
                        "X-RateLimit-Remaining": "0",
                        "X-RateLimit-Reset": "1754697600000",
                    }
                },
            }
        },
        "quota_exhausted",
        {"date": "Fri, 08 Aug 2025 15:40:34 GMT"},
    ),
    (
        "openrouter",
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {
                    "raw": '{"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}, "request_id": "req_1"}',
                    "provider_name": "Anthropic",
                },
            }
        },
        "context_length_exceeded",
        {},
    ),
    (
        "openrouter",
        400,
        {"error": {"message": "openai/gpt-9 is not a valid model ID", "code": 400}, "user_id": "u"},
        "model_not_found",
        {},
    ),
    (
        "openrouter",
        404,
        {
            "error": {
                "message": "No endpoints found that support tool use. To learn more about provider routing",
                "code": 404,
            }
        },
        "model_not_found",
        {},
    ),
    (
        "openrouter",
        403,
        {
            "error": {
                "message": "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
                "code": 403,
            }
        },
        "insufficient_funds",
        {},
    ),
    (
        "openrouter",
        None,
        {
            "id": "gen-1",
            "error": {"code": 504, "message": "Upstream idle timeout exceeded"},
            "choices": [{"finish_reason": "error"}],
        },
        "provider_timeout",
        {},
    ),
    (
        "xai",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: xa***ey. You can obtain an API key from https://console.x.ai.",
        },
        "authentication",
        {},
    ),
    (
        "xai",
        404,
        {
            "code": "Some requested entity was not found",
            "error": "The model grok-x does not exist or your team abc does not have access to it.",
        },
        "model_not_found",
        {},
    ),
    (
        "together",
        429,
        {"error": {"message": "You have reached the rate limit", "type": "rate_limit", "param": None, "code": None}},
        "rate_limited",
        {},
    ),
    (
        "together",
        500,
        {"error": {"message": "Internal server error", "type": "server_error", "param": None, "code": None}},
        "server_error",
        {},
    ),
    (
        "fireworks",
        401,
        {
            "error": {
                "message": "The API key you provided is invalid.",
                "type": "error",
                "param": None,
                "code": "UNAUTHORIZED",
            }
        },
        "authentication",
        {},
    ),
    (
        "fireworks",
        400,
        {"error": {"message": "Invalid request", "type": "error", "param": None, "code": "INVALID_ARGUMENT"}},
        "invalid_request",
        {},
    ),
    (
        "perplexity",
        400,
        {
            "error": {
                "message": "Invalid model 'x'. Permitted models can be found in the documentation",
                "type": "invalid_model",
                "code": 400,
            }
        },
        "model_not_found",
        {},
    ),
    (
        "cerebras",
        404,
        {
            "message": "Model foo does not exist or you do not have access to it.",
            "type": "not_found_error",
            "param": "model",
            "code": "model_not_found",
        },
        "model_not_found",
        {},
    ),
    (
        "cerebras",
        429,
        {
            "message": "Requests per minute limit exceeded - too many requests sent.",
            "type": "too_many_requests_error",
            "param": "quota",
            "code": "request_quota_exceeded",
        },
        "rate_limited",
        {},
    ),
    ("huggingface", 401, {"error": "Invalid credentials in Authorization header"}, "authentication", {}),
    ("huggingface", 429, {"error": "Rate limit reached. Please log in or use a HF access token"}, "rate_limited", {}),
    (
        "tgi",
        424,
        {"error": "Request failed during generation: Server error: transport error", "error_type": "generation"},
        "server_error",
        {},
    ),
    ("ollama", 500, {"error": "unexpected EOF"}, "server_error", {}),
    ("ollama", 400, {"error": '"llama3" does not support thinking'}, "unsupported_feature", {}),
    ("ollama", 404, "404 page not found", "unexpected_response", {}),
    (
        "llamacpp",
        401,
        {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}},
        "authentication",
        {},
    ),
    (
        "llamacpp",
        404,
        {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}},
        "unexpected_response",
        {},
    ),
    ("vllm", 401, {"error": "Unauthorized"}, "authentication", {}),
    (
        "vllm",
        400,
        {
            "error": {
                "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            }
        },
        "invalid_request",
        {},
    ),
    (
        "sglang",
        400,
        {
            "object": "error",
            "message": "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
            "type": "BadRequestError",
            "code": 400,
        },
        "context_length_exceeded",
        {},
    ),
    (
        "lmstudio",
        400,
        {
            "error": "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length"
        },
        "context_length_exceeded",
        {},
    ),
    (
        "moonshot",
        429,
        {
            "error": {
                "message": "Your account org-x<ak-x> request reached organization max RPM: 3, please try again after 1 seconds",
                "type": "rate_limit_reached_error",
                "param": None,
                "code": None,
            }
        },
        "rate_limited",
        {},
    ),
    (
        "moonshot",
        429,
        {
            "error": {
                "message": "The engine is currently overloaded, please try again later",
                "type": "engine_overloaded_error",
                "param": None,
                "code": None,
            }
        },
        "provider_overloaded",
        {},
    ),
    (
        "zai",
        429,
        {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}},
        "insufficient_funds",
        {},
    ),
    ("cloudflare", 522, "<!DOCTYPE html><html><title>522</title></html>", "gateway_error", {}),
    (
        "cloudflare",
        401,
        {
            "success": False,
            "errors": [{"code": 10000, "message": "Authentication error"}],
            "messages": [],
            "result": None,
        },
        "authentication",
        {},
    ),
    ("generic", 302, "", "unexpected_response", {"location": "/login"}),
    ("generic", 200, {"choices": [{"message": {"content": "hi"}}]}, "unexpected_response", {}),
    ("generic", 200, "Internal Server Error", "gateway_error", {"content-type": "text/event-stream"}),
    ("generic", 500, "", "server_error", {}),
    ("generic", 503, "no healthy upstream", "gateway_error", {}),
    (
        "generic",
        400,
        {"error": {"message": "No connected db.", "type": "no_db_connection", "param": None, "code": None}},
        "invalid_request",
        {},
    ),
    (
        "generic",
        429,
        {
            "error": {
                "message": "Budget has been exceeded! Current cost: 10, Max budget: 9",
                "type": "budget_exceeded",
                "param": None,
                "code": None,
            }
        },
        "insufficient_funds",
        {},
    ),
    (
        "generic",
        400,
        'data: {"error": {"message": "bad key", "type": "x", "param": null, "code": "invalid_api_key"}}\n\n',
        "authentication",
        {},
    ),
    ("generic", None, "quota", "server_error", {}),
    ("generic", None, [{"error": {"code": 429}}], "rate_limited", {}),
    ("gemini", None, {"code": "RECITATION"}, "content_filtered", {}),
    ("generic", 500, "", "server_error", {"x-should-retry": "false"}),
    (
        "cohere",
        None,
        {
            "type": "message-end",
            "delta": {"finish_reason": "ERROR", "error": "Rate limit exceeded", "error_type": "RATE_LIMIT"},
        },
        "rate_limited",
        {},
    ),
    (
        "openai",
        429,
        {
            "error": {
                "message": "The usage limit has been reached",
                "type": "usage_limit_reached",
                "param": None,
                "code": None,
                "plan_type": "plus",
                "resets_at": 1764200000,
                "resets_in_seconds": 4000,
            }
        },
        "quota_exhausted",
        {},
    ),
    (
        "bedrock",
        None,
        {"message": "x", "originalStatusCode": 500},
        "rate_limited",
        {":exception-type": "throttlingException"},
    ),
    (
        "x",
        None,
        {"error": {"message": "Image too large: maximum 5MB", "code": "image_too_large"}},
        "invalid_request",
        {},
    ),
    ("x", None, {"error": {"message": "insufficient permissions for this operation"}}, "permission_denied", {}),
    ("x", None, {"error": {"code": "internal_error", "message": "request failed"}}, "server_error", {}),
    ("x", None, {"error": {"message": "Provider returned error", "code": 503}}, "provider_overloaded", {}),
    (
        "x",
        None,
        {"error": {"code": "rate_limit_exceeded", "message": "Rate limit reached. Please try again in 1m30s"}},
        "quota_exhausted",
        {},
    ),
    (
        "generic",
        400,
        {
            "error": {
                "message": "Your prepaid balance has run out. Please add funds to continue.",
                "code": "balance_depleted",
            }
        },
        "insufficient_funds",
        {},
    ),
    (
        "generic",
        403,
        {"error": {"message": "Your team has hit its monthly budget.", "type": "forbidden"}},
        "insufficient_funds",
        {},
    ),
    (
        "generic",
        429,
        {
            "error": {
                "message": "You've reached the daily request quota for the free plan. Quota resets at midnight UTC."
            }
        },
        "quota_exhausted",
        {},
    ),
    (
        "generic",
        429,
        {"error": {"message": "Request was throttled. Expected available in 12 seconds."}},
        "rate_limited",
        {},
    ),
    (
        "generic",
        429,
        {
            "detail": "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per minute with a burst of 1 requests until you add a payment method.",
            "status": 429,
            "retry_after": 9,
        },
        "rate_limited",
        {},
    ),
    (
        "generic",
        400,
        {"error": {"message": "The input exceeds the model's context window by 2048 tokens"}},
        "context_length_exceeded",
        {},
    ),
    (
        "generic",
        400,
        {"message": "This request would use 140000 tokens but the model accepts at most 131072"},
        "context_length_exceeded",
        {},
    ),
    (
        "generic",
        422,
        {"detail": [{"loc": ["body", "temperature"], "msg": "ensure this value is less than 2", "input": "SECRET"}]},
        "invalid_request",
        {},
    ),
    (
        "generic",
        403,
        {"message": "User is not authorized to access this resource with an explicit deny"},
        "permission_denied",
        {},
    ),
    ("generic", 401, {"code": "token_invalid", "message": "JWT signature verification failed"}, "authentication", {}),
    (
        "generic",
        400,
        {
            "error": {
                "message": "The security key you supplied does not exist in our records.",
                "type": "invalid_request_error",
            }
        },
        "invalid_request",
        {},
    ),
    ("generic", 400, {"error": {"message": "API key is invalid or has been disabled"}}, "authentication", {}),
    (
        "generic",
        404,
        {"error": {"message": "The engine davinci-9 could not be found", "code": "engine_not_found"}},
        "model_not_found",
        {},
    ),
    ("generic", 400, {"error": {"message": "claude-9 is not a known model"}}, "model_not_found", {}),
    ("generic", 400, {"error": {"message": "Unknown model: foo"}}, "model_not_found", {}),
    ("generic", 503, {"error": {"message": "Model is starting up, try again in 20s"}}, "model_loading", {}),
    ("generic", 503, {"error": {"message": "All workers are busy; please retry later"}}, "provider_overloaded", {}),
    ("generic", 500, {"error": {"message": "Insufficient GPU capacity to serve request"}}, "provider_overloaded", {}),
    (
        "generic",
        400,
        {"error": {"message": "Input contains disallowed content per our usage guidelines", "code": "content_policy"}},
        "content_filtered",
        {},
    ),
    (
        "generic",
        400,
        {"error": {"message": "The request was blocked by our safety filters", "code": "safety_block"}},
        "content_filtered",
        {},
    ),
    ("generic", 400, {"error": {"message": "This model does not support image input"}}, "unsupported_feature", {}),
    ("generic", 400, {"error": {"message": "Tool calling is not supported by this model"}}, "unsupported_feature", {}),
    ("generic", 413, "Payload Too Large", "request_too_large", {}),
    ("generic", 400, {"error": {"message": "Request body too large. Maximum 20MB"}}, "request_too_large", {}),
    ("generic", 500, {"error": {"message": "Worker timed out after 600s"}}, "provider_timeout", {}),
    ("generic", 200, "<html><body>Please log in to the Wi-Fi</body></html>", "unexpected_response", {}),
    ("generic", 502, "<!DOCTYPE html>", "gateway_error", {}),
    ("generic", 521, "", "gateway_error", {}),
    ("generic", 403, "<html><title>Attention Required! | Cloudflare</title>", "permission_denied", {"cf-ray": "x"}),
    (
        "generic",
        None,
        {"error": {"type": "server_overloaded", "message": "Please slow your requests"}},
        "provider_overloaded",
        {},
    ),
    ("generic", None, {"error": {"code": "quota_exceeded_daily"}}, "quota_exhausted", {}),
    ("generic", None, {"error": {"code": "content_safety_violation"}}, "content_filtered", {}),
    ("generic", None, {"error": {"code": "user_spending_limit_reached"}}, "insufficient_funds", {}),
    ("generic", None, {"error": {"code": "apikey_revoked"}}, "authentication", {}),
    ("generic", None, {"error": {"code": "model_context_length_exceeded"}}, "context_length_exceeded", {}),
    (
        "generic",
        None,
        {"error": {"code": "InvalidParameter", "message": "temperature must be <= 2"}},
        "invalid_request",
        {},
    ),
    ("generic", None, {"error": {"code": "too_many_concurrent_requests"}}, "rate_limited", {}),
    ("generic", None, {"error": {"code": "upstream_timeout"}}, "provider_timeout", {}),
    (
        "generic",
        None,
        {"error": {"code": "model_unavailable", "message": "The model is temporarily unavailable"}},
        "provider_overloaded",
        {},
    ),
    ("generic", None, {"error": {"code": "SomethingWeird", "message": "?"}}, "server_error", {}),
    ("generic", None, {"error": {"code": 413, "message": "?"}}, "request_too_large", {}),
    ("generic", None, {"error": "inference engine crashed"}, "server_error", {}),
]


@pytest.mark.parametrize(("provider", "status", "body", "kind", "headers"), UNSEEN)
def test_an_unseen_body_gets_the_kind_that_a_person_would_give_it(
    provider: str, status: int | None, body: Any, kind: str, headers: dict[str, str]
) -> None:
    """Families of names and sentences, not quotations."""
    rules = rules_for(provider)
    if status is None:
        failure = classify_error(body, rules, headers=headers)
    else:
        raw = body if isinstance(body, str) else json.dumps(body)
        failure = classify_response(status, headers, raw.encode(), rules)
    assert failure.kind.value == kind
