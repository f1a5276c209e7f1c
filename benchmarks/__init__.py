"""Measurements: one script a question, its answer a dated table and a plot under docs/benchmarks."""
