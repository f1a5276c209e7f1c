"""Small functions over texts and numbers, which import nothing else of the package: made harmless, made readable, read
as JSON."""
