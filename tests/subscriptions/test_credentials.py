from typing import Any

import pytest

from subscriptions.credentials import (
    Basic,
    Bearer,
    ClientAuthentication,
    Header,
    InvalidCredentials,
    OAuth2,
    read,
    secret_of,
    settings_of,
)

SECRET = "s3cr3t-of-theirs"
BASIC = {"kind": "basic", "user": "ada", "password": SECRET}
BEARER = {"kind": "bearer", "token": SECRET}
HEADER = {"kind": "header", "name": "X-Api-Key", "value": SECRET}
OAUTH2 = {
    "kind": "oauth2",
    "token_url": "https://issuer.example/token",
    "client_id": "us",
    "client_secret": SECRET,
}
REST = {"scope": "", "audience": "", "client_authentication": "basic"}
TOKEN_URL = {"token_url": "https://issuer.example/token", "client_id": "us"}


@pytest.mark.parametrize(
    ("given", "credentials", "shown"),
    [
        (BASIC, Basic(user="ada", password=SECRET), {"user": "ada"}),
        (BEARER, Bearer(token=SECRET), {}),
        (HEADER, Header(name="X-Api-Key", value=SECRET), {"name": "X-Api-Key"}),
        (OAUTH2, OAuth2(**TOKEN_URL, client_secret=SECRET), TOKEN_URL | REST),
        (
            OAUTH2 | {"scope": "a b", "audience": "x y", "client_authentication": "body"},
            OAuth2(
                **TOKEN_URL,
                client_secret=SECRET,
                scope="a b",
                audience="x y",
                client_authentication=ClientAuthentication.BODY,
            ),
            TOKEN_URL | {"scope": "a b", "audience": "x y", "client_authentication": "body"},
        ),
    ],
)
def test_each_kind_has_settings_that_may_be_shown_and_one_secret(
    given: dict[str, str], credentials: Any, shown: dict[str, str]
) -> None:
    assert read(given) == credentials
    assert settings_of(credentials) == shown
    assert secret_of(credentials) == SECRET
    assert SECRET not in repr(credentials)
    assert SECRET not in str(credentials)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "Write an object with a kind: one of basic, bearer, header, oauth2."),
        ("basic", "Write an object with a kind: one of basic, bearer, header, oauth2."),
        ({"kind": "digest"}, "Write an object with a kind: one of basic, bearer, header, oauth2."),
        ({"kind": ["basic"]}, "Write an object with a kind: one of basic, bearer, header, oauth2."),
        ({"kind": "basic", "user": "ada"}, "password must be given."),
        (BASIC | {"password": 5}, "password must be a text."),
        (BASIC | {"user": "a:b"}, "user must be a text of 1 to 500 characters without colons."),
        (BASIC | {"user": ""}, "user must be a text of 1 to 500 characters without colons."),
        (BASIC | {"password": ""}, "password must be a text of 1 to 8192 characters."),
        (BASIC | {"password": "a\nb"}, "password must be a text of 1 to 8192 characters."),
        (BASIC | {"realm": "x"}, "'realm' is no part of basic: there are user, password."),
        (BEARER | {"token": "a b"}, "token must be printable ASCII without spaces, and without the word Bearer."),
        (BEARER | {"token": "a\r\nX: y"}, "token must be printable ASCII without spaces, and without the word Bearer."),
        (BEARER | {"token": "€"}, "token must be printable ASCII without spaces, and without the word Bearer."),
        (
            HEADER | {"name": "Host"},
            "The header Host is not yours to set: the dispatcher, HTTP or a proxy writes it.",
        ),
        (OAUTH2 | {"token_url": "ftp://x"}, "token_url: A URL must start with https:// or http://."),
        (OAUTH2 | {"token_url": "https://a:b@x/"}, "token_url: A URL must not contain a user name or password."),
        (OAUTH2 | {"client_id": "€"}, "client_id must be printable ASCII."),
        (OAUTH2 | {"client_secret": "a\nb"}, "client_secret must be printable ASCII."),
        (OAUTH2 | {"scope": "a  b"}, "scope must be words of printable ASCII with one space between."),
        (OAUTH2 | {"scope": "a" * 501}, "scope must be at most 500 characters long."),
        (OAUTH2 | {"client_authentication": "jwt"}, "client_authentication must be one of basic, body."),
        (OAUTH2 | {"client_authentication": ""}, "client_authentication must be one of basic, body."),
    ],
)
def test_what_makes_no_credentials_is_refused_with_a_sentence(given: Any, message: str) -> None:
    with pytest.raises(InvalidCredentials) as refused:
        read(given)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "given",
    [
        BASIC | {"password": SECRET + "\n"},
        BEARER | {"token": SECRET + " "},
        HEADER | {"value": SECRET + "\0"},
        OAUTH2 | {"client_secret": SECRET + "\x7f"},
        OAUTH2 | {"token_url": f"https://x/{SECRET}#"},
    ],
)
def test_a_refused_secret_is_not_repeated(given: dict[str, str]) -> None:
    with pytest.raises(InvalidCredentials) as refused:
        read(given)
    assert SECRET not in str(refused.value)
