from typing import Any

import pytest

from subscriptions.request_headers import InvalidHeader, check_headers, check_name, check_value


@pytest.mark.parametrize(
    "name", ["X-Tenant", "x_tenant", "A", "1", "!#$%&'*+-.^_`|~", "Authorization", "Cookie", "a" * 100]
)
def test_a_name_may_be_any_token(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "X Y", "X:Y", "X\r\nY", "X\n", "X\0", "Zoë", "X(Y)", "X/Y", '"X"', "X,Y", "{X}", "a" * 101, 5, None),
        *("X\t", "\tX", "X\x7f", "X;", "X=", "X@Y", "[X]", "X\\"),
    ],
)
def test_what_is_no_token_is_no_name(name: Any) -> None:
    with pytest.raises(InvalidHeader, match=r"^A header's name is made of letters, digits and any of "):
        check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade"),
        *("Proxy-Authorization", "Proxy-Connection", "proxy-anything", "Expect", "Content-Encoding", "Content-Type"),
        *("webhook-id", "webhook-timestamp", "Webhook-Signature", "User-Agent", "Accept-Encoding", "HTTP2-Settings"),
        *("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "X-HTTP-Method-Override"),
        *("Metadata", "Metadata-Flavor", "X-aws-ec2-metadata-token"),
    ],
)
def test_what_means_something_already_is_refused_in_any_case(name: str) -> None:
    for written in (name, name.upper(), name.lower()):
        with pytest.raises(InvalidHeader) as refused:
            check_name(written)
        assert str(refused.value) == (
            f"The header {written} is not yours to set: the dispatcher, HTTP or a proxy writes it."
        )


def test_a_name_that_the_endpoint_uses_already_is_refused() -> None:
    with pytest.raises(
        InvalidHeader, match=r"^The header X-Hub is in use already: for a signature, the credentials or"
    ):
        check_name("X-Hub", taken=["x-hub"])


@pytest.mark.parametrize("value", ["7", "a b", "a\tb", "a: b", "Zoë", "\xff", "!" * 9000, "a\xa0b"])
def test_a_value_may_be_any_line_of_latin_1(value: str) -> None:
    assert check_value("X-Y", value) == value


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", " a", "a ", "\ta", "a\t", "a\r\nHost: b", "a\nb", "a\rb", "a\0b", "a\x1bb", "a\x7fb", "a\x85b"),
        *("\xa0a", "a\xa0", "€", "a\u2028b", "\ud800", "a\n", "\n", 5, None, ["a"]),
    ],
)
def test_what_is_no_line_of_latin_1_is_no_value_and_is_not_repeated(value: Any) -> None:
    with pytest.raises(InvalidHeader) as refused:
        check_value("X-Y", value)
    assert str(refused.value) == (
        "The value of X-Y must be a text of one line, in Latin 1, not empty, "
        "without control characters and without spaces at its ends."
    )


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (["X-Y"], "Write headers as an object: values by name."),
        ("X-Y: z", "Write headers as an object: values by name."),
        (None, "Write headers as an object: values by name."),
        ({"X-Y": "1", "x-y": "2"}, "Name each header once: upper and lower case are the same."),
        ({f"X-{n}": "1" for n in range(4)}, "An endpoint may have 3 headers of its own, not 4."),
        ({"X-Y": "a" * 18}, "Names and values may have 20 bytes together, not 21."),
    ],
)
def test_headers_must_be_few_and_different(headers: Any, message: str) -> None:
    with pytest.raises(InvalidHeader) as refused:
        check_headers(headers, at_most=3, size=20)
    assert str(refused.value) == message


def test_headers_are_kept_as_they_are_written() -> None:
    assert check_headers({"X-Tenant": "7", "x-b": "c d"}, at_most=2, size=16) == {"X-Tenant": "7", "x-b": "c d"}
