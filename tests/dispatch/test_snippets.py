"""The code that the page of an endpoint gives to receivers does what it says, where it can be run here."""

import json
import shutil
import subprocess
import time
from typing import Any

import pytest

from dispatch.signing import signature_headers
from dispatch.snippets import LANGUAGES, snippets
from subscriptions import signature_schemes
from tests.dispatch.signers import signer_of

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BODY = '{"to":"Zoë"}'
OWN: dict[str, Any] = {"header": "X-Acme-Signature", "digest": "sha512", "encoding": "base64", "prefix": "s="}
SCHEMES: list[list[Any]] = [
    *([name] for name in ("standard", "x-signature", "github", "stripe", "shopify")),
    [OWN | {"signed": "{id}.{timestamp}.{body}", "timestamp_header": "X-Acme-Timestamp"}],
]


def request(schemes: list[Any], *, age: int = 0) -> dict[str, str]:
    """Give the headers of a request of an endpoint, with their names in lower case."""
    signed = signature_headers(
        signer_of(SECRET, schemes=schemes),
        message_id="evt_1",
        timestamp=int(time.time()) - age,
        body=BODY.encode(),
    )
    return {name.lower(): value for name, value in signed.items()}


def snippet(language: str, schemes: list[Any]) -> str:
    return snippets(signature_schemes.read(schemes))[language]


def has_time(schemes: list[Any]) -> bool:
    return schemes[0] not in ("x-signature", "github", "shopify")


def python(schemes: list[Any], headers: dict[str, str], body: str) -> bool:
    names: dict[str, Any] = {}
    exec(snippet("Python", schemes), names)  # noqa: S102 - that is what is tested
    return bool(names["is_genuine"](SECRET, headers, body.encode()))


def javascript(schemes: list[Any], headers: dict[str, str], body: str) -> bool:
    given = f"{json.dumps(SECRET)}, {json.dumps(headers)}, Buffer.from({json.dumps(body)})"
    program = f"{snippet('JavaScript', schemes)}\nconsole.log(isGenuine({given}));"
    return said_by("node", "-e", program) == "true\n"


def shell(schemes: list[Any], headers: dict[str, str], body: str) -> bool:
    scheme = signature_schemes.read(schemes)
    other = scheme.others[0] if scheme.others else None
    variables = {
        "SECRET": SECRET,
        "BODY": body,
        "ID": headers["webhook-id"],
        "GIVEN": headers[other.header.lower() if other else "webhook-signature"],
        "TIMESTAMP": headers.get((other.timestamp_header.lower() if other else "webhook-timestamp"), ""),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    program = ["sh", "-c", snippet("Shell", schemes)]
    said = subprocess.run(program, env=variables, capture_output=True, text=True, check=True).stdout
    return said == "genuine\n"


def ruby(schemes: list[Any], headers: dict[str, str], body: str) -> bool:
    # A text of JSON is one of Ruby too, but for #.
    given = [json.dumps(text, ensure_ascii=False) for text in (SECRET, body)]
    hash_ = ", ".join(f"{json.dumps(name)} => {json.dumps(value)}" for name, value in headers.items())
    program = f"{snippet('Ruby', schemes)}\nputs genuine?({given[0]}, {{{hash_}}}, {given[1]})"
    return said_by("ruby", "-e", program) == "true\n"


def php(schemes: list[Any], headers: dict[str, str], body: str) -> bool:
    given = json.dumps([SECRET, headers, body]).replace("\\", "\\\\").replace("'", "\\'")
    call = f"var_export(is_genuine(...json_decode('{given}', true)));"
    return said_by("php", "-r", snippet("PHP", schemes).removeprefix("<?php") + call) == "true"


def said_by(*program: str) -> str:
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout


RUNNERS = {"Python": python, "JavaScript": javascript, "Ruby": ruby, "PHP": php, "Shell": shell}
NEEDED = {"Python": "python3", "JavaScript": "node", "Ruby": "ruby", "PHP": "php", "Shell": "openssl"}


@pytest.mark.parametrize("language", list(RUNNERS))
@pytest.mark.parametrize("schemes", SCHEMES, ids=str)
def test_code_accepts_what_is_genuine_and_nothing_else(language: str, schemes: list[Any]):
    if shutil.which(NEEDED[language]) is None:
        pytest.skip(f"there is no {NEEDED[language]} here")
    run = RUNNERS[language]
    assert run(schemes, request(schemes), BODY) is True
    assert run(schemes, request(schemes), BODY + " ") is False
    if has_time(schemes):
        assert run(schemes, request(schemes, age=301), BODY) is False


@pytest.mark.parametrize("schemes", SCHEMES, ids=str)
def test_every_language_names_the_headers_and_leaves_no_place_open(schemes: list[Any]):
    scheme = signature_schemes.read(schemes)
    names = scheme.others[0].headers if scheme.others else ["webhook-signature"]
    for language, text in snippets(scheme).items():
        assert all(name in text.lower() for name in names) or language == "Shell", language
        assert not any(f"@{place}@" in text for place in ("key", "header", "prefix", "timestamp", "message", "cut")), (
            text
        )
    assert set(snippets(scheme)) == set(LANGUAGES)
