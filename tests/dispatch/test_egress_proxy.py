"""Reading the setting that names the egress proxy."""

import re

import pytest

from dispatch.egress_proxy import EgressProxy, read


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example:3128", EgressProxy(scheme="http", host="proxy.example", port=3128)),
        (" https://proxy.example:443/ ", EgressProxy(scheme="https", host="proxy.example", port=443)),
        ("SOCKS5://127.0.0.1:1080", EgressProxy(scheme="socks5", host="127.0.0.1", port=1080)),
        ("socks5h://[::1]:1080", EgressProxy(scheme="socks5h", host="::1", port=1080)),
        (
            "http://ada:p%40ss%3Aword@proxy.example:1",
            EgressProxy(scheme="http", host="proxy.example", port=1, username="ada", password="p@ss:word"),
        ),
        ("socks5://ada@p:1", EgressProxy(scheme="socks5", host="p", port=1, username="ada")),
    ],
)
def test_a_url_is_read(text: str, proxy: EgressProxy) -> None:
    assert read(text) == proxy


FORM = "write http://, https://, socks5:// or socks5h://, then a host and a port"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("proxy.example:3128", FORM),
        ("ftp://geheim@proxy.example:21", FORM),
        ("socks4://proxy.example:1080", FORM),
        ("http://:3128", FORM),
        ("http://ada:geheim@", FORM),
        ("http://ada:geheim@proxy.example:99999", FORM),
        ("http://ada:geheim@[::1:3128", FORM),
        ("http://ada:geheim@proxy.example", "name the port of the proxy"),
        ("http://ada:geheim@proxy.example:1/path", "nothing may follow the port"),
        ("http://ada:geheim@proxy.example:1?a", "nothing may follow the port"),
        ("http://ada:geheim@proxy.example:1#a", "nothing may follow the port"),
        ("http://:geheim@proxy.example:1", "there is a password, but no user"),
        ("http://ada:geheim%0d%0aX:y@proxy.example:1", "user and password may not contain control characters"),
        ("http://a%3Ada:geheim@proxy.example:1", "the user may not contain a colon (RFC 7617, section 2)"),
        (f"socks5://ada:{'geheim' * 50}@p:1", "SOCKS allows 255 bytes each for user and password"),
    ],
)
def test_another_text_is_an_error_that_does_not_repeat_it(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        read(text)


def test_no_representation_shows_what_the_proxy_knows_us_by() -> None:
    proxy = read("socks5h://ada:geheim@[::1]:1080")

    assert str(proxy) == "socks5h://[::1]:1080"
    assert "ada" not in repr(proxy)
    assert "geheim" not in repr(proxy)
