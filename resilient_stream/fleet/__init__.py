"""Holds what is known about targets over many calls: their health, their limits, what they cost."""
