"""What users write and read: policies, targets, messages, errors, transcripts. No network."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import (
    Client,
    Finished,
    Limits,
    Message,
    RateLimited,
    RetryPolicy,
    StreamError,
    StreamMisused,
    Target,
    TextDelta,
    Timeouts,
    ToolCall,
    Transcript,
    Usage,
)
from resilient_stream.engine.middleware.retry import waits
from resilient_stream.errors import Failure, error_for
from resilient_stream.kinds import KINDS, TEXTS, ErrorCategory, ErrorKind
from resilient_stream.messages import to_messages, to_tools
from resilient_stream.outcome import errors as errors_module


def test_the_table_of_kinds_is_total() -> None:
    """Each of the 40 kinds has a row, a class that exists and fits its category, and texts for a person."""
    assert set(KINDS) == set(ErrorKind)
    assert len(KINDS) == 40
    bases = {"retryable": "RetryableError", "permanent": "PermanentError", "context": "ContextError"}
    for kind, row in KINDS.items():
        cls = getattr(errors_module, row.error)
        assert issubclass(cls, getattr(errors_module, bases.get(row.category, "ResourceError"))), kind
        error = error_for(Failure(kind=kind), provider="openai", model="m")
        assert error.title
        assert error.message
        assert error.resolution
        assert "{" not in str(error)
    assert {kind for kind, _ in TEXTS} <= set(KINDS)


def test_an_error_says_what_is_known_and_nothing_else() -> None:
    """A sentence with an unknown fact is left out."""
    known = error_for(
        Failure(kind=ErrorKind.RATE_LIMITED, retry_after=3.25), provider="openai", provider_title="OpenAI"
    )
    assert known.message == "OpenAI is limiting how fast you may send requests. It asks to wait 3.2 s."
    unknown = error_for(Failure(kind=ErrorKind.RATE_LIMITED))
    assert unknown.message == "The provider is limiting how fast you may send requests."


def test_an_error_survives_pickling_and_is_small() -> None:
    """Errors cross process borders, and are under 1 KB besides the transcript."""
    failure = Failure(kind=ErrorKind.RATE_LIMITED, detail="x" * 5000, status=429, request_id="req_1")
    error = error_for(failure, provider="openai", model="m", attempt=2, host="api.openai.com")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is RateLimited
    assert (again.to_dict(), str(again)) == (error.to_dict(), str(error))
    assert len(pickle.dumps(error)) < 1024


def test_a_category_override_changes_the_class_too() -> None:
    """`except PermanentError` and `.category` never disagree."""
    error = error_for(Failure(kind=ErrorKind.SERVER_ERROR, category=ErrorCategory.PERMANENT))
    assert isinstance(error, errors_module.PermanentError)
    assert not error.retryable


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RetryPolicy(attempts=0), "attempts"),
        (lambda: RetryPolicy(initial=-1), "initial"),
        (lambda: RetryPolicy(jitter=float("nan")), "jitter"),
        (lambda: Timeouts(stall=0), "stall"),
        (lambda: Limits(max_event_bytes=1), "max_event_bytes"),
        (lambda: Timeouts(stal=3), "stal"),  # type: ignore[call-arg]
    ],
)
def test_a_bad_policy_is_refused_when_it_is_made(make: Any, said: str) -> None:
    """The field's name is in the message."""
    with pytest.raises(StreamMisused, match=said):
        make()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Client("nobody:m"), r"no provider is called 'nobody'\. `resilient-stream providers` lists all \d\d$"),
        (lambda: Client("OpenAI:m"), r"no provider is called 'OpenAI'\. Did you mean 'openai'\?$"),
        (lambda: Client("open_ai:m"), r"no provider is called 'open_ai'\. Did you mean 'openai'\?$"),
        (lambda: Client("google:m"), r"Did you mean 'gemini'\?$"),
        (lambda: Client("gpt-5-mini"), r'It looks like a model: write "openai:gpt-5-mini"$'),
        (lambda: Client("o3"), r'write "openai:o3"$'),
        (lambda: Client("claude-haiku-4-5"), r'write "anthropic:claude-haiku-4-5"$'),
        (lambda: Client("models/gemini-2.5-flash"), r'write "gemini:gemini-2.5-flash"$'),
        (lambda: Client("openai/gpt-5-mini"), r'Use a colon: "openai:gpt-5-mini"$'),
        (lambda: Client("mistralai/mistral-large-latest"), r'Use a colon: "mistral:mistral-large-latest"$'),
        (lambda: Client("openrouter/meta-llama/llama-3.3-70b"), r'Use a colon: "openrouter:meta-llama/llama-3.3-70b"$'),
        (lambda: Client("x" * 9999), r"no provider is called 'x{100}'\. `resilient-stream providers`"),
        (lambda: Client("antropic:m"), "Did you mean 'anthropic'"),
        (lambda: Client("openai"), "names no model"),
        (lambda: Client(""), "provider:model"),
        (lambda: Target("openai:m", base_url="api.openai.com"), "http://"),
        (lambda: Client().stream("hi"), "OPENAI_API_KEY"),
        (lambda: Client("local").stream([]), "messages is empty"),
        (lambda: Client("local").stream([{"role": "wizard", "content": "x"}]), r"messages\[0\].role"),
        (lambda: Client("local").stream([{"role": "tool", "content": "x"}]), "tool_call_id"),
        (lambda: Client("local").stream("hi", tools=[{"name": ""}]), r"tools\[0\].name"),
        (lambda: Client("local").stream("hi", deadline=float("nan")), "deadline"),
        (lambda: Client("local").stream("hi", max_tokens=0), "max_tokens"),
        (lambda: Client("local").stream("hi", output="json"), "output"),  # type: ignore[arg-type]
        (lambda: Client("local", hedge=object()), "hedge= takes a Hedge"),  # type: ignore[arg-type]
        (lambda: Limits(requests_per_minute=0), "requests_per_minute"),
        (lambda: Target("local", stream="no"), "stream is True, False"),
    ],
)
def test_bad_input_says_what_and_where(make: Any, said: str) -> None:
    """A bug in the calling code is a StreamMisused that names the place; nothing was sent."""
    with pytest.raises(StreamMisused, match=said):
        make()


def test_openais_dicts_are_messages() -> None:
    """The shape everybody has: strings, parts, tool calls and their answers."""
    messages = to_messages(
        [
            {"role": "user", "content": [
                {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x,y"}}]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "content": "ok", "tool_call_id": "c"},
        ],
        system="be kind",
    )  # fmt: skip
    assert [message.role for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[1].text == "a"
    assert messages[2].tool_calls[0].name == "f"
    assert to_tools([{"type": "function", "function": {"name": "f"}}])[0].name == "f"


def test_a_key_is_in_no_repr_and_no_dump() -> None:
    """Promise 9, for what users hold in their hands."""
    target = Target("openai:m", api_key="sk-secret", headers={"X": "sk-secret"})
    assert "sk-secret" not in repr(target) + str(target) + str(target.model_dump()) + target.model_dump_json()


def test_the_waits_double_up_to_their_maximum() -> None:
    """A wait is `min(initial * 2**n, maximum)` plus at most `jitter` of it."""
    schedule = waits(RetryPolicy(initial=1, maximum=5, jitter=0))
    assert [next(schedule) for _ in range(5)] == [1, 2, 4, 5, 5]
    jittered = waits(RetryPolicy(initial=1, maximum=1, jitter=0.1))
    assert all(1 <= next(jittered) <= 1.1 for _ in range(100))


def test_a_plain_prompt_is_a_message_like_any_other() -> None:
    """It is made without pydantic's checks, and nothing tells it from one that was checked."""
    (quick,), (other,), checked = to_messages("Hi"), to_messages("Bye"), Message(role="user", content="Hi")
    assert quick == checked
    assert repr(quick) == repr(checked)
    assert quick.model_dump() == checked.model_dump()
    assert pickle.loads(pickle.dumps(quick)) == checked
    assert (quick.text, other.text, quick.model_copy(update={"name": "Ann"}).name) == ("Hi", "Bye", "Ann")


def transcript_of(*chunks: Any, limit: int = 1 << 20) -> Transcript:
    """A transcript that has received these."""
    transcript = Transcript(limit)
    for chunk in chunks:
        transcript._receive([chunk])
        transcript._ready.clear()
        transcript._weigh(len(chunk.text))
    return transcript


def test_a_transcript_is_bounded_and_says_what_it_left_out() -> None:
    """Beyond its limit the middle goes; head and tail stay (promise 7)."""
    transcript = transcript_of(*(TextDelta(f"{number:04d} ") for number in range(2000)), limit=2000)
    assert len(transcript.chunks) * 5 <= 2000
    assert transcript.text.startswith("0000 0001 ")
    assert transcript.text.endswith(" 1998 1999 ")
    assert f"[… {transcript.omitted} characters omitted …]" in transcript.text
    assert transcript.omitted > 8000


def test_history_has_only_what_may_be_sent_back() -> None:
    """Whole tool calls; none whose arguments are no object; nothing for an empty answer."""
    whole = ToolCall(0, "a", "f", '{"x":1}', {"x": 1})
    broken = ToolCall(1, "b", "g", '{"x"', None)
    [message] = transcript_of(TextDelta("hi"), whole, broken).as_history()
    assert isinstance(message, Message)
    assert (message.role, message.text, [call.id for call in message.tool_calls]) == ("assistant", "hi", ["a"])
    assert transcript_of().as_history() == []


def test_a_transcript_goes_into_a_log() -> None:
    """to_dict is plain values, with the usage and the end."""
    values = transcript_of(TextDelta("hi"), Usage(1, 2), Finished("stop", "end_turn")).to_dict()
    assert (values["text"], values["usage"]["output_tokens"], values["raw_finish_reason"]) == ("hi", 2, "end_turn")
    assert transcript_of().usage.certainty == "unknown"


def test_every_error_class_says_what_it_is() -> None:
    """Each class of the tree is public, documented, and drawn in the module's docstring."""
    import resilient_stream

    drawn = errors_module.__doc__ or ""
    for cls in _tree(StreamError):
        assert cls.__name__ in resilient_stream.__all__, cls
        assert cls.__doc__
        assert cls.__name__ in drawn


def _tree(cls: type[StreamError]) -> list[type[StreamError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in _tree(sub))]


def test_the_readmes_code_is_valid_and_its_files_exist() -> None:
    """Its snippets parse, and every file it points to is there."""
    root = Path(__file__).parent.parent
    text = (root / "README.md").read_text()
    for snippet in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        ast.parse(snippet)
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`((?:tests|benchmarks)/[\w./]+)`", text)
    assert [name for name in (*linked, *named) if not (root / name).exists()] == []


def test_errors_are_called_by_the_module_that_users_import() -> None:
    """A traceback, and whoever unpickles an error, sees `resilient_stream.errors`, wherever the classes are written."""
    assert {cls.__module__ for cls in _tree(StreamError)} == {"resilient_stream.errors"}
