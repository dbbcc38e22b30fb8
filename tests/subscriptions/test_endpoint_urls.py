import pytest

from subscriptions import endpoint_urls


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example",
        "http://receiver.example:8080/hooks?tenant=1&x=%20",
        "https://127.0.0.1/hooks",
        "https://[::1]:8443/hooks",
        "HTTPS://Receiver.Example/Hooks",
        "https://receiver.example/" + "a" * 2023,
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
        ("https://exa%6dple.com", "A URL must name a host, without percent signs."),
        ("https://[fe80::1%25eth0]/", "A URL must name a host, without percent signs."),
        ("https://user:pass@receiver.example", "A URL must not contain a user name or password."),
        ("https://@receiver.example", "A URL must not contain a user name or password."),
        ("https://receiver.example/#top", "A URL must not contain a fragment (#…): it would never be sent."),
        ("https://receiver.example\\@127.0.0.1/", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/a b", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/\x00", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example/\n", "A URL must not contain spaces, backslashes or control characters."),
        ("https://receiver.example:port/", "This is not a URL."),
        ("https://receiver.example:65536/", "This is not a URL."),
        ("https://receiver.example/" + "a" * 2024, "A URL must not be longer than 2048 characters."),
    ],
)
def test_another_text_is_refused_with_the_reason(url: str, message: str):
    with pytest.raises(endpoint_urls.InvalidUrl) as refused:
        endpoint_urls.check_url(url)
    assert str(refused.value) == message
