import base64
import hashlib
import hmac
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
import standardwebhooks
import time_machine

from dispatch.signing import NothingToSignWith, Signer, signature_headers, standard_signature, x_signature

# The example of the Standard Webhooks reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OPENSSL = shutil.which("openssl")


def headers_of(signer: Signer, body: bytes = BODY) -> dict[str, str]:
    return dict(signature_headers(signer, message_id=MESSAGE_ID, timestamp=TIMESTAMP, body=body))


def openssl_hmac(*key: str, body: bytes) -> str:
    assert OPENSSL
    told = subprocess.run([OPENSSL, "dgst", "-sha256", *key], input=body, capture_output=True, check=True)
    return told.stdout.decode().rpartition("= ")[2].strip()


def test_the_standard_signature_of_the_reference_libraries() -> None:
    assert standard_signature(SECRET, MESSAGE_ID, TIMESTAMP, BODY) == SIGNATURE


def test_the_standard_headers() -> None:
    assert headers_of(Signer([SECRET])) == {
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_the_plain_headers_have_an_id_too_because_receivers_tell_repetitions_by_it() -> None:
    # RFC 4231, test case 2.
    signer = Signer(["Jefe"], standard=False, x_signature=True)

    assert headers_of(signer, b"what do ya want for nothing?") == {
        "webhook-id": MESSAGE_ID,
        "X-Signature": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    }


def test_both_schemes_side_by_side_each_read_the_secret_their_own_way() -> None:
    headers = headers_of(Signer([SECRET], x_signature=True))

    assert headers["webhook-signature"] == SIGNATURE
    # Its key is the text, `whsec_` and all.
    assert headers["X-Signature"] == hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()


def test_a_plain_signature_with_a_secret_outside_ascii_uses_its_utf_8_text() -> None:
    expected = hmac.new(b"Stra\xc3\x9fenbahnschaffner", b"{}", hashlib.sha256).hexdigest()

    assert x_signature("Straßenbahnschaffner", b"{}") == expected


@pytest.mark.parametrize("body", [b"", b"{}", b'{"name":"J\xc3\xbcrgen"}', bytes(range(256))])
def test_an_independent_few_lines_accept_the_standard_signature(body: bytes) -> None:
    headers = headers_of(Signer([SECRET]), body)

    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_openssl_computes_the_same_signatures() -> None:
    headers = headers_of(Signer([SECRET], x_signature=True))

    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").hex()
    signed = f"{MESSAGE_ID}.{TIMESTAMP}.".encode() + BODY
    standard = bytes.fromhex(openssl_hmac("-mac", "HMAC", "-macopt", f"hexkey:{key}", body=signed))
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(standard).decode()}"
    assert headers["X-Signature"] == openssl_hmac("-hmac", SECRET, body=BODY)


@time_machine.travel(datetime.fromtimestamp(TIMESTAMP, UTC), tick=False)
def test_the_standardwebhooks_package_accepts_a_request_and_signs_the_same() -> None:
    receiver = standardwebhooks.Webhook(SECRET)

    assert receiver.verify(BODY, headers_of(Signer([SECRET]))) == {"test": 2432232314}
    assert receiver.sign(MESSAGE_ID, datetime.fromtimestamp(TIMESTAMP, UTC), BODY.decode()) == SIGNATURE


@time_machine.travel(datetime.fromtimestamp(TIMESTAMP, UTC), tick=False)
def test_the_standardwebhooks_package_refuses_another_body_id_or_time() -> None:
    receiver, headers = standardwebhooks.Webhook(SECRET), headers_of(Signer([SECRET]))

    for changed_body, changed_headers in (
        (BODY + b" ", headers),
        (BODY, headers | {"webhook-id": "msg_other"}),
        (BODY, headers | {"webhook-timestamp": str(TIMESTAMP + 1)}),
    ):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            receiver.verify(changed_body, changed_headers)


@time_machine.travel(datetime.fromtimestamp(TIMESTAMP, UTC), tick=False)
@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_while_a_secret_is_rotated_the_old_and_the_new_one_each_verify(secret: str) -> None:
    headers = headers_of(Signer([OTHER_SECRET, SECRET]))

    assert len(headers["webhook-signature"].split(" ")) == 2
    assert standardwebhooks.Webhook(secret).verify(BODY, headers) == {"test": 2432232314}


def test_the_plain_scheme_signs_with_the_newest_secret() -> None:
    headers = headers_of(Signer(["the-newest-secret", "an-older-secret"], standard=False, x_signature=True))

    assert headers["X-Signature"] == x_signature("the-newest-secret", BODY)


@pytest.mark.parametrize("x_signature", [True, False])
def test_nothing_leaves_unsigned_when_no_secret_is_valid(x_signature: bool) -> None:
    with pytest.raises(NothingToSignWith):
        headers_of(Signer([], standard=not x_signature, x_signature=x_signature))
