"""Reads the files that are named on the command line: what goes with the prompt, and the schema of the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..failures import StreamMisused
from ..messages import FilePart, ImagePart, Message, Part, TextPart

__all__ = ["SEARCH", "asked", "schema_of"]

LARGEST_SCHEMA = 1024 * 1024
SEARCH = "web_search"
"""The tool of --search; each provider has a word of its own for it."""


def asked(prompt: str, files: Sequence[Path], images: Sequence[Path]) -> Message:
    """Return the user's turn. Raises StreamMisused for a file that cannot be read or sent."""
    parts: list[Part] = [*map(FilePart.from_file, files), *map(ImagePart.from_file, images)]
    return Message(role="user", content=[*parts, TextPart(text=prompt)] if parts else prompt)


def schema_of(path: Path) -> dict[str, Any]:
    """Return the JSON schema in a file. Raises StreamMisused that says what is wrong with it."""
    try:
        with path.open("rb") as file:
            schema = json.loads(file.read(LARGEST_SCHEMA))
    except OSError as error:
        raise StreamMisused(f"--schema: {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise StreamMisused(f"--schema: {path} is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise StreamMisused(f"--schema: {path} is no schema; one looks like {{'type': 'object', 'properties': {{…}}}}")
    return schema
