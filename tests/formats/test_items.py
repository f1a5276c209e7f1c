"""`chunk_to_dict` and `chunk_from_dict`: any chunk or item of a conversation goes through JSON and says the same."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import resilient_stream
import resilient_stream.web
from resilient_stream import StreamMisused, TextDelta, chunk_from_dict, chunk_to_dict
from tests.formats.samples import ITEMS


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.type)
def test_each_item_says_the_same_after_json(item: Any) -> None:
    """Strict JSON, there and back: chunks, turns, progress and results with pictures."""
    again = chunk_from_dict(json.loads(json.dumps(chunk_to_dict(item), allow_nan=False)))
    assert again == item
    assert type(again) is type(item)


def test_defaults_are_left_out_and_the_type_is_there() -> None:
    """What is stored of a piece of text is its type and its text."""
    assert chunk_to_dict(TextDelta("hi")) == {"type": "text_delta", "text": "hi"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (None, "chunk.type: Expected one of text_delta"),
        ([], "chunk.type: Expected one of text_delta"),
        ({"type": "nonsense"}, "turn_started, tool_progress, tool_result"),
        ({"type": ["text_delta"]}, "chunk.type"),
        ({"type": "text_delta"}, "chunk: Object missing required field `text`"),
        ({"type": "text_delta", "text": 3}, "chunk.text: Expected `str`, got `int`"),
        ({"type": "file", "media_type": "a/b", "data": "not base64!"}, "chunk.data"),
        ({"type": "usage", "certainty": "perhaps"}, "chunk.certainty"),
        ({"type": "turn_started", "number": "1"}, "chunk.number: Expected `int`, got `str`"),
        ({"type": "tool_progress", "id": "a"}, "chunk: Object missing required field `name`"),
        ({"type": "tool_result", "id": "a"}, "chunk: Object missing required field `name`"),
        (
            {"type": "tool_result", "id": "a", "name": "b", "content": "", "error": False, "duration": 0, "parts": 3},
            "chunk.parts: Expected `array`",
        ),
        (
            {
                "type": "tool_result", "id": "a", "name": "b", "content": "", "error": False, "duration": 0,
                "parts": [{"type": "text", "text": "a"}, {"type": "video"}],
            },
            "chunk.parts[1]",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(values: Any, said: str) -> None:
    """Hostile values are a StreamMisused that names the field, and no other exception."""
    with pytest.raises(StreamMisused) as raised:
        chunk_from_dict(values)
    assert said in str(raised.value)


@pytest.mark.parametrize("value", [None, "text", object(), {"type": "text_delta"}])
def test_what_is_no_chunk_is_refused(value: Any) -> None:
    """`chunk_to_dict` names the type that it was given."""
    with pytest.raises(StreamMisused, match=f"give a chunk, not {type(value).__name__}"):
        chunk_to_dict(value)


def test_they_are_public_and_cost_nothing_at_import() -> None:
    """Both have their names in the package and in `web`; the module comes when one is first asked for."""
    assert resilient_stream.web.chunk_to_dict is chunk_to_dict
    assert {"chunk_to_dict", "chunk_from_dict"} <= set(resilient_stream.__all__)
    script = "import sys, resilient_stream; print('resilient_stream.conversation.items' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
