"""What an answer is written as in the body of an HTTP response: one small pure file for each format."""
