import pytest

from dispatch.masking import masked_headers, without_secrets

SECRET = 'pass"wörd-of-theirs'


def test_headers_that_are_credentials_are_masked_and_urls_shortened() -> None:
    headers = {
        "set-cookie": "session=1",
        "authorization": "Bearer x",
        "location": "https://receiver.example:8443/hooks/secret?token=x",
        "content-type": "text/plain",
        "retry-after": "7",
    }
    assert masked_headers(headers) == {
        "set-cookie": "…",
        "authorization": "…",
        "location": "https://receiver.example:8443/…",
        "content-type": "text/plain",
        "retry-after": "7",
    }


@pytest.mark.parametrize("location", ["/hooks/secret", "//other.example/x", "https://a:b@x/", "javascript:x", ""])
def test_a_location_that_is_no_plain_url_is_masked(location: str) -> None:
    assert masked_headers({"location": location}) == {"location": "…"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"You sent {SECRET} and {SECRET}.", "You sent … and …."),
        ('{"x": "pass\\"w\\u00f6rd-of-theirs"}', '{"x": "…"}'),
        ('{"x": "pass\\"wörd-of-theirs"}', '{"x": "…"}'),
        (f"You sent {SECRET}".encode("latin-1").decode("utf-8", "replace"), "You sent …"),
        ('You sent pass"wörd-', "You sent …"),
        ("You sent pass", "You sent pass"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_an_echo_of_a_secret_is_masked_also_where_it_breaks_off(text: str, kept: str) -> None:
    assert without_secrets(text, [SECRET, "short"], is_cut=True) == kept


def test_a_secret_within_another_does_not_uncover_it() -> None:
    assert without_secrets("Basic abcdefgh-and-more", ["abcdefgh", "Basic abcdefgh-and-more"]) == "…"


def test_short_values_are_no_secrets() -> None:
    assert without_secrets("status: ok", ["ok", "status"]) == "status: ok"
