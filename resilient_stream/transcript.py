"""The record of one call under its public name; see `outcome/transcript.py`."""

from .outcome.transcript import Attempt, Outcome, Transcript

__all__ = ["Attempt", "Outcome", "Transcript"]
