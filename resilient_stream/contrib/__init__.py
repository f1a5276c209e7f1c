"""Holds recipes for engines that others make, such as Ray; each needs its own package, and is imported by its own
name."""
