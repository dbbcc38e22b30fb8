import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.util import parse_url

from subscriptions import endpoint_urls

ADDRESS = "An address must be written like 192.0.2.1 or [2001:db8::1]."
ASCII = "A URL must name its host in ASCII: an international name in its form with xn--."
NAME = "A host must be a name of letters, digits and hyphens, with dots between, or an address."
PORT = "A port must be a number from 1 to 65535."


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example",
        "http://receiver.example:8080/hooks?tenant=1&x=%20",
        "https://127.0.0.1/hooks",
        "https://[::1]:8443/hooks",
        "HTTPS://Receiver.Example/Hooks",
        "https://receiver.example/" + "a" * 2023,
        "https://receiver.example./",
        "https://xn--bcher-kva.example/bücher",
        "https://under_score-2.example:65535/@x?a=@b:c",
        "https://[::ffff:192.0.2.1]/",
        "https://1e3.example/",
        "https://" + "a." * 126 + "b/",
    ],
)
def test_a_url_is_returned_as_it_is(url: str):
    assert endpoint_urls.check_url(url) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "A URL must start with https:// or http://."),
        ("receiver.example/hooks", "A URL must start with https:// or http://."),
        ("ftp://receiver.example", "A URL must start with https:// or http://."),
        ("file:///etc/passwd", "A URL must start with https:// or http://."),
        ("javascript:alert(1)", "A URL must start with https:// or http://."),
        ("https://", "A URL must name a host, without percent signs."),
        ("https:///hooks", "A URL must name a host, without percent signs."),
        ("https://::1/", "A URL must name a host, without percent signs."),
        ("https://exa%6dple.com", "A URL must name a host, without percent signs."),
        ("https://[fe80::1%25eth0]/", "A URL must name a host, without percent signs."),
        ("https://user:pass@receiver.example", "A URL must not contain a user name or password."),
        ("https://@receiver.example", "A URL must not contain a user name or password."),
        ("https://receiver.example/#top", "A URL must not contain a fragment (#…): it would never be sent."),
        ("https://receiver.example\\@127.0.0.1/", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/a b", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/\x00", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/\n", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/\x85", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/\u2028", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/\ud800", "A URL must not contain spaces, backslashes or control characters."),
        ("https:/receiver.example", "A URL must start with https:// or http://."),
        ("https:receiver.example", "A URL must start with https:// or http://."),
        ("//receiver.example", "A URL must start with https:// or http://."),
        *(
            (f"https://receiver.example:{port}/", PORT)
            for port in ("port", "65536", "0", "", "080", "+80", "8_0", "80:80")
        ),
        *(
            (f"https://{host}/", ASCII)
            for host in ("bücher.example", "①②⑦.⓪.⓪.①", "١٢٧.0.0.1", "127。0。0。1", "a\u00adb")
        ),
        ("https://receiver.example:٨٠/", ASCII),
        *(
            (f"https://{host}/", ADDRESS)
            for host in (
                "2130706433",
                "0x7f.1",
                "0x7f000001",
                "0X7F000001",
                "0177.0.0.1",
                "017700000001",
                "127.1",
                "127.0.1",
                "0",
                "0x",
                "127.0.0.256",
                "127.0.0.1.",
                "127.0.0.01",
                "1.2.3.4.5",
                "receiver.1",
                "receiver.0x1",
                "[]",
                "[1:2]",
                "[127.0.0.1]",
                "[v1.receiver]",
                "[::ffff:999.0.0.1]",
                "[receiver.example]",
            )
        ),
        *((f"https://{host}/", "This is not a URL.") for host in ("[::1", "[::1]x", "[[::1]]", "a[b]c")),
        *(
            (f"https://{host}/", NAME)
            for host in ("a..b", ".a", "a..", "a,b", "a*b", "a'b", "a<b", "{a}", "-a", "a-", "a" * 64, "a." * 127 + "a")
        ),
        ("https://receiver.example/" + "a" * 2024, "A URL must not be longer than 2048 characters."),
    ],
)
def test_another_text_is_refused_with_the_reason(url: str, message: str):
    with pytest.raises(endpoint_urls.InvalidUrl) as refused:
        endpoint_urls.check_url(url)
    assert str(refused.value) == message


# Pieces of which URLs are made, and those that parsers have been seen to disagree about.
SIGNS = "/\\@:?#%[].。&=;,+-_~'\"<>{}|^` \t\r\n\0\xad\ud800\u2028٨①ß"
WORDS = ["://", "//", "../", "http", "https", "HTTPS", "ftp", "127.0.0.1", "0x7f", "0177", "80", ":443", ":0"]
HOSTILE_WORDS = ["[::1]", "[::ffff:127.0.0.1]", "fe80::1%25eth0", "evil.example", "a:b", "%2f", "%00", "%40", "xn--"]
PIECES = st.sampled_from([*SIGNS, *WORDS, *HOSTILE_WORDS])
MADE_OF_PIECES = st.lists(PIECES, max_size=12).map("".join)
LABELS = st.from_regex(r"[A-Za-z0-9_-]{1,63}", fullmatch=True)
HOSTS = st.one_of(
    st.lists(LABELS, min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    MADE_OF_PIECES,
)
PATHS = st.one_of(st.just(""), st.text(max_size=20).map("/{}".format), MADE_OF_PIECES)
URLS = st.one_of(
    st.text(),
    MADE_OF_PIECES,
    st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https"]), HOSTS, st.sampled_from(["", ":8443"]), PATHS),
)


def accepted(url: str) -> bool:
    try:
        return endpoint_urls.check_url(url) == url
    except endpoint_urls.InvalidUrl:
        return False


@given(URLS)
@example("http://evil.example\\@127.0.0.1/")
@example("http://[::1]]/")
@example("http://[::1%25")
def test_no_text_raises_anything_else(url: str):
    accepted(url)


@given(URLS)
@example("https://[2606:4700::1111:8080]/")
def test_parsers_read_an_accepted_url_alike(url: str):
    if not accepted(url):
        return
    theirs, ours = urlsplit(url), parse_url(url)
    assert (theirs.hostname, theirs.port) == ((ours.host or "").strip("[]"), ours.port)
    assert (theirs.username, theirs.password, ours.auth) == (None, None, None)
    # By the expression of RFC 3986, appendix B.
    plain = re.fullmatch(r"(?s)(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", url)
    assert plain is not None
    assert plain[2].lower() == ours.netloc


@given(HOSTS)
@example("[::1]?")
def test_an_accepted_host_is_a_plain_name_or_address(host: str):
    if accepted(f"https://{host}"):
        named = parse_url(f"https://{host}").host or ""
        if named.startswith("["):
            assert IPv6Address(named.strip("[]")).scope_id is None
        else:
            assert re.fullmatch(r"[a-z0-9_.-]+", named)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://receiver.example", "https://receiver.example"),
        ("https://receiver.example/", "https://receiver.example/"),
        ("https://receiver.example/hooks/T0/secret?token=secret", "https://receiver.example/…"),
        ("HTTPS://Receiver.example:8443?secret", "HTTPS://Receiver.example:8443/…"),
        ("http://192.0.2.1:80/secret\nsecret", "http://192.0.2.1:80/…"),
        ("http://[2001:db8::1]:80#secret", "http://[2001:db8::1]:80/…"),
        ("https://secret:secret@receiver.example/", "…"),
        ("https://receiver.example\\secret", "…"),
        ("https://receiver.example\x1b[31m/", "…"),
        ("https://receiver.example:secret/", "…"),
        ("https:///secret", "…"),
        ("ftp://receiver.example/secret", "…"),
        ("secret", "…"),
        ("", "…"),
    ],
)
def test_a_url_is_shortened_to_what_is_no_credential(url: str, shown: str) -> None:
    assert endpoint_urls.shortened(url) == shown
