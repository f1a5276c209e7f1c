"""Numbers, times and waits in words, under their public name: what an application shows beside our messages."""

from .text.readable import amount, duration, kept, moment, one_line, printable, retrying

__all__ = ["amount", "duration", "kept", "moment", "one_line", "printable", "retrying"]
