"""Each chunk class has a row of traits, the rows agree with the classes, and a class without one is noticed at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import resilient_stream
from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from resilient_stream.engine.recovery import Partial, Splice
from resilient_stream.engine.recovery.matchers import Prefilled
from resilient_stream.outcome.archive import pack, plain_chunk, read_chunk
from resilient_stream.outcome.traits import TRAITS, fixes, piece_of, with_piece
from resilient_stream.outcome.weight import size_of
from resilient_stream.transcript import Transcript

PACKAGE = Path(resilient_stream.__file__).parent

ONE_OF_EACH: tuple[Chunk, ...] = (
    TextDelta("a"),
    ReasoningDelta("b"),
    ToolCallDelta(0, "id", "tool", "{}"),
    ToolCall(0, "id", "tool", "{}", {}),
    Usage(1, 2),
    Finished("stop", "stop"),
    Seam("a:b", "a:c", "replay"),
    Raw("a", "event", {"x": 1}),
    Source("https://example.test", "title", "quote", 0, 4, "id", {"x": 1}),
    File("image/png", b"data", "https://example.test", "id", "words", {"x": 1}),
    ServerToolCall("id", "search", "{}", {}, {"x": 1}),
    ServerToolResult("id", "search", [1], False, {"x": 1}),
    Logprobs(({"token": "a", "logprob": -0.1},)),
)

CITATION = '''
class Trial(msgspec.Struct, frozen=True, gc=False):
    """A class that a newcomer adds."""

    type: ClassVar[Literal["trial"]] = "trial"
    content: ClassVar[bool] = True
    text: ClassVar[str] = ""
    url: str


Chunk: TypeAlias = (
    Trial
    | '''


def test_every_class_has_a_row() -> None:
    """The table is total over the union, and has no row beside it."""
    assert set(TRAITS) == set(get_args(Chunk)) == {type(chunk) for chunk in ONE_OF_EACH}


@pytest.mark.parametrize("chunk", ONE_OF_EACH, ids=lambda chunk: chunk.type)
def test_a_row_names_fields_of_its_class(chunk: Chunk) -> None:
    """A trait that is a field's name is the name of a field, and of a text."""
    row = TRAITS[type(chunk)]
    for field in (row.piece, row.tool_name, row.server_name):
        assert field is None or isinstance(getattr(chunk, field), str)


@pytest.mark.parametrize("chunk", ONE_OF_EACH, ids=lambda chunk: chunk.type)
def test_a_row_agrees_with_what_is_content(chunk: Chunk) -> None:
    """Content is compared with what was delivered or added behind it; nothing else is."""
    assert chunk.content == (TRAITS[type(chunk)].continuing in ("compared", "added"))


@pytest.mark.parametrize("chunk", ONE_OF_EACH, ids=lambda chunk: chunk.type)
def test_nothing_is_delivered_twice_by_a_replay(chunk: Chunk) -> None:
    """What a replay does not recognise as delivered fixes the answer, so that there is no replay after it."""
    row = TRAITS[type(chunk)]
    assert row.continuing != "added" or (row.fixes == "always" and fixes(chunk))
    assert row.continuing != "compared" or row.piece is not None


@pytest.mark.parametrize("chunk", ONE_OF_EACH, ids=lambda chunk: chunk.type)
def test_every_class_is_weighed_and_stored(chunk: Chunk) -> None:
    """A chunk has a weight, and comes back as it was from plain values."""
    assert size_of(chunk) > 0
    assert read_chunk(plain_chunk(chunk), "chunk") == chunk
    assert pack([chunk], [1])[0] == [chunk]


@pytest.mark.parametrize("chunk", ONE_OF_EACH, ids=lambda chunk: chunk.type)
def test_a_piece_can_be_taken_out_and_put_back(chunk: Chunk) -> None:
    """A class with a piece of a running text can be divided and joined; another one stays as it is."""
    assert with_piece(chunk, piece_of(chunk)) == chunk
    assert (with_piece(chunk, "other") == chunk) == (TRAITS[type(chunk)].piece is None)


def test_signed_reasoning_fixes_the_answer() -> None:
    """Plain reasoning may be gone on after; signed or encrypted reasoning is its provider's only."""
    assert not fixes(ReasoningDelta("a"))
    assert fixes(ReasoningDelta("", "signature"))
    assert fixes(ReasoningDelta("", None, "redacted"))


def test_calls_and_seams_outlive_a_dropped_middle() -> None:
    """Whoever reads a long transcript has every whole call and every seam, wherever they stood."""
    transcript = Transcript(limit=400)
    call, seam = ONE_OF_EACH[3], ONE_OF_EACH[6]
    transcript._receive([*[TextDelta("x" * 100)] * 6, call, seam, *[TextDelta("y" * 100)] * 6])
    transcript._ready.clear()
    transcript._weigh(2000)
    assert transcript.omitted > 0
    assert [chunk for chunk in transcript.chunks if type(chunk) is not TextDelta] == [call, seam]


def test_held_text_of_a_continuation_comes_before_its_end() -> None:
    """`Finished` ends what a continuation says: text that was still being compared is delivered in front of it."""
    partial = Partial.of([TextDelta("one two three")])
    splice = Splice(Prefilled(partial), "a:m", "b:m", "prefill", partial)
    finished = Finished("stop", "stop")
    assert splice.feed([TextDelta(" o")]) == []
    begun = splice.feed([finished])
    assert [type(chunk) for chunk in begun] == [Seam, TextDelta, Finished]


# -- a class without a row ----------------------------------------------------------------------


def _with_a_new_class(folder: Path, *files: str) -> Path:
    """A copy of the files, in which the union has one class more."""
    package = folder / "resilient_stream"
    for name in ("__init__.py", "outcome/__init__.py", *files):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("" if name.endswith("__init__.py") else (PACKAGE / name).read_text())
    chunks = package / "chunks.py"
    assert "\nChunk: TypeAlias = (" in chunks.read_text()
    chunks.write_text(chunks.read_text().replace("\nChunk: TypeAlias = (", CITATION))
    return package


def _run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, env={}, timeout=60)


def test_a_class_without_a_row_cannot_be_imported(tmp_path: Path) -> None:
    """The table is made when it is imported, so every test fails and says which class has no row."""
    _with_a_new_class(tmp_path, "chunks.py", "outcome/traits.py")
    ended = _run("-c", "import resilient_stream.outcome.traits", cwd=tmp_path)
    assert ended.returncode != 0
    assert "Trial" in ended.stderr
    assert "_row" in ended.stderr


def test_mypy_names_each_place_that_decides_about_a_new_class(tmp_path: Path) -> None:
    """`assert_never` in the table, and where what is done differs by class, is an error of the type checker."""
    package = _with_a_new_class(tmp_path, "chunks.py", "outcome/traits.py", "outcome/weight.py")
    ended = _run("-m", "mypy", "--strict", "--no-incremental", "--cache-dir", "/dev/null", str(package), cwd=tmp_path)
    places = {line.split(":")[0].rpartition("/")[2] for line in ended.stdout.splitlines() if "Trial" in line}
    assert places == {"traits.py", "weight.py"}, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "file",
    ["outcome/traits.py", "outcome/weight.py", "outcome/history.py", "engine/recovery/matchers.py",
     "providers/shared/mending.py"],
)  # fmt: skip
def test_what_differs_by_class_is_total(file: str) -> None:
    """The places that ask for a class, and not for a trait, end in `assert_never`."""
    assert "assert_never(" in (PACKAGE / file).read_text()


def test_every_class_can_be_imported_by_users() -> None:
    """Each chunk class is among the public names of the package and of its own file."""
    import resilient_stream
    from resilient_stream import chunks

    names = {cls.__name__ for cls in get_args(chunks.Chunk)}
    assert names <= set(resilient_stream.__all__)
    assert names <= set(chunks.__all__)


def test_the_documents_table_has_every_class() -> None:
    """The table of classes in docs/content.md has each of them once, and no other."""
    page = (PACKAGE.parent / "docs" / "content.md").read_text()
    rows = page.partition("| class | what it is |")[2].partition("\n\n")[0].splitlines()
    named = [name for row in rows[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(cls.__name__ for cls in get_args(Chunk))
