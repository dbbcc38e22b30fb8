from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
from django.utils import timezone

from subscriptions import ids
from subscriptions.models import ApiKey, AuditEntry, Endpoint, SigningSecret
from tests.api_client import ApiClient, assert_problem, assert_refused
from tests.encryption_keys import FIRST, SECOND, use
from tests.factories import EndpointFactory, SigningSecretFactory, SubscriberFactory

URL = "https://receiver.example/hooks"
STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    return EndpointFactory(secret__value=STANDARD)


def shown(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def test_secrets_are_listed_without_their_texts(api: ApiClient, endpoint: Endpoint):
    first = endpoint.signing_secrets.get()
    second = SigningSecretFactory(endpoint=endpoint, value=PRIVATE, expires_at=timezone.now())
    response = api.get(f"endpoints/{endpoint.id}/secrets/")
    assert response.json() == {
        "next": None,
        "previous": None,
        "results": [
            {
                "id": second.id,
                "kind": "ed25519",
                "public_key": PUBLIC,
                "created_at": shown(second.created_at),
                "expires_at": shown(second.expires_at),
            },
            {
                "id": first.id,
                "kind": "shared",
                "public_key": None,
                "created_at": shown(first.created_at),
                "expires_at": None,
            },
        ],
    }
    assert AuditEntry.objects.count() == 0


def test_a_rotation_shows_the_new_secret_this_once_and_both_sign(api: ApiClient, endpoint: Endpoint):
    before = timezone.now()
    response = api.post(f"endpoints/{endpoint.id}/secret/rotate/", {})
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    secret = SigningSecret.objects.get(pk=response.json()["id"])
    assert response.json() == {
        "id": secret.id,
        "kind": "shared",
        "public_key": None,
        "created_at": shown(secret.created_at),
        "expires_at": None,
        "secret": secret.value,
    }
    assert standardwebhooks.Webhook(response.json()["secret"])
    old = endpoint.signing_secrets.get(expires_at__isnull=False)
    assert timedelta(hours=24) <= old.expires_at - before < timedelta(hours=24, minutes=1)


def test_a_rotation_takes_a_secret_and_an_overlap(api: ApiClient, endpoint: Endpoint):
    other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    response = api.post(f"endpoints/{endpoint.id}/secret/rotate/", {"secret": other, "overlap": 0})
    assert response.json()["secret"] == other
    assert [each.value for each in endpoint.signing_secrets.valid(timezone.now())] == [other]


def test_of_an_ed25519_key_only_the_public_part_is_shown(api: ApiClient, endpoint: Endpoint):
    body = {"subscriber": SubscriberFactory().id, "url": URL, "secret_kind": "ed25519"}
    created = api.post("endpoints/", body).json()
    rotated = api.post(f"endpoints/{endpoint.id}/secret/rotate/", {"secret_kind": "ed25519"}).json()
    for answer in (created, rotated):
        assert "secret" not in answer
        assert answer["public_key"].startswith("whpk_")
    listed = api.get(f"endpoints/{created['id']}/secrets/").json()["results"]
    assert [each["public_key"] for each in listed] == [created["public_key"]]
    assert "whsk_" not in str([created, rotated, listed])


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"overlap": -1}, "overlap", "Ensure this value is greater than or equal to 0."),
        ({"overlap": 604801}, "overlap", "Secrets can overlap for 0 to 7 days."),
        ({"overlap": 10**30}, "overlap", "Ensure this value is less than or equal to 1000000."),
        ({"overlap": "1 day"}, "overlap", "A valid integer is required."),
        ({"secret": "short"}, "secret", "A standard signing secret starts with whsec_."),
        ({"secret": STANDARD}, "secret", "The endpoint has this secret already."),
        ({"secret_kind": "rsa"}, "secret_kind", "rsa is unknown: write one of shared, ed25519."),
        ({"days": 1}, "days", "There is no such field."),
    ],
)
def test_a_rotation_that_makes_no_sense_is_refused(
    api: ApiClient, endpoint: Endpoint, wrong: dict[str, Any], field: str, message: str
):
    assert_refused(api.post(f"endpoints/{endpoint.id}/secret/rotate/", wrong), field, message)
    assert endpoint.signing_secrets.get().expires_at is None


def test_a_secret_is_revealed_and_who_asked_is_written_down(api: ApiClient, endpoint: Endpoint):
    secret = endpoint.signing_secrets.get()
    response = api.post(f"endpoints/{endpoint.id}/secrets/{secret.id}/reveal/", {})
    assert (response.status_code, response.json()) == (200, {"id": secret.id, "secret": STANDARD})
    assert response.headers["Cache-Control"] == "no-store"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_id, entry.endpoint) == ("revealed", secret.id, endpoint.id)
    assert entry.actor == f"API key {ApiKey.objects.get()}"


def test_a_secret_is_let_expire(api: ApiClient, endpoint: Endpoint):
    old = endpoint.signing_secrets.get()
    address = f"endpoints/{endpoint.id}/secrets/{old.id}/expire/"
    refusal = "This is the only secret of its endpoint without an end. Rotate it instead."
    assert_problem(api.post(address, {}), 400, "Bad Request", refusal, errors={})
    api.post(f"endpoints/{endpoint.id}/secret/rotate/", {})
    response = api.post(address, {})
    assert response.status_code == 200
    assert datetime.fromisoformat(response.json()["expires_at"]) <= timezone.now()
    assert old not in endpoint.signing_secrets.valid(timezone.now())


@pytest.mark.parametrize("verb", ["reveal", "expire"])
def test_a_secret_is_found_by_its_own_endpoint_only(api: ApiClient, endpoint: Endpoint, verb: str):
    other = SigningSecretFactory()
    for path in (
        f"endpoints/{endpoint.id}/secrets/{other.id}/{verb}/",
        f"endpoints/{endpoint.id}/secrets/sec_x/{verb}/",
        f"endpoints/ep_x/secrets/{other.id}/{verb}/",
    ):
        assert api.post(path, {}).status_code == 404
    assert not AuditEntry.objects.exists()


def test_the_secrets_of_an_endpoint_that_does_not_exist_are_404(api: ApiClient):
    key = ids.encode("ep", ids.uuid7())
    assert api.get(f"endpoints/{key}/secrets/").status_code == 404
    assert api.post(f"endpoints/{key}/secret/rotate/", {}).status_code == 404


def test_nothing_is_shown_without_an_api_key(endpoint: Endpoint):
    secret = endpoint.signing_secrets.get()
    stranger = ApiClient()
    for response in (
        stranger.get(f"endpoints/{endpoint.id}/secrets/"),
        stranger.post(f"endpoints/{endpoint.id}/secret/rotate/", {}),
        stranger.post(f"endpoints/{endpoint.id}/secrets/{secret.id}/reveal/", {}),
    ):
        assert response.status_code == 401


def test_a_wrong_key_is_told_and_nothing_of_what_is_stored(
    api: ApiClient, settings: Any, caplog: pytest.LogCaptureFixture
):
    use(settings, FIRST)
    endpoint = EndpointFactory()
    use(settings, SECOND)
    response = api.get(f"endpoints/{endpoint.id}/secrets/")
    assert response.status_code == 503
    assert response.json()["detail"] == (
        "A secret cannot be read or stored with the encryption keys that the dispatcher has. Its log says more."
    )
    assert "subscriptions.SigningSecret.value" in caplog.text
    assert "gAAAA" not in caplog.text + response.content.decode()
