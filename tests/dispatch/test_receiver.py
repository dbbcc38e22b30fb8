import re
import threading
from collections.abc import Mapping

import pytest

from dispatch import receiver
from dispatch.receiver import Rejected, Scheme

# The example of the Standard Webhooks reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SENT_AT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(SENT_AT),
    "webhook-signature": SIGNATURE,
}
# RFC 4231, test case 2.
PLAIN_SECRET = "Jefe"
PLAIN_BODY = b"what do ya want for nothing?"
PLAIN_SIGNATURE = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def verify_standard(headers: Mapping[str, str], body: bytes = BODY, now: float = SENT_AT) -> None:
    key = receiver.key_of(Scheme.STANDARD, SECRET)
    receiver.verify(Scheme.STANDARD, key, headers, body, now=now)


def verify_plain(headers: Mapping[str, str], body: bytes = PLAIN_BODY) -> None:
    key = receiver.key_of(Scheme.X_SIGNATURE, PLAIN_SECRET)
    receiver.verify(Scheme.X_SIGNATURE, key, headers, body, now=SENT_AT)


def refused(reason: str) -> pytest.RaisesExc[Rejected]:
    return pytest.raises(Rejected, match=f"^{re.escape(reason)}$")


def test_a_request_of_the_reference_libraries_is_accepted() -> None:
    verify_standard(STANDARD)


@pytest.mark.parametrize(
    "signatures",
    [
        f"v1,AAAA {SIGNATURE}",
        f"{SIGNATURE} v1,AAAA",
        f"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== {SIGNATURE}",
    ],
)
def test_one_matching_signature_of_several_is_enough(signatures: str) -> None:
    verify_standard(STANDARD | {"webhook-signature": signatures})


@pytest.mark.parametrize("name", STANDARD)
def test_a_missing_header_is_named(name: str) -> None:
    headers = {other: value for other, value in STANDARD.items() if other != name}

    with refused(f"The header {name} is missing."):
        verify_standard(headers)


@pytest.mark.parametrize(
    "headers",
    [
        STANDARD | {"webhook-id": "msg_other"},
        STANDARD | {"webhook-timestamp": str(SENT_AT + 1)},
        STANDARD | {"webhook-signature": SIGNATURE.removeprefix("v1,")},
        STANDARD | {"webhook-signature": SIGNATURE.replace("v1,", "v2,")},
        STANDARD | {"webhook-signature": SIGNATURE[:-1]},
        STANDARD | {"webhook-signature": ""},
        STANDARD | {"webhook-signature": "v1,é"},
    ],
)
def test_any_change_of_what_is_signed_or_of_the_signature_is_noticed(headers: Mapping[str, str]) -> None:
    with refused("The signature does not match."):
        verify_standard(headers)


def test_a_changed_body_is_noticed() -> None:
    with refused("The signature does not match."):
        verify_standard(STANDARD, BODY + b"\n")


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_up_to_five_minutes_either_way_are_tolerated(late: float) -> None:
    verify_standard(STANDARD, now=SENT_AT + late)


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (300.1, "The timestamp is more than 5 minutes old."),
        (-300.1, "The timestamp is more than 5 minutes in the future."),
    ],
)
def test_more_than_five_minutes_are_not(late: float, reason: str) -> None:
    with refused(f"{reason}"):
        verify_standard(STANDARD, now=SENT_AT + late)


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [
        # HMAC-SHA256 over `msg_p5jXN8AQM9LWM0D4loKWxJek.<timestamp>.{"test": 2432232314}`, by openssl dgst.
        ("", "v1,qpNdG4GyYZm20lYVP2gMlqx58gTTnMDAVuP4GXqbv54="),
        ("1614265330.5", "v1,2KzqrKCGak0k5OGRxNeKhLsLlHG73LO8vHhrfN/dutg="),
        ("9" * 30, "v1,AI6VFd/wQc0H2AaBlLORdP6BItWbBh7jNHXnn3bdz/o="),
    ],
)
def test_a_signed_timestamp_that_is_no_number_of_seconds_is_refused(timestamp: str, signature: str) -> None:
    with refused("The timestamp is not a whole number of seconds."):
        verify_standard(STANDARD | {"webhook-timestamp": timestamp, "webhook-signature": signature})


def test_a_plain_request_is_accepted() -> None:
    verify_plain({"x-signature": PLAIN_SIGNATURE})


@pytest.mark.parametrize(
    "signature",
    [PLAIN_SIGNATURE.upper(), PLAIN_SIGNATURE[:-1], f"sha256={PLAIN_SIGNATURE}", "", "é"],
)
def test_a_plain_signature_must_match_to_the_letter(signature: str) -> None:
    with refused("The signature does not match."):
        verify_plain({"x-signature": signature})


def test_a_plain_request_with_another_body_or_without_a_signature_is_refused() -> None:
    with refused("The signature does not match."):
        verify_plain({"x-signature": PLAIN_SIGNATURE}, PLAIN_BODY.upper())
    with refused("The header x-signature is missing."):
        verify_plain({})


@pytest.mark.parametrize("method", ["GET", "PUT", "post", ""])
def test_only_post_is_accepted(method: str) -> None:
    with refused("Only POST is accepted.") as rejected:
        receiver.check_method(method)
    assert rejected.value.status == 405


@pytest.mark.parametrize(
    ("scheme", "secret", "message"),
    [
        (Scheme.STANDARD, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "starts with whsec_"),
        (Scheme.STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "is not base64"),
        (Scheme.STANDARD, "whsec_é", "is not base64"),
        (Scheme.X_SIGNATURE, "", "is empty"),
    ],
)
def test_a_secret_of_the_wrong_form_is_refused_without_being_told(scheme: Scheme, secret: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        receiver.key_of(scheme, secret)
    assert not secret or secret not in str(error.value)


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b"\xff", b'{"a": 1} x', b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    with refused("The body is not JSON."):
        receiver.parse(body)


def test_an_id_is_new_once() -> None:
    ids = receiver.AcceptedIds()

    assert [ids.add("evt_1"), ids.add("evt_2"), ids.add("evt_1")] == [True, True, False]


def test_only_the_last_ids_are_kept() -> None:
    ids = receiver.AcceptedIds(limit=2)

    assert [ids.add(name) for name in ("evt_1", "evt_2", "evt_3")] == [True, True, True]
    assert [ids.add(name) for name in ("evt_3", "evt_2", "evt_1")] == [False, False, True]


def test_of_many_threads_with_one_id_one_finds_it_new() -> None:
    ids, start, found = receiver.AcceptedIds(), threading.Barrier(16), []

    def add() -> None:
        start.wait()
        found.append(ids.add("evt_1"))

    threads = [threading.Thread(target=add) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [False] * 15 + [True]
