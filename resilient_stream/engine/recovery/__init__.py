"""Going on with an answer that is half delivered: what is asked, and how the second answer is joined to the first.

The one rule: all of it is pure; `engine/middleware/recover.py` decides when, and sends. An answer is joined only where
its beginning was checked against what was delivered, character by character, or the model was made to go on there.
Must never: repeat a character that was delivered, or leave one out in silence.
"""

from .matchers import REFUSALS, Matcher, Refusal
from .methods import METHODS, Method
from .partial import Partial
from .splice import Splice

__all__ = ["METHODS", "Matcher", "Method", "Partial", "REFUSALS", "Refusal", "Splice"]
