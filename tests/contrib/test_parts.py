"""`Parts`: a folder that many processes write to; what dead ones have left, and what living ones may no longer do."""

from __future__ import annotations

from pathlib import Path

import pytest

from resilient_stream import StreamMisused
from resilient_stream.batch import Result, Row
from resilient_stream.batch.written import key_of, read_written

pytest.importorskip("pyarrow")

from resilient_stream.contrib.parts import Found, Part, Parts

NAME = "0" * 16


def row(number: int) -> Row:
    """A row with an id."""
    return Row(line=0, digest=number, id=number)


def write(part: Part, *numbers: int, failed: bool = False) -> None:
    """Write results of these rows."""
    for number in numbers:
        part.write(Result(row=row(number), wrong="no" if failed else ""))


def ids(folder: Path) -> list[object]:
    """The rows whose results a reader of the folder finds."""
    return [entry.id for path in sorted(folder.glob("*.jsonl")) for entry in read_written(path.read_bytes()).entries]


def known(found: Found) -> set[int]:
    """The keys of the rows that are not asked again."""
    return {int(key) for key in found.known}


def survey(folder: Path, retry_failed: bool = False) -> tuple[Parts, Found]:
    """Begin a run."""
    parts = Parts.of_new_run(str(folder))
    return parts, parts.survey(retry_failed)


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    """Readers see no half file. The next run knows its rows; a file without results is none."""
    parts, found = survey(tmp_path)
    assert (found.answered, found.failed, known(found)) == (0, 0, set())
    part = parts.begin(NAME)
    write(part, 1)
    write(part, 2, failed=True)
    assert ids(tmp_path) == []
    part.close(whole=True)
    parts.begin("1" * 16).close(whole=True)
    assert ids(tmp_path) == [1, 2]
    _, found = survey(tmp_path)
    assert (found.answered, found.failed, known(found)) == (1, 1, {key_of(row(1)), key_of(row(2))})
    assert len(list(tmp_path.iterdir())) == 2


def test_results_are_on_the_disk_at_once(tmp_path: Path) -> None:
    """A kill costs what was running, and the one result that it cut."""
    parts, _ = survey(tmp_path)
    part = parts.begin(NAME)
    write(part, 1, 2)
    (left,) = tmp_path.glob("*.part")
    left.write_bytes(left.read_bytes()[:-3])
    _, found = survey(tmp_path)
    assert known(found) == {key_of(row(1))}
    assert ids(tmp_path) == [1]
    assert not list(tmp_path.glob("*.part"))
    part.close(whole=False)


def test_rows_that_are_given_out_again_keep_their_results(tmp_path: Path) -> None:
    """As after the death of an actor: what it wrote counts, and a file of its own has the rest."""
    parts, _ = survey(tmp_path)
    for number in (1, 2, 3):
        part = parts.begin(NAME)
        assert [entry.id for entry in part.entries.values()] == list(range(1, number))
        write(part, number)
        part.close(whole=number == 3)
    assert ids(tmp_path) == [1, 2, 3]


def test_a_process_of_an_earlier_run_writes_nothing_more(tmp_path: Path) -> None:
    """It may live for some seconds after the kill: its rows are asked again, and no result is there twice."""
    old, _ = survey(tmp_path)
    seen, unseen = old.begin(NAME), old.begin("1" * 16)
    write(seen, 1)
    new, found = survey(tmp_path)
    assert known(found) == {key_of(row(1))}
    write(seen, 2)
    write(unseen, 3)
    with pytest.raises(StreamMisused, match="another run has begun"):
        seen.close(whole=True)
    with pytest.raises(StreamMisused, match="another run has begun"):
        old.begin("2" * 16)
    part = new.begin("3" * 16)
    write(part, 2, 3)
    part.close(whole=True)
    assert sorted(map(str, ids(tmp_path))) == ["1", "2", "3"]


def test_what_a_run_before_the_last_began_late_is_not_used(tmp_path: Path) -> None:
    """The last run did not see it, and has asked its rows itself."""
    old, _ = survey(tmp_path)
    survey(tmp_path)
    late = Part(old, old._system, f"{tmp_path}/{NAME}-0", [])
    write(late, 1)
    late.close(whole=False)
    _, found = survey(tmp_path)
    assert known(found) == set()
    assert not list(tmp_path.glob("*.part"))


def test_rows_that_failed_are_forgotten_when_that_is_wanted(tmp_path: Path) -> None:
    """Their results go, those of the others stay; a file of nothing else goes with them."""
    parts, _ = survey(tmp_path)
    for name, answered in (("0" * 16, (1, 2)), ("1" * 16, ())):
        part = parts.begin(name)
        write(part, *answered)
        write(part, 3, 4, failed=True)
        part.close(whole=True)
    _, found = survey(tmp_path, retry_failed=True)
    assert (found.answered, found.failed, known(found)) == (2, 4, {key_of(row(1)), key_of(row(2))})
    assert ids(tmp_path) == [1, 2]
    assert len(list(tmp_path.glob("*.jsonl"))) == 1


def test_others_files_are_left_alone(tmp_path: Path) -> None:
    """Names that are not ours are not read, and not removed; a line in ours that is no result is told."""
    for name in ("notes.jsonl", "film.part", "notes.new"):
        (tmp_path / name).write_text("mine")
    survey(tmp_path)
    assert {path.read_text() for path in tmp_path.glob("[a-z]*")} == {"mine"}
    (tmp_path / f"{NAME}-0.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(StreamMisused, match="is no result"):
        survey(tmp_path)


def test_a_folder_is_made_for_its_owner(tmp_path: Path) -> None:
    """Answers are nobody else's."""
    survey(tmp_path / "deep" / "answers")
    assert (tmp_path / "deep" / "answers").stat().st_mode & 0o777 == 0o700
