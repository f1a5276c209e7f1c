"""Files as parts of a message: how they are given, read, and refused before anything is sent."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import FilePart, ImagePart, Message, StreamMisused
from resilient_stream.given import files
from resilient_stream.messages import to_messages

PDF = b"%PDF-1.7 x"
PDF_TEXT = base64.b64encode(PDF).decode()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
WAV = b"RIFF\x10\0\0\0WAVEfmt " + bytes(8)


@pytest.mark.parametrize(
    ("given", "media_type", "kind"),
    [
        ({"data": PDF}, "application/pdf", "pdf"),
        ({"data": PDF_TEXT}, "application/pdf", "pdf"),
        ({"data": bytearray(WAV)}, "audio/wav", "audio"),
        ({"url": f"data:application/pdf;base64,{PDF_TEXT}"}, "application/pdf", "pdf"),
        ({"data": f"data:application/x-pdf;base64,{PDF_TEXT}"}, "application/pdf", "pdf"),
        ({"url": "https://example.com/Report.PDF?x=.zip"}, "application/pdf", "pdf"),
        ({"url": "https://example.com/report", "media_type": "application/pdf"}, "application/pdf", "pdf"),
        ({"data": b"a,b", "name": "a.csv"}, "text/csv", "text"),
        ({"data": b"{}", "media_type": "application/json; charset=utf-8"}, "application/json", "text"),
        ({"data": b"x", "media_type": "audio/mp3"}, "audio/mpeg", "audio"),
        ({"data": b"x", "media_type": "mp4"}, "video/mp4", "video"),
        ({"data": b"x", "name": "a.docx"},
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "office"),
        ({"data": b"x", "media_type": "application/zip"}, "application/zip", "other"),
        ({"id": "file-1"}, None, "pdf"),
        ({"id": "file-1", "name": "a.mp3"}, "audio/mpeg", "audio"),
    ],
)  # fmt: skip
def test_what_a_file_is_is_found(given: dict[str, Any], media_type: str | None, kind: str) -> None:
    """By its first bytes, its name, its address, or as it is said; aliases get their usual name."""
    part = FilePart(**given)
    assert (part.media_type, part.kind) == (media_type, kind)
    assert Message.model_validate(Message(role="user", content=[part]).model_dump()).content == (part,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give exactly one of url, data and id"),
        ({"url": "https://example.com/a.pdf", "id": "f"}, "give exactly one of url, data and id"),
        ({"data": b"\0\1secret"}, "say what it is: media_type='application/pdf', or a name with its ending"),
        ({"url": "https://example.com/a"}, "say what it is"),
        ({"data": b"", "name": "a.txt"}, "data: the file is empty"),
        ({"data": "/home/me/a.pdf.", "name": "a.pdf"}, "data: give bytes, or their base64 text; for a path, use"),
        ({"data": 3, "name": "a.pdf"}, "data: give bytes or base64 text, not int"),
        ({"id": "f", "media_type": "pdf file"}, "media_type: give one like application/pdf"),
        ({"data": b"secret", "nme": "a"}, "FilePart has no field 'nme': did you mean name?"),
    ],
)
def test_what_is_no_file_is_refused_by_name(given: dict[str, Any], said: str) -> None:
    """With what to do; the content is not repeated."""
    with pytest.raises(StreamMisused) as caught:
        FilePart(**given)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_repr_does_not_have_the_content() -> None:
    """A megabyte of base64 text would fill a log."""
    assert PDF_TEXT not in repr(FilePart(data=PDF, name="a.pdf"))


def test_a_text_is_read_as_text() -> None:
    """A byte order mark is none of its characters, and bytes that are no UTF-8 are replaced."""
    assert FilePart(data=b"\xef\xbb\xbfHi\xff", name="a.md").plain_text == "Hi\ufffd"
    assert FilePart(data=PDF).plain_text is None
    assert FilePart(url="https://example.com/a.txt").plain_text is None


# -- reading ----------------------------------------------------------------------------------


def test_a_file_is_read_when_the_part_is_made(tmp_path: Path) -> None:
    """Its name goes along, without the directories, and later changes of the file are not seen."""
    path = tmp_path / "report.pdf"
    path.write_bytes(PDF)
    part = FilePart.from_file(path)
    path.unlink()
    assert (part.data, part.name, part.media_type) == (PDF_TEXT, "report.pdf", "application/pdf")


def test_a_picture_is_read_as_a_data_url(tmp_path: Path) -> None:
    """Its bytes say what it is, whatever its name says; where they do not, the name does."""
    (tmp_path / "a.jpg").write_bytes(PNG)
    (tmp_path / "b.heic").write_bytes(b"....ftypheic")
    png = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert ImagePart.from_file(str(tmp_path / "a.jpg"), detail="low") == ImagePart(url=png, detail="low")
    assert ImagePart.from_file(tmp_path / "b.heic").url.startswith("data:image/heic;base64,")
    assert ImagePart.of(PNG) == ImagePart.of(PNG, "image/jpeg") == ImagePart(url=png)


@pytest.mark.parametrize("make", [FilePart.from_file, ImagePart.from_file])
def test_what_cannot_be_read_is_refused_by_name(make: Any, tmp_path: Path) -> None:
    """Missing, a directory, a pipe that nobody writes to, a device, empty: at once, and nothing stays open."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    before = set(os.listdir("/proc/self/fd"))
    for path, said in [
        (tmp_path / "none", "No such file"), (tmp_path, "a directory, not a file"),
        (tmp_path / "pipe", "a pipe, not a file"), ("/dev/zero", "a device, not a file"),
        (tmp_path / "empty", "the file is empty"), ("a\0b", "embedded null"),
    ]:  # fmt: skip
        with pytest.raises(StreamMisused) as caught:
            make(path)
        assert said in str(caught.value)
        assert repr(str(path)) in str(caught.value)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither from a disk nor from memory; the message says what would do."""
    monkeypatch.setattr(files, "MOST_BYTES", 8)
    (tmp_path / "a.pdf").write_bytes(PDF)
    for make in (lambda: FilePart.from_file(tmp_path / "a.pdf"), lambda: FilePart(data=PDF)):
        with pytest.raises(StreamMisused, match=r"10 bytes are more than .* give a url, or the id of an upload"):
            make()
    monkeypatch.setattr(files.os, "fstat", lambda file: os.stat_result((0o100644, 0, 0, 1, 0, 0, 1, 0, 0, 0)))
    with pytest.raises(StreamMisused, match="9 bytes are more"):  # a file that grew
        FilePart.from_file(tmp_path / "a.pdf")


# -- pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", [f"data:application/pdf;base64,{PDF_TEXT}", f"data:image/png;base64,{base64.b64encode(PDF).decode()}",
            PDF_TEXT, "https://example.com/a.PDF?page=2"],
)  # fmt: skip
def test_a_pdf_is_no_picture(url: str) -> None:
    """Providers refuse one there; the message names the class that is meant."""
    with pytest.raises(StreamMisused, match=r"a PDF is no picture: give it as FilePart\(url=…\)"):
        ImagePart(url=url)


def test_bytes_of_no_known_picture_need_a_type() -> None:
    """They are not guessed."""
    with pytest.raises(StreamMisused, match=r"ImagePart\.of: say what it is, such as media_type='image/png'"):
        ImagePart.of(b"\0\0\0\0")
    with pytest.raises(StreamMisused, match="a PDF is no picture"):
        ImagePart.of(PDF)


def test_a_picture_given_as_a_file_is_a_picture() -> None:
    """Every dialect takes it as one then; an uploaded one stays a file, since it has only an id."""
    png = FilePart(data=PNG), FilePart(url="https://example.com/a.png"), FilePart(id="f", media_type="image/png")
    kinds = [type(part) for part in Message(role="user", content=png).content]
    assert kinds == [ImagePart, ImagePart, FilePart]


# -- shapes of APIs ---------------------------------------------------------------------------

SHAPES: list[tuple[dict[str, Any], FilePart | ImagePart]] = [
    ({"type": "file", "data": PDF, "name": "a.pdf"}, FilePart(data=PDF, name="a.pdf")),
    ({"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF_TEXT}"}},
     FilePart(data=PDF, name="a.pdf")),
    ({"type": "file", "file": {"file_data": "https://example.com/a.pdf"}}, FilePart(url="https://example.com/a.pdf")),
    ({"type": "file", "file": {"file_id": "f"}}, FilePart(id="f")),
    ({"type": "file", "file_id": "f"}, FilePart(id="f")),
    ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
     FilePart(data="AAAA", media_type="audio/wav")),
    ({"type": "input_audio", "input_audio": "https://example.com/a.mp3"}, FilePart(url="https://example.com/a.mp3")),
    ({"type": "input_file", "file_url": "https://example.com/a.pdf"}, FilePart(url="https://example.com/a.pdf")),
    ({"type": "input_file", "file_id": "f", "filename": "a.pdf"}, FilePart(id="f", name="a.pdf")),
    ({"type": "input_image", "file_id": "f", "detail": "auto"}, FilePart(id="f", media_type="image/*")),
    ({"type": "document", "title": "A", "source": {"type": "base64", "media_type": "application/pdf",
                                                   "data": PDF_TEXT}}, FilePart(data=PDF, name="A")),
    ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüezi"}},
     FilePart(data="Grüezi".encode(), media_type="text/plain")),
    ({"type": "document", "source": {"type": "url", "url": "https://example.com/a"}},
     FilePart(url="https://example.com/a", media_type="application/pdf")),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}}, FilePart(id="f")),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}, "citations": {"enabled": True}},
     FilePart(id="f", citations=True)),
    ({"type": "file", "data": PDF, "citations": True}, FilePart(data=PDF, citations=True)),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}, "citations": {"enabled": False}},
     FilePart(id="f")),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, FilePart(id="f", media_type="image/*")),
    ({"inlineData": {"mimeType": "application/pdf", "data": PDF_TEXT}}, FilePart(data=PDF)),
    ({"inline_data": {"mime_type": "image/png", "data": base64.b64encode(PNG).decode()}}, ImagePart.of(PNG)),
    ({"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/v"}},
     FilePart(url="https://example.com/v", media_type="video/mp4")),
    ({"type": "document", "mime_type": "application/pdf", "uri": "https://example.com/a"},
     FilePart(url="https://example.com/a", media_type="application/pdf")),
    ({"type": "audio", "mime_type": "audio/wav", "data": "AAAA"}, FilePart(data="AAAA", media_type="audio/wav")),
    ({"type": "image", "mime_type": "image/png", "uri": "https://example.com/a.png"},
     ImagePart(url="https://example.com/a.png")),
    ({"type": "document_url", "document_url": "https://example.com/a", "document_name": "A"},
     FilePart(url="https://example.com/a", media_type="application/pdf", name="A")),
    ({"type": "video_url", "video_url": {"url": "https://example.com/v"}},
     FilePart(url="https://example.com/v", media_type="video/mp4")),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "part"), SHAPES)
def test_shapes_of_apis_are_read(shape: dict[str, Any], part: FilePart | ImagePart) -> None:
    """What people have written for one provider's API stands for the same file here."""
    (message,) = to_messages([{"role": "user", "content": [{"type": "text", "text": "See"}, shape]}])
    assert message.content[1] == part


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"type": "file", "file": {"file_ids": "f"}}, r"messages[0].content[0].file.file_ids: not a known field"),
        ({"type": "document", "source": {"type": "s3"}}, "messages[0].content[0].source.type: 's3' is not known"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "fmt": "wav"}}, "input_audio.fmt: not a known"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}, "context": "x"},
         "messages[0].content[0].context: not a known field"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}, "citations": {"enabled": True, "style": "x"}},
         "messages[0].content[0].citations.style: not a known field"),
    ],
)  # fmt: skip
def test_what_a_shape_has_beside_it_is_refused_by_its_name(shape: dict[str, Any], said: str) -> None:
    """Nothing is lost in silence."""
    with pytest.raises(StreamMisused) as caught:
        to_messages([{"role": "user", "content": [shape]}])
    assert said in str(caught.value)


@pytest.mark.parametrize("path", [5, None, 0, "/proc/self/mem"])
@pytest.mark.parametrize("maker", [FilePart.from_file, ImagePart.from_file])
def test_what_cannot_be_opened_or_read_is_said(maker: Any, path: Any) -> None:
    """Also what is no path at all, and a file that opens but gives an error."""
    if isinstance(path, str) and not Path(path).exists():
        pytest.skip("a file of Linux")
    with pytest.raises(StreamMisused, match="from_file"):
        maker(path)


def test_a_file_that_has_nothing_to_be_read_now_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a log of the kernel's, which is read without waiting."""

    class Waiting:
        def __enter__(self) -> Waiting:
            return self

        def __exit__(self, *error: object) -> None: ...

        def read(self, size: int) -> bytes | None:
            return None

    (tmp_path / "a.txt").write_text("x")
    monkeypatch.setattr("builtins.open", lambda *given, **options: Waiting())
    with pytest.raises(StreamMisused, match="the file is empty"):
        FilePart.from_file(tmp_path / "a.txt")
