"""The official SDKs, a row each: how each is pointed at a loopback server and asked for our conversations.

An SDK is used as its own documentation shows, with its helpers (classes for schemas, typed parts). The JSON on the wire
is compared, and not the arguments. What may differ is in `allowed`, with the reason. An SDK is imported only when its
row is used.

A new SDK is a module-level function that sends one conversation, and a row.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from resilient_stream.testing import FakeProvider

from .conversations import LINK, PDF, PDF_LINK, PIXEL, SCHEMA, WAV, Answer

__all__ = ["SDKS", "Sdk"]

ASKED = "Weather in Bern?"
PDF_TEXT, WAV_TEXT = (base64.b64encode(data).decode() for data in (PDF, WAV))
AS_TEXT = '\n<document name="a.txt">\nHello.\n</document>\n'
HELLO = "data:text/plain;base64,SGVsbG8u"
AZURE_VERSION = "2024-12-01-preview"
SAMPLING = ("top_k", "presence_penalty", "frequency_penalty")


class Sdk(NamedTuple):
    """One row.

    module: what is imported; missing, its tests skip. provider, model, options: our target. send: asks the SDK for
    each, at a loopback server. wanted: its arguments for each conversation; one that is not here is not compared, and
    `left_out` says why. without: fields of ours that the dialect refuses. headers: those that have to be equal.
    allowed: what may differ, a place in the body (keys joined by dots), "path" or a header's name, and why. normal:
    the body as its provider reads it, where there are several ways to write the same.
    """

    module: str
    provider: str
    model: str
    send: Callable[[FakeProvider, list[dict[str, Any]]], None]
    wanted: Mapping[str, dict[str, Any]]
    headers: tuple[str, ...]
    left_out: Mapping[str, str] = {}
    without: tuple[str, ...] = ()
    allowed: Mapping[str, str] = {}
    options: Mapping[str, Any] = {}
    normal: Callable[[Any], Any] = lambda body: body


def _drain(stream: Any) -> None:
    for _ in stream:
        pass


# -- openai -----------------------------------------------------------------------------------


def _openai_chat(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    import openai

    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="test", max_retries=0) as client:
        for fields in wanted:
            _chat(client, "gpt-x", fields)


def _azure_chat(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    import openai

    with openai.AzureOpenAI(
        azure_endpoint=provider.url, api_key="test", api_version=AZURE_VERSION, max_retries=0
    ) as client:
        for fields in wanted:
            _chat(client, "dep", fields)


def _chat(client: Any, model: str, wanted: dict[str, Any]) -> None:
    """A class for the schema goes through the SDK's own helper, which makes it strict."""
    fields = {"model": model, "stream_options": {"include_usage": True}, **wanted}
    if "response_format" in fields:
        with client.chat.completions.stream(**fields) as stream:
            _drain(stream)
    else:
        with client.chat.completions.create(stream=True, **fields) as stream:
            _drain(stream)


def _openai_responses(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    import openai

    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="test", max_retries=0) as client:
        for fields in wanted:
            _respond(client, {"model": "gpt-x", "store": False, **fields})


def _respond(client: Any, fields: dict[str, Any]) -> None:
    if "text_format" in fields:
        with client.responses.stream(**fields) as stream:
            _drain(stream)
    else:
        with client.responses.create(stream=True, **fields) as stream:
            _drain(stream)


def _user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


_CHAT_TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather at a place.", "parameters": SCHEMA},
}
_CHAT_CALLS = [
    {"id": f"call_{number}", "type": "function",
     "function": {"name": "weather", "arguments": f'{{"place":"{place}"}}'}}
    for number, place in ((1, "Bern"), (2, "Rome"))
]  # fmt: skip


def _picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _sum_up(**file: str) -> list[dict[str, Any]]:
    return _user([{"type": "text", "text": "Sum up."}, {"type": "file", "file": file}])


OPENAI_CHAT: dict[str, dict[str, Any]] = {
    "text": {"messages": _user("Why is the sky blue?")},
    "more options": {
        "messages": _user("Hi."), "presence_penalty": 0.5, "frequency_penalty": 0.25, "user": "customer-42",
    },
    "system and sampling": {
        "messages": [{"role": "system", "content": "Be brief."}, *_user("Hi.")],
        "max_completion_tokens": 64, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "seed": 7,
    },
    "turns": {"messages": [*_user("Hi."), {"role": "assistant", "content": "Hello."}, *_user("And?")]},
    "image": {
        "messages": _user([{"type": "text", "text": "What is it?"}, _picture(f"data:image/png;base64,{PIXEL}")])
    },
    "image by link": {"messages": _user([{"type": "text", "text": "And?"}, _picture(LINK)])},
    "a PDF": {"messages": _sum_up(filename="a.pdf", file_data=f"data:application/pdf;base64,{PDF_TEXT}")},
    "an uploaded file": {"messages": _sum_up(file_id="files/f-1")},
    "audio": {
        "messages": _user([
            {"type": "text", "text": "Listen."},
            {"type": "input_audio", "input_audio": {"data": WAV_TEXT, "format": "wav"}},
        ])
    },
    "a text file": {
        "messages": _user([
            {"type": "text", "text": "Read."},
            {"type": "file", "file": {"filename": "a.txt", "file_data": HELLO}},
        ])
    },
    "tools": {"messages": _user(ASKED), "tools": [_CHAT_TOOL], "tool_choice": "auto"},
    "a tool demanded": {
        "messages": _user(ASKED), "tools": [_CHAT_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
    },
    "any tool demanded": {"messages": _user(ASKED), "tools": [_CHAT_TOOL], "tool_choice": "required"},
    "tool results": {
        "messages": [
            *_user("Weather in Bern and Rome?"),
            {"role": "assistant", "content": "Let me see.", "tool_calls": _CHAT_CALLS},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
        ],
        "tools": [_CHAT_TOOL],
    },
    "schema": {"messages": _user("Capitals?"), "response_format": Answer},
    "reasoning": {"messages": _user("Think."), "reasoning_effort": "low"},
}  # fmt: skip

_RESPONSES_TOOL = {
    "type": "function", "name": "weather", "description": "The weather at a place.", "parameters": SCHEMA,
    "strict": False,
}  # fmt: skip


def _input_picture(url: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def _input_file(said: str, **file: str) -> dict[str, Any]:
    return {"input": _user([{"type": "input_text", "text": said}, {"type": "input_file", **file}])}


OPENAI_RESPONSES: dict[str, dict[str, Any]] = {
    "text": {"input": _user("Why is the sky blue?")},
    "more options": {"input": _user("Hi."), "user": "customer-42"},
    "system and sampling": {
        "input": [{"role": "system", "content": "Be brief."}, *_user("Hi.")],
        "max_output_tokens": 64, "temperature": 0.5, "top_p": 0.9,
    },
    "turns": {
        "input": [
            *_user("Hi."),
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
            *_user("And?"),
        ]
    },
    "image": {
        "input": _user(
            [{"type": "input_text", "text": "What is it?"}, _input_picture(f"data:image/png;base64,{PIXEL}")]
        )
    },
    "image by link": {"input": _user([{"type": "input_text", "text": "And?"}, _input_picture(LINK)])},
    "a hosted tool": {
        "input": _user("News?"), "tools": [{"type": "web_search"}], "include": ["web_search_call.action.sources"],
    },
    "a PDF": _input_file("Sum up.", filename="a.pdf", file_data=f"data:application/pdf;base64,{PDF_TEXT}"),
    "a PDF by link": _input_file("Sum up.", file_url=PDF_LINK),
    "an uploaded file": _input_file("Sum up.", file_id="files/f-1"),
    "a text file": _input_file("Read.", filename="a.txt", file_data=HELLO),
    "tools": {"input": _user(ASKED), "tools": [_RESPONSES_TOOL], "tool_choice": "auto"},
    "a tool demanded": {
        "input": _user(ASKED), "tools": [_RESPONSES_TOOL],
        "tool_choice": {"type": "function", "name": "weather"},
    },
    "any tool demanded": {"input": _user(ASKED), "tools": [_RESPONSES_TOOL], "tool_choice": "required"},
    "tool results": {
        "input": [
            *_user("Weather in Bern and Rome?"),
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"place":"Bern"}'},
            {"type": "function_call", "call_id": "call_2", "name": "weather", "arguments": '{"place":"Rome"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
            {"type": "function_call_output", "call_id": "call_2", "output": "sun"},
        ],
        "tools": [_RESPONSES_TOOL],
    },
    "schema": {"input": _user("Capitals?"), "text_format": Answer},
    "reasoning": {
        "input": _user("Think."), "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    },
}  # fmt: skip


# -- anthropic --------------------------------------------------------------------------------


def _anthropic(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    import anthropic

    with anthropic.Anthropic(base_url=provider.url, api_key="test", max_retries=0) as client:
        for fields in wanted:
            # The API demands max_tokens; this is what our table has for the model.
            with client.messages.stream(**{"model": "claude-haiku-4-5", "max_tokens": 16_000, **fields}) as stream:
                _drain(stream)


HOUR = {"type": "ephemeral", "ttl": "1h"}
_ANTHROPIC_TOOL = {"name": "weather", "description": "The weather at a place.", "input_schema": SCHEMA}


def _document(said: str, title: str | None = None, **source: str) -> dict[str, Any]:
    named = {"title": title} if title else {}
    return {"messages": _user([{"type": "text", "text": said}, {"type": "document", "source": source, **named}])}


ANTHROPIC: dict[str, dict[str, Any]] = {
    "text": {"messages": _user("Why is the sky blue?")},
    # The SDK has no top_k any more, since new models refuse it.
    "more options": {
        "messages": _user("Hi."), "metadata": {"user_id": "customer-42"}, "extra_body": {"top_k": 40},
    },
    "system and sampling": {
        "messages": _user("Hi."), "system": "Be brief.", "max_tokens": 64, "stop_sequences": ["END"],
        # Gone from the SDK, since new models refuse it; older ones take either this or top_p.
        "extra_body": {"temperature": 0.5},
    },
    "turns": {"messages": [*_user("Hi."), {"role": "assistant", "content": "Hello."}, *_user("And?")]},
    "image": {
        "messages": _user([
            {"type": "text", "text": "What is it?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ])
    },
    "image by link": {
        "messages": _user([
            {"type": "text", "text": "And?"},
            {"type": "image", "source": {"type": "url", "url": LINK}},
        ])
    },
    "a PDF": _document("Sum up.", "a.pdf", type="base64", media_type="application/pdf", data=PDF_TEXT),
    "a PDF by link": _document("Sum up.", "a.pdf", type="url", url=PDF_LINK),
    "an uploaded file": {
        **_document("Sum up.", type="file", file_id="files/f-1"),
        "extra_headers": {"anthropic-beta": "files-api-2025-04-14"},
    },
    "a hosted tool": {
        "messages": _user("News?"), "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    },
    "cache marks": {
        "system": [{"type": "text", "text": "A handbook.", "cache_control": HOUR}],
        "messages": _user([
            {
                "type": "document", "cache_control": {"type": "ephemeral"},
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF_TEXT},
            },
            {"type": "text", "text": "Sum up."},
        ]),
        "tools": [{**_ANTHROPIC_TOOL, "cache_control": HOUR}],
    },
    "a text file": _document("Read.", "a.txt", type="text", media_type="text/plain", data="Hello."),
    "tools": {"messages": _user(ASKED), "tools": [_ANTHROPIC_TOOL], "tool_choice": {"type": "auto"}},
    "a tool demanded": {
        "messages": _user(ASKED), "tools": [_ANTHROPIC_TOOL], "tool_choice": {"type": "tool", "name": "weather"},
    },
    "any tool demanded": {
        "messages": _user(ASKED), "tools": [_ANTHROPIC_TOOL], "tool_choice": {"type": "any"},
    },
    "tool results": {
        "messages": [
            *_user("Weather in Bern and Rome?"),
            {"role": "assistant", "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"place": "Bern"}},
                {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"place": "Rome"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "sun"},
            ]},
        ],
        "tools": [_ANTHROPIC_TOOL],
    },
    "schema": {"messages": _user("Capitals?"), "output_format": Answer},
    "reasoning": {
        "messages": _user("Think."), "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 17_024,
    },
}  # fmt: skip


# -- google-genai -----------------------------------------------------------------------------


def _gemini(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    from google import genai
    from google.genai import types

    with genai.Client(api_key="test", http_options=types.HttpOptions(base_url=provider.url)) as client:
        for each in wanted:
            _drain(client.models.generate_content_stream(model="gemini-2.5-flash", **each["make"](types)))


def _gemini_tool(types: Any) -> Any:
    declaration = types.FunctionDeclaration(
        name="weather", description="The weather at a place.", parameters_json_schema=SCHEMA
    )
    return types.Tool(function_declarations=[declaration])


def _gemini_tools(types: Any, **calling: Any) -> dict[str, Any]:
    config = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(**calling)) if calling else None
    return {"config": types.GenerateContentConfig(tools=[_gemini_tool(types)], tool_config=config)}


def _gemini_results(types: Any) -> dict[str, Any]:
    call, answer = types.Part.from_function_call, types.Part.from_function_response
    places = (("Bern", "rain"), ("Rome", "sun"))
    calls = [call(name="weather", args={"place": place}) for place, _ in places]
    answers = [answer(name="weather", response={"result": weather}) for _, weather in places]
    return {
        "contents": [
            types.UserContent("Weather in Bern and Rome?"),
            types.ModelContent([types.Part.from_text(text="Let me see."), *calls]),
            types.UserContent(answers),
        ],
        **_gemini_tools(types),
    }


GEMINI: dict[str, dict[str, Any]] = {
    "text": {"make": lambda types: {"contents": "Why is the sky blue?"}},
    "more options": {
        "make": lambda types: {
            "contents": "Hi.",
            "config": types.GenerateContentConfig(top_k=40, presence_penalty=0.5, frequency_penalty=0.25),
        }
    },
    "system and sampling": {
        "make": lambda types: {
            "contents": "Hi.",
            "config": types.GenerateContentConfig(
                system_instruction="Be brief.", max_output_tokens=64, temperature=0.5, top_p=0.9,
                stop_sequences=["END"], seed=7,
            ),
        }
    },
    "turns": {
        "make": lambda types: {
            "contents": [types.UserContent("Hi."), types.ModelContent("Hello."), types.UserContent("And?")]
        }
    },
    "image": {
        "make": lambda types: {
            "contents": ["What is it?", types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")]
        }
    },
    "image by link": {
        "make": lambda types: {"contents": ["And?", types.Part.from_uri(file_uri=LINK, mime_type="image/png")]}
    },
    "a hosted tool": {
        "make": lambda types: {
            "contents": "News?",
            "config": types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())]),
        }
    },
    "a PDF": {
        "make": lambda types: {
            "contents": ["Sum up.", types.Part.from_bytes(data=PDF, mime_type="application/pdf")]
        }
    },
    "a PDF by link": {
        "make": lambda types: {
            "contents": ["Sum up.", types.Part.from_uri(file_uri=PDF_LINK, mime_type="application/pdf")]
        }
    },
    "an uploaded file": {
        "make": lambda types: {
            "contents": ["Sum up.", types.Part.from_uri(
                file_uri="https://generativelanguage.googleapis.com/v1beta/files/f-1", mime_type="application/pdf")],
        }
    },
    "audio": {
        "make": lambda types: {"contents": ["Listen.", types.Part.from_bytes(data=WAV, mime_type="audio/wav")]}
    },
    "a text file": {
        "make": lambda types: {"contents": ["Read.", types.Part.from_bytes(data=b"Hello.", mime_type="text/plain")]}
    },
    "tools": {"make": lambda types: {"contents": ASKED, **_gemini_tools(types, mode="AUTO")}},
    "a tool demanded": {
        "make": lambda types: {
            "contents": ASKED, **_gemini_tools(types, mode="ANY", allowed_function_names=["weather"]),
        }
    },
    "any tool demanded": {"make": lambda types: {"contents": ASKED, **_gemini_tools(types, mode="ANY")}},
    "tool results": {"make": _gemini_results},
    "schema": {
        "make": lambda types: {
            "contents": "Capitals?",
            "config": types.GenerateContentConfig(
                response_mime_type="application/json", response_json_schema=Answer.model_json_schema()
            ),
        }
    },
    "reasoning": {
        "make": lambda types: {
            "contents": "Think.",
            "config": types.GenerateContentConfig(
                thinking_config=types.ThinkingConfig(thinking_budget=1024, include_thoughts=True)
            ),
        }
    },
}  # fmt: skip


def _gemini_interactions(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    from google import genai
    from google.genai import types

    with genai.Client(api_key="test", http_options=types.HttpOptions(base_url=provider.url)) as client:
        for fields in wanted:
            _drain(client.interactions.create(model="gemini-2.5-flash", stream=True, store=False, **fields))


def _step(kind: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "content": [*content]}


def _written(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


_INTERACTION_TOOL = {
    "type": "function", "name": "weather", "description": "The weather at a place.", "parameters": SCHEMA,
}  # fmt: skip


def _calling(choice: Any) -> dict[str, Any]:
    asked = _step("user_input", _written(ASKED))
    return {"input": [asked], "tools": [_INTERACTION_TOOL], "generation_config": {"tool_choice": choice}}


def _shown(said: str, **content: str) -> dict[str, Any]:
    return {"input": [_step("user_input", _written(said), content)]}


INTERACTIONS: dict[str, dict[str, Any]] = {
    "text": {"input": [_step("user_input", _written("Why is the sky blue?"))]},
    "system and sampling": {
        "input": [_step("user_input", _written("Hi."))], "system_instruction": "Be brief.",
        "generation_config": {
            "max_output_tokens": 64, "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["END"], "seed": 7,
        },
    },
    "turns": {
        "input": [
            _step("user_input", _written("Hi.")),
            _step("model_output", _written("Hello.")),
            _step("user_input", _written("And?")),
        ]
    },
    "image": {
        "input": [
            _step("user_input", _written("What is it?"), {"type": "image", "mime_type": "image/png", "data": PIXEL})
        ]
    },
    "image by link": {"input": [_step("user_input", _written("And?"), {"type": "image", "uri": LINK})]},
    "a hosted tool": {"input": [_step("user_input", _written("News?"))], "tools": [{"type": "google_search"}]},
    "a PDF": _shown("Sum up.", type="document", mime_type="application/pdf", data=PDF_TEXT),
    "a PDF by link": _shown("Sum up.", type="document", mime_type="application/pdf", uri=PDF_LINK),
    "an uploaded file": _shown("Sum up.", type="document", mime_type="application/pdf", uri="files/f-1"),
    "audio": _shown("Listen.", type="audio", mime_type="audio/wav", data=WAV_TEXT),
    "a text file": {"input": [_step("user_input", _written("Read."), _written(AS_TEXT))]},
    "tools": _calling("auto"),
    "a tool demanded": _calling({"allowed_tools": {"mode": "any", "tools": ["weather"]}}),
    "any tool demanded": _calling("any"),
    "tool results": {
        "input": [
            _step("user_input", _written("Weather in Bern and Rome?")),
            _step("model_output", _written("Let me see.")),
            *({"type": "function_call", "id": id, "name": "weather", "arguments": {"place": place}}
              for id, place in (("call_1", "Bern"), ("call_2", "Rome"))),
            *({"type": "function_result", "call_id": id, "name": "weather", "result": result}
              for id, result in (("call_1", "rain"), ("call_2", "sun"))),
        ],
        "tools": [_INTERACTION_TOOL],
    },
    "schema": {
        "input": [_step("user_input", _written("Capitals?"))],
        "response_format": {"type": "text", "mime_type": "application/json", "schema": Answer.model_json_schema()},
    },
    "reasoning": {
        "input": [_step("user_input", _written("Think."))],
        "generation_config": {"thinking_level": "low", "thinking_summaries": "auto"},
    },
}  # fmt: skip


def _as_google_reads(value: Any) -> Any:
    """Protobuf's JSON: a field's name in either spelling, bytes in either alphabet of base64."""
    if isinstance(value, list):
        return [_as_google_reads(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): each for name, each in value.items()}
    if isinstance(named.get("data"), str):
        named["data"] = named["data"].translate(str.maketrans("-_", "+/"))
    return {name: _as_google_reads(each) for name, each in named.items()}


# -- ollama -----------------------------------------------------------------------------------


def _ollama(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    import ollama

    client = ollama.Client(host=provider.url, headers={"Authorization": "Bearer test"})
    try:
        for fields in wanted:
            _drain(client.chat(model="qwen3", stream=True, **fields))
    finally:
        client._client.close()


_OLLAMA_CALLS = [{"function": {"name": "weather", "arguments": {"place": place}}} for place in ("Bern", "Rome")]

OLLAMA: dict[str, dict[str, Any]] = {
    "text": {"messages": _user("Why is the sky blue?")},
    "more options": {
        "messages": _user("Hi."),
        "options": {"top_k": 40, "presence_penalty": 0.5, "frequency_penalty": 0.25},
    },
    "system and sampling": {
        "messages": [{"role": "system", "content": "Be brief."}, *_user("Hi.")],
        "options": {"num_predict": 64, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "seed": 7},
    },
    "turns": {"messages": [*_user("Hi."), {"role": "assistant", "content": "Hello."}, *_user("And?")]},
    "image": {"messages": [{"role": "user", "content": "What is it?", "images": [base64.b64decode(PIXEL)]}]},
    "a text file": {"messages": _user(f"Read.{AS_TEXT}")},
    "tools": {"messages": _user(ASKED), "tools": [_CHAT_TOOL]},
    "tool results": {
        "messages": [
            *_user("Weather in Bern and Rome?"),
            {"role": "assistant", "content": "Let me see.", "tool_calls": _OLLAMA_CALLS},
            {"role": "tool", "tool_name": "weather", "content": "rain"},
            {"role": "tool", "tool_name": "weather", "content": "sun"},
        ],
        "tools": [_CHAT_TOOL],
    },
    "schema": {"messages": _user("Capitals?"), "format": Answer.model_json_schema()},
    "reasoning": {"messages": _user("Think."), "think": "low"},
}  # fmt: skip


# -- cohere -----------------------------------------------------------------------------------


def _cohere(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    import cohere
    import httpx

    with httpx.Client() as http:
        client = cohere.ClientV2("test", base_url=provider.url, httpx_client=http, max_retries=0)
        for fields in wanted:
            _drain(client.chat_stream(model="command-a-03-2025", **fields))


COHERE: dict[str, dict[str, Any]] = {
    "text": {"messages": _user("Why is the sky blue?")},
    "more options": {"messages": _user("Hi."), "k": 40, "presence_penalty": 0.5, "frequency_penalty": 0.25},
    "system and sampling": {
        "messages": [{"role": "system", "content": "Be brief."}, *_user("Hi.")],
        "max_tokens": 64, "temperature": 0.5, "p": 0.9, "stop_sequences": ["END"], "seed": 7,
    },
    "turns": OPENAI_CHAT["turns"],
    "image": OPENAI_CHAT["image"],
    "image by link": OPENAI_CHAT["image by link"],
    "a text file": {
        "messages": _user([{"type": "text", "text": "Read."}]),
        "documents": [{"id": "a.txt", "data": {"title": "a.txt", "text": "Hello."}}],
    },
    "tools": {"messages": _user(ASKED), "tools": [_CHAT_TOOL]},
    "a tool demanded": {"messages": _user(ASKED), "tools": [_CHAT_TOOL], "tool_choice": "REQUIRED"},
    "any tool demanded": {"messages": _user(ASKED), "tools": [_CHAT_TOOL], "tool_choice": "REQUIRED"},
    "tool results": {
        "messages": [
            *_user("Weather in Bern and Rome?"),
            {"role": "assistant", "tool_plan": "Let me see.", "tool_calls": _CHAT_CALLS},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
        ],
        "tools": [_CHAT_TOOL],
    },
    "schema": {
        "messages": _user("Capitals?"),
        "response_format": {"type": "json_object", "json_schema": Answer.model_json_schema()},
    },
    "reasoning": {"messages": _user("Think."), "thinking": {"type": "enabled"}},
}  # fmt: skip


# -- mistralai --------------------------------------------------------------------------------


def _mistral(provider: FakeProvider, wanted: list[dict[str, Any]]) -> None:
    from mistralai.client import Mistral

    with Mistral(api_key="test", server_url=provider.url) as client:
        for fields in wanted:
            _ask_mistral(client, {"model": "mistral-small-latest", **fields})


def _ask_mistral(client: Any, fields: dict[str, Any]) -> None:
    """A class for the schema goes through the SDK's own helper, which makes it strict."""
    ask = client.chat.parse_stream if isinstance(fields.get("response_format"), type) else client.chat.stream
    with ask(**fields) as stream:
        _drain(stream)


def _with_numbered_calls(body: Any) -> Any:
    """Mistral refuses ids that are not nine letters and digits, which ours then are; what fits together is compared."""
    text = json.dumps(body)
    ids = [call["id"] for message in body["messages"] for call in message.get("tool_calls", ())]
    for number, id in enumerate(ids):
        text = text.replace(json.dumps(id), json.dumps(f"call {number}"))
    return json.loads(text)


def _attached(said: str, **chunk: str) -> dict[str, Any]:
    return {"messages": _user([{"type": "text", "text": said}, chunk])}


MISTRAL: dict[str, dict[str, Any]] = {
    **OPENAI_CHAT,
    "a PDF": _attached(
        "Sum up.", type="document_url", document_url=f"data:application/pdf;base64,{PDF_TEXT}", document_name="a.pdf"
    ),
    "a PDF by link": _attached("Sum up.", type="document_url", document_url=PDF_LINK, document_name="a.pdf"),
    "an uploaded file": _attached("Sum up.", type="file", file_id="files/f-1"),
    "audio": _attached("Listen.", type="input_audio", input_audio=WAV_TEXT),
    "a text file": {"messages": _user(f"Read.{AS_TEXT}")},
    "more options": {"messages": _user("Hi."), "top_k": 40, "presence_penalty": 0.5, "frequency_penalty": 0.25},
    "system and sampling": {
        "messages": [{"role": "system", "content": "Be brief."}, *_user("Hi.")],
        "max_tokens": 64, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "random_seed": 7,
    },
    "any tool demanded": {"messages": _user(ASKED), "tools": [_CHAT_TOOL], "tool_choice": "any"},
}  # fmt: skip


# -- the rows ---------------------------------------------------------------------------------

_NONE_HOSTED = {"a hosted tool": "the API runs no tools"}
_NO_MARKS = {"cache marks": "prompts are kept there without marks"}
_NO_LINKS = {"a PDF by link": "chat completions take no links to files"}
_NO_AUDIO = {"audio": "the API takes none"}
_NO_FILES = dict.fromkeys(
    ("a PDF", "a PDF by link", "an uploaded file", "audio"), "the API takes only pictures and text"
)
_NAME = "a schema has a name there; the SDK takes the class's, of which we have only the schema"

SDKS: Mapping[str, Sdk] = {
    "openai chat": Sdk(
        "openai", "openai", "gpt-x", _openai_chat, OPENAI_CHAT, ("authorization",), without=("top_k",),
        left_out={**_NO_LINKS, **_NO_MARKS, **_NONE_HOSTED},
        allowed={"response_format.json_schema.name": _NAME}),
    "openai responses": Sdk(
        "openai", "openai-responses", "gpt-x", _openai_responses, OPENAI_RESPONSES, ("authorization",),
        without=("stop", *SAMPLING), left_out={**_NO_AUDIO, **_NO_MARKS}, allowed={"text.format.name": _NAME}),
    "azure": Sdk(
        "openai", "azure", "dep", _azure_chat, OPENAI_CHAT, ("api-key",), without=("top_k",),
        left_out={**_NO_LINKS, **_NO_MARKS, **_NONE_HOSTED},
        allowed={"response_format.json_schema.name": _NAME}, options={"api_version": AZURE_VERSION}),
    "anthropic": Sdk(
        "anthropic", "anthropic", "claude-haiku-4-5", _anthropic, ANTHROPIC,
        ("x-api-key", "anthropic-version", "anthropic-beta"),
        without=("presence_penalty", "frequency_penalty"), left_out=_NO_AUDIO,
        allowed={
            "x-api-key": "the SDK sends a key as a bearer token since 2.0; the API takes both",
            "anthropic-version": "ours is the one of the recordings; the SDK's is newer",
            "output_config.format.schema.$defs.City.properties.river.default": "the API takes a default as it is",
            "output_config.format.schema.$defs.City.properties.river.description": "the SDK puts it into words",
        }),
    "google-genai": Sdk(
        "google.genai", "gemini", "gemini-2.5-flash", _gemini, GEMINI, ("x-goog-api-key",),
        without=("user",), left_out=_NO_MARKS,
        allowed={
            "path": "the SDK's default is v1 since 3.0; v1beta has the same, and what is new earlier",
            "generationConfig": "an empty one is none",
            "generationConfig.topK": "the SDK writes it as 40.0, which is the same number in JSON",
            "systemInstruction.role": "has no meaning there",
        },
        normal=_as_google_reads),
    "google-genai interactions": Sdk(
        "google.genai", "gemini-interactions", "gemini-2.5-flash", _gemini_interactions, INTERACTIONS,
        ("x-goog-api-key",), left_out={"more options": "the API has none of them", **_NO_MARKS},
        allowed={"path": "the SDK's default is v1 since 3.0; v1beta is where it is documented"}),
    "ollama": Sdk(
        "ollama", "ollama", "qwen3", _ollama, OLLAMA, ("authorization",), without=("user",),
        left_out={
            "image by link": "Ollama fetches nothing", **_NO_FILES, **_NO_MARKS, **_NONE_HOSTED,
            "a tool demanded": "Ollama has no tool_choice",
            "any tool demanded": "Ollama has no tool_choice",
        },
        allowed={"tools": "an empty list is none"}),
    "cohere": Sdk("cohere", "cohere", "command-a-03-2025", _cohere, COHERE, ("authorization",),
        without=("user",), left_out={**_NO_FILES, **_NO_MARKS, **_NONE_HOSTED}),
    "mistralai": Sdk(
        "mistralai", "mistral", "mistral-small-latest", _mistral, MISTRAL, ("authorization",),
        without=("user",), left_out={**_NO_MARKS, **_NONE_HOSTED},
        allowed={
            "messages.1.prefix": "the SDK writes its default, False",
            "messages.1.tool_calls.0.index": "the SDK writes its default, 0",
            "messages.1.tool_calls.1.index": "the SDK writes its default, 0 here, too",
            "reasoning_effort": "this model takes none and high; ours is the next one above",
            "response_format.json_schema.name": _NAME,
            "response_format.json_schema.schema.$defs.City.properties.river.default": "ours is as strict as OpenAI's",
            "response_format.json_schema.schema.$defs.City.required": "ours is as strict as OpenAI's",
        },
        normal=_with_numbered_calls),
}  # fmt: skip
