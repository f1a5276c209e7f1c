"""Keeps answers in a file, and plays them again as if a provider sent them."""
