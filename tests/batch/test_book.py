"""`Book`: which rows are finished, whatever happened to the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resilient_stream import StreamMisused
from resilient_stream.batch import Book, Result, Row, book
from resilient_stream.batch.book import State

ALL: tuple[State, ...] = ("new", "failed", "changed")


class Files:
    """A file of rows, and a folder for its results."""

    def __init__(self, folder: Path, *rows: str) -> None:
        self.rows = folder / "rows.jsonl"
        self.out = folder / "rows.out.jsonl"
        self.failed = folder / "rows.out.failed.jsonl"
        self.write(*rows)

    def write(self, *rows: str) -> None:
        """Replace the rows."""
        self.rows.write_text("".join(f'"{row}"\n' for row in rows))

    def book(self) -> Book:
        """The results of these rows."""
        return Book(self.rows, self.out)

    async def answer(self, *failing: str, states: tuple[State, ...] = ("new",)) -> list[int]:
        """Give each row in these states a result, and return their lines."""
        with self.book() as found:
            found.survey()
            asked = [row async for row in found.due(states)]
            for row in asked:
                found.write(Result(row=row, wrong="no" if row.prompt in failing else ""))
        return [row.line for row in asked]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Four rows."""
    return Files(tmp_path, "a", "b", "c", "d")


def lines_in(path: Path) -> list[int]:
    """The lines whose results are in a file."""
    return [json.loads(line)["line"] for line in path.read_text().splitlines()]


async def test_what_is_finished_is_not_due_again(files: Files) -> None:
    """Answers are kept; failures are asked again when that is wanted, and leave the file of failures once answered."""
    assert await files.answer("b", "c") == [1, 2, 3, 4]
    assert (lines_in(files.out), lines_in(files.failed)) == ([1, 4], [2, 3])
    assert await files.answer() == []
    assert await files.answer("c", states=ALL) == [2, 3]
    assert (lines_in(files.out), lines_in(files.failed)) == ([1, 4, 2], [3])
    assert await files.answer(states=ALL) == [3]
    assert not files.failed.exists()


async def test_a_line_that_failed_and_was_corrected_is_new(files: Files) -> None:
    """A correction needs no switch; its failure is forgotten when it has its answer."""
    await files.answer("b")
    files.write("a", "better", "c", "d")
    assert await files.answer() == [2]
    assert not files.failed.exists()


async def test_a_line_that_was_answered_and_has_changed_is_told(files: Files) -> None:
    """It is asked only when that is wanted; the later answer then counts."""
    await files.answer()
    files.write("a", "other", "c", "another")
    with files.book() as found:
        survey = found.survey()
    assert (survey.finished, survey.changed, survey.first_changed) == (2, 2, 2)
    assert await files.answer() == []
    assert await files.answer(states=ALL) == [2, 4]
    assert await files.answer(states=ALL) == []


async def test_a_changed_line_that_fails_stays_failed(files: Files) -> None:
    """Its older answer does not hide the failure."""
    await files.answer()
    files.write("a", "other", "c", "d")
    await files.answer("other", states=("changed",))
    with files.book() as found:
        survey = found.survey()
    assert (survey.failed, survey.changed) == (1, 0)


async def test_a_row_that_fails_again_has_one_failure(files: Files) -> None:
    """The last one counts. A file that an interrupted cleaning left behind is not mixed into it."""
    await files.answer("b")
    files.failed.with_name(f"{files.failed.name}.new").write_text("x" * 10_000)
    await files.answer("b", states=ALL)
    assert lines_in(files.failed) == [2]


async def test_a_failure_that_a_kill_left_beside_an_answer_is_removed(files: Files) -> None:
    """A killed run cannot clean up; the next one does, and reports no failure."""
    await files.answer("b")
    left = files.failed.read_bytes()
    await files.answer(states=ALL)
    files.failed.write_bytes(left)
    assert await files.answer(states=ALL) == []
    assert not files.failed.exists()


async def test_results_are_put_onto_the_disk(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sync` waits for what was written, and not again for what is there already."""
    synced: list[int] = []
    monkeypatch.setattr(book.os, "fsync", synced.append)
    with files.book() as found:
        found.sync()
        assert not synced
        found.write(Result(row=Row(line=1, digest=1)))
        found.write(Result(row=Row(line=2, digest=1), wrong="no"))
        found.sync()
        found.sync()
        assert len(set(synced)) == len(synced) == 2


async def test_a_long_result_that_was_cut_is_all_that_is_removed(files: Files) -> None:
    """Its beginning is searched for backwards, over any length."""
    await files.answer()
    whole = files.out.read_bytes()
    files.out.write_bytes(whole + b'{"line":9,"text":"' + b"x" * 200_000)
    with files.book() as found:
        assert found.mended == 1
    assert files.out.read_bytes() == whole


@pytest.mark.parametrize("cut", [1, 4, 30, -1])
async def test_a_result_that_was_cut_is_removed(files: Files, cut: int) -> None:
    """A kill in the middle of a write, or in front of a line's end, costs at most that one row."""
    await files.answer()
    whole = files.out.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    files.out.write_bytes(whole[: -len(last)] + last[:cut])
    again = await files.answer()
    assert again == ([] if cut == -1 else [4])
    assert files.out.read_bytes() == whole


async def test_nothing_behind_a_power_cut_is_taken_for_a_result(files: Files) -> None:
    """Some file systems leave zeros where a line was to be."""
    await files.answer()
    whole = files.out.read_bytes()
    files.out.write_bytes(whole + b"\0" * 500)
    with files.book() as found:
        assert found.mended == 1
    assert files.out.read_bytes() == whole


@pytest.mark.parametrize("content", ["notes\n", "notes", '{"line": 1}\n', '[1]\n{"li', '{"line":0,"digest":"00"}\n'])
async def test_another_file_is_left_alone(files: Files, content: str) -> None:
    """What is no file of results is refused, and not changed by a byte."""
    files.out.write_text(content)
    with pytest.raises(StreamMisused, match="no file of results"):
        files.book().__enter__()
    assert files.out.read_text() == content


async def test_the_rows_themselves_are_no_place_for_results(files: Files) -> None:
    """Nor is a folder that is not there, or a file that another run writes to."""
    with pytest.raises(StreamMisused, match="is the file of the rows"):
        Book(files.rows, files.rows).__enter__()
    with pytest.raises(StreamMisused, match="cannot be used"):
        Book(files.rows, files.rows.parent / "none" / "out.jsonl").__enter__()
    with files.book(), pytest.raises(StreamMisused, match="in use by another run"):
        files.book().__enter__()
    with files.book():
        pass


async def test_a_number_out_of_a_file_cannot_fill_the_memory(files: Files) -> None:
    """A line that the rows cannot have is passed over."""
    files.out.write_text('{"line":9000000000000,"digest":"0123456789abcdef"}\n')
    assert await files.answer() == [1, 2, 3, 4]


async def test_results_are_the_owners(files: Files) -> None:
    """Nobody else can read answers, as with everything that is saved."""
    await files.answer("b")
    await files.answer("b", states=ALL)
    assert {path.stat().st_mode & 0o777 for path in (files.out, files.failed)} == {0o600}


async def test_long_files_let_other_tasks_run(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passing over what is finished does not hold up the rows that run."""
    turns: list[float] = []

    async def turn(seconds: float) -> None:
        turns.append(seconds)

    monkeypatch.setattr("asyncio.sleep", turn)
    monkeypatch.setattr(book, "AT_ONCE", 2)
    files.write(*"abcdefgh")
    await files.answer()
    assert turns == [0] * 4


async def test_a_full_disk_is_raised(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that cannot be written ends the run; it is not lost in silence. Short writes are finished."""
    with files.book() as found:
        monkeypatch.setattr(book.os, "write", lambda file, data: real(file, bytes(data)[:7]))
        found.write(Result(row=Row(line=1, digest=1)))
        monkeypatch.setattr(book.os, "write", full)
        with pytest.raises(OSError, match="No space"):
            found.write(Result(row=Row(line=2, digest=1)))
        monkeypatch.setattr(book.os, "write", real)
    assert lines_in(files.out) == [1]


real = book.os.write


def full(file: int, data: bytes) -> int:
    """Write nothing."""
    raise OSError(28, "No space left on device")
