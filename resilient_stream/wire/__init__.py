"""Framing: bytes in, frames out. Pure, incremental, bounded; one file for each format.

The one rule: any split of the same bytes gives the same frames. Must never: know what a frame means.
"""
