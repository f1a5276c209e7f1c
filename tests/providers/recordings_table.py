"""How many of the shared recordings are read as the official SDKs read them, dialect by dialect; and why not the rest.

    python -m tests.providers.recordings_table

HTTP errors have a column of their own: they are no answers, and are compared with the SDK's exception elsewhere.
"""

from __future__ import annotations

from collections import Counter

from tests.providers.recordings import CORRECTIONS, DIALECTS, Recording, differences, expected, read, recordings

COLUMNS = ("as the SDK", "we differ", "wrong", "HTTP errors")


def verdict(recording: Recording) -> str:
    """The column of one recording."""
    if recording.status >= 400:
        return "HTTP errors"
    if differences(read(recording, [recording.body]).answer, expected(recording)):
        return "wrong"
    return "we differ" if recording.name in CORRECTIONS else "as the SDK"


def main() -> None:
    """Print the table, and each deviation with its reason."""
    print(f"{'dialect':24}{'read right':>12}" + "".join(f"{column:>14}" for column in COLUMNS))
    total: Counter[str] = Counter()
    for dialect in DIALECTS:
        counts = Counter(map(verdict, recordings(dialect)))
        total += counts
        print(_row(dialect, counts))
    print(_row("all", total))
    found = [recording.name for dialect in DIALECTS for recording in recordings(dialect)]
    for name in found:
        if name in CORRECTIONS:
            reason, right = CORRECTIONS[name]
            print(f"\n{name}\n    {', '.join(right)}: {reason}")


def _row(name: str, counts: Counter[str]) -> str:
    right = counts["as the SDK"] + counts["we differ"]
    answers = right + counts["wrong"]
    return f"{name:24}{f'{right}/{answers}':>12}" + "".join(f"{counts[column]:>14}" for column in COLUMNS)


if __name__ == "__main__":
    main()
