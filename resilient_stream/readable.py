"""Offers the public names for numbers, times and waits in words, for applications that show them beside our
messages."""

from .text.readable import amount, duration, kept, moment, one_line, printable, retrying

__all__ = ["amount", "duration", "kept", "moment", "one_line", "printable", "retrying"]
