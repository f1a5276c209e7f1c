"""A small model on this machine, served by a child of this process."""
