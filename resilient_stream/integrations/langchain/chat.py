"""Defines `ResilientChat`, langchain's chat model over a `Client`, for plain and for asynchronous code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ConfigDict, Field

from ...client import Client
from ...failures import StreamMisused
from ...messages import HostedTool, Tool
from ...providers import known_providers
from ...stream import Stream
from ...sync.background import background
from ...sync.streams import SyncStream
from ..frameworks import for_framework
from .answering import Pieces, as_theirs, message_of
from .asking import to_messages

__all__ = ["ResilientChat"]


class ResilientChat(BaseChatModel):
    """Answers as a chat model for langchain through a `Client`, with its targets, retries and continuations.

    client: is yours to close. timeout: seconds for a whole call, with its retries. options: further ones of
    `client.stream()` for each call, such as {"reasoning": "low"}. Each can also be given to a single call, or bound.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    client: Client = Field(exclude=True)
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: list[str] | str | None = None
    timeout: float | None = None
    streaming: bool = False
    options: dict[str, Any] = Field(default_factory=dict, exclude=True)

    @property
    def _llm_type(self) -> str:
        return "resilient-stream"

    @property
    def model_name(self) -> str:
        """Return the model that is asked first."""
        return self.client.targets[0].model if self.client.targets else "unknown"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"targets": [target.name for target in self.client.targets], **self._settings()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        said = super()._get_ls_params(stop=stop, **kwargs)
        return {**said, "ls_provider": self.client.targets[0].provider if self.client.targets else "resilient-stream"}

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with as_theirs(), self._wait(self._ask(messages, stop, kwargs, live=False)) as stream:
            return ChatResult(generations=[ChatGeneration(message=message_of(stream.collect()))])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with as_theirs():
            async with self._ask(messages, stop, kwargs, live=False) as stream:
                return ChatResult(generations=[ChatGeneration(message=message_of(await stream.collect()))])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        pieces = Pieces()
        with as_theirs(), self._wait(self._ask(messages, stop, kwargs, live=True)) as stream:
            for chunk in stream:
                if (piece := pieces.of(chunk)) is not None:
                    yield ChatGenerationChunk(message=piece)
            yield ChatGenerationChunk(message=pieces.last(stream.transcript))

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        pieces = Pieces()
        with as_theirs():
            async with self._ask(messages, stop, kwargs, live=True) as stream:
                async for chunk in stream:
                    if (piece := pieces.of(chunk)) is not None:
                        yield ChatGenerationChunk(message=piece)
                yield ChatGenerationChunk(message=pieces.last(stream.transcript))

    def _wait(self, stream: Stream) -> SyncStream:
        """Return the stream for code without an event loop; it runs on the background loop of `SyncClient`."""
        background().clients.add(self.client)
        return SyncStream(background(), stream)

    def _ask(
        self, messages: list[BaseMessage], stop: list[str] | None, given: Mapping[str, Any], *, live: bool
    ) -> Stream:
        options = {**self._settings(), **self.options, **self._as_our_options(given)}
        options["stop"] = (self.stop if stop is None else stop) or options.get("stop")
        return for_framework(self.client.stream(to_messages(messages), **options), self.client, live=live)

    def _settings(self) -> dict[str, Any]:
        said = {"temperature": self.temperature, "max_tokens": self.max_tokens, "top_p": self.top_p}
        return {name: value for name, value in {**said, "deadline": self.timeout}.items() if value is not None}

    def _as_our_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return langchain's options of a call as ours. `client.stream()` refuses a name that it does not know."""
        options = {name: value for name, value in given.items() if value is not None and name != "stream"}
        if (model := options.pop("model", None)) is not None:
            if "to" in options:
                raise StreamMisused("give model=, or to= with any targets")
            options["to"] = self._other_target(model)
        if (seconds := options.pop("timeout", None)) is not None:
            options["deadline"] = seconds
        if (form := options.pop("response_format", None)) is not None:
            options["output"] = _schema_in(form)
        if options.get("parallel_tool_calls"):  # parallel calls are allowed everywhere, so nothing is asked for
            del options["parallel_tool_calls"]
        return options

    def _other_target(self, model: str) -> Any:
        """Return another model for one call: of the named provider, or where the first target is."""
        named = model.partition(":")[0] in known_providers() or not self.client.targets
        return model if named else self.client.targets[0].model_copy(update={"model": model})

    def bind_tools(
        self,
        tools: Sequence[Any],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools: whatever langchain takes, `HostedTool("web_search")`, and a provider's own dicts.

        tool_choice: "auto", "none", "any" or True for one that has to be called, or a tool's name.
        """
        choice = "required" if tool_choice in ("any", True) else tool_choice or None
        return self.bind(tools=[_tool(tool, strict) for tool in tools], tool_choice=choice, **kwargs)

    def with_structured_output(
        self,
        schema: Any,
        *,
        include_raw: bool = False,
        method: str = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Have answers in the form of a schema.

        method: "json_schema" asks in the surest way that a target has, by a schema, a tool, or in words; "json_mode" is
        the same here; "function_calling" asks by a tool that is called. strict: where a target can, it always is.
        """
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        if method not in ("json_schema", "json_mode") or kwargs:
            raise StreamMisused(f"with_structured_output: there is no {[method, *kwargs][-1]!r}")
        about = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        model = self.bind(output=convert_to_json_schema(schema), ls_structured_output_format=about)
        typed = isinstance(schema, type) and is_basemodel_subclass(schema)
        parser: Runnable[Any, Any] = PydanticOutputParser(pydantic_object=schema) if typed else JsonOutputParser()
        if not include_raw:
            return model | parser
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _tool(tool: Any, strict: bool | None) -> Any:
    """Return a tool in OpenAI's shape; unchanged where it is ours, or a provider's own."""
    if isinstance(tool, Tool | HostedTool):
        return tool
    kind = tool.get("type", "function") if isinstance(tool, Mapping) else "function"
    if isinstance(tool, Mapping) and ("input_schema" in tool or kind not in ("function", "object")):
        return tool
    return convert_to_openai_tool(tool, strict=strict)


def _schema_in(form: Any) -> Any:
    """Return the JSON schema of an API's `response_format`."""
    inner = form.get("json_schema") if isinstance(form, Mapping) else None
    if not isinstance(inner, Mapping) or "schema" not in inner:
        raise StreamMisused("response_format: give {'type': 'json_schema', 'json_schema': {'schema': …}}, or output=")
    return inner["schema"]
