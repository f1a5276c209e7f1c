"""Opens files that nobody else should read: recordings and saved conversations.

Only a plain file of this user is opened, and afterwards only this user can read it. A link at the path's end is not
followed, and a pipe or a device, which could block, is refused.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["is_plain", "open_private", "write_private"]

_CAREFULLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_ONLY_OURS = 0o600


def open_private(path: Path, flags: int) -> int:
    """Open a file and return its descriptor; the caller closes it. A new file is made with mode 600, and an existing
    one is set to it.

    Raises OSError, also for a link, for anything but a plain file, and for somebody else's file.
    """
    try:
        file = os.open(path, flags | _CAREFULLY, _ONLY_OURS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise OSError(error.errno, "it is a link to another file", str(path)) from None
        raise
    try:
        _make_private(file, path)
    except BaseException:
        os.close(file)
        raise
    return file


def write_private(path: Path, data: bytes) -> None:
    """Replace the file's content."""
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.truncate(0)
        file.write(data)


def is_plain(path: Path) -> bool:
    """Return whether the path is free, or a file that is no folder, pipe, socket or device; links are followed."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _make_private(file: int, path: Path) -> None:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise OSError(errno.EPERM, "it belongs to another user", str(path))
    if hasattr(os, "fchmod") and stat.S_IMODE(found.st_mode) != _ONLY_OURS:
        os.fchmod(file, _ONLY_OURS)
