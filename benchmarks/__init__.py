"""Benchmarks: each script answers one question with a dated table and a plot in docs/benchmarks."""
