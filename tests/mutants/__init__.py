"""The mutation run: `python -m tests.mutants` breaks lines of the engine, and writes down what no test noticed."""
