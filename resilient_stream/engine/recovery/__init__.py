"""Says what is asked to go on with an answer that is half delivered, and joins the second answer to the first.

All of it is pure; `engine/middleware/recover.py` decides when to go on, and sends. An answer is joined only where its
beginning was checked against what was delivered, character by character, or the model was made to go on there. No
character that was delivered is repeated, and none is left out in silence, because the reader would take the result for
the answer.
"""

from .matchers import REFUSALS, Matcher, Refusal
from .methods import METHODS, Method
from .partial import Partial
from .splice import Splice

__all__ = ["METHODS", "Matcher", "Method", "Partial", "REFUSALS", "Refusal", "Splice"]
