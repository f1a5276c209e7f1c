"""Lists the shared error rules: what names, sentences and statuses mean at any provider.

A row stands for a family of sentences, not for one quotation; it is here if an unknown provider would mean the same by
it. What can be said in too many ways for a row is in `families`, by its words. The order of the phrases matters: money
before limits, limits before length, a key before permission. A provider's host or model, or what only one provider
says, is never in a row.
"""

from __future__ import annotations

from ..failures import ErrorKind
from .chinese import CHINESE
from .families import FAMILIES, TOGETHER
from .rules import Verdict, make_rules, phrase

__all__ = ["GENERIC"]

_K = ErrorKind
_SERVER_SIDE = (0, 408, 500, 502, 503, 504, 520, 522, 524)

# fmt: off
GENERIC = make_rules(
    codes={
        _K.AUTHENTICATION: """invalid_api_key incorrect_api_key missing_api_key expired_api_key
            api_key_invalid api_key_expired bad_credentials invalid_credentials
            token_expired access_token_expired credentials_missing account_state_invalid
            base_resp_1004 base_resp_2049""",
        _K.PERMISSION_DENIED: """unsupported_country_region_territory service_disabled
            iam_permission_denied organization_restricted organization_on_hold consumer_suspended account_deactivated
            consumer_invalid user_suspended ip_not_authorized api_key_service_blocked
            api_key_ip_address_blocked api_key_http_referrer_blocked feature_disabled feature_not_enabled
            illegal_access""",
        _K.INSUFFICIENT_FUNDS: """insufficient_quota insufficient_balance insufficient_credits
            insufficient_credit insufficient_funds credit_balance_exhausted credit_balance_too_low
            insufficient_user_quota pre_consume_token_quota_failed base_resp_1008
            organization_usage_limit_exceeded payment_required payment_required_error billing_error
            billing_not_active billing_disabled billing_hard_limit_reached""",
        _K.QUOTA_EXHAUSTED: """usage_limit_reached daily_limit_exceeded daily_limit_reached monthly_limit_exceeded
            set_limit_exceeded base_resp_1028 base_resp_1030 base_resp_2056""",
        # `base_resp` is a status object with a table of numbers of its own, which several hosts and gateways send.
        _K.RATE_LIMITED: "base_resp_1002 base_resp_1039 base_resp_1041 base_resp_2045",
        _K.PROVIDER_TIMEOUT: "base_resp_1001",
        _K.MODEL_NOT_FOUND: """model_not_found model_not_available model_not_exist model_does_not_exist
            model_decommissioned model_deprecated model_not_supported model_retired model_archived
            invalid_model invalid_model_id invalid_model_error unknown_model unknown_model_error
            no_such_model deployment_not_found no_endpoints model_not_open base_resp_2061
            dedicated_endpoint_not_running""",
        _K.CONTEXT_LENGTH_EXCEEDED: """context_length_exceeded context_window_exceeded
            exceed_context_size_error too_many_tokens too_many_prompt_tokens prompt_too_long
            input_too_long context_too_long max_context_length_exceeded""",
        _K.REQUEST_TOO_LARGE: """request_too_large request_body_too_large request_entity_too_large
            payload_too_large content_too_large""",
        _K.CONTENT_FILTERED: """content_filter content_filtered content_blocked content_policy_violation
            invalid_prompt moderation_blocked moderation_error responsible_ai_policy_violation
            guardrail_intervened safety prohibited_content blocklist spii model_armor jailbreak
            image_safety image_prohibited_content content_moderation error_toxic sensitive
            base_resp_1026 base_resp_1027""",
        Verdict(_K.CONTENT_FILTERED, retry=True, fallback=True): "recitation image_recitation",
        _K.REFUSAL: "refusal",
        _K.MODEL_OUTPUT_INVALID: """tool_use_failed json_validate_failed output_parse_failed
            malformed_function_call malformed_response malformed_model_output malformed_tool_use
            unexpected_tool_call""",
        _K.PROVIDER_OVERLOADED: """server_is_overloaded server_overloaded overloaded engine_overloaded
            engine_overloaded_error model_overloaded capacity_exceeded queue_exceeded queue_full
            model_capacity_exhausted no_capacity service_tier_capacity_exceeded
            insufficient_system_resource provider_overloaded""",
        _K.MODEL_LOADING: "model_loading model_not_ready model_is_loading",
        _K.CONFLICT: "conversation_locked thread_locked",
        _K.UNSUPPORTED_FEATURE: """not_supported_error not_implemented not_implemented_error
            unsupported_api_for_model api_not_supported api_unsupported""",
        _K.INVALID_REQUEST: """string_above_max_length array_above_max_length failed_to_download_image
            image_too_large previous_response_not_found invalid_encrypted_content missing_thought_signature
            base_resp_1042 base_resp_2013""",
        _K.SERVER_ERROR: "incomplete_generation base_resp_1000 base_resp_1024 base_resp_1033",
    },
    phrases=(
        *CHINESE,
        phrase(
            _K.INSUFFICIENT_FUNDS,
            r"credit balance|prepay\w{0,24} (credits?|balance)|insufficient[ _](\w{1,24} ){0,3}(balance|"
            r"credits?|funds?|quota)\b",
            r"\b(not enough|no|out of|used (up )?all|exhausted|depleted|consumed|requires? more) ((of|"
            r"your|available|remaining"
            r"|prepaid|included|api|account) )*(credits?|balance|funds)\b(?! w)",
            r"\b(credits?|balance|funds)( is| are| ha(s|ve)( been)?)? (depleted|exhausted|insufficient|"
            r"negative|too low|"
            r"used up|run out|expired)",
            r"\bspend(ing)?[ -](limit|cap|budget)|\b(billing|budget|payment|credit|key) (hard )?(limit|"
            r"cap)\b",
            r"payment[ -](is )?(required|method|instrument|overdue)|unpaid|past due|overdue|arrear",
            r"(does not|doesn't|do not|don't) have any credits|(valid |a )?(credit|payment) card (on file|is required)",
            r"can only afford|exceeds? your .{0,20}\b(budget|balance|credits?)\b|"
            r"recharge",
            r"billing (is |has )?(not |been )?(inactive|active|disabled|enabled)|enable billing|"
            r"account is not active",
            r"specified (\w{1,24} )?api usage limits|workspace api usage limits|included credits|"
            r"purchase (more |additional )?credits",
            r"\bbudget( limit)?( has been| is| was)? (exceeded|exhausted|reached)|\b(crossed|exceeded) budget\b",
            r"\btrial( period)?( has| is)? (ended|expired|over)\b",
            r"\b(hit|reached|exceeded|over|exhausted) (your|its|the|their) (\w{1,24} )?budget\b",
            unless=r"per[ -]?(sec|min)|\b[rt]p[ms]\b|\bcould not be resolved\b",
        ),
        phrase(
            # Google says the same about a minute's quota, and always adds which metric.
            _K.INSUFFICIENT_FUNDS, r"exceeded (\w{1,12} )?current quota",
            unless=r"quota exceeded for|ai\.google\.dev|per[ -]minute|per[ -]day|\brate[ -]?limit",
        ),
        phrase(
            _K.REQUEST_TOO_LARGE,
            r"\b(request|payload|body|upload|entity|content)( body| entity| size)?( is|"
            r" was)? too (large|big)\b",
            r"exceeds? the (maximum |max |allowed )*(request|body|payload|upload) (body )?(size|limit)",
            r"request (body )?exceeds the (maximum |max )?(allowed )?(size|number of bytes)|"
            r"\b(request|payload|body|upload) size exceeds\b(?!.{0,60}(per|a|each)[ -]minute|.{0,60}concurrent)",
            r"\b(image|file|document|attachment|audio|video)s?\b.{0,40}\b(exceeds?|larger than|over)\b.{0,40}\d ?"
            r"([kmg]i?b|bytes|megabytes)\b",
        ),
        phrase(_K.REQUEST_TOO_LARGE, r"^request (entity |uri |header )?too long", statuses=(413,)),
        phrase(
            _K.QUOTA_EXHAUSTED,
            r"\bout of .{0,30}\bquota|quota will be (replenished|renewed|reset)|\bper (86400|604800) ?s\b|"
            r"by ?day\b|(model|model service|account) has been paused|\b(day|daily)limit\b",
            r"(\bper|/|\ba|\beach|\bevery)[ -]?(day|week|month)\b|\b(rpd|tpd)\b|\blimit:? ?0(?![.,]?\d)",
            r"\b(daily|weekly|monthly)\b.{0,60}\b(limit|quota|allocation|allowance|usage|cap)",
            r"\b(limit|quota|allocation|allowance)s?\b.{0,40}\b(daily|weekly|monthly|today|for (the|"
            r"this) (day|week|month))\b",
            r"(hit|reached|exceeded) your (\w{1,24} )?limit\b.{0,20}\breset|"
            r"\b(exceeded|exhausted|used|reached|quota|ran out|allowance)\b.{0,60}\b(current|this) billing "
            r"(period|cycle)\b|"
            r"\b(current|this) billing (period|cycle)\b.{0,40}\b(used|exhausted|exceeded)\b|"
            r"quota (has been |"
            r"is )?(used up|exhausted)|exceeds? the service quota",
        ),
        phrase(_K.QUOTA_EXHAUSTED, r"\busage limit", unless=r"\btry again (later|soon|shortly)\b"),
        phrase(
            _K.CONTEXT_LENGTH_EXCEEDED,
            r"context[ _-]?(length|size|window|limit)|max(imum)? (context|prompt|input|sequence|"
            r"model) length|context .{0,20}exceeded",
            r"max(imum)? length of (the )?(current )?(question|inputs?|prompt|messages)|range of input length|"
            r"exceed(s|ed)? (the )?model('s)? token limit|"
            r"tokens in the (prompt|input|messages) .{0,20}exceed|"
            r"token count (is )?\(?\d{1,12}.{0,60}(supports|maximum|limit)",
            r"(prompt|inputs?|messages?|text|question|query|conversation|request)( is| are)? too long|"
            r"too long.{0,40}\b(tokens|context)",
            r"(input|prompt|total) tokens? (count )?(\(?\d{1,12}\)? )?exceed|exceeds? (the |"
            r"this )?(model'?s? )?max(imum)? "
            r"(allowed )?(number of |input |model )*(tokens|length)",
            r"current length is .{0,40}while limit is|tokens?`?( \+ `?\w{1,24}`?)? must be <=|"
            r"size limit exceeded by \d{1,12} tokens",
            r"too many (input |prompt )?tokens\b.{0,40}\b(context|for (this|the) model|limit for)",
            r"(exceed|over|larger|longer|above).{0,40}\b(max_model_len|max_seq_len|n_ctx|token limit)\b",
            r"\d tokens\b.{0,60}\b(more than|over|above|exceeding|greater than|beyond)\b.{0,20}\d",
            r"\b(context|prompt|conversation)( is| are)? too (large|big)\b",
            r"must (have|be|contain) (less|fewer|no more|at most) (than )?\d{1,12} tokens",
            r"reduce the length of (the |your )?(messages|prompt|input)",
            r"\d tokens\b.{0,60}\b(at most|up to|no more than|only (supports|accepts))\b.{0,20}\d",
            r"\btokens\b.{0,20}\b\d{1,9} \+ \d{1,9} > \d|"
            r"\btoo many tokens\b.{0,40}\bmax(imum)? is \d|\bmodel max length\b",
            # Go says "context deadline exceeded" of a clock.
            unless=r"per[ -]min|\btpm\b|rate[ _-]?limit|per[ -]day|\bcontext (deadline|canceled|cancelled)\b|"
            r"(?<!\+ )(?<!\+ `)\bmax_\w{0,24}tokens\W{0,2} must be less\b",
        ),
        phrase(
            _K.MODEL_LOADING,
            r"\bmodel\b.{0,100}\b(is|being|still) (currently |still )*(loading|warming|starting|"
            r"initializing)",
            r"\bloading (the )?model|not ready (for|to) (serv|inferenc|accept)|model is not ready|"
            r"being (warmed|loaded|started)|"
            r"\b(instance|replica|pod|container|worker|engine|deployment|backend|server|"
            r"service) is (still )?(starting|booting|"
            r"initializing|loading|scaling)",
            r"warm(ing|ed) up|cold start|scaling (up|from zero)",
            unless=r"overload|error loading|\bfail",
        ),
        phrase(
            _K.PROVIDER_OVERLOADED,
            r"overload|(over|at|at full|full|maximum|max|low on|beyond) capacity|capacity (ha(s|ve) been |was |is |"
            r"temporarily )*"
            r"(exceeded|exhausted|reached|unavailable|constrained)",
            r"\b(no|insufficient|not enough|limited|short of|lack of|out of) (\w{1,24} )?capacity|(high|"
            r"heavy|peak) (demand|traffic|load)",
            r"queue( is)? full|queue .{0,20}exceed|pending requests|(is|are|too|currently|server|service|system|"
            r"model) busy\b|no (\w{1,24} )?(deployments?|instances?|workers?|gpus?) (is |are )?(currently )?available",
            r"rate[- ]?limited upstream|upstream .{0,40}rate[- ]?limit|"
            r"resource exhausted\W{1,4}(please )?try again",
            r"(temporarily|currently) unavailable|no available (model )?provider|"
            r"insufficient system resource|unable to handle additional requests|\bfirst token before\b",
            unless=r"(requests?|tokens?) per min|limit_rp[ms]",
        ),
        phrase(
            _K.MODEL_OUTPUT_INVALID,
            r"tool call validation failed|failed_generation|malformed (function|tool)[ _]?call",
            r"failed to (call a function|generate (valid )?json|parse (the )?(model'?s? )?(tool|"
            r"function)[ _]?calls?)",
        ),
        phrase(
            _K.AUTHENTICATION,
            r"\b(invalid|incorrect|wrong|missing|expired|revoked|malformed|unknown|bad|no) (or \w{1,24} )?"
            r"([\w-]{1,24} ){0,3}(api[ _-]?keys?|x-api-key|credentials?|subscription key|authorization|"
            r"authentication)\b",
            r"\b(invalid|expired|missing|revoked) (\w{1,24} )?(access|auth\w{0,24}|bearer|security|session|"
            r"api) tokens?\b",
            r"\b(api[ _-]?key|access token|security token|credentials?|bearer token|"
            r"session token)\b.{0,60}?\b(not valid|invalid|"
            r"incorrect|expired|revoked|suspended|deactivated|disabled|deleted|leaked|missing|not found|"
            r"not provided|required)\b",
            r"\b(parse|verify|validate|decode) (your |the )?((authentication|access|bearer|api) )?tokens?\b",
            r"^(invalid|expired|missing|bad|unknown) (api |access |auth |user )?(token|key)\W{0,3}$",
            r"\bunauthorized\b|\bunauthenticated\b|\bauth(entication)? ?(fail|required|error)|"
            r"\bsession (is |has )?(expired|invalid)|"
            r"not authenticated|signature expired",
            r"\bauthorization header (requires|must|has|should|is (missing|malformed|invalid|empty))\b",
            r"(provide|include|pass|set|need) (a |an |your )?(valid )?api[ _-]?key|expected oauth|"
            r"could not authenticate|unregistered callers|^invalid_(grant|client)\b",
            r"\b\w{1,40}_(key|token)s?\b[`'\"]? (environment variable )?(is |was |has )?(not (been )?(set|defined|"
            r"configured|provided|found)|unset|undefined|missing|empty)\b",
            unless=r"permission to|not authorized to|\bdoes not have (\w{1,24} ){1,4}permission|"
            r"\bpermission is required|\bno longer a member\b",
        ),
        phrase(
            _K.PERMISSION_DENIED,
            r"not (authorized|permitted|entitled|whitelisted)|not allowed (to|for|from|in)\b|"
            r"permission[ _]denied|access denied",
            r"\b(account|organi[sz]ation|team|project|resource|workspace|user|ip|key)\b.{0,60}\b"
            r"(disabled|suspended|blocked|restricted|banned|deactivated|on hold|terminated)",
            r"(location|country|region|territory)\b.{0,40}\b(not (supported|available|allowed)|"
            r"unsupported|restricted|blocked)",
            r"\bnot (yet )?(available|supported|offered) in your (country|region|location|territory)\b|"
            r"\bnot (yet )?(available|enabled|offered|included) (for|to|on|in|with) (this|your) (\w{1,24} )?("
            r"subscription|plan|tier|account|organi[sz]ation)\b|"
            r"\bunsupported (country|region|location)|have not been submitted|accept the (terms|license|"
            r"agreement)",
            r"(does not|doesn't|do not|don't|insufficient|lacks?) (have )?(the )?(\w{1,24} ){0,4}?(permissions?|"
            r"privileges?)\b|\bpermissions? (is|are) required\b|\bnot accessible by (integration|personal access)|"
            r"\baccount type is not\b|\bno longer a member of\b|"
            r"\baccess (was|has been|is) (terminated|revoked|suspended)\b",
            r"\black(s|ing)? (the )?(required |necessary )?(data |iam )?(actions?|roles?|rights?|scopes?)\b",
            r"\bonly allows? .{0,40}\b(clients?|users?|accounts?|members?|plans?|keys?|access)\b",
            r"(must be|is not|not been) verified|missing scopes?\b|terms acceptance|"
            r"^(this )?(operation|action|access) (is )?not (allowed|permitted)\W*$|"
            r"\b(restricted|limited|reserved|open|available) (only )?to (authori[sz]ed|approved|selected|verified|"
            r"eligible|certain|registered|official)\b|"
            r"\b(plan|subscription|tier|account|package|key)\b.{0,30}\b(does not|doesn't) (yet |currently )?"
            r"(include|cover|have|allow|permit|work)\b|"
            r"\bnot (yet )?(available|enabled|offered) (for|to|on|in) (this|your) (workspace|project|tenant)\b",
            unless=r"\b(not found|does not exist|unknown)\b.{0,60}\bor\b|\bcontent violates\b",
        ),
        phrase(
            _K.CONTENT_FILTERED,
            r"content[ _-](filter|policy|polic|moderation|management|safety|violation)|safety (filter|"
            r"system|polic|setting|check)",
            r"\b(flagged|new_sensitive)\b|(usage|acceptable use|content|safety) polic(y|ies)\b|policy violation",
            r"violat\w{1,24} .{0,40}\bpolic|violat\w{1,24} .{0,40}\b(usage|community|content|safety) guidelines",
            r"\bguardrail|requires moderation|\bmoderation\b|responsible ai|blocked (by|due to|"
            r"for) .{0,40}(polic|safety|filter|guard ?rail)|"
            r"\b(prompts?|inputs?|outputs?|responses?|messages?) ((was|were|is|are|got) )?blocked("
            r"$|[.!\"']| due to (security|safety|content|polic))",
            r"\b(prompts?|inputs?|outputs?|content|text|messages?)\b.{0,40}\b(unsafe|not safe|inappropriate|"
            r"harmful|offensive)\b",
            r"\b(content|prompt|inputs?|outputs?|responses?) (blocked|rejected|censored) (by|due|because|for)\b"
            r"(?! (a |the |your |our )?firewall)|"
            r"\b(content|prompt|inputs?|outputs?|text)\b.{0,40}\b(is|are|was|were|been|being) (blocked|rejected|"
            r"censored)|\bcensor",
            r"(inappropriate|unsafe|harmful|sensitive|prohibited) content|data may contain inappropriate",
            unless=r"\bno (\w{1,24} )?(endpoints?|providers?)\b|\bfair[ -]us(e|age)\b",
        ),
        phrase(
            _K.UNEXPECTED_RESPONSE,
            r"^(resource |the requested resource (was )?|page |route |path |url |endpoint |file |"
            r"404 page )?not found\W*$",
            r"method not allowed|(invalid|unknown|unrecognized) (request )?(url|path|route|endpoint)\b|"
            r"cannot (post|get) /",
            r"no route (found|matched|for|to)\b|(could not|cannot|unable to) route (to|the) |"
            r"\b(endpoint|path|route|url)( is| was)? not (supported|found|implemented)|"
            r"^no static resource|the requested url .{0,200}not found",
            r"(unexpected|unsupported|unknown|no such|wrong) (endpoint|path|route|url|method)\b|^path must be of\b|"
            r"\bno handler (was )?found\b|\bdouble[ -]check (your|the) url\b",
            unless=r"\bmodel\b|\bendpoint .{0,20}\bnot exist\b",
            statuses=(0, 404, 405),
        ),
        phrase(
            # What the request refers to is gone, and no other model or provider has it.
            _K.INVALID_REQUEST,
            r"\b(files?|cache|cached content|thread|conversation|response|item|batch|container|"
            r"tool_call_id)\b.{0,80}not found",
            r"not found: (cache|file|cached)|cached? content .{0,60}(expired|not exist)",
            unless=r"\bmodel\b",
        ),
        phrase(
            _K.MODEL_NOT_FOUND,
            r"\bmodels?\b.{0,160}?\b(does not exist|doesn't exist|not exist|not found|"
            r"not available(?! (?:via|through|on|in) (?:the|this) (?:\S{1,60} )?endpoint)|"
            r"decommissioned|deprecated|"
            r"retired|no longer|sunset|not a valid|is invalid|not recognized|not served|not deployed|"
            r"not supported by any)\b",
            r"\b(invalid|unknown|unsupported|no such|unrecognized|unable to access) (the )?model( name|"
            r" id| identifier)?"
            r"( specified)?(:|$| ['`\"@]| [\w.@]{0,60}[-\d/]|\.)|unable to access model",
            r"\bmodels?\b.{0,160}?\b(could not|cannot|can't|couldn't) be (found|resolved)\b|"
            r"\bunknown provider for (the )?model\b|\bno (\w{1,24} ){0,2}(accounts?|keys?) (that )?(support|serv|"
            r"can serve|for)\w{0,3} .{0,30}\bmodel\b|"
            r"could(n't| not) find (the |a )?model\b",
            r"\bmodels?( [^\s,;]{1,80})? (is|are|was) not (supported|known|served|offered|hosted)\b",
            r"no (available |healthy )?(backend|worker|instance|replica|server|host|provider|upstream)s?\b.{0,30}"
            r"\b(for|serv\w{1,5}|with|hosting|runs?|has)\b.{0,20}\bmodel\b",
            r"\binvalid model name\b|\bllm provider not provided|"
            r"no (available )?channels? (available )?for (the )?(model|group)",
            r"\b(not|n't) (yet )?activated the model|model (was |is |has been )?unloaded|no models? (are |is )?loaded",
            r"no (allowed |available )?(endpoints?|providers?) (found )?(for|match|that|can)|"
            r"\bonly \S{1,80} (is |are )?(allowed|available|served|supported)( now| here)?\W{1,2}your model\b|"
            r"not a (valid|known|supported|recognized) model|"
            r"deployment .{0,80}(does not exist|not found)|resolve the (foundation )?model|"
            r"deployment not found",
            unless=r"\bmodels?\b.{0,80}\b(cannot|can't|can only) be used (with|in|on|through|"
            r"via) the (\S{1,40} )?(api|endpoint|sdk|client)\b",
        ),
        phrase(
            _K.UNSUPPORTED_FEATURE,
            r"(?:does not|doesn't|do not|don't) support (?P<feature>(?:\w{1,24} )?(?:tools?|function|thinking|"
            r"reasoning|images?|vision"
            r"|audio|video|files?|documents?|stream\w{0,24}|structured outputs?|json|system (?:prompt|message|"
            r"role)s?|developer"
            r"|completions?|chat|embeddings?|caching|multimodal|logprobs)(?: (?:use|calls?|"
            r"calling|choice|inputs?|mode"
            r"|schema|completions?|messages?|output))?)\b",
            r"\bmodels?\b.{0,80}\b(cannot|can't|can only) be used (with|in|on|through|via) the (\S{1,40} )?(api|"
            r"endpoint|sdk|client)\b|"
            r"\bcannot be (accessed|called|invoked|reached) (through|via|with|by) (the )?"
            r"([\w./-]{1,40} ){1,4}(api|endpoint)\b|"
            r"\bmodel \S{1,120} (does not|doesn't) support (?!(the )?(param|value|option|argument|field)|\W)|"
            r"\bis not an? (multimodal|vision|reasoning|chat|embeddings?|completion|image|audio) model\b|"
            r"\bis not (enabled|supported) for models?/|\brequires --[a-z][\w-]{1,40} |"
            r"not (supported|accessible|available) (in|on|by|for|via|through|with) (the|this) (\S{1,60} )?endpoint|"
            r"\b(images?|vision|audio|videos?|files?|tools?) (inputs?|calls?|use) (is|are) not supported\b|"
            r"\bnot (yet )?implemented\b",
            r"\b(operation|feature|method|modality|function calling|tool (use|calling)|thinking|json[_ ](schema|mode)|"
            r"structured outputs?|streaming)\b.{0,60}\b((is not|isn't|not)"
            r" (supported|enabled|available)|(is|are) unsupported)|\boperation does not work with",
            unless=r"\bcould not understand\b|" + TOGETHER,
        ),
        *FAMILIES,
        phrase(
            _K.STREAM_INTERRUPTED,
            r"\bdisconnected (during|while|in the middle of) (the )?(stream|answer|respon|generat)|mid-?stream|"
            r"stream (was |has been )?(interrupted|closed|terminated|disconnected|"
            r"reset) (early|before|during|by)",
            r"\bstream (break|broke|broken|cut|lost)\b|\bstream error: stream id\b|\bstream id \d{1,9}; internal_error",
            statuses=_SERVER_SIDE,
        ),
        phrase(
            _K.GATEWAY_ERROR,
            r"certificate[_ ]verify[_ ]failed|"
            r"\b(dns|name resolution|no such host)\b|\b(error|failed|failure|problem) (communicating|connecting|"
            r"talking) (to|with)\b|\bconnect call failed|connection refused|\beconnrefused\b|"
            r"\b(cannot|could not|failed to|unable to) connect to (the )?(host|upstream|backend|server)\b|"
            r"upstream connect error|before headers|no healthy upstream|bad gateway|"
            r"load[ -]?balancer.{0,40}(timed? ?out|unavailable|error|no |cannot|failed)|"
            r"\b(get|find|pick|select|connect to) an? (\w{1,24} )?(peer|upstream|backend)\b|"
            r"upstream (server )?(is )?(error|unavailable|"
            r"unreachable)|(origin|upstream) .{0,30}(unreachable|refused)|error code: 5(0[02]|2[0-3]|"
            r"2[5-7]|30)\b",
            unless=r"deadline exceeded",
            statuses=(0, 500, 502, 503, 520, 521, 522, 523, 525, 526, 530),
        ),
        phrase(
            _K.PROVIDER_TIMEOUT,
            r"timed[ -]?out|\btime-?out\b|took too long|deadline exceeded",
            statuses=(0, 408, 500, 502, 503, 504, 524),
        ),
        phrase(
            _K.RATE_LIMITED,
            r"rate[ _-]?limit|too many (requests|tokens|concurrent)|throttl|(requests?|tokens?|"
            r"calls) (per|/) (second|minute|hour)",
            r"slow down|concurren\w{1,24} .{0,40}(limit|exceed)|quota exceeded|exceeded .{0,40}\bquota",
            unless=r"too many tokens\b.{0,80}\b(must be|maximum)\b",
            statuses=(0, 400, 403, 500),
        ),
        # Something broke at the provider, though the status says otherwise.
        phrase(_K.SERVER_ERROR, r"^internal( server)? error\b|\bcuda (error|out of memory)", statuses=(400,)),
        phrase(
            _K.GATEWAY_ERROR,
            r"\bfailed to (execute|send|make|forward) (the |an )?(http )?request to (the )?"
            r"(provider|upstream|backend)\b|\bupstream response (was|is) not\b",
            statuses=(400, 403),
        ),
        phrase(
            # In a stream there is no 400 to say so: names like invalid_image_url, empty_file, image_too_small.
            _K.INVALID_REQUEST,
            r"^(invalid|unsupported|missing|malformed|empty|bad request|duplicate|unprocessable)\b",
            r"^image (file |parse |too |not |format|dimension)|\b(above|below) (max|min)|"
            r"failed to download|^validation\b",
            statuses=(0,),
        ),
    ),
    types={
        _K.AUTHENTICATION: """authentication_error auth_error unauthorized unauthorized_error
            invalid_authentication_error unauthenticated incorrect_api_key_error""",
        _K.PERMISSION_DENIED: """permission_error permission_denied_error access_denied
            access_denied_error forbidden forbidden_error request_forbidden access_terminated_error""",
        _K.MODEL_NOT_FOUND: "not_found_error resource_not_found resource_not_found_error",
        _K.RATE_LIMITED: """rate_limit_exceeded rate_limit_error rate_limit rate_limited
            rate_limit_reached rate_limit_reached_error rate_limit_exceeded_error model_rate_limit
            request_rate_limit_exceeded too_many_requests too_many_requests_error throttling throttled
            throttling_error ramp_limit_exceeded""",
        _K.PROVIDER_OVERLOADED: """overloaded_error service_unavailable service_unavailable_error
            temporarily_unavailable unavailable_error""",
        _K.PROVIDER_TIMEOUT: "timeout_error timeout request_timeout gateway_timeout",
        _K.CONFLICT: "conflict_error conflict",
    },
    # Names so broad that a real status knows better. Google's are google.rpc.Code and its HTTP mapping.
    implied={
        400: """invalid_request_error invalid_request bad_request bad_request_error BadRequestError
            validation_error validation invalid_argument failed_precondition out_of_range unprocessable
            invalid_value bad_response_status_code""",
        401: "not_authenticated",
        403: "permission_denied",
        404: "not_found NotFound",
        409: "aborted already_exists",
        429: "resource_exhausted quota_exceeded",
        499: "cancelled request_cancelled",
        500: """api_error server_error internal internal_error internal_server internal_server_error
            data_loss unknown unknown_error generation abort error""",
        501: "unimplemented",
        502: "bad_gateway provider_unavailable upstream_error provider_error",
        503: "unavailable slow_down",
        504: "deadline_exceeded",
    },
    statuses={
        400: _K.INVALID_REQUEST, 401: _K.AUTHENTICATION, 402: _K.INSUFFICIENT_FUNDS, 403: _K.PERMISSION_DENIED,
        404: _K.MODEL_NOT_FOUND, 405: _K.UNEXPECTED_RESPONSE, 407: _K.PROXY_AUTH, 408: _K.PROVIDER_TIMEOUT,
        409: _K.CONFLICT, 410: _K.MODEL_NOT_FOUND, 413: _K.REQUEST_TOO_LARGE, 415: _K.UNSUPPORTED_FEATURE,
        423: _K.CONFLICT, 424: _K.SERVER_ERROR, 425: _K.CONFLICT, 429: _K.RATE_LIMITED, 451: _K.PERMISSION_DENIED,
        499: _K.SERVER_ERROR, 501: _K.UNSUPPORTED_FEATURE, 502: _K.GATEWAY_ERROR, 503: _K.PROVIDER_OVERLOADED,
        504: _K.PROVIDER_TIMEOUT, 511: _K.UNEXPECTED_RESPONSE, 520: _K.GATEWAY_ERROR, 521: _K.GATEWAY_ERROR,
        522: _K.GATEWAY_ERROR, 523: _K.GATEWAY_ERROR, 524: _K.PROVIDER_TIMEOUT, 525: _K.GATEWAY_ERROR,
        526: _K.GATEWAY_ERROR, 527: _K.GATEWAY_ERROR, 529: _K.PROVIDER_OVERLOADED, 530: _K.GATEWAY_ERROR,
        598: _K.PROVIDER_TIMEOUT, 599: _K.PROVIDER_TIMEOUT,
    },
    # An HTML page comes from a proxy or CDN in front of the API, so it says nothing about the request.
    pages={404: _K.UNEXPECTED_RESPONSE, 410: _K.UNEXPECTED_RESPONSE, 500: _K.GATEWAY_ERROR, 503: _K.GATEWAY_ERROR},
)
# fmt: on
