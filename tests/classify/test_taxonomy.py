"""Every shared error row, through the entry that meets it in real life."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from resilient_stream.classify import classify_error, classify_exception, classify_response
from resilient_stream.errors import Failure, StreamError, error_for
from resilient_stream.providers import rules_for

from .rows import Row, exception_of, headers_of, reason_in, rows

ROWS = rows("taxonomy.tsv")
CASES = {case["case"]: case for case in rows("aiohttp_observed.tsv")}

ANSWER = "an answer with a finish reason: Finished.kind, by the dialect's decoder"
NO_FAILURE = "not a failure at all: the decoder goes on"
NO_MARKER = "the end marker is missing: the decoder's finish()"
FRAMING = "unreadable bytes: the framing's own failure"
OURS = "told from our own state, never from the wire"
SILENT = "nothing is raised: the decoder misses the end marker, or our limit is hit"

ELSEWHERE = {
    **dict.fromkeys(
        ("oai-s-incomplete-max", "oai-s-fr-length", "oai-s-fr-filter", "oai-s-refusal", "ant-s-refusal", "ant-s-max",
         "ant-s-ctx", "az-s-filter", "br-s-max", "co-s-fr-limit"), ANSWER),
    **dict.fromkeys(("ant-s-pause", "az-s-filtererr"), NO_FAILURE),
    **dict.fromkeys(("oai-s-nodone", "ant-s-nostop"), NO_MARKER),
    **dict.fromkeys(("br-s-crc", "s-badjson"), FRAMING),
    **dict.fromkeys(
        ("gq-499", "ol-499", "ds-s-keepalive", "net-pool", "net-cancel", "net-cancel-s", "net-hang"), OURS),
    **dict.fromkeys(("net-cutsilent", "net-cutsilent-rst", "net-gziptrunc", "net-empty", "net-bomb"), SILENT),
}  # fmt: skip
"""Rows that are not decided by these functions, and by what they are."""


def classified(row: Row) -> Failure | None:
    """A row through its entry."""
    if row["provider"] == "network":
        case = CASES[row["source"].rpartition("#")[2]]
        phase = {"http": "request"}.get(row["phase"], row["phase"])
        return classify_exception(exception_of(case), phase=phase, host="api.example.com")  # type: ignore[arg-type]
    rules = rules_for(row["provider"])
    if row["phase"] == "http" or not row["example_body"].startswith("{"):
        status = {"5xx": 507, "4xx": 418}.get(row["http_status"]) or int(row["http_status"])
        content_type = {"content-type": "text/event-stream"} if row["phase"] == "stream" else {}
        return classify_response(status, {**content_type, **headers_of(row)}, row["example_body"].encode(), rules)
    event = json.loads(row["example_body"])
    reason = None if "error" in json.dumps(event) else reason_in(event)
    return classify_error({"code": reason} if reason else event, rules, headers=headers_of(row))


def differences(row: Row, error: StreamError) -> list[str]:
    """What a row wants otherwise."""
    found = {
        "kind": error.kind.value,
        "category": error.category.value,
        "retryable_same_provider": "no" if not error.retryable else "yes",
        "fallback_other_provider": "yes" if error.fallback else "no",
    }
    return [f"{name}: {found[name]}" for name in found if row[name].replace("after", "yes") != found[name]]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS if row["id"] not in ELSEWHERE])
def test_a_row_gets_its_kind_category_retry_and_fallback(row: Row) -> None:
    """Kind, category, whether the same provider is tried again and whether another may be, as the table says."""
    failure = classified(row)
    assert failure is not None
    assert differences(row, error_for(failure, provider=row["provider"])) == []


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row["id"]) for row in ROWS if row["headers"].split(";")[0].split()[:1] == ["retry-after"]],
)
def test_a_named_retry_after_is_taken_over(row: Row) -> None:
    """Where a row names a Retry-After header, its seconds are on the failure."""
    failure = classified(row)
    assert failure is not None
    assert failure.retry_after == pytest.approx(float(headers_of(row)["retry-after"]))


def test_every_row_is_accounted_for() -> None:
    """No row is skipped without a reason, and no reason is for a row that does not exist."""
    if not ROWS:
        pytest.skip("the shared error rows are not on this machine")
    verdicts: Counter[str] = Counter()
    for row in ROWS:
        if row["id"] in ELSEWHERE:
            verdicts[f"elsewhere: {ELSEWHERE[row['id']]}"] += 1
            continue
        failure = classified(row)
        verdicts["right" if failure and not differences(row, error_for(failure)) else "wrong"] += 1
    print(f"\ntaxonomy: {len(ROWS)} rows", *(f"\n  {count:4} {what}" for what, count in verdicts.most_common()))
    assert set(ELSEWHERE) <= {row["id"] for row in ROWS}
    assert sum(verdicts.values()) == len(ROWS)
    assert verdicts["wrong"] == 0
