"""Runs the command `explain`: says what a kind, a status, a class or a pasted error means, and what the SDK does about
it.

A text is first looked up as a name; otherwise the real classifier decides what it is. Nothing is guessed: an unknown
text is called unknown, and similar names are shown.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from msgspec import structs

from ... import errors
from ...classify.pasted import classify_pasted
from ...failures import ErrorCategory, ErrorKind, Failure, StreamMisused
from ...failures.kinds import KINDS, TEXTS
from ...masking.values import Secrets, secrets_of_environment
from ...outcome.errors import StreamError
from ...outcome.making import error_for
from ...providers import adapter_for, rules_for
from .. import exit_codes
from ..terminal import Notes, say, say_json
from .advice import NOT_SENT, advice_for
from .view import print_kinds, print_one

__all__ = ["as_dict", "explain", "look_up", "similar"]

MAX_NEAR = 5
NEAR = 0.7


def explain(text: str | None, *, provider: str | None = None, as_json: bool = False) -> int:
    """Print the explanation and return the exit code. Without a text, print all kinds.

    Keys that are set in the environment are not shown.
    """
    notes = Notes()
    text = Secrets(secrets_of_environment()).hide(text) if text else text
    try:
        found = look_up(text, provider) if text and text.strip() else [as_error(kind, provider) for kind in ErrorKind]
    except StreamMisused as misused:
        notes.misuse(str(misused))
        return exit_codes.MISUSED
    if not found:
        return _without_kinds(text or "", notes)
    if as_json:
        documents = [as_dict(error) for error in found]
        say_json(documents if len(documents) > 1 else documents[0])
    elif len(found) == 1:
        print_one(found[0], by_status=bool(re.fullmatch(r"[^\d{<]*\d{3}[^\d{<]*", text or "")))
    else:
        print_kinds(found, text)
    return exit_codes.COMPLETE


def _without_kinds(text: str, notes: Notes) -> int:
    """Explain a class of ours that has no kind (AllTargetsFailed, StreamMisused), or say that the text is unknown."""
    name = text.strip().rpartition(".")[2]
    cls = getattr(errors, name, None) if name in errors.__all__ else None
    if isinstance(cls, type) and issubclass(cls, Exception):
        say(f"{cls.__name__}: {' '.join((cls.__doc__ or '').split())}")
        return exit_codes.COMPLETE
    notes.misuse(_unknown(text))
    return exit_codes.MISUSED


def look_up(text: str, provider: str | None = None) -> list[StreamError]:
    """Return the errors that a text means: one, or all of a class or category; none when it is unknown."""
    name = re.sub(r"[\s-]+", "_", text.strip().lower())
    if name in set(ErrorKind):
        return [as_error(ErrorKind(name), provider)]
    if name in set(ErrorCategory):
        return [as_error(kind, provider) for kind, row in KINDS.items() if row.category == name]
    if kinds := _of_class(text.strip()) or _of_code(name) or _of_title(text):
        return [_with_its_figures(as_error(kind, provider, code), text) for kind, code in kinds]
    failure = classify_pasted(text, rules_for(provider or ""))
    return [_in_context(failure, provider)] if failure else []


def as_error(kind: ErrorKind, provider: str | None = None, code: str = "") -> StreamError:
    """Return a kind as an error, with what is known of the provider."""
    if (kept_back := NOT_SENT.get(code)) is not None:
        return _in_context(Failure(kind=kind, code=code, detail=kept_back.happened, retry=False), provider)
    return _in_context(Failure(kind=kind, code=code), provider)


def as_dict(error: StreamError) -> dict[str, Any]:
    """Return what is printed, for a script."""
    fields = ("kind", "category", "title", "message", "resolution", "status", "code", "retry_after", "resets_at")
    values = error.to_dict()
    return {**{name: values[name] for name in fields}, **advice_for(error)._asdict()}


def similar(text: str) -> list[str]:
    """Return the kinds whose name is nearly this, or whose texts have one of its words."""
    names = {kind.value: kind for kind in ErrorKind} | {row.error: kind for kind, row in KINDS.items()}
    near = [str(names[name]) for name in difflib.get_close_matches(text.strip(), names, MAX_NEAR, NEAR)]
    said = [kind.value for kind in ErrorKind if _words(text) & _words(f"{kind} {KINDS[kind].title}")]
    return list(dict.fromkeys((*near, *said)))[:MAX_NEAR]


def _in_context(failure: Failure, provider: str | None) -> StreamError:
    if provider is None:
        return error_for(failure)
    adapter = adapter_for(provider)
    keys = " or ".join(adapter.key_variables)
    return error_for(failure, provider=provider, provider_title=adapter.title, env_var=keys or None)


def _of_class(name: str) -> list[tuple[ErrorKind, str]]:
    """Return the kinds of one of our classes, by its name, with or without the module."""
    cls = getattr(errors, name.rpartition(".")[2], None)
    if not isinstance(cls, type) or not issubclass(cls, StreamError):
        return []
    return [(kind, "") for kind, row in KINDS.items() if issubclass(getattr(errors, row.error), cls)]


def _of_code(name: str) -> list[tuple[ErrorKind, str]]:
    """Return the kinds that a code of ours tells apart, as it is in logs and in `error.code`."""
    return [key for key in TEXTS if key[1] == name]


def _with_its_figures(error: StreamError, text: str) -> StreamError:
    """Return the error with the sentences that were printed of it, where they have the figures of one call in them."""
    _, title, printed = text.partition(error.title)
    if error.code in NOT_SENT and title:
        said = re.sub(r"^(?: \([^)]*+\))?[:.] ", "", printed).removesuffix(error.resolution).strip()
        error.failure = structs.replace(error.failure, detail=said or error.failure.detail)
    return error


def _of_title(text: str) -> list[tuple[ErrorKind, str]]:
    """Read an error as we print it: a class or not, or a line of the log, then the title, then target or message."""
    said = re.sub(r"^(?:\w++\.)*+\w++: ", "", text.strip().rpartition("not retrying: ")[2])
    return [found for title, found in _titles() if re.match(rf"{re.escape(title)}( \(|: |\. |$)", said)][:1]


def _titles() -> Iterator[tuple[str, tuple[ErrorKind, str]]]:
    yield from ((row.title, (kind, "")) for kind, row in KINDS.items())
    yield from ((row.title, (kind, code)) for (kind, code), row in TEXTS.items())


def _words(text: str) -> set[str]:
    words = re.findall(r"[a-z]{4,}", text.lower().replace("_", " "))
    return {word.rstrip("s") for word in words} - {"error", "request", "answer"}


def _unknown(text: str) -> str:
    if re.fullmatch(r"\s*[12]\d\d\s*", text):
        return f"HTTP {text.strip()} is no error; paste what came with it, if that was not the answer"
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 60 else shown[:59] + "…"
    near = similar(text)
    hint = f"\nDid you mean: {', '.join(near)}?" if near else ""
    return (
        f'nothing is known about "{shown}".{hint}\nGive a kind, an HTTP status or an error class, or paste an error\'s '
        "text or JSON body in quotes. Without any, explain lists all kinds."
    )
