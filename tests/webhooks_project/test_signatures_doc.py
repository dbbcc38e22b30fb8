"""What docs/signatures.md tells receivers to do is done here, with requests as the dispatcher signs them."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatch.signing import signature_headers
from subscriptions import signature_schemes, signing_secrets
from tests.dispatch.signers import signer_of

TEXT = (Path(__file__).resolve().parents[2] / "docs/signatures.md").read_text()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC = signing_secrets.public_key(PRIVATE)
BODY = b'{"type":"invoice.paid","data":{"amount":100}}'
NODE = shutil.which("node")
HAS_NPM_PACKAGE = (
    NODE is not None
    and subprocess.run([NODE, "-e", "require('standardwebhooks')"], capture_output=True, check=False).returncode == 0
)

Verify = Callable[[str, dict[str, str], bytes], Any]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def functions() -> dict[str, Verify]:
    """Run each of the document's Python blocks by itself, and give the functions that they define."""
    found: dict[str, Verify] = {}
    for block in blocks("python"):
        names: dict[str, Any] = {}
        exec(block, names)  # noqa: S102
        found |= {name: value for name, value in names.items() if name.startswith("verify_")}
    return found


def request(scheme: str, *secrets: str, age: int = 0) -> dict[str, str]:
    signer = signer_of(*secrets, schemes=[scheme])
    return dict(signature_headers(signer, message_id="evt_1", timestamp=int(time.time()) - age, body=BODY))


def says_yes(verify: Verify, secret: str, headers: dict[str, str], body: bytes = BODY) -> bool:
    try:
        return bool(verify(secret, headers, body))
    except Exception as refused:
        if type(refused).__name__ != "WebhookVerificationError":
            raise
        return False


# The function, the scheme that it verifies, the secret that signs and what the receiver has.
CASES = [
    ("verify_with_library", "standard", SECRET, SECRET),
    ("verify_standard", "standard", SECRET, SECRET),
    ("verify_ed25519", "standard", PRIVATE, PUBLIC),
    ("verify_x_signature", "x-signature", "my-shared-secret", "my-shared-secret"),
    ("verify_github", "github", "my-shared-secret", "my-shared-secret"),
    ("verify_shopify", "shopify", SECRET, SECRET),
    ("verify_stripe", "stripe", SECRET, SECRET),
]


def test_every_preset_has_code_for_receivers() -> None:
    assert set(functions()) == {name for name, *_ in CASES}
    assert {scheme for _, scheme, *_ in CASES} == {"standard", *signature_schemes.PRESETS}


@pytest.mark.parametrize(("name", "scheme", "secret", "known"), CASES)
def test_its_code_accepts_what_is_signed_and_nothing_else(name: str, scheme: str, secret: str, known: str) -> None:
    verify, headers = functions()[name], request(scheme, secret)
    assert says_yes(verify, known, headers)
    assert not says_yes(verify, known, headers, BODY + b" ")
    other = PUBLIC if secret == PRIVATE else OTHER
    stranger = request(scheme, signing_secrets.generate(signing_secrets.kind_of(secret)))
    assert not says_yes(verify, other, stranger)


@pytest.mark.parametrize("name", ["verify_with_library", "verify_standard", "verify_ed25519", "verify_stripe"])
def test_its_code_refuses_what_is_old_where_the_time_is_signed(name: str) -> None:
    [(scheme, secret, known)] = [each[1:] for each in CASES if each[0] == name]
    assert says_yes(functions()[name], known, request(scheme, secret, age=290))
    assert not says_yes(functions()[name], known, request(scheme, secret, age=310))


@pytest.mark.parametrize("name", ["verify_with_library", "verify_standard", "verify_stripe"])
@pytest.mark.parametrize("known", [SECRET, OTHER])
def test_its_code_knows_of_several_secrets_where_there_is_room(name: str, known: str) -> None:
    scheme = "stripe" if name == "verify_stripe" else "standard"
    assert says_yes(functions()[name], known, request(scheme, SECRET, OTHER))


def test_ed25519_is_verified_beside_a_shared_secret() -> None:
    assert says_yes(functions()["verify_ed25519"], PUBLIC, request("standard", SECRET, PRIVATE))


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("xxd")), reason="openssl or xxd is not installed")
def test_its_commands_verify_too(tmp_path: Path) -> None:
    ed25519, by_hand = blocks("sh")
    headers = request("standard", PRIVATE)
    verified = shell(
        ed25519,
        tmp_path,
        PUBLIC_KEY=PUBLIC,
        SIGNATURE=headers["webhook-signature"],
        ID=headers["webhook-id"],
        TIMESTAMP=headers["webhook-timestamp"],
        BODY=BODY.decode(),
    )
    assert verified == "Signature Verified Successfully\n"
    computed = shell(by_hand, tmp_path, SECRET="my-shared-secret", BODY=BODY.decode())
    assert computed.strip() == request("x-signature", "my-shared-secret")["X-Signature"]


def shell(block: str, directory: Path, **variables: str) -> str:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=directory,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.skipif(not HAS_NPM_PACKAGE, reason="node or its package standardwebhooks is not installed")
def test_its_javascript_verifies_too() -> None:
    [block] = blocks("javascript")
    given = json.dumps([SECRET, request("standard", SECRET), BODY.decode()])
    call = f"console.log(verify(...{given}).type)"
    assert NODE
    ran = subprocess.run([NODE, "-e", block + call], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("invoice.paid\n", "")


def test_its_schemes_are_schemes() -> None:
    examples = [json.loads(block) for block in blocks("json")]
    assert [len(signature_schemes.normal(each)) for each in examples] == [3, 1, 1]


def test_its_tables_name_every_preset_and_every_setting() -> None:
    for name, scheme in signature_schemes.PRESETS.items():
        assert f"| `{name}` | `{scheme.header}` |" in TEXT
    [written_out] = signature_schemes.normal([{"header": "X-A"}])
    assert [name for name in written_out if f"| `{name}` |" not in TEXT] == []
