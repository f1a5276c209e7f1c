"""Turns bytes into frames, without I/O, incrementally and with bounded memory; there is one file for each format.

Any split of the same bytes gives the same frames. What a frame means is left to the dialects.
"""
