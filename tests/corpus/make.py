"""Write the corpus: every answer of `said` in every dialect, the quirks, and answers that end in an error.

python -m tests.corpus.make            write tests/data/answers
python -m tests.corpus.make --check    exit with 1 if a file is not what would be written
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.corpus.aws import aws_message
from tests.corpus.dialects import DIALECTS, Dialect, json_text
from tests.corpus.hosted import HOSTED
from tests.corpus.hosted_anthropic import ANTHROPIC
from tests.corpus.hosted_chat import HOSTED_CHAT
from tests.corpus.hosted_clouds import CLOUDS
from tests.corpus.quirks import QUIRKS
from tests.corpus.said import SAID, Said

__all__ = ["FOLDER", "answers", "files"]

FOLDER = Path(__file__).parent.parent / "data" / "answers"

_OPENAI = {"error": {"message": "The server had an error", "type": "server_error", "code": None, "param": None}}
_BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
_GOOGLE = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}

ERRORS: Mapping[str, tuple[bytes, str]] = {
    "openai-chat": (f"data: {json_text(_OPENAI)}\n\n".encode(), "server_error"),
    "anthropic-messages": (f"event: error\ndata: {json_text(_BUSY)}\n\n".encode(), "provider_overloaded"),
    "openai-responses": (
        b'event: error\ndata: {"type":"error","code":"rate_limit_exceeded","message":"Rate limit reached",'
        b'"param":null,"sequence_number":9}\n\n', "rate_limited"),
    "gemini": (f"data: {json_text(_GOOGLE)}\n\n".encode(), "provider_overloaded"),
    "bedrock-converse-stream": (
        aws_message("throttlingException", b'{"message":"Too many requests"}', "exception"), "rate_limited"),
    "bedrock-invoke-stream": (
        aws_message("modelStreamErrorException", b'{"message":"The model failed"}', "exception"), "server_error"),
    "cohere": (
        b'event: message-end\ndata: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"internal"}}\n\n',
        "server_error"),
    "ollama-chat": (b'{"error":"an error was encountered while running the model"}\n', "server_error"),
}  # fmt: skip
"""An error in the middle of an answer: its bytes, and its kind."""


def expected(said: Said, dialect: Dialect) -> dict[str, Any]:
    """What is to be read from an answer, whoever reads it."""
    return {
        "text": "".join(said.text),
        "reasoning": "".join(said.reasoning),
        "calls": [
            [call.id if dialect.ids else "", call.name, json.loads(call.arguments or "{}")] for call in said.calls
        ],
        "finish": dialect.stops[said.stop],
        "usage": list(dialect.counts(said.counts)),
    }


def answers(name: str) -> Iterator[dict[str, Any]]:
    """The rows of one dialect's file."""
    dialect = DIALECTS[name]
    for case, said in SAID.items():
        if stop := dialect.stops[said.stop]:
            yield _row(case, dialect.frame(list(dialect.events(said, stop))), expected(said, dialect))
    for case, quirk in QUIRKS.items():
        if quirk.dialect == name:
            said = SAID[quirk.case]
            wanted = expected(said, dialect)
            if case == "no-usage":
                wanted["usage"] = None
            body = quirk.write(list(dialect.events(said, dialect.stops[said.stop])))
            yield _row(case, body, wanted) | {"why": quirk.why}
    for case, hosted in {**HOSTED, **HOSTED_CHAT, **CLOUDS, **ANTHROPIC}.get(name, {}).items():
        named = {"provider": hosted.provider} if hosted.provider else {}
        yield _row(case, dialect.frame(hosted.events), hosted.expected) | named
    if name in ERRORS:
        yield _broken(dialect, *ERRORS[name])


def _broken(dialect: Dialect, error: bytes, kind: str) -> dict[str, Any]:
    """An answer of which a piece comes, and then an error in place of the rest."""
    said = Said(("Half an", " answer"))
    events = list(dialect.events(said, dialect.stops["stop"]))
    until = next(number for number, event in enumerate(events) if "Half an" in json.dumps(event)) + 1
    wanted = {"text": "Half an", "failure": kind, "usage": dialect.early}
    return _row("error", dialect.frame(events[:until]) + error, wanted) | {
        "why": "an error in the middle of the answer"
    }


def _row(case: str, body: bytes, wanted: Mapping[str, Any]) -> dict[str, Any]:
    try:
        carried = {"body": body.decode()}
    except UnicodeDecodeError:
        carried = {"base64": base64.b64encode(body).decode()}
    return {"case": case, **carried, "expected": dict(wanted)}


def files() -> dict[Path, str]:
    """Every file of the corpus, and what stands in it."""
    return {FOLDER / f"{name}.jsonl": "".join(f"{json.dumps(row)}\n" for row in answers(name)) for name in DIALECTS}


def main(arguments: list[str]) -> int:
    """Write, or only check."""
    stale = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path.name}: {'out of date' if '--check' in arguments else 'written'}")
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path])
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
