"""Offers small functions that make texts and numbers harmless or readable, or read them as JSON.
Nothing else of the package is imported here."""
