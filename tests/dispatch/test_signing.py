import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import time_machine

from dispatch.signing import NothingToSignWith, Signer, signature_headers
from tests.dispatch.signers import signer_of

# The example of the Standard Webhooks reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
# RFC 8032, section 7.1, test 2.
PRIVATE = (
    "whsk_"
    + base64.b64encode(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")).decode()
)
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
OPENSSL, NODE = shutil.which("openssl"), shutil.which("node")

needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


def headers_of(signer: Signer, body: bytes = BODY) -> dict[str, str]:
    return dict(signature_headers(signer, message_id=MESSAGE_ID, timestamp=TIMESTAMP, body=body))


def openssl_hmac(*key: str, body: bytes, digest: str = "sha256") -> str:
    assert OPENSSL
    told = subprocess.run([OPENSSL, "dgst", f"-{digest}", *key], input=body, capture_output=True, check=True)
    return told.stdout.decode().rpartition("= ")[2].strip()


def has_npm_package() -> bool:
    if not NODE:
        return False
    return subprocess.run([NODE, "-e", "require('standardwebhooks')"], capture_output=True, check=False).returncode == 0


class TestTheStandardScheme:
    def test_signs_as_the_reference_libraries_do(self) -> None:
        assert headers_of(signer_of(SECRET)) == {
            "webhook-id": MESSAGE_ID,
            "webhook-timestamp": "1614265330",
            "webhook-signature": SIGNATURE,
        }

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"name":"J\xc3\xbcrgen"}', bytes(range(256))])
    def test_is_accepted_by_an_independent_few_lines(self, body: bytes) -> None:
        headers = headers_of(signer_of(SECRET), body)

        key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"

    @needs_openssl
    def test_is_what_openssl_computes(self) -> None:
        key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").hex()
        signed = f"{MESSAGE_ID}.{TIMESTAMP}.".encode() + BODY
        standard = bytes.fromhex(openssl_hmac("-mac", "HMAC", "-macopt", f"hexkey:{key}", body=signed))

        assert headers_of(signer_of(SECRET))["webhook-signature"] == f"v1,{base64.b64encode(standard).decode()}"

    @time_machine.travel(datetime.fromtimestamp(TIMESTAMP, UTC), tick=False)
    def test_is_accepted_by_the_standardwebhooks_package_which_signs_the_same(self) -> None:
        receiver = standardwebhooks.Webhook(SECRET)

        assert receiver.verify(BODY, headers_of(signer_of(SECRET))) == {"test": 2432232314}
        assert receiver.sign(MESSAGE_ID, datetime.fromtimestamp(TIMESTAMP, UTC), BODY.decode()) == SIGNATURE

    @time_machine.travel(datetime.fromtimestamp(TIMESTAMP, UTC), tick=False)
    def test_is_refused_by_the_standardwebhooks_package_for_another_body_id_or_time(self) -> None:
        receiver, headers = standardwebhooks.Webhook(SECRET), headers_of(signer_of(SECRET))

        for changed_body, changed_headers in (
            (BODY + b" ", headers),
            (BODY, headers | {"webhook-id": "msg_other"}),
            (BODY, headers | {"webhook-timestamp": str(TIMESTAMP + 1)}),
        ):
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                receiver.verify(changed_body, changed_headers)

    @pytest.mark.skipif(not has_npm_package(), reason="node or its package standardwebhooks is not installed")
    @pytest.mark.parametrize("secrets", [(SECRET,), (OTHER_SECRET, SECRET), (PRIVATE, SECRET)])
    def test_is_accepted_by_the_npm_package(self, secrets: tuple[str, ...]) -> None:
        headers = headers_of(signer_of(*secrets))
        code = (
            "const {Webhook} = require('standardwebhooks'); Date.now = () => Number(process.env.AT) * 1000;"
            "const headers = JSON.parse(process.env.HEADERS);"
            "console.log(JSON.stringify(new Webhook(process.env.SECRET).verify(process.env.BODY, headers)))"
        )
        assert NODE
        verified = subprocess.run(
            [NODE, "-e", code],
            env=os.environ
            | {"AT": str(TIMESTAMP), "HEADERS": json.dumps(headers), "SECRET": SECRET, "BODY": BODY.decode()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (verified.stdout, verified.stderr) == ('{"test":2432232314}\n', "")

    @time_machine.travel(datetime.fromtimestamp(TIMESTAMP, UTC), tick=False)
    @pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
    def test_lets_the_old_and_the_new_secret_verify_while_one_is_rotated(self, secret: str) -> None:
        headers = headers_of(signer_of(OTHER_SECRET, SECRET))

        assert len(headers["webhook-signature"].split(" ")) == 2
        assert standardwebhooks.Webhook(secret).verify(BODY, headers) == {"test": 2432232314}


class TestEd25519:
    def test_signs_as_openssl_does(self) -> None:
        # openssl pkeyutl -sign -rawin -keyform DER -inkey private.der -in message | base64
        expected = "7anDmyOh9LNskt5GJUTacHmbvyUkT0/S1jnxFAp+h2hcVXnQLWhtWA2+wP6vO0AUwEYP23IIZVuneGRhNj7hDQ=="
        assert headers_of(signer_of(PRIVATE))["webhook-signature"] == f"v1a,{expected}"

    @needs_openssl
    @pytest.mark.parametrize("body", [BODY, b"", bytes(range(256))])
    def test_is_verified_by_openssl_with_the_public_key(self, tmp_path: Path, body: bytes) -> None:
        signature = headers_of(signer_of(PRIVATE), body)["webhook-signature"].removeprefix("v1a,")
        # RFC 8410: what stands before the 32 bytes of every ed25519 public key in DER.
        (tmp_path / "public.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + PUBLIC)
        (tmp_path / "signature").write_bytes(base64.b64decode(signature))
        (tmp_path / "message").write_bytes(f"{MESSAGE_ID}.{TIMESTAMP}.".encode() + body)
        assert OPENSSL
        command = [OPENSSL, "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "public.der", "-rawin"]
        command += ["-in", "message", "-sigfile", "signature"]
        verified = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (verified.returncode, verified.stdout.strip()) == (0, "Signature Verified Successfully")

        (tmp_path / "message").write_bytes(b"another message")
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0

    @time_machine.travel(datetime.fromtimestamp(TIMESTAMP, UTC), tick=False)
    def test_stands_beside_the_shared_secret_that_it_replaces(self) -> None:
        headers = headers_of(signer_of(PRIVATE, SECRET))

        assert [each.partition(",")[0] for each in headers["webhook-signature"].split(" ")] == ["v1a", "v1"]
        assert standardwebhooks.Webhook(SECRET).verify(BODY, headers) == {"test": 2432232314}


# RFC 4231, test case 2.
JEFE, WANT = "Jefe", b"what do ya want for nothing?"
OWN = {"header": "X-Acme-Signature"}


class TestOtherSchemes:
    def test_have_an_id_too_because_receivers_tell_repetitions_by_it(self) -> None:
        assert headers_of(signer_of(JEFE, schemes=["x-signature"]), WANT) == {
            "webhook-id": MESSAGE_ID,
            "X-Signature": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        }

    @pytest.mark.parametrize(
        ("preset", "header", "value"),
        [
            ("x-signature", "X-Signature", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                "github",
                "X-Hub-Signature-256",
                "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            ("shopify", "X-Shopify-Hmac-SHA256", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="),
        ],
    )
    def test_the_presets_of_the_body_alone(self, preset: str, header: str, value: str) -> None:
        assert headers_of(signer_of(JEFE, schemes=[preset]), WANT)[header] == value

    def test_github_signs_as_its_documentation_says(self) -> None:
        # From GitHub's page 'Validating webhook deliveries', section 'Testing the webhook payload validation'.
        headers = headers_of(signer_of("It's a Secret to Everybody", schemes=["github"]), b"Hello, World!")
        expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        assert headers["X-Hub-Signature-256"] == expected

    @needs_openssl
    def test_stripe_signs_time_and_body_and_has_room_for_every_secret(self) -> None:
        header = headers_of(signer_of("whsec_new", "whsec_old", schemes=["stripe"]))["Stripe-Signature"]

        message = f"{TIMESTAMP}.".encode() + BODY
        new, old = (openssl_hmac("-hmac", key, body=message) for key in ("whsec_new", "whsec_old"))
        assert header == f"t={TIMESTAMP},v1={new},v1={old}"

    @needs_openssl
    @pytest.mark.parametrize("digest", ["sha256", "sha512", "sha1"])
    @pytest.mark.parametrize("signed", ["{body}", "{timestamp}.{body}", "{id}.{timestamp}.{body}"])
    @pytest.mark.parametrize("encoding", ["hex", "base64"])
    def test_ones_own_is_what_openssl_computes(self, digest: str, signed: str, encoding: str) -> None:
        own: dict[str, Any] = OWN | {"digest": digest, "signed": signed, "encoding": encoding, "prefix": f"{digest}="}
        own |= {"timestamp_header": "X-Acme-Timestamp"} if "timestamp" in signed else {}
        headers = headers_of(signer_of(SECRET, schemes=[own]))

        # The parts as a receiver has them: from the headers, and the body as it arrived.
        parts = {"{id}": headers["webhook-id"], "{timestamp}": headers.get("X-Acme-Timestamp", "")}
        head = signed.removesuffix("{body}")
        for name, text in parts.items():
            head = head.replace(name, text)
        computed = openssl_hmac("-hmac", SECRET, body=head.encode() + BODY, digest=digest)
        if encoding == "base64":
            computed = base64.b64encode(bytes.fromhex(computed)).decode()
        assert headers["X-Acme-Signature"] == f"{digest}={computed}"

    def test_stand_beside_the_standard_one_and_read_the_secret_their_own_way(self) -> None:
        headers = headers_of(signer_of(SECRET, schemes=["standard", "x-signature", "github"]))

        assert headers["webhook-signature"] == SIGNATURE
        # Their key is the text, `whsec_` and all.
        computed = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
        assert (headers["X-Signature"], headers["X-Hub-Signature-256"]) == (computed, f"sha256={computed}")

    def test_a_secret_outside_ascii_is_used_as_utf_8(self) -> None:
        expected = hmac.new(b"Stra\xc3\x9fenbahnschaffner", b"{}", hashlib.sha256).hexdigest()

        assert headers_of(signer_of("Straßenbahnschaffner", schemes=["x-signature"]), b"{}")["X-Signature"] == expected

    def test_with_room_for_one_signature_it_is_that_of_the_newest_secret(self) -> None:
        headers = headers_of(signer_of("the-newest-secret", "an-older-secret", schemes=["x-signature"]))

        assert headers["X-Signature"] == hmac.new(b"the-newest-secret", BODY, hashlib.sha256).hexdigest()


class TestNothingToSignWith:
    @pytest.mark.parametrize("schemes", [["standard"], ["x-signature"], ["standard", "stripe"]])
    def test_nothing_leaves_unsigned_when_no_secret_is_valid(self, schemes: list[str]) -> None:
        with pytest.raises(NothingToSignWith):
            headers_of(signer_of(schemes=schemes))

    @pytest.mark.parametrize(
        ("secret", "schemes"),
        [("a-text-of-theirs", ["standard", "x-signature"]), (PRIVATE, ["standard", "x-signature"])],
    )
    def test_nothing_leaves_with_one_of_its_schemes_missing(self, secret: str, schemes: list[str]) -> None:
        with pytest.raises(NothingToSignWith):
            headers_of(signer_of(secret, schemes=schemes))

    def test_the_reason_is_told_if_there_is_one(self) -> None:
        with pytest.raises(NothingToSignWith, match="Its key was lost"):
            headers_of(Signer((), problem="Its key was lost."))


def test_no_representation_shows_a_key() -> None:
    assert "MfKQ9r8GKYqr" not in repr(signer_of(SECRET, PRIVATE))
    assert base64.b64decode(SECRET.removeprefix("whsec_")).hex() not in repr(signer_of(SECRET))
