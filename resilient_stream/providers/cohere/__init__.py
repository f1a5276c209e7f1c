"""Speaks Cohere's chat dialect, version 2."""
