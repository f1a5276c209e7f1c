"""A small model on this machine: its server, which is a child of this process."""
