"""The project's own answers, in every dialect: written by `python -m tests.corpus.make` into tests/data/answers."""
