"""Offers the public names of the record of one call. It is defined in `outcome/transcript.py`."""

from .outcome.transcript import Attempt, Outcome, Transcript

__all__ = ["Attempt", "Outcome", "Transcript"]
