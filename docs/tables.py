"""Writes the tables of the documents from the code, between `<!-- table: name -->` and `<!-- end -->`.

    python -m docs.tables            write them
    python -m docs.tables --check    say which documents are out of date, and exit with 1 if there are any

What the code knows is never written into a table by hand.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from docs import format_examples, prometheus
from docs.error_examples import values_for
from resilient_stream import events, options, policy
from resilient_stream.classify.generic import GENERIC
from resilient_stream.cli import exit_codes
from resilient_stream.cli.explain.advice import advice_for
from resilient_stream.cli.providers import FEATURES
from resilient_stream.contract import Adapter, OutputWay, facts_of
from resilient_stream.credentials.claude_code import PASSED_ON, PASSED_ON_FOR
from resilient_stream.engine.middleware.retry import waits
from resilient_stream.engine.states import FOLLOWS, State
from resilient_stream.errors import ErrorCategory, Failure, StreamError, error_for
from resilient_stream.fitting.features import OPTIONS
from resilient_stream.fitting.files import WAYS
from resilient_stream.integrations.anthropic.errors import ERRORS as ANTHROPIC_ERRORS
from resilient_stream.integrations.anthropic.fields import FIELDS as ANTHROPIC_FIELDS
from resilient_stream.integrations.openai import CHAT_FIELDS, RESPONSES_FIELDS
from resilient_stream.integrations.openai.fields import Row
from resilient_stream.kinds import GAVE_UP, KINDS, TEXTS, ErrorKind
from resilient_stream.outcome import errors
from resilient_stream.policy import RetryPolicy
from resilient_stream.providers import adapter_for, known_providers
from resilient_stream.providers.openai.hosts import HOSTS, UNKNOWN
from resilient_stream.providers.openai.model_rules import RULES, ModelRule
from resilient_stream.telemetry.attributes import OURS
from resilient_stream.telemetry.log_fields import FIELDS
from resilient_stream.telemetry.names import METRICS
from resilient_stream.text import readable

__all__ = ["OTHER_VARIABLES", "TABLES", "filled", "pages"]

ROOT = Path(__file__).parent

OTHER_VARIABLES: Mapping[str, str] = {
    "RESILIENT_STREAM_LOCAL_MODEL": "A GGUF file to use for `local`, in place of the small built-in model.",
    "OPENAI_API_VERSION": "The API version of `azure`; without one, the v1 API.",
    "AZURE_OPENAI_AD_TOKEN": "An Entra ID token for `azure`, in place of a key.",
    "OLLAMA_API_KEY": "A key for `ollama`, where a server behind a login asks for one.",
    "AWS_ACCESS_KEY_ID, AWS_PROFILE": "Credentials of `bedrock`, and all else that botocore reads.",
    "AWS_REGION, AWS_DEFAULT_REGION": "The region of `bedrock`; else the profile's.",
    "AWS_BEARER_TOKEN_BEDROCK, AWS_ENDPOINT_URL": "A key for `bedrock` in place of credentials; another address.",
    "CLAUDE_CODE_MODEL": "The model of `claude-code`, for a target that names none.",
    "GOOGLE_APPLICATION_CREDENTIALS": "Credentials of `vertex`, and all else that google-auth reads.",
    "GOOGLE_CLOUD_PROJECT, GCLOUD_PROJECT, ANTHROPIC_VERTEX_PROJECT_ID": "The project of `vertex`, the first set.",
    "GOOGLE_CLOUD_LOCATION, GOOGLE_CLOUD_REGION, CLOUD_ML_REGION": "The location of `vertex`; without one, `global`.",
    "RESILIENT_STREAM_SERVE_KEYS": "Keys of `resilient-stream serve`, with commas between them; see `--keys`.",
    "RESILIENT_STREAM_STORE": "The URL of the store that `resilient-stream top` shows; see `--store`.",
    "RESILIENT_STREAM_LOG": "Write the log to standard error from this level on: debug, info, warning or error.",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true: spans have prompts and answers, which are private.",
    "OTEL_PYTHON_TRACER_PROVIDER, OTEL_PYTHON_METER_PROVIDER": "OpenTelemetry's own: the SDK to use.",
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY": "The proxy that requests take: http:// or https://; lower-case names first.",
    "NO_PROXY": "Hosts that are reached without one, with their subdomains; addresses, networks (10.0.0.0/8), or *.",
    "REQUEST_METHOD": "Set by a web server for a CGI program, whose visitors may set HTTP_PROXY; it is ignored there.",
    "SSL_CERT_FILE, SSL_CERT_DIR": "Certificates to trust, in place of the system's (OpenSSL's own variables).",
    ", ".join(PASSED_ON): "Passed on to the program of `claude-code`, which is given no others.",
    **{
        name: f"With it, the program of `claude-code` is given {', '.join(names)}, too."
        for name, names in PASSED_ON_FOR.items()
    },
}
"""Variables that belong to no provider's key or address. A test looks for others in the code."""


NOT_BUILT: tuple[str, ...] = ()
"""Policies that the client refuses by name so far; a test fails when it no longer does."""


def table(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


# -- errors -----------------------------------------------------------------------------------


def kinds_of(category: ErrorCategory) -> str:
    """One category: what it is called, caught as, done about it, and said."""
    return table(
        ("kind", "class", "requests", "next target", "what people read"),
        (
            (f"`{kind}`", f"`{row.error}`", advice_for(error).attempts, _yes(error.fallback), _said(error))
            for kind, row in KINDS.items()
            if row.category is category
            for error in (_example(kind),)
        ),
    )


def more_texts() -> str:
    """The texts that a code of a kind has in place of the kind's own."""
    return table(
        ("kind", "code", "what people read"),
        ((f"`{kind}`", f"`{code}`", _said(_example(kind, code))) for kind, code in TEXTS),
    )


def catch() -> str:
    """List each class with its meaning and its kinds."""
    rows = []
    for cls in _classes():
        kinds = [f"`{kind}`" for kind, row in KINDS.items() if row.error == cls.__name__]
        above = cls.__mro__[1].__name__
        rows.append((f"`{cls.__name__}`", f"`{above}`", _sentence(cls.__doc__), ", ".join(kinds)))
    return table(("class", "is a", "means", "kinds"), rows)


def statuses() -> str:
    """List what an HTTP status means when the body says nothing more."""
    found = {500: ErrorKind.SERVER_ERROR, **{status: verdict.kind for status, verdict in GENERIC.statuses.items()}}
    rest = {"other 4xx": "invalid_request", "other 5xx": "server_error"}
    return table(
        ("HTTP status", "kind", "as an HTML page"),
        [
            *((status, f"`{kind}`", _page(status)) for status, kind in sorted(found.items())),
            *((status, f"`{kind}`", "the same") for status, kind in rest.items()),
        ],
    )


def _page(status: int) -> str:
    return f"`{GENERIC.pages[status].kind}`" if status in GENERIC.pages else "the same"


def gave_up() -> str:
    """Why a failure that may pass was not tried again."""
    facts = {"attempts": "…", "target": "…"}
    rows = ((f"`{why}`", text.format(**facts)) for why, text in GAVE_UP.items())
    return table(("`gave_up`", "said at the end of the message"), rows)


def _classes() -> list[type[StreamError]]:
    found = (value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, StreamError))
    return [cls for cls in dict.fromkeys(found) if cls is not StreamError]  # one may have a second name


def _example(kind: ErrorKind, code: str = "") -> StreamError:
    """An error with everything known that its texts have a place for."""
    values, context = values_for(kind, code)
    own = {name: value for name, value in values.items() if name in Failure.__struct_fields__}
    facts = {name: value for name, value in values.items() if name not in own}
    return error_for(Failure(kind=kind, code=code, facts=facts, **own), **context)


def _said(error: StreamError) -> str:
    return f"**{error.title}.** {error.message} {error.resolution}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _sentence(text: str | None) -> str:
    """The first paragraph, on a line."""
    return " ".join((text or "").split("\n\n")[0].split())


# -- configuration ----------------------------------------------------------------------------


def retries() -> str:
    """The default schedule of waits, and when each request is sent if the ones before it fail at once."""
    default = RetryPolicy()
    schedule = waits(default.model_copy(update={"jitter": 0.0}))
    rows, least, most = [(1, "-", "0 s")], 0.0, 0.0
    for number in range(2, default.attempts + 1):
        wait = next(schedule)
        least, most = least + wait, most + wait * (1 + default.jitter)
        longest = readable.duration(wait * (1 + default.jitter))
        rows.append((number, f"{wait:g} to {longest}", f"{least:g} to {readable.duration(most)}"))
    return table(("request", "wait before it", "sent after"), rows)


def policies() -> str:
    """Every setting with its default and meaning."""
    rows = []
    for name in policy.__all__:
        model = getattr(policy, name)
        if isinstance(model, type) and issubclass(model, BaseModel) and name not in NOT_BUILT:
            meanings = _member_docs(model)
            for field, info in model.model_fields.items():
                rows.append((f"`{name}.{field}`", _default(info), meanings.get(field, "")))
    return table(("setting", "default", "meaning"), rows)


def call_options() -> str:
    """Every option of a call, with its type and meaning."""
    own = (*_member_docs(options.TurnOptions).items(), *_member_docs(options.StreamOptions).items())
    kinds = options.StreamOptions.__annotations__
    written = sorted((name, str(getattr(kinds[name], "__forward_arg__", kinds[name])), said) for name, said in own)
    return table(("option", "type", "meaning"), ((f"`{name}`", f"`{kind}`", said) for name, kind, said in written))


def other_names() -> str:
    """What other libraries call an option, and what it is here."""
    found: dict[str, list[str]] = {}
    for name, said in options.OTHERS_NAMES.items():
        found.setdefault(said, []).append(f"`{name}`")
    body = ", ".join(f"`{name}`" for name in options.IN_THE_BODY)
    rows = [(", ".join(names), said) for said, names in found.items()]
    return table(("elsewhere", "here"), [*rows, (body, "`extra={…}` puts it into the request's body as it is")])


def capabilities() -> str:
    """What each provider can do beyond a plain answer, those that can the same together."""
    found: dict[tuple[bool, ...], list[str]] = {}
    for name in known_providers():
        adapter = adapter_for(name)
        able = adapter.capabilities(adapter.default_model or "")
        found.setdefault(tuple(getattr(able, column) for column in FEATURES), []).append(f"`{name}`")
    rows = ((*map(_yes, able), ", ".join(names)) for able, names in found.items())
    return table((*FEATURES.values(), "providers"), rows)


def output_ways() -> str:
    """List how each provider's usual models are asked for an object."""
    words: Mapping[OutputWay, str] = {
        "schema": "a schema that the provider enforces",
        "json": "JSON mode, and the schema in words",
        "tool": "a tool that has to be called, whose arguments are the object",
        "words": "the schema in words",
    }
    found: dict[OutputWay, list[str]] = {way: [] for way in words}
    for name in known_providers():
        found[adapter_for(name).capabilities("claude-opus-4-5").output_by].append(f"`{name}`")
    return table(("asked by", "providers"), ((words[way], ", ".join(names) or "") for way, names in found.items()))


def options_taken() -> str:
    """List the providers that have each of the options that not all dialects have."""
    able = {name: adapter_for(name).capabilities(adapter_for(name).default_model or "") for name in known_providers()}
    rows = []
    for option in OPTIONS:
        without = [f"`{name}`" for name in able if not getattr(able[name], option)]
        rows.append((f"`{option}`", ", ".join(without) or "none"))
    return table(("option", "providers without it"), rows)


_KINDS = ("pdf", "text", "office", "audio", "video")


def files_taken() -> str:
    """List which files each provider takes, and how they may be given; those that take the same together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name in known_providers():
        if name != "replay":
            taken = adapter_for(name).capabilities(_MODELS.get(name, ("",))[-1]).files
            found.setdefault(tuple(_ways(taken, kind) for kind in _KINDS), []).append(f"`{name}`")
    rows = ((*ways, ", ".join(names)) for ways, names in found.items())
    return table(("PDF", "text", "office", "audio", "video", "providers"), rows)


def cache_marks() -> str:
    """List the providers that are sent cache marks, with models where it depends on them."""
    names = [name for name in known_providers() if name != "replay"]
    targets = [f"{name}:{model}".rstrip(":") for name in names for model in _MODELS.get(name, ("",))]
    marked = [
        f"`{target}`" for target in targets
        if adapter_for(target.partition(":")[0]).capabilities(target.partition(":")[2]).cache_marks
    ]  # fmt: skip
    return table(("sent with its marks",), [(", ".join(marked),)])


def hosted_tools() -> str:
    """List the providers that have each hosted tool."""
    found: dict[str, list[str]] = {}
    for name in known_providers():
        for model in _MODELS.get(name, ("",))[-1:]:
            for tool in adapter_for(name).capabilities(model).hosted:
                found.setdefault(tool, []).append(f"`{name}`")
    return table(("name", "providers"), ((f"`{tool}`", ", ".join(found[tool])) for tool in sorted(found)))


_FATES: Mapping[str, str] = {
    "option": "", "answer": "", "hint": "hint: ", "passed": "only Anthropic is asked: ",
}  # fmt: skip


def anthropic_fields() -> str:
    """What becomes of each field of a Messages API request."""
    rows = ((f"`{name}`", _FATES[row.fate] + row.words) for name, row in ANTHROPIC_FIELDS.items())
    return table(("field", "what becomes of it"), [*rows, ("any other", "only Anthropic is asked")])


def anthropic_errors() -> str:
    """Which kinds have which status and type."""
    found: dict[tuple[int, str], list[str]] = {}
    for kind, row in ANTHROPIC_ERRORS.items():
        found.setdefault((row.status, row.type), []).append(f"`{kind.value}`")
    return table(("status", "type", "kinds"), ((*which, ", ".join(kinds)) for which, kinds in sorted(found.items())))


def _ways(taken: frozenset[str], kind: str) -> str:
    found = [way for way in WAYS if f"{kind} {way}" in taken]
    return ", ".join(found) or ("as text" if kind == "text" else "no")


def _default(info: Any) -> str:
    value = info.get_default(call_default_factory=False)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2**20 and value % 2**20 == 0:
        return f"{value // 2**20} MiB"
    return f"`{value}`" if info.default_factory is None else "see there"


def _member_docs(cls: type[Any]) -> dict[str, str]:
    """Return the strings under a class's fields or members, by name: neither pydantic nor Python keeps them."""
    body = ast.parse(inspect.getsource(cls)).body[0].body  # type: ignore[attr-defined]
    found = {}
    for member, text in pairwise(body):
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            if isinstance(member, ast.AnnAssign):
                found[ast.unparse(member.target)] = " ".join(str(text.value.value).split())
            elif isinstance(member, ast.Assign):
                found[ast.unparse(member.targets[0])] = " ".join(str(text.value.value).split())
    return found


def environment() -> str:
    """List the variables of each provider."""
    rows = []
    for name in known_providers():
        adapter = adapter_for(name)
        keys = [f"`{key}`" for key in adapter.key_variables]
        login = [held.otherwise] if (held := facts_of(adapter).login) is not None else []
        variable = f"`{adapter.url_variable}`" if adapter.url_variable else "none"
        rows.append((f"`{name}`", ", ".join(keys + login) or "none needed", variable, _address(adapter)))
    return table(("provider", "key: the first that is set", "base URL", "without it"), rows)


def _address(adapter: Adapter) -> str:
    """What is asked when the variable of the address is not set."""
    if adapter.base_url:
        return f"`{adapter.base_url}`"
    facts = facts_of(adapter)
    if facts.program:
        return f"the program `{facts.program}` on this machine"
    if facts.server:
        return "a server of our own, started when it is first asked"
    return "must be set: each user has an address of their own" if adapter.url_variable else "the file in its name"


def other_variables() -> str:
    """List the other variables."""
    return table(("variable", "what it does"), ((f"`{name}`", text) for name, text in OTHER_VARIABLES.items()))


def exits() -> str:
    """The command line's exit codes."""
    return table(("code", "meaning"), exit_codes.MEANING.items())


# -- requests ---------------------------------------------------------------------------------

_JOINS = {"no": "as they are", "turns": "joined", "strict": "joined; system in front only"}
_SAMPLING = {"free": "", "unthinking": "left out while it reasons", "fixed": "left out"}


def hosts() -> str:
    """What each host of OpenAI's shape takes."""
    rows = {**{f"`{name}`": host for name, host in HOSTS.items()}, "any other, by `openai`": UNKNOWN}
    return table(
        ("host", "`developer`", "turns of one role", "reasoning goes back as", "limit of tokens", "asked for usage",
         "default model"),
        (
            (name, "as it is" if host.developer else "`system`", _JOINS[host.joins], _thoughts(host.thoughts),
             f"`{host.max_tokens}`", _yes(host.usage), f"`{host.default_model}`" if host.default_model else "none")
            for name, host in rows.items()
        ),
    )  # fmt: skip


def _thoughts(takes: Any) -> str:
    if takes is None:
        return "not at all"
    fields = ", ".join(f"`{field}`" for field in takes.fields)
    return f"{fields} (open models)" if takes.models else fields


def model_rules() -> str:
    """List what single models refuse."""
    return table(
        ("model", "hosts", "`temperature`, `top_p`", "`stop`", "also"),
        (
            (rule.title, ", ".join(rule.hosts) or "all", _SAMPLING[rule.sampling],
             "" if rule.stop else "refused", _also(rule))
            for rule in RULES
        ),
    )  # fmt: skip


def _also(rule: ModelRule) -> str:
    turns = {"calls": "reasoning on turns with calls", "all": "reasoning on all turns of a conversation with calls"}
    found = (
        f"`{rule.max_tokens}`" if rule.max_tokens else "",
        turns.get(rule.thoughts, ""),
        "an answer between a result and the user" if rule.bridged else "",
        {"json": "objects by JSON mode", "tool": "objects by a tool"}.get(rule.output, ""),
    )
    return ", ".join(filter(None, found))


# -- seen from outside ------------------------------------------------------------------------


def metrics() -> str:
    """Every metric, by its two names."""
    return table(
        ("metric", "in Prometheus", "type, unit", "labels", "meaning"),
        (
            (f"`{row.name}`", f"`{prometheus.metric(row)}`", f"{row.instrument}, {row.unit.strip('{}')}",
             ", ".join(f"`{label}`" for label in row.labels), row.meaning)
            for row in METRICS.values()
        ),
    )  # fmt: skip


def event_types() -> str:
    """List the events that `on_event` is given."""
    return table(
        ("event", "fields", "when"),
        (
            (f"`{cls.__name__}`", ", ".join(f"`{field}`" for field in cls.__dataclass_fields__), _sentence(cls.__doc__))
            for cls in get_args(events.Event)
        ),
    )


def attributes() -> str:
    """Span attributes of our own."""
    return table(("attribute", "what it says"), ((f"`{name}`", text) for name, text in OURS.items()))


def log_fields() -> str:
    """List the fields of log records."""
    return table(("field", "what it says"), ((f"`{name}`", text) for name, text in FIELDS.items()))


_MODELS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("claude-haiku-4-5", "claude-opus-4-6"),
    "bedrock": ("anthropic.claude-haiku-4-5", "amazon.nova-pro-v1:0"),
    "vertex": ("claude-haiku-4-5", "gemini-2.5-pro"),
}
"""Where it depends on the model."""


def continuations() -> str:
    """Which targets can go on with an answer that broke off."""
    names = [name for name in known_providers() if name != "replay"]
    targets = [f"{name}:{model}" for name in names for model in _MODELS.get(name, ("",))]
    rows: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        provider, _, model = target.partition(":")
        able = adapter_for(provider).capabilities(model or "a-model")
        own = ("native", *(["prefill"] if able.prefill else ()), "replay")[0 if able.native_resume else 1 :]
        others = (*(["prefill"] if able.prefill else ()), "replay")
        rows.setdefault((", ".join(own), ", ".join(others)), []).append(f"`{target.rstrip(':')}`")
    best_first = sorted(rows.items(), key=lambda row: (-len(row[0][0]), row[0]))
    return table(
        ("goes on with its own answer by", "with another target's by", "targets"),
        ((own, others, ", ".join(who)) for (own, others), who in best_first),
    )


def states() -> str:
    """The states of an attempt, what each means, and which may follow it."""
    docs = _member_docs(State)
    after = {state: [f"`{other}`" for other in State if other in FOLLOWS[state]] for state in State}
    rows = ((f"`{state}`", docs[state.name], ", ".join(after[state]) or "nothing") for state in State)
    return table(("State", "What it means", "May be followed by"), rows)


ANSWERS = ROOT.parent / "tests" / "data" / "answers"


def content() -> str:
    """What the project's own answers have beside texts and calls, by dialect."""
    rows = [(path.stem, _beside(path)) for path in sorted(ANSWERS.glob("*.jsonl"))]
    heads = {"Source": "source", "File": "file", "ServerToolCall": "server_tool_call", "Raw": "raw"}
    cells = ([f"`{name}`", *(_cell(found, kind) for kind in heads.values())] for name, found in rows)
    return table(["dialect", *(f"`{name}`" for name in heads)], cells)


def _beside(path: Path) -> list[list[str]]:
    """The chunks beside the text of all answers in a file, as lines of words: the type, and what tells it apart."""
    answers = (json.loads(line)["expected"] for line in path.read_text().splitlines())
    return [line.split(" ") for answer in answers for line in answer.get("beside", ())]


def _cell(found: list[list[str]], kind: str) -> str:
    """What there is of one class: the names of tools, the media types of files, or that there is some."""
    words = [line[2] if kind == "server_tool_call" else line[1] for line in found if line[0] == kind]
    if kind == "source":
        placed = any(len(line) > 2 for line in found if line[0] == kind)
        return ("with its place" if placed else "yes") if words else "no"
    return ", ".join(f"`{word}`" for word in dict.fromkeys(words)) or "no"


def formats() -> str:
    """What the responses of all formats are, before and besides their chunks."""
    headings = ("format", "content type and header", "sign of life", "numbered events", "when it fails")
    return table(headings, format_examples.heads())


def request_fields(rows: Mapping[str, Row]) -> str:
    """What becomes of each field of a request."""
    said = ((f"`{name}`", row.fate, row.words, ", ".join(map(_usual, row.usual))) for name, row in rows.items())
    return table(("field", "what it is", "as, or why", "changes nothing"), said)


def _usual(value: object) -> str:
    return f"`{json.dumps(value)}`"


TABLES: Mapping[str, Callable[[], str]] = {
    "openai-chat-fields": lambda: request_fields(CHAT_FIELDS),
    "openai-responses-fields": lambda: request_fields(RESPONSES_FIELDS),
    "formats": formats,
    "formats-refused": lambda: format_examples.refused("events"),
    **{f"formats-{name}": (lambda name=name: format_examples.answer(name)) for name in format_examples.NAMES},
    **{f"formats-{name}-failed": (lambda name=name: format_examples.failed(name)) for name in ("events", "ai-sdk")},
    **{f"formats-{name}-stopped": (lambda name=name: format_examples.stopped(name)) for name in ("events", "ai-sdk")},
    "content": content,
    "anthropic-fields": anthropic_fields,
    "anthropic-errors": anthropic_errors,
    **{f"kinds-{category}": (lambda category=category: kinds_of(category)) for category in ErrorCategory},
    "texts": more_texts,
    "catch": catch,
    "statuses": statuses,
    "gave-up": gave_up,
    "retries": retries,
    "policies": policies,
    "options": call_options,
    "other-names": other_names,
    "call-options": options_taken,
    "files": files_taken,
    "cache-marks": cache_marks,
    "hosted-tools": hosted_tools,
    "capabilities": capabilities,
    "output-ways": output_ways,
    "environment": environment,
    "other-variables": other_variables,
    "exit-codes": exits,
    "hosts": hosts,
    "model-rules": model_rules,
    "metrics": metrics,
    "events": event_types,
    "attributes": attributes,
    "fields": log_fields,
    "continuations": continuations,
    "states": states,
}

_PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """A document with its tables made anew."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]]()}\n\n{place[3]}", text)


def pages() -> list[Path]:
    """The documents that may have tables."""
    return sorted(ROOT.glob("*.md"))


def main(arguments: list[str]) -> int:
    """Write the tables, or only check them."""
    stale = [page for page in pages() if filled(page.read_text()) != page.read_text()]
    for page in stale:
        print(f"{page.name}: {'out of date' if '--check' in arguments else 'written'}")
        if "--check" not in arguments:
            page.write_text(filled(page.read_text()))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
