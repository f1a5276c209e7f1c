"""The picture of the structure is made from the code, and is as old as the code."""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ElementTree

from docs import architecture

drawing = functools.cache(architecture.drawing)


def test_the_picture_is_fresh():
    """Who moves a file or adds an import draws it anew: python -m docs.architecture."""
    assert architecture.PICTURE.read_text() == drawing()


def test_each_room_has_a_subject_and_a_place():
    """Every part of the package is drawn, with two or three words on what is in it."""
    texts = "".join(ElementTree.fromstring(drawing()).itertext())
    for part in architecture.rooms():
        assert architecture.SUBJECTS[part] in texts
