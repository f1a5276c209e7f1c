"""Small functions over texts and numbers that know nothing of the rest: made harmless, made readable, read as JSON."""
