"""The documents, and the scripts that write their tables from the code: `python -m docs.tables`."""
