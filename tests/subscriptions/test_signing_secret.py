from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from subscriptions.models import Actor, AuditEntry, Endpoint, SigningSecret
from subscriptions.signing_secrets import Kind
from tests.encryption_keys import stored
from tests.factories import NOON, EndpointFactory, SigningSecretFactory

pytestmark = pytest.mark.django_db

STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
DAY = timedelta(days=1)


@pytest.fixture
def endpoint() -> Endpoint:
    return EndpointFactory(secret__value=STANDARD)


def rotate(endpoint: Endpoint, **options: object) -> SigningSecret:
    return SigningSecret.objects.rotate(endpoint, now=NOON, by=Actor("user ada"), **options)  # type: ignore[arg-type]


def ends(endpoint: Endpoint) -> list[object]:
    """List until when the secrets sign, the oldest first."""
    return list(endpoint.signing_secrets.order_by("id").values_list("expires_at", flat=True))


def audit() -> list[tuple[str, str, str, str]]:
    rows = AuditEntry.objects.filter(object_type="signing_secret").order_by("id")
    return list(rows.values_list("action", "object_id", "actor", "detail"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(STANDARD, "whsec_AAEC…"), ("my-shared-secret", "…"), ("a" * 37, "…"), ("a" * 38, "aaaaaaaaaa…")],
)
def test_a_secret_is_shown_masked(value: str, shown: str):
    assert str(SigningSecret(value=value)) == shown


def test_a_secret_is_encrypted_in_the_database(endpoint: Endpoint):
    [text] = stored()
    assert STANDARD not in text
    assert "AAECAwQF" not in text
    assert SigningSecret.objects.get().value == STANDARD


def test_a_private_key_has_a_public_one():
    secret = SigningSecret(value=PRIVATE)
    assert (secret.kind, secret.public_key) == (Kind.ED25519, PUBLIC)
    assert (SigningSecret(value=STANDARD).kind, SigningSecret(value=STANDARD).public_key) == (Kind.SHARED, None)


class TestRotation:
    def test_makes_a_new_secret_beside_which_the_old_signs_for_a_day(self, endpoint: Endpoint):
        old = endpoint.signing_secrets.get()
        new = rotate(endpoint)
        assert new.value.startswith("whsec_")
        assert new.value != STANDARD
        assert ends(endpoint) == [NOON + DAY, None]
        for now, valid in (
            (NOON, [new, old]),
            (NOON + DAY - timedelta(microseconds=1), [new, old]),
            (NOON + DAY, [new]),
        ):
            assert list(endpoint.signing_secrets.valid(now)) == valid

    @pytest.mark.parametrize("overlap", [timedelta(0), timedelta(seconds=1), timedelta(days=7)])
    def test_overlaps_for_as_long_as_is_asked(self, endpoint: Endpoint, overlap: timedelta):
        rotate(endpoint, overlap=overlap)
        assert ends(endpoint) == [NOON + overlap, None]

    @pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=7, seconds=1)])
    def test_overlaps_for_a_week_at_most(self, endpoint: Endpoint, overlap: timedelta):
        with pytest.raises(ValidationError) as refused:
            rotate(endpoint, overlap=overlap)
        assert refused.value.message_dict == {"overlap": ["Secrets can overlap for 0 to 7 days."]}
        assert ends(endpoint) == [None]

    def test_imports_a_secret(self, endpoint: Endpoint):
        other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        assert rotate(endpoint, text=other).value == other

    def test_does_not_shorten_an_end_that_is_near_nor_touch_what_has_ended(self, endpoint: Endpoint):
        near = SigningSecretFactory(endpoint=endpoint, expires_at=NOON + timedelta(hours=1))
        past = SigningSecretFactory(endpoint=endpoint, expires_at=NOON - DAY)
        rotate(endpoint)
        assert ends(endpoint) == [NOON + DAY, near.expires_at, past.expires_at, None]

    def test_stays_with_the_kind_of_the_newest(self):
        endpoint, secret = Endpoint.objects.register(
            subscriber=EndpointFactory().subscriber, url="https://receiver.example/", secret_kind=Kind.ED25519
        )
        assert (secret.kind, rotate(endpoint).kind) == (Kind.ED25519, Kind.ED25519)
        assert rotate(endpoint, secret_kind=Kind.SHARED).kind is Kind.SHARED

    def test_an_ed25519_key_goes_with_the_standard_scheme_only(self):
        endpoint = EndpointFactory(signature_schemes=["standard", "github"])
        with pytest.raises(ValidationError) as refused:
            rotate(endpoint, secret_kind=Kind.ED25519)
        assert refused.value.message_dict == {"secret_kind": ["An ed25519 key signs the standard scheme only."]}
        assert len(ends(endpoint)) == 1

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("short", "A standard signing secret starts with whsec_."),
            (STANDARD, "The endpoint has this secret already."),
            ("whsk_AAEC", "An ed25519 private key is 32 bytes long, this one is 3."),
        ],
    )
    def test_refuses_what_does_not_fit_and_changes_nothing(self, endpoint: Endpoint, text: str, message: str):
        with pytest.raises(ValidationError) as refused:
            rotate(endpoint, text=text)
        assert refused.value.message_dict == {"secret": [message]}
        assert ends(endpoint) == [None]
        assert audit() == []

    def test_a_secret_and_a_kind_are_one_too_many(self, endpoint: Endpoint):
        with pytest.raises(ValidationError) as refused:
            rotate(endpoint, text=PRIVATE, secret_kind=Kind.ED25519)
        assert list(refused.value.message_dict) == ["secret_kind"]

    def test_does_not_let_the_header_grow_without_end(self, endpoint: Endpoint):
        for _ in range(4):
            rotate(endpoint)
        with pytest.raises(ValidationError) as refused:
            rotate(endpoint)
        assert refused.value.messages == ["5 secrets are valid already. Let one expire first."]
        rotate(endpoint, overlap=timedelta(0))
        assert endpoint.signing_secrets.valid(NOON).count() == 1


class TestExpiry:
    def test_ends_a_secret_at_once(self, endpoint: Endpoint):
        old = endpoint.signing_secrets.get()
        new = rotate(endpoint)
        old.refresh_from_db()
        old.expire(now=NOON, by=Actor("user ada"))
        assert list(endpoint.signing_secrets.valid(NOON)) == [new]

    def test_leaves_one_that_lasts(self, endpoint: Endpoint):
        rotate(endpoint)
        new = endpoint.signing_secrets.get(expires_at=None)
        with pytest.raises(ValidationError) as refused:
            new.expire(now=NOON, by=Actor("user ada"))
        assert refused.value.messages == ["This is the only secret of its endpoint without an end. Rotate it instead."]
        assert new in endpoint.signing_secrets.valid(NOON)


class TestTheAudit:
    def test_tells_of_creation_and_import(self):
        subscriber = EndpointFactory().subscriber
        made = Endpoint.objects.register(subscriber=subscriber, url="https://a.example/", by=Actor("user ada"))[1]
        given = Endpoint.objects.register(subscriber=subscriber, url="https://b.example/", secret=STANDARD)[1]
        assert audit() == [
            ("created", made.id, "user ada", ""),
            ("imported", given.id, "the platform's code", ""),
        ]

    def test_tells_of_rotation_and_end(self, endpoint: Endpoint):
        old = endpoint.signing_secrets.get()
        new = rotate(endpoint)
        assert audit() == [
            ("created", new.id, "user ada", "By rotation."),
            ("expired", old.id, "user ada", "Signs until 2026-03-02 12:00:00 UTC."),
        ]

    def test_tells_who_saw_a_secret_and_stays_when_it_is_gone(self, endpoint: Endpoint):
        secret = endpoint.signing_secrets.get()
        assert secret.reveal(by=Actor("user " + "a" * 500)) == STANDARD
        key, endpoint_key = secret.id, endpoint.id
        endpoint.delete()
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.object_id, entry.endpoint) == ("revealed", key, endpoint_key)
        assert entry.actor == "user " + "a" * 295
