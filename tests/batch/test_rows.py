"""What a line of a file means: a prompt, messages, options, the caller's own fields, or a line of OpenAI's format."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest

from resilient_stream.batch import Line, Row, lines, read_row, row_of
from resilient_stream.batch.rows import COLUMNS
from resilient_stream.options import OTHERS_NAMES


def read(value: object) -> Row:
    """The row of a value, as a line has it."""
    return read_row(Line(1, 7, json.dumps(value).encode()))


def test_a_text_is_a_prompt() -> None:
    """A line may be nothing but the prompt."""
    assert read("Hi") == Row(line=1, digest=7, prompt="Hi")


def test_options_are_options_and_the_rest_is_the_callers() -> None:
    """Options go to the call; a field that is none goes to the result, and so does what is in `row`."""
    row = read({"prompt": "Hi", "id": 4, "temperature": 0.5, "to": "a:b", "topic": "x", "row": {"input": 1}})
    assert (row.prompt, row.id) == ("Hi", 4)
    assert row.options == {"temperature": 0.5, "to": "a:b"}
    assert row.row == {"topic": "x", "input": 1}


def test_a_line_of_openais_batch_format_is_read() -> None:
    """Its custom_id is the id, and its body is read when it is asked."""
    body = {"model": "m", "messages": []}
    row = read({"custom_id": "c1", "method": "POST", "url": "/v1/responses", "body": body})
    assert (row.id, row.url, row.body, row.wrong) == ("c1", "/v1/responses", body, "")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"prompt": "Hi", "max_token": 5}, "did you mean max_tokens?"),
        ({"prompt": "Hi", "Temprature": 1}, "did you mean temperature?"),
        ({"promt": "Hi"}, "did you mean prompt?"),
        ({"prompt": "Hi", "max_completion_tokens": 5}, "max_tokens= is the limit"),
        ({"prompt": "Hi", "timeouts": {}}, "an object of Python"),
        ({"prompt": "Hi", "messages": []}, "either prompt or messages"),
        ({"question": "Hi"}, "neither prompt nor messages"),
        ({"prompt": " "}, "prompt: give a text"),
        ({"prompt": ["Hi"]}, "prompt: give a text"),
        ({"prompt": "Hi", "id": [1]}, "id: give a text"),
        ({"body": {}, "method": "GET"}, "is a POST"),
        ([1], "a row is a text"),
        (3, "a row is a text"),
    ],
)
def test_a_row_that_cannot_be_asked_says_why(value: object, said: str) -> None:
    """The reason is in the row; nothing is raised."""
    assert said in read(value).wrong


def test_names_of_usual_columns_are_the_callers() -> None:
    """A data set's `input` or `target` is no slip, whatever other libraries call so."""
    assert COLUMNS.issubset(OTHERS_NAMES)
    row = read({"prompt": "Hi", **dict.fromkeys(COLUMNS, "x")})
    assert (row.wrong, row.row) == ("", dict.fromkeys(COLUMNS, "x"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{nope", "it is no JSON"),
        (b'"\xff"', "it is no JSON"),
        (b"[" * 100_000, "levels"),
        (b"[" * 300 + b"]" * 300, "a row is a text"),
        (b'{"prompt": "Hi", "a": ' + b"[" * 300 + b"]" * 300 + b"}", "levels"),
        (None, "more than 64 MiB"),
    ],
)
def test_an_odd_line_is_a_row_that_cannot_be_asked(data: bytes | None, said: str) -> None:
    """No JSON, no UTF-8, too deep, too long: the number and the digest stay."""
    row = read_row(Line(3, 9, data))
    assert said in row.wrong
    assert (row.line, row.digest) == (3, 9)


def test_blank_lines_count_and_are_no_rows() -> None:
    """Numbers are those that an editor shows; a BOM and the end of the line are not part of a row."""
    found = list(lines(io.BytesIO(b'\xef\xbb\xbf"a"\r\n\n  \n"a" \n"b"')))
    assert [(line.number, line.data) for line in found] == [(1, b'"a"'), (4, b'"a"'), (5, b'"b"')]
    assert found[0].digest == found[1].digest != found[2].digest


def test_a_line_that_is_too_long_is_passed_over() -> None:
    """It is read to its end, and the next line has its own number; what differs behind the bound is seen."""
    first, second = (list(lines(io.BytesIO(b"x" * 50 + each + b"\n1\n"), most=20)) for each in (b"y", b"z"))
    assert [(line.number, line.data) for line in first] == [(1, None), (2, b"1")]
    assert first[0].digest != second[0].digest
    assert [line.data for line in lines(io.BytesIO(b"x" * 20 + b"\n"), most=20)] == [b"x" * 20]


def test_a_long_line_is_not_kept() -> None:
    """Memory is bounded by the longest line that is taken, not by the file."""
    file = io.BytesIO(b"x" * 30_000_000 + b"\n1\n")
    tracemalloc.start()
    assert len(list(lines(file, most=1_000_000))) == 2
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


def test_rows_of_a_program_have_no_digest() -> None:
    """`run_rows` numbers them itself."""
    assert row_of({"prompt": "Hi"}, line=2) == Row(line=2, prompt="Hi")
