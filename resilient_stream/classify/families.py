"""Lists families of sentences that no fixed wording covers: a subject and a predicate near one another.

    subject     key, balance, quota, prompt, model, file, region, ...
    predicate   missing, expired, exhausted, exceeded, not found, not allowed, ...

Either word may come first. A family counts for the statuses by which a server may say so: a 429 or a 503 becomes a
lasting kind only by words of money or of a long period. `generic` asks these rows after its fixed wordings, in this
order, for the same reasons as there.
"""

from __future__ import annotations

from ..failures import ErrorKind
from .rules import Phrase, near, phrase

__all__ = ["FAMILIES", "TOGETHER"]

_K = ErrorKind

_ASKED = (0, 400, 403, 404, 406, 409, 410, 412, 413, 415, 416, 421, 422, 424, 451, 500)
"""Statuses of a request that can never work; gateways say 500 of it, too."""
_OF_A_CALLER = (0, 400, 401, 403, 404, 406, 412, 422, 424, 500)
"""Statuses of a key or a right that is not there."""
_BUSY = (0, 400, 403, 404, 409, 412, 424, 425, 429, 500, 502, 503, 504, 529)
"""Statuses of a server that cannot answer yet."""

# -- what is said of a thing ----------------------------------------------------------------------
_NOT = r"(?:not|\w{2,6}n't|never|no longer)(?: \w{1,12}){0,2}?"
_CANNOT = r"(?:can't|cannot|could not|couldn't|unable to|failed to)"
_ABSENT = (
    rf"missing|absent|empty|required|needed|{_NOT} (?:found|provided|supplied|given|present|set|sent|passed|included|"
    r"specified|configured)"
)
_WRONG = (
    r"invalid|incorrect|wrong|bad|malformed|unknown|unrecogni[sz]ed|mismatch\w{0,4}|rejected|"
    rf"{_NOT} (?:valid|correct|known|recogni[sz]ed|match|exist|verified|accepted|accept)|"
    rf"{_CANNOT} (?:be )?(?:verif\w{{1,5}}|validated?|authenticated?)"
)
_ENDED = (
    r"expired|revoked|rotated|inactive|disabled|deactivated|suspended|deleted|leaked|blocked|stale|cancell?ed|"
    rf"{_NOT} (?:active|enabled|usable)"
)
_USED_UP = (
    r"exhausted|depleted|consumed|spent|finished|gone|used(?: up)?|run out|ran out|hit|reached|exceed\w{0,3}|"
    r"surpass\w{0,3}|(?:is|are|was) (?:full|over|met)"
)
_OVER = (
    r"exceed\w{0,3}|surpass\w{0,3}|overflow\w{0,3}|too (?:long|large|big|many|much)|"
    r"(?:longer|larger|bigger|greater|more|higher) than|over|above|beyond|\w{2,6}(?:n't| not) fit|reached|limited to|"
    r"(?:must|should|has to|have to) be (?:less|smaller|lower|shorter|fewer|at most|below|under|within|no more)|"
    r"(?:cannot|can't|may not|must not) (?:be )?(?:exceed|above|over|more|greater|longer|larger)"
)
_GONE = (
    r"not found|unavailable|retired|decommissioned|discontinued|deprecated|obsolete|removed|deleted|sunset|shut ?down|"
    r"end[ -]of[ -](?:its )?life|(?:is|was|are) (?:\w{1,12} )?(?:unknown|invalid|incorrect|wrong|unrecogni[sz]ed|"
    rf"unsupported)|{_NOT} (?:exist|found|available|registered|hosted|served|servable|offered|recogni[sz]ed|valid|"
    r"deployed|configured|installed|downloaded|pulled|loaded|listed|one of|known|among)|"
    rf"{_CANNOT} be (?:found|located|resolved|reached)"
)

# -- what is spoken of ----------------------------------------------------------------------------
_KEY = (
    r"(?:api|secret|access|bearer|auth\w{0,12}|security|session|oauth|id|jwt|iam|signing)[ _-]?(?:keys?|tokens?)|"
    r"x-api-key|jwt|credentials?|(?<!thought )(?<!thinking )(?<!function )signatures?|authori[sz]ation(?: headers?)?|"
    r"authentication|"
    r"(?:key|token)s? (?:you )?(?:supplied|provided|given|sent|used)|(?:your|this) (?:key|token)(?! ?['\"`])"
)
_MODEL = r"(?:models?|deployments?|engines?|checkpoints?|adapters?|inference profiles?)"
_MODEL_NAMED = rf"{_MODEL}(?: (?:names?|ids?|identifiers?|versions?|code|slug))?"
_REFERRED = (
    r"(?:file|cache|thread|vector store|conversation|previous response|item|batch|container|assistant|run|upload|"
    r"session|prompt template|memory|skill)(?: objects?| ids?)?s?"
)
_PARTY = (
    r"accounts?|organi[sz]ations?|orgs?|teams?|projects?|workspaces?|tenants?|users?|customers?|subscriptions?|plans?|"
    r"tiers?|ip(?: address)?|callers?|principals?"
)
_CIRCLE = (
    r"(?:plans?|tiers?|subscriptions?|customers?|users?|subscribers?|members?|accounts?|participants?|partners?|"
    r"enterprise|pro|paid)"
)
"""For whom something is open that is closed for others."""
_PLACE = r"regions?|countr(?:y|ies)|territor(?:y|ies)|jurisdictions?|locations?"
_MONEY = (
    r"balance|credits?|funds?|wallet|invoices?|payments?|billing|bills?|spend(?:ing)?|prepa\w{2,6}|free trial|"
    r"(?<!token )(?<!thinking )(?<!reasoning )budget|monthly cap"
)
_ALLOWED = r"quotas?|limits?|allowances?|allocations?|caps?|requests?|calls|messages|windows?|generations?"
_PERIOD = (
    r"today|tomorrow|24[ -]?h(?:ou)?rs?|(?:this|current|the) (?:day|week|month)|midnight|86,?400 ?s\w{0,6}|daily|"
    r"weekly|monthly|\d{1,3}[ -]?h(?:ou)?r (?:\w{1,12} )?(?:window|limit|period|quota)"
)
_TEXT = (
    r"prompts?(?:_tokens?)?|inputs?(?:_tokens?)?|messages?|conversations?|history|sequences?|contexts?|chat|text|"
    r"total(?:_tokens?)?|(?:number|amount|count) of tokens|token count|query|question"
)
_LENGTH = r"tokens?|lengths?|windows?|context\w{0,20}|n_ctx\w{0,8}|max_model_len|max_seq\w{0,12}"
_BYTES = r"\d(?:[\d.,]{0,12})? ?(?:[kmg]i?b|bytes|(?:kilo|mega|giga)bytes)"
_FILE = (
    r"(?:payload|request|body|entity|files?|images?|pictures?|documents?|attachments?|audio|videos?|uploads?|media|"
    r"data)"
)
_SAID = (
    r"prompts?|inputs?|outputs?|content|text|messages?|images?|requests?|responses?|generations?|completions?|"
    r"quer(?:y|ies)"
)
_FEATURE = (
    r"(?:tools?|tool[ -](?:use|call\w{0,4}|choice)|function[ -]?call\w{0,4}|functions?|vision|images?|audio|videos?|"
    r"stream\w{0,4}|system (?:prompts?|messages?|instructions?|roles?)|structured outputs?|json[ _](?:mode|schema)|"
    r"thinking|reasoning|log ?probs|embeddings?|chat(?: completions?)?|completions?|(?:prompt )?caching|"
    r"multimodal\w{0,6}|files?|documents?|pdfs?|(?:web )?search|grounding|citations|code execution|computer use|"
    r"realtime|transcriptions?|speech|generat(?:e|ion)|fine-?tuning|batch\w{0,3}|api versions?|modalit\w{1,3})"
)
_SERVER = (
    r"servers?|services?|system|engines?|clusters?|gpus?|workers?|replicas?|instances?|nodes?|slots?|backends?|pool|"
    r"queues?|backlog|capacity|machines?"
)
_STARTED = r"weights|process|endpoints?|containers?|instances?|replicas?|workers?|pods?|servers?|services?"
_RUNS = r"functions?|models?|engines?|process|workers?|runners?|endpoints?|servers?|instances?|kernels?|backends?"

# -- what else is spoken of, so that the words mean something else ---------------------------------
_FIELD = r"(?<!invalid )\b(?:param\w{0,9}|fields?|propert(?:y|ies)|schema|(?<!input )arguments?)\b"
_MINUTE = r"per[ -]?min\w{0,4}|/ ?min\b|\ba minute\b|\b[rt]p[ms]\b|\bper 60 ?s|rate[ -]?limit"
_OR = r"\b(?:not found|does not exist|unknown)\b.{0,60}\bor\b"
TOGETHER = (
    r"\b(?:cannot|can't|not)(?: be)? (?:used|combined|enabled|specified|set|sent|given)(?: together)? with (?!"
    r"(?:this|the|that|your|these|any|model|`?\S{0,40}\d)\b)|\bwith (?:an? )?response mime type\b|\bat the same time\b"
)
"""Two things of one request that do not go together: another request may have either, so the model lacks nothing."""

FAMILIES: tuple[Phrase, ...] = (
    phrase(
        _K.INSUFFICIENT_FUNDS,
        near(
            _MONEY,
            r"empty|zero|negative|below|(?:too )?low|insufficient|(?:\w{2,6}n't|not) (?:enough|sufficient)|overdue|"
            rf"unpaid|declined|outstanding|failed|expired|ended|due|{_USED_UP}",
            within=40,
        ),
        r"\b(?:no|not enough|insufficient|add|buy|purchase|deposit|top up|requires?|lack\w{0,3}|need\w{0,2})"
        r"(?: \w{1,16}){0,3}? (?:balance|credits?|funds?|money|payment|billing)\b",
        r"\bquota\b.{0,20}\b(?:not enough|insufficient)\b|\bextra usage\b|\btop[- ]?up\b|\bbuy more\b",
        r"\bsubscription\b(?! key).{0,40}\b(?:lapsed|expired|inactive|ended|cancell?ed|not active|overdue)\b|"
        r"\b(?:no|without an?) (?:active|valid|paid) (?:\w{1,12} )?(?:subscription|plan)",
        unless=rf"{_MINUTE}|\bload balanc|\bbudget_tokens\b",
    ),
    phrase(
        _K.QUOTA_EXHAUSTED,
        near(_PERIOD, rf"{_ALLOWED}|{_USED_UP}"),
        r"\bused (?:up )?all(?: of)?(?: \w{1,12}){0,3} (?:calls|requests|messages|tokens|generations)\b",
        r"\b(?:quotas?|allowances?|allocations?)\b.{0,40}\b(?:exhausted|depleted|consumed|spent|finished|used up|"
        r"ran out)\b",
        unless=_MINUTE,
        statuses=(0, 400, 402, 403, 429, 503),
    ),
    phrase(
        # A 429 may be the quota of a minute. A 403 says that waiting does not help.
        _K.QUOTA_EXHAUSTED,
        near("quotas?", rf"{_USED_UP}|rejected|denied", within=40),
        unless=_MINUTE,
        statuses=(403,),
    ),
    phrase(
        _K.RATE_LIMITED,
        near(
            r"requests?|calls|quer(?:y|ies)|messages|sending",
            r"too (?:fast|often|frequent(?:ly)?|quickly|rapidly)",
            within=30,
        ),
        near(
            r"qps|rpm|tpm|rps|tps|concurren\w{2,4}|parallel|simultaneous",
            rf"limits?|over|above|at most|max\w{{0,4}}|too many|{_USED_UP}",
            within=40,
        ),
        r"\b(?:are|is|been|being) (?:rate[- ]?limited|throttled)\b",
        statuses=(0, 400, 403, 420, 500, 503),
    ),
    phrase(
        _K.CONTEXT_LENGTH_EXCEEDED,
        near(_TEXT, _LENGTH, _OVER),
        r"\bmax(?:imum)?(?: \w{1,12}){0,2} (?:context|prompt|input|sequence) (?:lengths?|size|tokens?|window)\b",
        r"\binputs?(?: is| are)? too (?:large|big)\b|\bmore tokens than\b|"
        r"\b(?:not enough|no|insufficient) (?:room|space) .{0,20}\bcontext\b",
        r"\d tokens\b.{0,60}\b(?:takes|supports?|accepts?|allows?|handles?|max\w{0,4}|limit|window|context)\b.{0,30}\d",
        r"\b(?:shorten|trim|truncate|compact|reduce)(?: \w{1,12}){0,4}? (?:prompts?|inputs?|messages?|conversations?|"
        r"contexts?|history)\b",
        unless=rf"{_MINUTE}|{_FIELD}|\bper[ -]?day\b|\bdeadline\b|"
        r"\b(?:characters?|chars|pixels?|items?|images?|string|array)\b|"
        r"(?<!\+ )(?<!\+ `)\b(?:completion|output|max)[ _]\w{0,12}tokens\b.{0,30}\b(?:must|cannot|exceed\w{0,3}|too|"
        r"above|over|larger|greater)\b(?!.{0,40}(?:\+|\bplus\b))",
        statuses=_ASKED,
    ),
    phrase(
        _K.REQUEST_TOO_LARGE,
        near(_FILE, _BYTES, rf"{_OVER}|limit|maximum|max", within=40),
        rf"\b{_FILE}\b(?: (?:size|bytes|body|is|are|was|were)){{0,3}} too (?:large|big)\b",
        rf"\b{_FILE} size\b.{{0,30}}?\b(?:{_OVER}|limit)\b",
        unless=rf"{_MINUTE}|\btokens?\b|\bpixels?\b|\bdimensions?\b",
        statuses=_ASKED,
    ),
    phrase(
        _K.MODEL_LOADING,
        near(
            rf"{_MODEL}|{_STARTED}",
            r"(?:is|are|being|still|currently)(?: \w{1,12}){0,2} (?:loading|downloading|provisioning|initiali[sz]ing|"
            r"warming|starting|waking|creating|deploying|booting|scaling|cold|asleep|pending)|"
            r"being (?:loaded|fetched|downloaded|pulled|provisioned|initiali[sz]ed|warmed|started|created|deployed)|"
            r"not (?:yet )?ready|will be (?:ready|available) (?:in|soon|shortly|after)|cold start|sleep\w{0,3}",
        ),
        r"\bmodel ?loading\b(?! (?:aborted|failed|error:))",
        unless=r"overload|\bno longer\b|\bnot (?:currently )?(?:loaded|deployed|created)\b",
        statuses=_BUSY,
    ),
    phrase(
        _K.PROVIDER_OVERLOADED,
        near(
            _SERVER,
            r"saturated|(?:is|are) full|busy|exhausted|in use|occupied|overwhelmed|overload\w{0,3}|maxed|"
            r"too many requests|(?:high|heavy|peak|unusual|increased|excessive) (?:\w{1,12} )?(?:load|traffic|"
            r"demand|usage|volume)|"
            r"limit reached|at (?:its |the )?limit|unavailable",
            within=40,
        ),
        r"\b(?:load|traffic|demand)\b.{0,20}\b(?:high|heavy|peak\w{0,3}|spik\w{1,3}|surg\w{1,3})\b|"
        r"\b(?:high|heavy|unusual|increased|excessive) (?:load|traffic|demand|usage|volume)\b|\bwaiting requests\b",
        r"\bno(?: \w{1,12}){0,2}? (?:gpus?|slots?|workers?|replicas?|capacity|instances?|servers?)\b.{0,20}"
        r"\b(?:free|available|left|idle|found)|\b(?:under|down for|scheduled|in) maintenance\b",
        unless=rf"{_MINUTE}|\byour (?:plan|account|key|tier|organi[sz]ation)|\b(?:{_PLACE})\b",
        statuses=_BUSY,
    ),
    phrase(
        _K.AUTHENTICATION,
        near(_KEY, rf"{_ABSENT}|{_WRONG}|{_ENDED}", within=50),
        r"\bno (?:\w{1,12} )?(?:credentials?|(?:api|secret|access|bearer|auth)[ _-]?(?:keys?|tokens?))\b",
        rf"\b{_CANNOT} (?:authenticate|verify (?:jwt|(?:the |your )?token))|"
        r"\b(?:log|sign)[ -]?(?:ged )?in (?:is )?(?:required|first|again|to)\b|"
        r"\b(?:belong\w{0,3}|associated) (?:to|with) (?:this|the|your) (?:api )?(?:key|token)\b",
        unless=rf"permission to|not authorized to|{_FIELD}|\bmodels?\b|\bthinking\b|\bblocks?\b|"
        r"\baccounts?\b.{0,60}\b(?:deactivated|suspended|banned|blocked)",
        statuses=_OF_A_CALLER,
    ),
    phrase(
        _K.CONTENT_FILTERED,
        near(
            _SAID,
            r"flagged|censored|withheld|harmful|unsafe|inappropriate|offensive|nsfw|toxic|"
            r"(?:sensitive|forbidden|prohibited|banned|illegal|disallowed|explicit|harmful) (?:words?|content|terms|"
            r"topics?|text|info\w{0,8})|"
            r"(?:violat\w{1,4}|breach\w{0,3}|infring\w{1,3}|against|not comply)\b.{0,40}"
            r"(?:polic\w{1,3}|terms|guidelines|(?:our|usage|content|community|safety) rules|law|copyright)|"
            r"(?:blocked|rejected|stopped|denied|declined|filtered)(?: \w{1,12}){0,3} (?:by|due to|because|for)"
            r"(?: \w{1,12}){0,4} (?:safety|polic\w{1,3}|moderation|filter\w{0,3}|guard ?rails?|dlp|nsfw|security|risk)",
        ),
        r"\b(?:jailbreak\w{0,6}|prompt (?:injection|attack)s?|csam|profanity|hate speech|high[- ]risk content)\b|"
        r"\bcontent (?:exists )?(?:safety|risk|review|inspection|security|audit)\b|"
        r"\bpii\b.{0,40}\b(?:detected|blocked|found)\b|\bdetected pii\b",
        unless=rf"{_MINUTE}|\bip\b|\balternat|\bno (?:\w{{1,12}} )?(?:endpoints?|providers?)\b",
        statuses=(*_ASKED, 446),
    ),
    phrase(
        _K.PERMISSION_DENIED,
        r"\b(?:lacks?|lacking|without|no|missing|insufficient|needs?|requires?|not have|n't have|not granted)"
        r"(?: [\w-]{1,16}){0,3}? (?:access|permissions?|privileges?|scopes?|rights|entitlements?|"
        r"roles? `?\w{1,20}[./])\b",
        near(
            r"access|permissions?|privileges?",
            r"denied|refused|forbidden|restricted|limited to|revoked|gated|must be requested|"
            rf"{_NOT} (?:granted|allowed|permitted|enabled)",
            within=50,
        ),
        near(
            _PARTY,
            rf"{_NOT} (?:eligible|allowed|permitted|entitled|authori[sz]ed|whitelisted|activated|enabled|verified|"
            r"on the allow\w{0,4})|suspended|banned|blocked|restricted|under review|deactivated|frozen",
        ),
        near(
            _PLACE,
            rf"{_NOT} (?:served|supported|available|allowed|permitted|offered)|unavailable|unsupported|"
            r"blocked|restricted|prohibited|denied",
        ),
        r"\b(?:(?:only|exclusively)(?: be)? (?:available|accessible|open|offered|enabled|allowed|usable)|"
        r"(?:available|accessible|open|offered|enabled) (?:only|exclusively)|limited|restricted|exclusive)"
        rf"(?: \w{{1,8}})? (?:to|for|on|in|with|from|through)\b.{{0,40}}\b{_CIRCLE}\b",
        r"\b(?:only|exclusively) (?:authori[sz]ed|valid|permitted|allowed|licensed|intended|meant) (?:for|to)\b|"
        rf"\bcan only be used (?:with|by|on|in|from|under) .{{0,30}}\b{_CIRCLE}\b",
        r"\b(?:upgrade|switch) (?:your |to )(?:an? |the )?(?:\w{1,16} )?(?:plan|tier|subscription|account)\b|"
        r"\brequires? (?:an? )?(?:\w{1,16} ){1,3}(?:plan|subscription|tier|agreement|licen[sc]e|approval|verification|"
        r"consent)\b|\bgated (?:model|repo\w{0,6})\b|\brequest access\b|\bwaitlist\b|"
        r"\b(?:accept|agree to|sign)\b.{0,40}\b(?:terms|licen[sc]e|agreement|conditions)\b|"
        r"\b(?:private|closed|limited) (?:beta|preview)\b",
        unless=rf"{_MINUTE}|{_FIELD}|{_OR}",
        statuses=_OF_A_CALLER,
    ),
    phrase(
        _K.UNSUPPORTED_FEATURE,
        rf"\b{_FEATURE}(?: (?!may|must|should|can|names?|ids?)\w{{1,12}}){{0,2}}?(?: |(?= isn't| aren't))"
        r"(?:is|are|was|has)?(?: ?not |n't | ?un)(?:\w{1,12} )?"
        r"(?:supported|available|enabled|possible|allowed|implemented|accepted)\b",
        rf"(?<![\w-])(?:{_FEATURE}|(?<!model )(?:api|endpoint)) (?:is|was|(?:has|have) been|are)(?: now)? "
        r"(?:deprecated|removed|discontinued|retired)\b",
        rf"\b{_FEATURE}(?: \w{{1,12}})? (?:cannot|can't) be (?:used|given|sent|combined|requested)\b",
        rf"\b(?:has|have|with|without|lacks?) (?:no )?{_FEATURE}(?: \w{{1,12}})? (?:ability|abilities|support|"
        r"capabilit\w{1,3})\b",
        rf"\b(?:no|not|n't|lacks?)(?: \w{{1,10}})? support(?:s|ed|ing)?(?: for)?(?: \w{{1,12}})? {_FEATURE}\b",
        r"\b(?:supported|available|accessible|usable|works?) (?:only )?(?:in|on|via|through|with|by) (?:the )?"
        r"(?:\S{1,30}/\S{1,40}|\w{1,20} (?:api|endpoint))(?:\W|$)|"
        r"\b(?:not|n't) support (?:the )?(?:\w{1,20} )?(?:api|endpoint|route)\b|"
        r"\b(?:actions?|operations?|methods?|endpoints?|apis?) (?:does not|doesn't|do not|don't) support\b",
        r"\b(?:only supports?|accepts?|supports?|takes?) (?:only )?(?:text|streaming|chat)(?: inputs?)?(?: only)?\b",
        rf"\b{_FEATURE} models?\b.{{0,30}}\b(?:can't|cannot|not) (?:be )?(?:used|call\w{{1,3}}|meant|intended)\b",
        r"\brequested (?:api|operation|endpoint|feature) is (?:currently )?not (?:supported|available|recogni[sz]ed)\b",
        rf"\b(?:is|are) (?:unsupported|not supported) for {_FEATURE}\b",
        unless=r"\bcould not understand\b|"
        r"\b(?:format|mime|media[ _]?type|types?|url|extension|size|value|schema'?s?)\b|" + TOGETHER,
        statuses=_ASKED,
    ),
    phrase(
        # A server that parses the request late says 500 of a bad one.
        _K.INVALID_REQUEST,
        r"\b(?:failed|unable) to (?:parse|decode|render|deserialize|read) (?:the )?(?:tools?|messages?|request|"
        r"body|grammar|schema|prompt|template|json (?:body|request))\b|\[json\.exception\b",
        r"\b(?:must|should) be (?:an? )?(?:string|object|array|number|integer|bool\w{0,4}|list|dict\w{0,6})\b|"
        r"\bexpected (?:an? )?(?:string|object|array|number|integer|bool\w{0,4}|list|dict\w{0,6})\b.{0,20}"
        r"\b(?:got|but|found|received)\b|"
        r"\bexpected \W?\w{1,40}\W? to be (?:an? )?"
        r"(?:string|object|array|number|integer|bool\w{0,4}|list|dict\w{0,6})\b|"
        r"\bjinja\w{0,4} (?:exception|error)|\braise_exception\(|\bupstream error\b.{0,60}<400>",
        statuses=(0, 500, 502),
    ),
    phrase(
        # What the request refers to is gone, and no other model or provider has it.
        _K.INVALID_REQUEST,
        near(_REFERRED, rf"{_GONE}|no such|no|expired", within=40),
        unless=r"\bmodels?\b|\bendpoints?\b|^(?:file )?not found",
        statuses=(0, 400, 404, 410),
    ),
    phrase(
        _K.MODEL_NOT_FOUND,
        rf"\b{_MODEL_NAMED}\b[:=]?(?: [^\s,;]{{1,120}})?(?: (?:that )?(?:you )?(?:requested|specified|provided|given|"
        rf"asked for|selected))? (?:(?:is|was|were|are|has|have|been) ){{0,2}}(?:disabled|{_GONE})\b",
        r"\b(?:unknown|invalid|incorrect|wrong|unsupported|unrecogni[sz]ed|nonexistent|no|no such|missing|not found|"
        rf"{_CANNOT} (?:find|locate|resolve|access))(?: the| an?| any)?(?: [\w-]{{1,16}})?? {_MODEL_NAMED}"
        r"(?=\W{0,3}$|[:.,;!'\"`(=]? ?['\"`…]| [\w.@]{0,40}[-\d/]|"
        r" (?:specified|provided|given|requested|named|called|with|matching|for|in|at|found|passed)\b)",
        r"\b(?:no|n't|not) (?:host|serve|offer|have|know|provide|recogni[sz]e)s?(?: the| a| any)?(?: model)? "
        r"['\"`]?[\w.]{0,40}[-\d/…]|\bone of the (?:\w{1,16} )?models\b|"
        r"\breached (?:its |the )?end[ -]of[ -](?:its )?life\b|"
        r"\b(?:shut ?down|retired|removed|discontinued|sunset|deprecated)\b.{0,40}\b(?:migrate|use|switch)\b",
        r"\bendpoint (?:that |you \w{1,12} )?(?:does not|doesn't) exist\b",
        rf"\b(?:{_GONE}) {_MODEL}\b(?=\W{{0,3}}$)|\b{_MODEL_NAMED}(?: [^\s,;]{{1,120}})? not supported\b",
        unless=rf"{_MINUTE}|{_FIELD}|\b(?:tools?|functions?|images?|json|output|file|format|role)\b",
        statuses=(401, *_ASKED),
    ),
    phrase(
        _K.MODEL_OUTPUT_INVALID,
        near(
            r"(?:the )?model (?:wrote|returned|produced|generated|output\w{0,3}|emitted|responded)|generated|"
            r"generation|model(?:'s)? (?:output|response)",
            r"malformed|unpars\w{2,5}|"
            r"(?:invalid|broken) (?:\w{1,12} ){0,4}?(?:json|tool\w{0,3}|function|arguments?|output)|"
            r"(?:not|n't) (?:be )?(?:valid json|pars\w{1,3}|match\w{0,3})|failed to parse",
        ),
        statuses=(0, 400, 422, 424, 500),
    ),
    phrase(
        _K.SERVER_ERROR,
        rf"\b(?:{_RUNS})\b.{{0,40}}?\b(?:degraded|crashed|unhealthy|died|dead|terminated|panicked|exited|"
        r"in (?:an )?error(?: state)?|exit (?:code|status))\b|"
        r"\b(?:degraded|crashed|unhealthy|dead) (?:function|engine|worker|endpoint|backend)\b",
        r"\b(?:failed|unable) to load (?:the )?model\b|\b(?:out of|insufficient|not enough) (?:\w{1,12} )?memory\b|"
        r"\btraceback \(most recent|\bsegmentation fault|\bsomething went wrong\b|"
        r"\bunexpected error (?:has |was )?(?:occurred|happened|encountered|while|during|in|on)\b",
        statuses=(0, 400, 404, 422, 424, 500),
    ),
    phrase(
        _K.PROVIDER_TIMEOUT,
        r"\b(?:did not|didn't|failed to) (?:respond|answer|complete|finish|reply|return)\b.{0,20}"
        r"\b(?:in|within) (?:time|\d)|\bgave up waiting\b|\bwait\w{0,3} .{0,40}\b(?:too long|timed out)\b|"
        r"\b(?:read|request|generation|response|inference|gateway|upstream)[ _]?time-?d?[ -]?outs?\b|"
        r"\btime (?:limit )?(?:has )?(?:exceeded|elapsed|expired)\b",
        unless=r"download|fetch|\burl\b",
        statuses=(0, 400, 408, 500, 502, 503, 504, 524),
    ),
    phrase(
        _K.CONFLICT,
        r"\b(?:already|another|other) (?:\w{1,12} ){0,3}(?:active|running|in progress|being processed)\b|"
        r"\b(?:is|are) locked\b|\bmodified concurrently\b|\bin progress on this\b",
        statuses=(0, 400, 409, 423),
    ),
)
