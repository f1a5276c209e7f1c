"""The samples of the format tests are complete."""

from tests.formats.samples import CLASSES, SAMPLES


def test_there_are_samples_of_each_class() -> None:
    """A new class that a stream or a conversation yields fails here, and then in the format that cannot write it."""
    assert set(SAMPLES) == set(CLASSES)
    assert all(type(item) is kind for kind, items in SAMPLES.items() for item in items)
