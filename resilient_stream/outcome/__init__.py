"""Holds what a call leaves behind: its transcript, which is complete at every moment, and the error that it ended with.

An error names its transcript and a transcript its errors, so the two are in one package.
"""
