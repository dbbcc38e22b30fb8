from typing import Any

import pytest
from django.core.exceptions import ValidationError

from subscriptions.models import Endpoint, EndpointState, EventTypePattern, SigningSecret
from subscriptions.signing_secrets import Kind
from tests.factories import NOON, EndpointFactory, SigningSecretFactory, SubscriberFactory

pytestmark = pytest.mark.django_db

URL = "https://receiver.example/hooks"
STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PLAIN = "a-shared-secret-of-some-length"
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="


def test_an_endpoint_wants_everything_and_gets_a_new_secret_unless_told_otherwise():
    endpoint, secret = Endpoint.objects.register(subscriber=SubscriberFactory(), url=URL)
    found = Endpoint.objects.get()
    assert found == endpoint
    assert (found.url, found.event_types, found.signature_schemes, found.state) == (URL, ["*"], ["standard"], "active")
    assert list(found.signing_secrets.all()) == [secret]
    assert secret.value.startswith("whsec_")


@pytest.mark.parametrize(
    ("schemes", "secret"),
    [
        (["standard"], STANDARD),
        (["standard"], PRIVATE),
        (["standard", "x-signature"], STANDARD),
        (["x-signature"], PLAIN),
        (["x-signature"], STANDARD),
        (["github", {"header": "X-Acme-Signature"}], PLAIN),
    ],
)
def test_a_given_secret_is_kept_as_it_is(schemes: list[Any], secret: str):
    _, kept = Endpoint.objects.register(
        subscriber=SubscriberFactory(), url=URL, signature_schemes=schemes, secret=secret
    )
    assert SigningSecret.objects.get() == kept
    assert kept.value == secret


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"url": "ftp://receiver.example"}, "url"),
        ({"url": ""}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["invoice.paid", "*.late"]}, "event_types"),
        ({"signature_schemes": ["md5"]}, "signature_schemes"),
        ({"signature_schemes": []}, "signature_schemes"),
        ({"secret": PLAIN}, "secret"),
        ({"secret": ""}, "secret"),
        ({"secret": PLAIN, "signature_schemes": ["standard", "x-signature"]}, "secret"),
        ({"secret": "short", "signature_schemes": ["x-signature"]}, "secret"),
        ({"secret": PRIVATE, "signature_schemes": ["x-signature"]}, "secret"),
        ({"secret": PRIVATE, "signature_schemes": ["standard", "x-signature"]}, "secret"),
        ({"secret_kind": Kind.ED25519, "signature_schemes": ["standard", "x-signature"]}, "secret_kind"),
        ({"description": "a" * 501}, "description"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing_behind(wrong: dict[str, Any], field: str):
    with pytest.raises(ValidationError) as refused:
        Endpoint.objects.register(**{"subscriber": SubscriberFactory(), "url": URL} | wrong)
    assert list(refused.value.message_dict) == [field]
    assert not Endpoint.objects.exists()
    assert not EventTypePattern.objects.exists()
    assert not SigningSecret.objects.exists()


def test_event_types_are_replaced_as_a_whole():
    endpoint = EndpointFactory(event_types=["invoice.*", "order.created"])
    endpoint.set_event_types(["order.created", "user.*", "user.*"])
    assert Endpoint.objects.get().event_types == ["order.created", "user.*"]


def test_wrong_event_types_leave_the_old_ones():
    endpoint = EndpointFactory(event_types=["invoice.*"])
    with pytest.raises(ValidationError):
        endpoint.set_event_types(["order.created", "not a type"])
    assert Endpoint.objects.get().event_types == ["invoice.*"]


def test_a_state_is_kept_with_its_reason_and_time():
    EndpointFactory().change_state(EndpointState.DISABLED, reason="It answered 410.", now=NOON)
    assert Endpoint.objects.values("state", "state_reason", "state_changed_at").get() == {
        "state": "disabled",
        "state_reason": "It answered 410.",
        "state_changed_at": NOON,
    }


def test_a_scheme_that_the_secrets_do_not_fit_is_refused():
    endpoint, _ = Endpoint.objects.register(
        subscriber=SubscriberFactory(), url=URL, signature_schemes=["x-signature"], secret=PLAIN
    )
    endpoint.signature_schemes = ["standard", "x-signature"]
    with pytest.raises(ValidationError) as refused:
        endpoint.full_clean()
    assert refused.value.message_dict == {
        "signature_schemes": ["A secret of this endpoint does not fit: A standard signing secret starts with whsec_."]
    }


def test_a_secret_that_signs_no_more_need_not_fit():
    endpoint = EndpointFactory(signature_schemes=["x-signature"])
    SigningSecretFactory(endpoint=endpoint, value=PLAIN, expires_at=NOON)
    endpoint.signature_schemes = ["standard"]
    endpoint.full_clean()


def test_the_settings_of_a_scheme_are_kept_written_out():
    schemes = [{"header": "X-Acme-Signature", "digest": "sha512"}]
    Endpoint.objects.register(subscriber=SubscriberFactory(), url=URL, signature_schemes=schemes)
    [kept] = Endpoint.objects.get().signature_schemes
    assert (kept["header"], kept["digest"], kept["encoding"]) == ("X-Acme-Signature", "sha512", "hex")
