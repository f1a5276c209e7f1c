"""langchain's own standard tests of a chat model, run against a provider that answers by what it is asked."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from resilient_stream import Client, Usage
from resilient_stream.testing import CallTool, End, FakeProvider, ReceivedRequest, Script, Text

pytest.importorskip("langchain_core", reason="the adapter needs langchain-core")
pytest.importorskip("langchain_tests", reason="these tests are langchain's")

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from resilient_stream.integrations.langchain import ResilientChat

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FILES = {"png": PIXEL, "pdf": b"%PDF-1.4\n%%EOF", "wav": b"RIFF\x24\x00\x00\x00WAVEfmt "}
"""What the addresses in langchain's tests are answered with, by their endings: no test goes into the internet."""

JOKE = '{"setup": "Why did the cat sit?", "punchline": "It was tired."}'


def answer(request: ReceivedRequest) -> Script:
    """The script for a request: an object, a call of the tool that is asked for, or a text."""
    body = request.json
    if "response_format" in body:
        return [Text(JOKE[:9], JOKE[9:]), End()]
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not tools or (body["messages"][-1]["role"] == "tool" and choice is None):
        return [Text("Hello", " there."), End()]
    wanted = choice["function"]["name"] if isinstance(choice, dict) else tools[0]["function"]["name"]
    tool = next(each["function"] for each in tools if each["function"]["name"] == wanted)
    said = str(body["messages"][-1].get("content"))
    return [CallTool(wanted, {name: value(form, said) for name, form in fields(tool).items()}), End()]


def fields(tool: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a tool, with their schemas."""
    found: dict[str, Any] = tool["parameters"].get("properties", {})
    return found


def value(form: dict[str, Any], said: str) -> Any:
    """An argument for a parameter: a number, the word that the user quoted, or any word."""
    quoted = re.search(r"'([^']+)'", said)
    return 3 if form.get("type") == "integer" else quoted[1] if quoted else "pirate"


class _Common:
    """What both sets of tests are told about the model."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ResilientChat

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        """Not `max_retries` and `api_key`, which belong to the client and to its targets, and are refused here."""
        return {"temperature": 0, "max_tokens": 100, "timeout": 60, "stop": []}

    @pytest.fixture
    def benchmark(self, benchmark: Any) -> Any:
        """Measured once: what is tested here is not speed."""
        benchmark.disabled = True
        return benchmark


class TestUnit(_Common, ChatModelUnitTests):
    """The standard unit tests."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"client": Client("openai:gpt-5-mini")}


class TestIntegration(_Common, ChatModelIntegrationTests):
    """The standard integration tests. Not run: test_stream_time, which replays recordings of a real provider."""

    provider: FakeProvider
    client: Client

    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    model_override_value = "another-model"

    @property
    def supported_usage_metadata_details(self) -> Any:
        return {way: ["reasoning_output", "cache_read_input"] for way in ("invoke", "stream")}

    @pytest.fixture(autouse=True)
    def provider_and_files(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        import langchain_tests.integration_tests.chat_models as tests

        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "nobody")
        monkeypatch.setattr(tests.httpx, "get", lambda url, **_: SimpleNamespace(content=FILES[url.rpartition(".")[2]]))
        with FakeProvider.in_thread(answer) as self.provider:
            self.client = Client(self.provider.target("openai"))
            yield

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"client": self.client}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> Any:
        return self._counted(Usage(9, 20, reasoning_tokens=12), stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> Any:
        return self._counted(Usage(90, 2, cached_input_tokens=80), stream)

    def _counted(self, usage: Usage, stream: bool) -> Any:
        self.provider.play([Text("Hello"), End(usage=usage)])
        model = ResilientChat(client=self.client)
        pieces = list(model.stream("Hello")) if stream else [model.invoke("Hello")]
        return pieces[0] if len(pieces) == 1 else pieces[0] + pieces[1:]
