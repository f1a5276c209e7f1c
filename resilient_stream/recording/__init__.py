"""Answers kept in a file, and played again as if a provider gave them."""
