import uuid
from datetime import timedelta
from typing import Any

import pytest
import time_machine
import trustme
from cryptography.fernet import MultiFernet
from django.db import connection

from dispatch.endpoint_snapshots import EndpointSnapshot, EndpointSnapshots
from dispatch.signing import NothingToSignWith, key_of, signature_headers
from dispatch.sql import select_by_ids
from subscriptions import ids
from subscriptions.models import Actor, CustomHeaders, Endpoint, EndpointState, SigningSecret
from tests.certificates_made import chain, issued, key, pem
from tests.dispatch.signers import signer_of
from tests.encryption_keys import FIRST, FIRST_NAME, SECOND, SECOND_NAME, use
from tests.factories import NOON, EndpointFactory, SigningSecretFactory

pytestmark = pytest.mark.django_db


def key_of_endpoint(endpoint: Endpoint) -> uuid.UUID:
    return ids.decode("ep", endpoint.id)


def read(endpoint: Endpoint, snapshots: EndpointSnapshots | None = None, now: float = 1.0) -> EndpointSnapshot:
    return (snapshots or EndpointSnapshots()).get([key_of_endpoint(endpoint)], now)[key_of_endpoint(endpoint)]


def sign(snapshot: EndpointSnapshot) -> Any:
    return signature_headers(snapshot.signer, message_id="evt_1", timestamp=1, body=b"{}")


@pytest.fixture
def decrypted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Give a list that grows with everything that is decrypted."""
    tokens: list[bytes] = []
    real = MultiFernet.decrypt

    def decrypt(self: MultiFernet, token: bytes, *rest: Any) -> bytes:
        tokens.append(token)
        return real(self, token, *rest)

    monkeypatch.setattr(MultiFernet, "decrypt", decrypt)
    return tokens


def test_a_snapshot_holds_what_a_request_needs() -> None:
    own = {"header": "X-Acme-Signature", "digest": "sha512"}
    endpoint = EndpointFactory(state=EndpointState.PAUSED, signature_schemes=["standard", "github", own])
    snapshot = read(endpoint)

    assert (snapshot.id, snapshot.url, snapshot.state) == (
        key_of_endpoint(endpoint),
        endpoint.url,
        EndpointState.PAUSED,
    )
    secret = endpoint.signing_secrets.get().value
    assert snapshot.signer == signer_of(secret, schemes=["standard", "github", own])


def test_secrets_sign_until_they_expire_the_newest_first() -> None:
    endpoint = EndpointFactory(secret=None)
    old = SigningSecretFactory(endpoint=endpoint, expires_at=NOON + timedelta(microseconds=1))
    SigningSecretFactory(endpoint=endpoint, expires_at=NOON)
    new = SigningSecretFactory(endpoint=endpoint)

    with time_machine.travel(NOON, tick=False):
        snapshot = read(endpoint)
    assert snapshot.signer.keys == (key_of(new.value), key_of(old.value))


def test_an_endpoint_that_is_not_there_has_no_snapshot() -> None:
    assert EndpointSnapshots().get([uuid.UUID(int=1)], 1.0) == {}


def test_no_endpoints_have_no_snapshots() -> None:
    assert EndpointSnapshots().get([], 1.0) == {}


def test_a_change_is_seen_within_two_seconds() -> None:
    endpoint, other = EndpointFactory(), EndpointFactory()
    snapshots = EndpointSnapshots()
    before = snapshots.get([key_of_endpoint(endpoint)], 100.0)[key_of_endpoint(endpoint)]
    Endpoint.objects.update(url="https://elsewhere.example/")

    assert snapshots.get([key_of_endpoint(endpoint)], 100.5)[key_of_endpoint(endpoint)] is before
    assert set(snapshots.get([key_of_endpoint(other)], 101.5)) == {key_of_endpoint(other)}
    assert snapshots.get([key_of_endpoint(endpoint)], 102.0)[key_of_endpoint(endpoint)].url == (
        "https://elsewhere.example/"
    )


def test_what_is_to_be_forgotten_is_read_again() -> None:
    endpoint = EndpointFactory()
    snapshots = EndpointSnapshots()
    read(endpoint, snapshots)
    Endpoint.objects.update(state=EndpointState.DISABLED)
    snapshots.forget(key_of_endpoint(endpoint))

    assert read(endpoint, snapshots).state is EndpointState.DISABLED


def test_only_what_changed_is_decrypted(decrypted: list[bytes]) -> None:
    first, second = EndpointFactory(), EndpointFactory()
    snapshots = EndpointSnapshots()
    both = [key_of_endpoint(first), key_of_endpoint(second)]
    for now in range(10):
        snapshots.get(both, now * 2.0)
    assert len(decrypted) == 2

    new = SigningSecretFactory(endpoint=first, value="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    decrypted.clear()
    snapshots.get(both, 30.0)
    snapshots.get(both, 32.0)
    # The new one and the one beside it.
    assert len(decrypted) == 2
    assert read(first, snapshots, 34.0).signer.keys[0] == key_of(new.value)


def test_what_nobody_asks_for_is_not_kept(decrypted: list[bytes]) -> None:
    endpoint, other = EndpointFactory(), EndpointFactory()
    snapshots = EndpointSnapshots()
    read(endpoint, snapshots, 10.0)
    read(other, snapshots, 12.0)
    read(other, snapshots, 14.0)
    decrypted.clear()

    read(endpoint, snapshots, 14.5)
    assert len(decrypted) == 1


class TestASecretThatCannotBeRead:
    def test_leaves_nothing_unsigned_and_says_why(self, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
        use(settings, FIRST)
        endpoint = EndpointFactory()
        use(settings, SECOND)
        snapshot = read(endpoint)

        with pytest.raises(NothingToSignWith) as refused:
            sign(snapshot)
        assert str(refused.value) == (
            "A signing secret cannot be read. What is stored was encrypted with the key "
            f"{FIRST_NAME}, which is not among WEBHOOKS_ENCRYPTION_KEYS ({SECOND_NAME})."
        )
        assert caplog.messages == [str(refused.value)]

    def test_does_not_keep_another_from_signing(self) -> None:
        endpoint = EndpointFactory()
        good = endpoint.signing_secrets.get().value
        broken = SigningSecretFactory(endpoint=endpoint)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE subscriptions_signingsecret SET value = 'never encrypted' WHERE id = %s",
                [SigningSecret._meta.pk.get_db_prep_value(broken.pk, connection)],
            )
        assert read(endpoint).signer.keys == (key_of(good),)
        assert "webhook-signature" in sign(read(endpoint))

    def test_does_not_keep_other_endpoints_from_being_read(self) -> None:
        broken, good = EndpointFactory(), EndpointFactory()
        Endpoint.objects.filter(pk=broken.pk).update(signature_schemes=["md5"])
        found = EndpointSnapshots().get([key_of_endpoint(broken), key_of_endpoint(good)], 1.0)

        assert "webhook-signature" in sign(found[key_of_endpoint(good)])
        with pytest.raises(NothingToSignWith, match=r"The signature schemes cannot be read. 'md5' is unknown"):
            sign(found[key_of_endpoint(broken)])


class TestCertificates:
    def test_are_read_and_decrypted_only_when_they_change(self, decrypted: list[bytes]) -> None:
        authority = trustme.CA()
        endpoint, other = EndpointFactory(), EndpointFactory()
        made, next_one = issued(authority), issued(authority)
        endpoint.set_tls({"ca_certificate": pem(authority), **client(made)}, by=Actor("tests"))
        snapshots = EndpointSnapshots()
        both = [key_of_endpoint(endpoint), key_of_endpoint(other)]
        for now in range(10):
            found = snapshots.get(both, now * 2.0)
        assert found[both[1]].tls is None
        tls = found[both[0]].tls
        assert tls is not None
        assert (tls.authorities, tls.certificate) == (pem(authority), chain(made))
        assert tls.key.startswith("-----BEGIN PRIVATE KEY-----")
        assert tls.key not in repr(found)
        # Two signing secrets and a key.
        assert len(decrypted) == 3

        endpoint.set_tls(client(next_one), by=Actor("tests"))
        changed = snapshots.get(both, 30.0)[both[0]].tls
        assert changed is not None
        assert changed.certificate == chain(next_one)
        assert changed != tls
        assert len(decrypted) == 4

        endpoint.set_tls(dict.fromkeys(["ca_certificate", *client(made)]), by=Actor("tests"))
        assert snapshots.get(both, 40.0)[both[0]].tls is None

    def test_whose_key_cannot_be_read_are_a_problem_and_never_nothing(
        self, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        endpoint = EndpointFactory()
        use(settings, FIRST)
        endpoint.set_tls(client(issued(trustme.CA())), by=Actor("tests"))
        use(settings, SECOND)
        snapshots = EndpointSnapshots()
        tls = read(endpoint, snapshots, 1.0).tls
        assert tls is not None
        assert tls.problem.startswith("The client key cannot be read. What is stored was encrypted with the key ")
        assert tls.problem in caplog.text.replace("A client key", "The client key")

        use(settings, FIRST)
        tls = read(endpoint, snapshots, 3.0).tls
        assert tls is not None
        assert tls.problem == ""


def client(made: trustme.LeafCert) -> dict[str, str]:
    return {"client_certificate": chain(made), "client_key": key(made)}


class TestAccess:
    BEARER = {"kind": "bearer", "token": "abc-of-theirs"}  # noqa: RUF012

    def test_is_read_with_the_endpoint(self) -> None:
        endpoint, other = EndpointFactory(), EndpointFactory()
        endpoint.set_credentials(self.BEARER)
        endpoint.set_headers({"X-Tenant": "7"})
        snapshots = EndpointSnapshots()

        access = read(endpoint, snapshots).access
        assert access is not None
        assert (access.headers, access.problem) == ({"X-Tenant": "7", "Authorization": "Bearer abc-of-theirs"}, None)
        assert "abc-of-theirs" not in repr(read(endpoint, snapshots))
        assert read(other, snapshots).access is None

    def test_costs_no_statement_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        statements: list[str] = []

        def select(statement: str, *rest: Any) -> Any:
            statements.append(statement)
            return select_by_ids(statement, *rest)

        monkeypatch.setattr("dispatch.endpoint_snapshots.select_by_ids", select)
        endpoint = EndpointFactory()
        read(endpoint)
        endpoint.set_credentials(self.BEARER)
        endpoint.set_headers({"X-Tenant": "7"})
        read(endpoint)
        assert len(statements) == 4

    def test_is_decrypted_only_where_it_changed(self, decrypted: list[bytes]) -> None:
        endpoint = EndpointFactory()
        endpoint.set_credentials(self.BEARER)
        endpoint.set_headers({"X-Tenant": "7"})
        snapshots = EndpointSnapshots()
        before = read(endpoint, snapshots, 10.0).access
        assert len(decrypted) == 3
        for now in (12.0, 14.0):
            assert read(endpoint, snapshots, now).access is before
        assert len(decrypted) == 3

        endpoint.set_headers({"X-Tenant": "8"})
        changed = read(endpoint, snapshots, 16.0).access
        assert changed is not None
        assert (changed.headers["X-Tenant"], len(decrypted)) == ("8", 5)

    def test_that_cannot_be_read_is_told_and_nothing_of_it_repeated(
        self, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        use(settings, FIRST)
        endpoint = EndpointFactory()
        endpoint.set_credentials(self.BEARER)
        use(settings, SECOND)
        access = read(endpoint).access
        assert access is not None
        assert access.problem == (
            "Credentials or custom headers cannot be read. What is stored was encrypted with the key "
            f"{FIRST_NAME}, which is not among WEBHOOKS_ENCRYPTION_KEYS ({SECOND_NAME})."
        )
        assert access.problem in caplog.messages
        assert access.headers == {}

    @pytest.mark.parametrize(
        "headers",
        [{"Host": "evil.example"}, {"webhook-signature": "v1,abc"}, {"X-Y": "a\r\nHost: b"}, {"authorization": "x"}, 5],
    )
    def test_that_nobody_could_have_given_is_refused(self, headers: Any) -> None:
        endpoint = EndpointFactory()
        endpoint.set_credentials(self.BEARER)
        CustomHeaders.objects.create(endpoint=endpoint, headers=headers)
        access = read(endpoint).access
        assert access is not None
        assert (access.headers, str(access.problem).startswith("Credentials or custom headers cannot be read. ")) == (
            {},
            True,
        )


def test_a_snapshot_holds_how_an_endpoint_wants_its_deliveries() -> None:
    plain, own = EndpointFactory(), EndpointFactory(payload_format="full", retry_schedule=[5, 0.5], timeout=3)

    assert (read(plain).payload_format, read(plain).retry_schedule, read(plain).timeout) == ("data", None, None)
    assert (read(own).payload_format, read(own).retry_schedule, read(own).timeout) == ("full", (5, 0.5), 3)
