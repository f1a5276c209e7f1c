"""Rows without an order: what they are known by, and what a file has that was cut."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from resilient_stream.batch import Result, Row
from resilient_stream.batch.written import key_of, line_of, name_of, read_written, row_of_record

NAN = float("nan")


def test_a_record_is_a_row_without_its_nulls() -> None:
    """A table has every field in every row: null and NaN are no options, also inside messages."""
    messages = [{"role": "user", "content": "Hi", "name": None}]
    record = {"prompt": None, "messages": messages, "id": 7.0, "max_tokens": None, "temperature": NAN, "topic": "x"}
    row = row_of_record(record)
    assert (row.prompt, row.id, row.options, row.row) == ([{"role": "user", "content": "Hi"}], 7, {}, {"topic": "x"})
    assert (row.wrong, row.line) == ("", 0)


def test_a_record_of_text_is_a_line() -> None:
    """It is read as it stands: tables would make a number of an id such as "07", and one type of all fields."""
    row = row_of_record({"text": '\ufeff{"id": "07", "prompt": "Hi"}\r'})
    assert (row.prompt, row.id, row.wrong) == ("Hi", "07", "")
    assert row_of_record({"text": '"Hi"'}).prompt == "Hi"
    assert "it is no JSON" in row_of_record({"text": "Hi"}).wrong
    assert key_of(row_of_record({"text": '"Hi"'})) != key_of(row_of_record({"text": '"Ho"'}))


def test_values_that_json_does_not_have_are_written_all_the_same() -> None:
    """Times, bytes and objects of a data set do not end a run."""
    day = datetime.date(2026, 1, 2)
    row = row_of_record({"prompt": "Hi", "id": "a", "day": day, "data": b"\xff\xfe", "other": object})
    made = json.loads(line_of(Result(row=row)))
    assert made["row"]["day"] == "2026-01-02"
    assert made["row"]["data"] == "__4="
    assert "object" in made["row"]["other"]


@pytest.mark.parametrize("record", [{"prompt": "Hi", "id": 7}, {"prompt": "Hi", "id": "7"}, {"prompt": "Hi"}, {"a": 1}])
def test_a_row_and_its_result_are_known_by_the_same(record: dict[str, Any]) -> None:
    """By the id, or by the content where there is none; also rows that could not be asked."""
    row = row_of_record(record)
    (entry,) = read_written(line_of(Result(row=row, wrong=row.wrong))).entries
    assert entry.key == key_of(row)
    assert entry.why == ("unusable" if row.wrong else "")


def test_rows_are_told_apart() -> None:
    """7 is not "7"; without ids the content counts, whatever the order of its fields."""
    records = ({"prompt": "Hi", "id": 7}, {"prompt": "Hi", "id": "7"}, {"prompt": "Hi"}, {"prompt": "Ho"})
    assert len({key_of(row_of_record(record)) for record in records}) == 4
    one, two = {"prompt": "Hi", "topic": "x"}, {"topic": "x", "prompt": "Hi"}
    assert key_of(row_of_record(one)) == key_of(row_of_record(two))
    assert key_of(row_of_record({"prompt": "A", "id": 1})) == key_of(row_of_record({"prompt": "B", "id": 1}))


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_result_that_was_cut_is_left_out(cut: int) -> None:
    """What stands behind the last whole line is not used."""
    lines = [line_of(Result(row=Row(line=0, digest=number, id=number))) for number in (1, 2)]
    entries, whole = read_written(lines[0] + lines[1][:-cut])
    assert ([entry.id for entry in entries], whole) == ([1], lines[0])
    assert read_written(b"") == ([], b"")


def test_a_line_that_is_no_result_is_told() -> None:
    """It is not taken for a row without an id."""
    with pytest.raises(ValueError, match="digest"):
        read_written(b'{"id": 1}\n')


def test_files_are_named_by_their_rows() -> None:
    """Whatever their order, so that whoever is given the same rows again finds what there is of them."""
    assert name_of([1, 2]) == name_of([2, 1]) != name_of([1, 3])
    assert len(name_of([])) == 16
    assert "line" not in json.loads(line_of(Result(row=Row(line=0), wrong="no")))
    assert "Correct the row" in json.loads(line_of(Result(row=Row(line=0), wrong="no")))["error"]["resolution"]
