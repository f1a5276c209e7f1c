"""Draws the package's structure from its imports: `python -m docs.architecture` writes docs/architecture.svg.

Each part of the package (a file of the root, or a folder) is a room on the floor that tests/test_architecture.py gives
it. A line goes down from a room to each room that it imports, but not to one that it reaches by another line as well.
`--check` says whether the picture is fresh.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.test_architecture import FILES, LAYERS, imported_parts, part_of

__all__ = ["PICTURE", "drawing", "rooms"]

PICTURE = Path(__file__).with_name("architecture.svg")
WIDTH, FLOOR, ROOM_HEIGHT, MARGIN = 1180, 74, 40, 24
SUBJECTS: Mapping[str, str] = {
    "text": "texts and numbers", "chunks": "pieces of an answer", "failures": "what can go wrong", "given": "checks",
    "messages": "turns", "policy": "retry, timeouts …", "target": "provider:model", "outcome": "errors, transcript",
    "events": "for watchers", "options": "of stream()", "contract": "adapter, link …", "masking": "secrets",
    "objects": "what output= asks for",
    "wire": "SSE, JSON lines …", "fitting": "request to target", "classify": "bodies to kinds",
    "providers": "the dialects", "recording": "record, replay", "transport": "HTTP, programs",
    "credentials": "keys, addresses", "local": "small model", "engine": "call, attempt, links",
    "telemetry": "spans, metrics, log", "stream": "what you iterate", "scope": "streams together",
    "conversation": "turns with tools", "call_options": "of one call", "client": "the way in",
    "errors": "for users", "kinds": "for users",
    "readable": "for users", "transcript": "for users", "__init__": "all names", "testing": "FakeProvider …",
    "fleet": "health of targets",
    "formats": "answers as bytes", "stores": "shared by workers", "integrations": "under other SDKs",
    "delivery": "one answer, one reader",
    "web": "in servers", "gateway": "serve", "batch": "rows of a file",
    "sync": "without a loop", "cli": "ask, chat, doctor …", "contrib": "on a cluster of Ray",
    "__main__": "python -m",
}  # fmt: skip
"""What is in a room, in two or three words."""


def rooms() -> dict[str, tuple[int, set[str]]]:
    """Each part's lines, and the parts that it imports."""
    found: dict[str, tuple[int, set[str]]] = {}
    for path in FILES:
        text, part = path.read_text(), part_of(path)
        lines, parts = found.get(part, (0, set()))
        found[part] = (lines + len(text.splitlines()), parts | (imported_parts(ast.parse(text), path) - {part}))
    return found


def drawing() -> str:
    """The picture, as SVG."""
    known = rooms()
    places = _places(set(known))
    height = len(LAYERS) * FLOOR + 2 * MARGIN + 30
    imports = sum(len(parts) for _, parts in known.values())
    head = f"{len(known)} rooms on {len(LAYERS)} floors; {imports} imports between them, all of which go down"
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fbfaf7"/>',
        f'<text x="{MARGIN}" y="30" font-size="15" fill="#444">{head}</text>',
        *_lines(known, places),
        *_boxes(known, places),
        "</svg>\n",
    ))  # fmt: skip


def _places(known: set[str]) -> dict[str, tuple[float, float, float]]:
    """Left edge, top edge and width of each room; the ground floor is at the bottom."""
    found: dict[str, tuple[float, float, float]] = {}
    for number, layer in enumerate(LAYERS):
        parts = [part for part in layer if part in known]
        share = (WIDTH - 2 * MARGIN) / max(len(parts), 1)
        width = min(share - 14, 250)
        top = MARGIN + 30 + (len(LAYERS) - 1 - number) * FLOOR
        for place, part in enumerate(parts):
            found[part] = (MARGIN + share * place + (share - width) / 2, top, width)
    return found


def _lines(
    known: Mapping[str, tuple[int, set[str]]], places: Mapping[str, tuple[float, float, float]]
) -> Iterator[str]:
    for part, (_, imported) in sorted(known.items()):
        left, top, width = places[part]
        for other in sorted(_nearest(imported, known)):
            to_left, to_top, to_width = places[other]
            x, y, u, v = left + width / 2, top + ROOM_HEIGHT, to_left + to_width / 2, to_top
            bend = (v - y) / 2
            path = f"M{x:.0f} {y:.0f} C{x:.0f} {y + bend:.0f} {u:.0f} {v - bend:.0f} {u:.0f} {v:.0f}"
            yield f'<path d="{path}" fill="none" stroke="#5b7a99" stroke-opacity=".6"/>'


def _nearest(imported: set[str], known: Mapping[str, tuple[int, set[str]]]) -> set[str]:
    """Those that no other of them leads to."""
    return imported - set().union(*(_reached(other, known) for other in imported))


def _reached(part: str, known: Mapping[str, tuple[int, set[str]]]) -> set[str]:
    imported = known[part][1]
    return imported.union(*(_reached(other, known) for other in imported))


def _boxes(
    known: Mapping[str, tuple[int, set[str]]], places: Mapping[str, tuple[float, float, float]]
) -> Iterator[str]:
    for part, (lines, _) in sorted(known.items()):
        left, top, width = places[part]
        middle = left + width / 2
        about = SUBJECTS[part]
        yield (
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{ROOM_HEIGHT}" rx="6" fill="#fff" '
            f'stroke="#345"/><text x="{middle:.0f}" y="{top + 17:.0f}" text-anchor="middle" font-size="14" '
            f'fill="#123">{part} <tspan fill="#888" font-size="10">{_size(lines)}</tspan></text>'
            f'<text x="{middle:.0f}" y="{top + 32:.0f}" text-anchor="middle" font-size="11" fill="#567">{about}</text>'
        )


def _size(lines: int) -> str:
    """Rounded to 500 lines, so that a line more does not make the picture old; nothing for a small room."""
    return f"{round(lines / 500) * 500:,}" if lines >= 750 else ""


def main() -> None:
    """Write the picture, or say that it is old."""
    if "--check" not in sys.argv:
        PICTURE.write_text(drawing())
    elif not PICTURE.exists() or PICTURE.read_text() != drawing():
        sys.exit("docs/architecture.svg is old: run python -m docs.architecture")


if __name__ == "__main__":
    main()
