"""Framing: bytes in, frames out. Pure, incremental, bounded; one file for each format.

Any split of the same bytes gives the same frames. This module must never know what a frame means.
"""
