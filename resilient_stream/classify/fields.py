"""Tells errors about a field of the request from errors about rights and keys, since both say "not permitted".

    context_management: Extra inputs are not permitted     [{"loc": ["body", "seed"], "type": "extra_forbidden", ...}]
    temperature is not allowed with this model             Unknown parameter: 'top_k'.       max_tokens: Field required

It does so only where the status leaves it open: a 401 or 403 is about a key, whatever its words. The codes are asked
before, because they say more than any sentence.
"""

from __future__ import annotations

import re

from ..failures import ErrorKind
from .body import Said
from .rules import Verdict

__all__ = ["OF_RIGHTS", "about_a_field", "forbids_a_thing", "names_a_parameter"]

OF_RIGHTS = frozenset({ErrorKind.AUTHENTICATION, ErrorKind.PERMISSION_DENIED})
"""Kinds whose phrases do not count where the body names a parameter."""

_OPEN = frozenset({0, 400, 422})
_NOUN = r"(?:inputs?|propert(?:y|ies)|fields?|parameters?|params?|arguments?|args?|keys?|roles?|values?|options?)"
_SENTENCE = re.compile(
    rf"\b(?:extra|extraneous|additional|unknown|unexpected|unrecogni[sz]ed|unsupported) (?:request )?{_NOUN}\b"
    rf"|\b{_NOUN}\b.{{0,60}}(?:\bnot|n't) (?:permitted|allowed|recogni[sz]ed|expected)\b(?! to\b)"
    r"|[`'\"](?:temperature|top_[pk]|stop|seed|logprobs|(?!response_format|json_|tool|parallel_)[a-z]{2,24}"
    r"(?:[._]\w{1,24}){1,6})[`'\"] (?:is|are) (?:not supported|unsupported|deprecated|not available) "
    r"(?:for|with|by|on) this model\b"
    r"|\b(?:tool|function|schema) (?:name|id)s?\b.{0,20}(?:\bnot|n't) (?:permitted|allowed)\b"
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
    r"|\b(?:for|on) (?:this|your|the) (?:\w{1,24} )?(?:project|organi[sz]ation|account|key|team|"
    r"workspace|plan|tier|user)\b",
    re.IGNORECASE,
)
_ABOUT_RIGHTS = re.compile(
    r"\b(?:organi[sz]ation|account|project|team|workspace|subscription|plan|billing)\b", re.IGNORECASE
)
_FORBIDDEN = re.compile(
    r"(?:\bnot|n't) (?:be )?(?:permitted|authori[sz]ed|entitled|allowed)|\bunauthori[sz]ed\b|"
    r"\b(?:access|permission)[ _]denied\b|\b(?:disabled|blocked|restricted)\b",
    re.IGNORECASE,
)
"""Words of rights, of which the phrases are made that do not count where a thing is forbidden."""
_THING = re.compile(
    r"\b(?:inputs?|propert(?:y|ies)|fields?|param(?:eter)?s?|arg(?:ument)?s?|values?|options?|headers?|schemas?|roles?|"
    r"messages?|turns?|prompts?|content|blocks?|parts?|strings?|arrays?|objects?|items?|sequences?|images?|audio|videos?|"
    r"files?|documents?|tools?|functions?|calls?|results?|thinking|reasoning|budgets?|prefill\w{0,3}|prefix|suffix|"
    r"temperature|top[ _][pk]|seed|stop|logprobs|penalt(?:y|ies)|formats?|metadata|json|null|names?|ids?)\b"
    r"|\b[a-z]{2,24}_[a-z_]{2,40}\b|\b(?-i:[a-z]{2,24}[A-Z]\w{1,40})\b|[`'\"][\w.\[\]-]{1,60}[`'\"]",
    re.IGNORECASE,
)
"""What may stand in a request: nouns, names of fields, quoted words."""
_PLACE = re.compile(
    r"(?:^|\s)[$\w-]{1,40}(?:\.\w{1,40}|\[\d{1,6}\]){1,12}: |\b(?:in|on|of|with|by) (?:this|the|an?|your)?\s?(?:"
    r"request|body|payload|position|place|mode|schema|metadata|turn|messages?|json|object|array)\b",
    re.IGNORECASE,
)
"""A place in the request, which says that a word like "key" or "user" is the name of a field."""
_PARTY = re.compile(
    r"\b(?:you|your|yours|accounts?|organi[sz]ations?|orgs?|teams?|projects?|workspaces?|tenants?|callers?|customers?|"
    r"subscriptions?|plans?|tiers?|licen[cs]es?|principals?|iam|ip|countr(?:y|ies)|regions?|territor(?:y|ies)|"
    r"permissions?|privileges?|scopes?|administrators?|admins?|billing|credentials?|authori[sz]ation|authenticat\w{1,4}|"
    r"(?:api|access|secret|bearer|auth)[ _-]?(?:keys?|tokens?))\b|\barn:"
    r"|\bmodels?\b.{0,80}\b(?:not|n't|unauthori[sz]ed|access|restricted|blocked|disabled)\b",
    re.IGNORECASE,
)
"""Who may have rights, or lack them: a model, too, where it comes first, since it is asked for by its name."""
_MAYBE_PARTY = re.compile(
    r"\b(?:keys?|tokens?|users?|clients?|actions?|operations?|resources?|services?|locations?|domains?|deployments?|"
    r"endpoints?|(?:permitted|allowed) to (?!be\b))\b",
    re.IGNORECASE,
)
"""The same, unless a place in the request or a quoted name stands beside it."""
_QUOTED = re.compile(
    r"\b(?:key|user|client|action|token)s? [`'\"]|[`'\"](?:key|user|client|action|token)|"
    r"\buser (?:turn|message|prompt|input|content)",
    re.IGNORECASE,
)
_HEADER = re.compile(r"^headers?\.(?:authori[sz]ation|(?:x-)?api[-_]key)\b", re.IGNORECASE)
_TYPES = frozenset({"extra_forbidden", "value_error", "literal_error", "string_type", "model_attributes_type"})


def about_a_field(said: Said, status: int) -> Verdict | None:
    """Return the verdict where a validator complains about one field: the request is wrong, whatever the field is
    called."""
    if status not in _OPEN:
        return None
    if _HEADER.search(said.message):  # FastAPI says so when there is no key
        return Verdict(ErrorKind.AUTHENTICATION)
    if _has_place(said):
        return Verdict(ErrorKind.INVALID_REQUEST)
    text = said.message
    about = _COMPLAINT.search(text) or (_SENTENCE.search(text) and not _ABOUT_A_KEY.search(text))
    return Verdict(ErrorKind.INVALID_REQUEST) if about else None


def forbids_a_thing(said: Said, status: int) -> bool:
    """Return whether words about rights ("not permitted", "unauthorized") are said of the request, and not of a person.

    A server's own failure may quote such a sentence, too.
    """
    text = said.message
    if not (status in _OPEN or status >= 500) or not _FORBIDDEN.search(text) or _PARTY.search(text):
        return False
    placed = _PLACE.search(text) or _QUOTED.search(text)
    return bool(placed or (_THING.search(text) and not _MAYBE_PARTY.search(text)))


def names_a_parameter(said: Said, status: int) -> bool:
    """Return whether the body has a `param` that names a part of the request."""
    if status not in _OPEN:
        return False
    param = said.find("param")
    named = isinstance(param, str) and param.lower() not in ("", "none", "null", "key", "api_key")
    return named and not (_ABOUT_A_KEY.search(said.message) or _ABOUT_RIGHTS.search(said.message))


def _has_place(said: Said) -> bool:
    """Return whether the body has pydantic's list of complaints: a place in the request beside a sentence."""
    return any(isinstance(part.get("loc"), list) and "msg" in part for part in said.parts) or any(
        name in _TYPES for name in said.names
    )
