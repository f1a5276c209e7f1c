"""The status table of servers: what a reader gets when an answer failed before it began."""

from resilient_stream import ErrorKind
from resilient_stream.formats.statuses import STATUS


def test_each_kind_of_failure_has_a_status() -> None:
    """A new kind cannot be forgotten: the table is total, and each status is one of a failure."""
    assert set(STATUS) == set(ErrorKind)
    assert all(400 <= status < 600 for status in STATUS.values())
