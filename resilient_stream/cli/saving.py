"""Saves the files that a model made: pictures, recordings, documents.

A file that exists is never overwritten, and what is saved can be read by its owner only.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from ..chunks import File
from ..failures import StreamMisused
from ..masking.private_files import open_private
from ..text.readable import one_line

__all__ = ["check_folder", "save_files"]

MOST = 1_000
"""Files of one answer, and names that are tried for them."""
WIDEST = 200
"""Characters of what a server says about a file."""


Numbers: TypeAlias = dict[str, Iterator[int]]
"""The numbers not yet tried, by the ending, so that names are not tried anew for each of many files."""


def check_folder(folder: Path) -> None:
    """Raise StreamMisused, before anything is asked, if no file can be saved there."""
    if not folder.is_dir():
        raise StreamMisused(f"--save: {folder} is no folder")
    if not os.access(folder, os.W_OK):
        raise StreamMisused(f"--save: nothing can be written to {folder}")


def save_files(files: Sequence[File], folder: Path) -> list[str]:
    """Save the files whose bytes came, and return a line about each."""
    numbers: Numbers = {}
    lines = [_saved(file, folder, numbers) for file in files[:MOST]]
    return lines + ([f"Not saved: {len(files) - MOST} more files"] if len(files) > MOST else [])


def _saved(file: File, folder: Path, numbers: Numbers) -> str:
    kind = one_line(file.media_type)[:WIDEST]
    if file.data is None:
        return f"Not saved, since the provider gave only its address ({kind}): {one_line(file.url or file.id)[:WIDEST]}"
    try:
        path = _write(file.data, _ending(file.media_type), folder, numbers)
    except OSError as error:
        return f"Not saved: {error.strerror or type(error).__name__} ({folder})"
    return f"Saved {path} ({kind}, {len(file.data):,} bytes)"


def _write(data: bytes, ending: str, folder: Path, numbers: Numbers) -> Path:
    """Write to the first free name."""
    for number in numbers.setdefault(ending, iter(range(1, MOST + 1))):
        path = folder / f"answer-{number}{ending}"
        try:
            descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
        return path
    raise OSError(errno.EEXIST, f"answer-1 to answer-{MOST} exist")


def _ending(media_type: str) -> str:
    """Return the ending for a media type; a server could write anything there, so only plain ones are used."""
    plain = media_type.partition(";")[0].strip().lower()
    found = mimetypes.guess_extension(plain) or ""
    return found if re.fullmatch(r"\.[a-z0-9]{1,8}", found) else ".bin"
