"""Where Bedrock's key, credentials and region come from, and what is said when they are missing."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import Client, DeadlineExceeded, RetryPolicy, StreamError, Target
from resilient_stream.contract import Endpoint
from resilient_stream.credentials import bedrock
from resilient_stream.credentials.endpoint import resolve
from resilient_stream.errors import Failure
from resilient_stream.providers.bedrock.adapter import ADAPTER
from resilient_stream.testing import End, FakeProvider, Status, Text

pytest.importorskip("botocore")

EXPIRED = Status(403, {"x-amzn-errortype": "ExpiredTokenException:http://x"}, {"message": "expired"})


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of this machine: its variables, files and metadata service. Gives the credentials file."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr(bedrock, "_SESSIONS", {})
    return tmp_path / "credentials"


def write(file: Path, key: str, profile: str = "default") -> None:
    """A credentials file of one profile."""
    file.write_text(f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = s\naws_session_token = t\n")


async def found(target: Target, attempt: int = 1) -> Any:
    """The endpoint of an attempt, or the failure."""
    return await resolve(target, ADAPTER, attempt)


class Session:
    """A session of the user's own, as boto3's are."""

    region_name = "eu-north-1"
    access_key, secret_key, token = "OWN", "s", None

    def get_credentials(self) -> Any:
        """Itself will do."""
        return self

    def get_frozen_credentials(self) -> Any:
        """As they are now."""
        return self


async def test_an_api_key_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment or the target; only a region is needed, or an address."""
    monkeypatch.setitem(sys.modules, "botocore", None)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key\n")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    endpoint = await found(Target("bedrock:m"))
    assert (endpoint.base_url, endpoint.api_key) == ("https://bedrock-runtime.eu-west-1.amazonaws.com", "key")
    assert endpoint.credentials is None
    endpoint = await found(Target("bedrock:m", api_key="own", base_url="http://localhost:1"))
    assert (endpoint.base_url, endpoint.api_key) == ("http://localhost:1", "own")


async def test_the_environments_credentials_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the session's token, the region and the time, none of which shows."""
    for name, value in {"ACCESS_KEY_ID": "AKID", "SECRET_ACCESS_KEY": "secret", "SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    endpoint = await found(Target("bedrock:m", region="cn-north-1", headers={"X-Own": "1"}))
    key = endpoint.credentials
    assert endpoint.base_url == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
    assert (key.access_key, key.secret_key, key.token, key.region) == ("AKID", "secret", "token", "cn-north-1")
    assert len(key.now) == len("20150830T123600Z")
    assert endpoint.headers == {"X-Own": "1"}
    assert "secret" not in repr(endpoint)


async def test_the_region_is_the_targets_the_environments_the_models_or_the_profiles(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The region comes from the target, the environment, the model's ARN or the profile, in this order."""
    write(files, "AKID", "work")
    (files.parent / "config").write_text("[profile work]\nregion = region-5\n")
    arn = "bedrock:arn:aws:bedrock:region-4:1:inference-profile/x"

    async def region(name: str, **options: Any) -> str:
        endpoint = await found(Target(name, profile="work", **options))
        assert isinstance(endpoint, Endpoint)
        return str(endpoint.credentials.region)

    assert await region("bedrock:m") == "region-5"
    assert await region(arn) == "region-4"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "region-3")
    assert await region(arn) == "region-3"
    monkeypatch.setenv("AWS_REGION", "region-2")
    assert await region(arn) == "region-2"
    assert await region(arn, region="region-1") == "region-1"


async def test_a_session_of_the_users_own_is_asked() -> None:
    """For credentials and region; boto3's and botocore's have the same two."""
    endpoint = await found(Target("bedrock:m", session=Session()))
    assert (endpoint.credentials.access_key, endpoint.credentials.region) == ("OWN", "eu-north-1")


async def test_an_address_of_ones_own_comes_by_aws_s_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of one's own comes from AWS's variables, the service's before the general one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1/")
    assert (await found(Target("bedrock:m", api_key="k"))).base_url == "http://localhost:1"
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://localhost:2")
    assert (await found(Target("bedrock:m", api_key="k"))).base_url == "http://localhost:2"


async def test_expired_credentials_are_looked_for_once_more(files: Path) -> None:
    """A file that was renewed meanwhile is read again; then it is enough."""
    write(files, "OLD")
    async with FakeProvider([EXPIRED], [Text("Hello"), End()], [EXPIRED]) as provider:
        target = Target("bedrock:m", base_url=provider.url, region="eu-west-1")
        async with Client(
            target, retry=RetryPolicy(initial=0.001), on_event=lambda event: write(files, "NEW")
        ) as client:
            assert (await client.complete("hi")).text == "Hello"
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
    keys = [each.headers["authorization"].partition("Credential=")[2].partition("/")[0] for each in provider.requests]
    assert keys == ["OLD", "NEW", "NEW", "NEW"]
    assert (caught.value.kind, caught.value.attempt) == ("authentication", 2)


@pytest.mark.parametrize(
    ("options", "kind", "said", "todo"),
    [
        ({"region": "eu-west-1"}, "authentication", "no AWS credentials", "AWS_BEARER_TOKEN_BEDROCK"),
        ({"region": "eu-west-1", "profile": "nobody"}, "authentication", "profile (nobody) could not be found", "sso"),
        ({"session": type("Nowhere", (Session,), {"region_name": None, "get_config_variable": lambda *_: None})()},
         "client_config", "set AWS_REGION", ""),
        ({"api_key": "k"}, "client_config", "set AWS_REGION", ""),
    ],
)  # fmt: skip
async def test_what_is_missing_is_said_and_nothing_is_sent(
    options: dict[str, Any], kind: str, said: str, todo: str
) -> None:
    """With what to set; another target may still serve."""
    async with FakeProvider() as provider:
        async with Client(Target("bedrock:m", **options), retry=RetryPolicy.off()) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
        assert provider.requests == []
    assert (caught.value.kind, caught.value.fallback, caught.value.transcript.attempts) == (kind, True, [])  # type: ignore[union-attr]
    assert said in caught.value.message
    assert todo in caught.value.resolution


async def test_a_missing_package_is_said_with_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """To install it, or to do without."""
    for name in ("botocore", "botocore.auth", "botocore.session"):
        monkeypatch.setitem(sys.modules, name, None)
    async with Client(Target("bedrock:m", region="eu-west-1"), retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi")
    assert caught.value.kind == "client_config"
    assert "pip install 'resilient-stream[bedrock]'" in caught.value.message
    assert "AWS_BEARER_TOKEN_BEDROCK" in caught.value.message
    # With a key and no region, the profile could not be asked for one: that is what is said then.
    assert isinstance(await found(Target("bedrock:m", api_key="k")), Failure)


async def test_a_deadline_does_not_wait_for_botocore() -> None:
    """It may be waiting for a network; the thread is left to itself."""
    release = threading.Event()

    class Slow(Session):
        def get_credentials(self) -> Any:
            release.wait(60)
            return self

    target = Target("bedrock:m", session=Slow(), region="eu-west-1", base_url="http://127.0.0.1:9")
    try:
        async with Client(target) as client:
            began = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                await client.stream("hi", deadline=0.05).collect()
            assert time.monotonic() - began < 20
    finally:
        release.set()
