"""`batch`: asks the rows of a file."""
