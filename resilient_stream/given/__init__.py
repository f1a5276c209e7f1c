"""Checks what a caller gives; the messages say what is wrong with it, where, and what was probably meant."""
