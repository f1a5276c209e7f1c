"""Makes objects of answers: what `output=` asks for, how the object is read from the text, and how it grows before
that.

Nothing here knows a provider or a network. It is imported only for calls that have `output=`.
"""
