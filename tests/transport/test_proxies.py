"""Which proxy the environment names for an address, and how one that cannot be used is told: without a request."""

from __future__ import annotations

import pytest

from resilient_stream.transport import proxies
from resilient_stream.transport.proxies import UnusableProxy, proxy_for

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the machine's variables nor a system's own settings."""
    for name in (*VARIABLES, *map(str.lower, VARIABLES), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(proxies, "_HAS_SETTINGS", False)


def found(monkeypatch: pytest.MonkeyPatch, url: str, **variables: str) -> str | None:
    """The proxy's address."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_for(url)
    return proxy and proxy.url


@pytest.mark.parametrize(
    ("variables", "of_http", "of_https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": "http://a:1"}, "http://a:1", None),
        ({"HTTPS_PROXY": "http://b:2"}, None, "http://b:2"),
        ({"https_proxy": "http://lower:2", "HTTPS_PROXY": "http://upper:2"}, None, "http://lower:2"),
        ({"ALL_PROXY": "http://c:3"}, "http://c:3", "http://c:3"),
        ({"ALL_PROXY": "http://c:3", "HTTP_PROXY": "http://a:1"}, "http://a:1", "http://c:3"),
        ({"ALL_PROXY": "http://c:3", "http_proxy": ""}, None, "http://c:3"),
        ({"HTTP_PROXY": "", "ALL_PROXY": ""}, None, None),
        ({"FTP_PROXY": "http://f:4", "no_proxy": "x"}, None, None),
        ({"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, None, None),
        ({"HTTP_PROXY": "a:1"}, "http://a:1", None),
        ({"HTTP_PROXY": "a"}, "http://a", None),
        ({"HTTP_PROXY": "https://a:1/"}, "https://a:1", None),
        ({"HTTP_PROXY": "HTTP://A:1"}, "http://a:1", None),
        ({"HTTP_PROXY": " http://a:1\n"}, "http://a:1", None),
        ({"HTTP_PROXY": "http://[::1]:8"}, "http://[::1]:8", None),
    ],
)
def test_the_variables_are_read_as_curl_reads_them(monkeypatch, variables, of_http, of_https):
    """By scheme, lower case first, ALL_PROXY last; a blank one switches off, and no scheme means HTTP."""
    assert found(monkeypatch, "http://api.example.com/v1", **variables) == of_http
    assert found(monkeypatch, "https://api.example.com/v1") == of_https


@pytest.mark.parametrize(
    ("entries", "url", "direct"),
    [
        ("*", "http://h/", True),
        ("h", "http://h:99/", True),
        ("example.com", "https://api.example.com/", True),
        (".example.com", "https://example.com/", True),
        ("*.example.com", "https://api.example.com/", True),
        ("example.com", "https://notexample.com/", False),
        ("EXAMPLE.com", "https://Api.example.COM./", True),
        ("example.com:443", "https://example.com/", True),
        ("example.com:443", "http://example.com/", False),
        ("127.0.0.0/8", "http://127.1.2.3:4/", True),
        ("127.0.0.0/8", "http://128.0.0.1/", False),
        ("127.0.0.1/8", "http://127.9.9.9/", True),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("fd00::/8", "http://[fd00::1]:8/", True),
        ("::1", "http://[::1]/", True),
        ("[::1]:80", "http://[::1]/", True),
        ("localhost", "http://127.0.0.1/", False),
        ("a, b , 192.168.0.0/16,c d", "http://192.168.4.4/", True),
        ("a b", "http://b/", True),
        (",, .", "http://h/", False),
        ("10.0.0.0/99 h", "http://h/", True),
    ],
)
def test_what_no_proxy_names_is_reached_without_one(monkeypatch, entries, url, direct):
    """Hosts and their subdomains, ports, addresses, networks of both kinds, and everything."""
    assert (found(monkeypatch, url, ALL_PROXY="http://p:1", NO_PROXY=entries) is None) is direct


def test_a_change_of_the_environment_counts_for_the_next_request(monkeypatch):
    """What is remembered belongs to one state of the environment."""
    assert found(monkeypatch, "http://h/", HTTP_PROXY="http://a:1") == "http://a:1"
    assert found(monkeypatch, "http://h/", HTTP_PROXY="http://b:2") == "http://b:2"
    assert found(monkeypatch, "http://h/", NO_PROXY="h") is None


def test_user_and_password_become_a_header_and_leave_the_address(monkeypatch):
    """User and password of a proxy are percent-decoded as UTF-8, sent as a header, and removed from the address."""
    monkeypatch.setenv("HTTPS_PROXY", "http://me:p%40ss%C3%A9@proxy:3128")
    proxy = proxy_for("https://h/")
    assert proxy is not None
    assert (proxy.url, proxy.name, proxy.variable) == ("http://proxy:3128", "proxy:3128", "HTTPS_PROXY")
    assert proxy.authorization == "Basic bWU6cEBzc8Op"


def test_a_server_of_our_own_is_reached_without_one(monkeypatch):
    """No proxy can reach the local model's server on this machine."""
    monkeypatch.setattr(proxies, "OWN_SERVERS", {"http://127.0.0.1:4000/v1/"})
    assert found(monkeypatch, "http://127.0.0.1:4000/v1/chat/completions", HTTP_PROXY="http://a:1") is None
    assert found(monkeypatch, "http://127.0.0.1:4001/v1/chat/completions") == "http://a:1"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://me:SECRET@p:1080", "SOCKS is not supported"),
        ("socks5h://p", "SOCKS is not supported"),
        ("SOCKS4://p", "SOCKS is not supported"),
        ("ftp://me:SECRET@p", "kind 'ftp'"),
        ("http://p:SECRET", "port"),
        ("http://me:SEC/RET@p:1", "port"),
        ("http://[::1:3", "brackets"),
        ("http://p:0", "not the address"),
        ("http://", "not the address"),
        ("http://p/SECRET", "not the address"),
        ("http://p?SECRET", "not the address"),
        ("http://1:2#SECRET@p", "not the address"),
        ("http://a b:1", "not the address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_secrets(monkeypatch, value, words):
    """The variable, the kind of trouble, the host where there is one: never a password, also not in the cause."""
    name = "ALL_PROXY"
    with pytest.raises(UnusableProxy, match=words) as caught:
        found(monkeypatch, "http://h/", **{name: value})
    error = caught.value
    assert error.variable == name
    assert "SECRET" not in f"{error!r} {error} {error.name} {error.__cause__!r}"
