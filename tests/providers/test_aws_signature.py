"""AWS's signature against the published vectors, and against what really leaves."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from resilient_stream import Client, Target
from resilient_stream.contract import Endpoint
from resilient_stream.providers.bedrock.signature import SigningKey, sign
from resilient_stream.testing import FakeProvider
from tests.shared_files import shared_or_none

pytest.importorskip("botocore")

_PATH = shared_or_none("conformance/sigv4_vectors.json")
VECTORS: dict[str, dict[str, Any]] = {each["name"]: each for each in json.loads(_PATH.read_text())} if _PATH else {}

NOT_NORMAL = {
    "get-relative-relative-unnormalized", "get-relative-unnormalized", "get-slash-dot-slash-unnormalized",
    "get-slash-pointless-dot-unnormalized", "get-slash-unnormalized", "get-slashes-unnormalized",
}  # fmt: skip
"""Paths with dots and empty segments, to be signed as they are: only S3 wants that. Ours have none."""

vectors = pytest.mark.parametrize(
    "vector",
    [pytest.param(vector, id=name) for name, vector in VECTORS.items()]
    or [pytest.param(None, marks=pytest.mark.skip(reason="the shared vectors are not here"), id="none")],
)


def signed(vector: dict[str, Any]) -> dict[str, str]:
    """What our function makes of a vector's request."""
    context, credentials = vector["context"], vector["context"]["credentials"]
    head, _, body = vector["request"].partition("\n\n")
    line, *lines = head.rstrip("\n").split("\n")
    path, _, query = line.removesuffix(" HTTP/1.1").partition(" ")[2].partition("?")
    url = f"https://example.amazonaws.com{path}" + (f"?{quote(query, safe='=&%-._~')}" if query else "")
    headers = headers_of(lines)
    if context["sign_body"]:
        headers["X-Amz-Content-SHA256"] = vector["canonical"].rpartition("\n")[2]
    key = SigningKey(
        access_key=credentials["access_key_id"],
        secret_key=credentials["secret_access_key"],
        # Where it is to be left out of the signature, it is added to the request after it.
        token=None if context.get("omit_session_token") else credentials.get("token"),
        region=context["region"],
        now=context["timestamp"].replace("-", "").replace(":", ""),
    )
    return sign(line.partition(" ")[0], url, headers, body.encode(), key, context["service"])


def headers_of(lines: list[str]) -> dict[str, str]:
    """Fields of one name as one, joined by commas; a line that begins with space goes on with the one before."""
    fields: list[list[str]] = []
    for line in lines:
        if line[:1] in " \t":
            fields[-1][1] += f"\n{line}"
        else:
            fields.append(list(line.split(":", 1)))
    headers: dict[str, str] = {}
    for name, value in fields:
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value
    return headers


@vectors
def test_a_request_of_the_vectors_has_their_signature(vector: dict[str, Any]) -> None:
    """32 of the 38; the other six get the signature of the same path in its normal form."""
    name = vector["name"]
    found = signed(vector)["Authorization"]
    wanted = VECTORS[name.removesuffix("-unnormalized") + "-normalized"] if name in NOT_NORMAL else vector
    assert found.rpartition("Signature=")[2] == wanted["signature"]
    assert f"Credential={vector['context']['credentials']['access_key_id']}/20150830/us-east-1/service" in found


@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3",
        "a model/with ünusual+characters?#%25",
    ],
)
async def test_what_is_sent_is_what_was_signed(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server, which sees the path as it came, comes to the same signature; so nothing on the way rewrites it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    async with FakeProvider() as provider:
        target = Target(f"bedrock:{model}", base_url=provider.url)
        async with Client(target) as client:
            assert (await client.complete("hi")).outcome == "complete"
    [request] = provider.requests
    given = request.headers["authorization"]
    names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert set(names) >= {"content-type", "host", "x-amz-date"}
    key = SigningKey(access_key="AKID", secret_key="secret", region="eu-west-1", now=request.headers["x-amz-date"])
    url = f"http://{request.headers['host']}{request.path}"
    fields = {name: request.headers[name] for name in names if name != "x-amz-date"}
    again = sign("POST", url, fields, request.body, key)
    assert again["Authorization"] == given


def test_a_key_does_not_show() -> None:
    """The repr of a signing key shows no key, alone and in an endpoint."""
    key = SigningKey(access_key="AKID", secret_key="secret", token="token", region="eu-west-1", now="20150830T123600Z")
    shown = repr(key) + repr(Endpoint(base_url="https://b", credentials=key))
    assert not any(word in shown for word in ("AKID", "secret", "token"))
