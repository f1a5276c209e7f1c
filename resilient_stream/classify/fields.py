"""Errors about a field of the request, told from errors about rights and keys: both say "not permitted".

    context_management: Extra inputs are not permitted     [{"loc": ["body", "seed"], "type": "extra_forbidden", ...}]
    temperature is not allowed with this model             Unknown parameter: 'top_k'.       max_tokens: Field required

The one rule: only where the status leaves it open: a 401 or 403 is about a key, whatever its words.
Must never: be asked before the codes, which say more than any sentence.
"""

from __future__ import annotations

import re

from ..kinds import ErrorKind
from .body import Said
from .rules import Verdict

__all__ = ["OF_RIGHTS", "about_a_field", "names_a_parameter"]

OF_RIGHTS = frozenset({ErrorKind.AUTHENTICATION, ErrorKind.PERMISSION_DENIED})
"""Kinds whose phrases do not count where the body names a parameter."""

_OPEN = frozenset({0, 400, 422})
_NOUN = r"(?:inputs?|propert(?:y|ies)|fields?|parameters?|params?|arguments?|args?|keys?|roles?|values?|options?)"
_SENTENCE = re.compile(
    rf"\b(?:extra|extraneous|additional|unknown|unexpected|unrecogni[sz]ed|unsupported) (?:request )?{_NOUN}\b"
    rf"|\b{_NOUN}\b.{{0,60}}(?:\bnot|n't) (?:permitted|allowed|recogni[sz]ed|expected)\b(?! to\b)"
    r"|\bfield required\b|\binput should (?:be|have|match)\b|\bvalidation errors? for\b|\bvalue error, "
    r"|\b(?:temperature|top_[pk]|max_\w{1,24}tokens|stop|seed|logprobs|logit_bias|tools?|tool_choice|stream(?:_options)?)"
    r"[`'\"]? (?:is|are) not (?:permitted|allowed)\b|\bmissing_required|\bunknown variant\b",
    re.IGNORECASE,
)
_COMPLAINT = re.compile(
    r"\b[\w.\[\]-]{1,80}: (?:extra inputs are|field required|input should )|['\"]loc['\"]: ?[\[(]|\bextra_forbidden\b",
    re.IGNORECASE,
)
"""A validator's complaint in the middle of a text: its place in front of it, or as it is printed."""
_ABOUT_A_KEY = re.compile(
    r"\b(?:api|secret|access|subscription)[ _-]?(?:keys?|tokens?)\b|\bauthori[sz]ation\b"
    r"|\bfor (?:this|your|the) (?:project|organi[sz]ation|account|key|team|workspace|plan|tier|user)\b",
    re.IGNORECASE,
)
_ABOUT_RIGHTS = re.compile(
    r"\b(?:organi[sz]ation|account|project|team|workspace|subscription|plan|billing)\b", re.IGNORECASE
)
_HEADER = re.compile(r"^headers?\.(?:authori[sz]ation|(?:x-)?api[-_]key)\b", re.IGNORECASE)
_TYPES = frozenset({"extra_forbidden", "value_error", "literal_error", "string_type", "model_attributes_type"})


def about_a_field(said: Said, status: int) -> Verdict | None:
    """A complaint of a validator about one field: wrong request, whatever the field is called."""
    if status not in _OPEN:
        return None
    if _HEADER.search(said.message):  # FastAPI's way to say that there is no key
        return Verdict(ErrorKind.AUTHENTICATION)
    if _has_place(said):
        return Verdict(ErrorKind.INVALID_REQUEST)
    text = said.message
    about = _COMPLAINT.search(text) or (_SENTENCE.search(text) and not _ABOUT_A_KEY.search(text))
    return Verdict(ErrorKind.INVALID_REQUEST) if about else None


def names_a_parameter(said: Said, status: int) -> bool:
    """Whether the body has a `param` of the request in it."""
    if status not in _OPEN:
        return False
    param = said.find("param")
    named = isinstance(param, str) and param.lower() not in ("", "none", "null", "key", "api_key")
    return named and not (_ABOUT_A_KEY.search(said.message) or _ABOUT_RIGHTS.search(said.message))


def _has_place(said: Said) -> bool:
    """Pydantic's list of complaints: a place in the body beside a sentence."""
    return any(isinstance(part.get("loc"), list) and "msg" in part for part in said.parts) or any(
        name in _TYPES for name in said.names
    )
