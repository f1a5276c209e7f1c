"""Makes tools of Python functions: a schema from the signature, and arguments that are checked before the call.

A mistake in a function is reported when the conversation is made (StreamMisused). A mistake in a call is reported to
the model (ToolError). Plain functions may block, so they run in threads. Nothing here knows a conversation.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import anyio
import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from ..events import ToolKind
from ..failures import StreamMisused
from ..given.checks import MAX_DEPTH, Unfit, plain
from ..given.checks import text as fit
from ..messages import FilePart, ImagePart, Part, TextPart, Tool, describe, to_tools
from ..text.arguments import as_object_text

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema

__all__ = [
    "FunctionTool",
    "InvalidArguments",
    "Submission",
    "ToolError",
    "ToolSource",
    "arguments_object",
    "asked",
    "encode_parts",
    "encode_result",
    "in_thread",
    "is_async",
    "tool_of",
]

logger = logging.getLogger("resilient_stream")

ToolSource: TypeAlias = (
    Callable[..., Any] | Tool | Mapping[str, Any] | tuple[Tool | Mapping[str, Any], Callable[..., Any]]
)
"""A tool: a function, a Tool with the function that does it, or a Tool alone, whose calls the caller answers."""

ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_RESULT = 64 * 1024
"""Characters of a tool's result that the model gets: some 16,000 tokens, more than most models use well."""

MAX_COMPLAINTS = 10
MAX_NAME = 256
"""Characters of a tool's name. A name that a provider does not accept is sent in another form."""


class ToolError(Exception):
    """Is raised by a tool to choose what the model is told: this text, without a class name in front."""


class InvalidArguments(ToolError):
    """Reports a call whose arguments the tool does not take. It was not run."""


class FunctionTool:
    """Runs a function that the model may call: `arguments` checks what the model sent, and `call` runs the function.

    model: checks the arguments. It is None for a schema that was written by hand; then only the arguments' names are
    checked.
    """

    kind: ClassVar[ToolKind] = "function"

    def __init__(self, tool: Tool, function: Callable[..., Any], model: type[BaseModel] | None = None) -> None:
        self.tool = tool
        self._function = function
        self._model = model
        self._signature = inspect.signature(function)
        self._is_async = is_async(function)

    def arguments(self, text: str) -> inspect.BoundArguments:
        """Return the arguments as the function takes them. Raises InvalidArguments, which tells the model why."""
        try:
            given = arguments_object(text) if self._model is None else _arguments_sent(_validated(self._model, text))
            return _bound_arguments(self._signature, given)
        except (ValueError, TypeError) as error:  # pydantic's ValidationError is a ValueError
            raise InvalidArguments(f"Invalid arguments for {self.tool.name}: {_complaint(error)}") from error

    async def call(self, arguments: inspect.BoundArguments, threads: anyio.CapacityLimiter) -> Any:
        """Await the function, or run it in a thread. Raises what the function raises."""
        run = functools.partial(self._function, *arguments.args, **arguments.kwargs)
        return await run() if self._is_async else await in_thread(run, self.tool.name, threads)


class Submission:
    """Takes one of the `outputs` from the model, which hands it in by calling this tool. Its parameters are the fields
    of the output."""

    def __init__(self, name: str, model: type[BaseModel]) -> None:
        self.name = name
        self._model = model
        about = f" {inspect.cleandoc(model.__doc__)}" if model.__doc__ else ""
        self.tool = Tool(
            name=_checked_name(f"submit_{name}", f"output {name!r}"),
            description=f"Hand in {name}; the conversation is not finished without it.{about}",
            parameters=_schema(model, f"output {name!r}"),
        )

    def read(self, text: str) -> BaseModel:
        """Return the output. Raises ToolError, which tells the model what is wrong with it."""
        try:
            return _validated(self._model, text)
        except ValidationError as error:
            raise ToolError(f"{self.name} is not accepted: {_complaint(error)}") from error


def tool_of(source: ToolSource, place: str) -> FunctionTool | Tool:
    """Read a tool of any accepted form. A Tool alone stays one. StreamMisused says what is wrong with which tool."""
    if isinstance(source, Tool | Mapping):
        return _declared(source, place)
    if isinstance(source, tuple) and len(source) == 2 and callable(source[1]):
        declared, function = source
        _check_kind(function, place)
        return FunctionTool(_declared(declared, place), function)
    if not callable(source) or isinstance(source, tuple | type):
        raise StreamMisused(f"{place}: give a function, a Tool, or a (Tool, function) pair")
    return _from_function(source, place)


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling the function gives something to await, as far as can be seen without calling it."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def encode_result(result: Any, tool: str) -> str:
    """Return what the model gets: a string or text parts unchanged, anything else as JSON, up to `MAX_RESULT`
    characters."""
    given = result if isinstance(result, list | tuple) else (result,)
    if any(isinstance(each, TextPart) for each in given) and all(isinstance(each, str | TextPart) for each in given):
        result = "".join(map(_text_of, given))
    try:
        text = fit(result) if isinstance(result, str) else _json(result)
    except (ValueError, RecursionError) as error:  # pydantic's PydanticSerializationError is a ValueError
        kind = type(result).__name__
        raise StreamMisused(f"tool {tool!r} returned a {kind}, which cannot be written as JSON") from error
    if len(text) > MAX_RESULT:
        text = f"{text[:MAX_RESULT]}\n[cut here: {len(text) - MAX_RESULT} more characters]"
    return text


def encode_parts(result: Any, tool: str) -> tuple[Part, ...]:
    """Return a result that has pictures or files as message parts; return nothing for a result without any.

    A result of parts and strings stays as it is. In anything else, "[picture 1]" or "[file 1]" stands for the first of
    them, and they follow.
    """
    given = list(result) if isinstance(result, list | tuple) else [result]
    if not _has_picture(result):
        return ()
    if all(isinstance(each, str | TextPart | ImagePart | FilePart) for each in given):
        return tuple(
            each if isinstance(each, ImagePart | FilePart) else TextPart(text=encode_result(_text_of(each), tool))
            for each in given
        )
    pictures: list[ImagePart | FilePart] = []
    rest = encode_result(_with_pictures_named(result, pictures), tool)
    return (TextPart(text=rest), *pictures)


def _has_picture(result: Any, depth: int = 0) -> bool:
    if isinstance(result, ImagePart | FilePart):
        return True
    inner = result.values() if isinstance(result, Mapping) else result if isinstance(result, list | tuple) else ()
    return depth < MAX_DEPTH and any(_has_picture(each, depth + 1) for each in inner)


def _with_pictures_named(result: Any, pictures: list[ImagePart | FilePart], depth: int = 0) -> Any:
    """Return the result with a name in the place of each picture."""
    if isinstance(result, ImagePart | FilePart):
        pictures.append(result)
        return f"[{'picture' if isinstance(result, ImagePart) else 'file'} {len(pictures)}]"
    if isinstance(result, TextPart) or depth >= MAX_DEPTH:
        return _text_of(result)
    if isinstance(result, Mapping):
        return {name: _with_pictures_named(each, pictures, depth + 1) for name, each in result.items()}
    return (
        [_with_pictures_named(each, pictures, depth + 1) for each in result]
        if isinstance(result, list | tuple)
        else result
    )


def _text_of(part: Any) -> Any:
    return part.text if isinstance(part, TextPart) else part


def _json(result: Any) -> str:
    try:
        return to_json(result).decode()
    except PydanticSerializationError:  # the value has half a character in a text, or something that JSON does not have
        try:
            return to_json(plain(result)).decode()
        except Unfit:
            return to_json(plain(to_jsonable_python(result))).decode()


async def in_thread(function: Callable[[], Any], name: str, threads: anyio.CapacityLimiter) -> Any:
    """Run a function in a thread, in the caller's context, and await what it returns if that can be awaited. When
    cancelled, it runs on: a thread cannot be stopped."""
    try:
        result = await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=threads)
    except asyncio.CancelledError:
        logger.debug("%s may still run in its thread; nobody waits for it any more", name)
        raise
    return await result if inspect.isawaitable(result) else result


async def asked(function: Callable[[Any], Any], question: Any, name: str, threads: anyio.CapacityLimiter) -> Any:
    """Return the answer of a caller's function to a question; a plain function may wait for a keyboard in a thread."""
    run = functools.partial(function, question)
    return await run() if is_async(function) else await in_thread(run, name, threads)


# -- a function's schema ----------------------------------------------------------------------


@functools.cache
def _generator() -> type[GenerateJsonSchema]:
    """Return the class that writes schemas: without titles, which repeat names, or defaults that are not JSON."""
    from pydantic.json_schema import GenerateJsonSchema  # importing it takes milliseconds

    class Schema(GenerateJsonSchema):
        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    return Schema


def _from_function(function: Callable[..., Any], place: str) -> FunctionTool:
    name = _name_of(function, place)
    _check_kind(function, f"tool {name!r}")
    fields = {f"field_{n}": _field(each, name) for n, each in enumerate(_parameters(function, name))}
    try:
        # Under aliases: a parameter may be called `schema` or `_id`, a model's field may not.
        config = ConfigDict(extra="forbid")
        model: type[BaseModel] = create_model(name, __config__=config, **fields)  # type: ignore[call-overload]
    except (PydanticUserError, NameError) as error:
        raise StreamMisused(f"tool {name!r}: {_first_line(error)}") from error
    tool = Tool(name=name, description=inspect.getdoc(function) or "", parameters=_schema(model, f"tool {name!r}"))
    return FunctionTool(tool, function, model)


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, TypeError, ValueError, SyntaxError) as error:
        raise StreamMisused(f"tool {name!r}: its signature cannot be read: {error}") from error
    return list(signature.parameters.values())


def _field(parameter: inspect.Parameter, tool: str) -> tuple[Any, Any]:
    """Return a parameter in the form that pydantic's create_model takes."""
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        raise StreamMisused(f"tool {tool!r}: a model cannot fill {parameter}; name its parameters")
    if parameter.annotation is inspect.Parameter.empty:
        raise StreamMisused(f"tool {tool!r}: parameter {parameter.name!r} has no annotation, so it has no schema")
    default = ... if parameter.default is inspect.Parameter.empty else parameter.default
    return parameter.annotation, Field(default, alias=parameter.name)


def _schema(model: type[BaseModel], place: str) -> dict[str, Any]:
    try:
        schema = model.model_json_schema(schema_generator=_generator())
    except PydanticUserError as error:
        raise StreamMisused(f"{place}: {_first_line(error)}") from error
    if schema.get("type") != "object":
        raise StreamMisused(f"{place}: give a model with fields of its own; this one is not a JSON object")
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _name_of(function: Callable[..., Any], place: str) -> str:
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    name = getattr(inner, "__name__", "") or type(inner).__name__
    if name == "<lambda>":
        raise StreamMisused(f"{place}: a lambda has no name; give a (Tool, function) pair")
    return _checked_name(name, place)


def _checked_name(name: str, place: str) -> str:
    """Return a name that can be shown. `fitting/tool_names.py` replaces what a provider does not accept in it."""
    if not (name.isprintable() and name.strip() and len(name) <= MAX_NAME):
        raise StreamMisused(f"{place}: a tool's name has 1 to {MAX_NAME} printable characters: {name[:MAX_NAME]!r}")
    return name


def _check_kind(function: Callable[..., Any], place: str) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise StreamMisused(f"{place} is a generator; a tool returns one result")


def _declared(source: Tool | Mapping[str, Any], place: str) -> Tool:
    try:
        (tool,) = to_tools([source])
    except StreamMisused as error:
        raise StreamMisused(str(error).replace("tools[0]", place, 1)) from error
    return tool


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


# -- a call's arguments -----------------------------------------------------------------------


def _validated(model: type[ModelT], text: str) -> ModelT:
    """Return the object that the text means; otherwise raise an error that says what is wrong with the text."""
    if (meant := as_object_text(text)) is not None:
        try:
            return model.model_validate_json(meant)
        except ValidationError:
            if meant != "{}":
                raise
    return model.model_validate_json(text.strip() or "{}")


def arguments_object(text: str) -> dict[str, Any]:
    """Return a call's arguments as an object. Raises ValueError, which says what is wrong with the text."""
    value = from_json(as_object_text(text) or text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _arguments_sent(model: BaseModel) -> dict[str, Any]:
    """Return the arguments that were sent. Where an argument was not sent, the function's own default is used."""
    fields = type(model).model_fields
    return {str(fields[name].alias): getattr(model, name) for name in model.model_fields_set}


def _bound_arguments(signature: inspect.Signature, given: dict[str, Any]) -> inspect.BoundArguments:
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    first = [name for name in kinds if kinds[name] is inspect.Parameter.POSITIONAL_ONLY and name in given]
    rest = {name: value for name, value in given.items() if name not in first}
    return signature.bind(*(given[name] for name in first), **rest)


def _complaint(error: Exception) -> str:
    """Return the places and reasons of pydantic's complaints, never the values."""
    if isinstance(error, ValidationError):
        return describe(error, "arguments", MAX_COMPLAINTS)
    return str(error)
