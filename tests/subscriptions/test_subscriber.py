import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from subscriptions.models import Subscriber
from tests.factories import SubscriberFactory

pytestmark = pytest.mark.django_db


def test_a_subscriber_is_found_by_id_and_by_uid():
    acme = Subscriber.objects.register(name="Acme", uid="acme")
    SubscriberFactory(uid="other")
    assert acme.id.startswith("sub_")
    assert Subscriber.objects.find(acme.id) == acme
    assert Subscriber.objects.find("acme") == acme


@pytest.mark.parametrize("text", ["", "nobody", "sub_nothing", "sub_06askfjqg1tbp3ff04hkb7h9lc", "\x00", "a b"])
def test_nobody_is_found_by_another_text(text: str):
    SubscriberFactory(uid=None)
    assert Subscriber.objects.find(text) is None


@pytest.mark.parametrize("uid", ["42", "a", "alice+x@example.com", "urn:org:7", "_", "0195cd3e-7a80-7abc", "a" * 200])
def test_a_uid_may_be_the_platforms_own(uid: str):
    assert Subscriber.objects.register(name="Acme", uid=uid) == Subscriber.objects.find(uid)


@pytest.mark.parametrize("uid", [".", "..", "a/b", "a b", "é", "a\n", "-"])
def test_a_uid_that_cannot_stand_in_a_path_is_refused(uid: str):
    with pytest.raises(ValidationError) as refused:
        Subscriber.objects.register(name="Acme", uid=uid)
    assert refused.value.message_dict == {"uid": ["Write a uid of letters, digits and . _ : @ + ~ - without spaces."]}
    assert not Subscriber.objects.exists()


def test_a_uid_that_would_pass_for_an_id_is_refused():
    with pytest.raises(ValidationError) as refused:
        Subscriber.objects.register(name="Acme", uid=SubscriberFactory().id)
    assert refused.value.message_dict == {"uid": ["A uid must not look like one of the dispatcher's own ids (sub_…)."]}


def test_many_subscribers_may_have_no_uid():
    assert SubscriberFactory(uid=None) != SubscriberFactory(uid=None)


def test_a_uid_that_somebody_takes_at_the_same_moment_is_refused_as_taken(monkeypatch: pytest.MonkeyPatch):
    real, calls = Subscriber.full_clean, []

    def checked_too_early(self: Subscriber) -> None:
        real(self)
        if not calls:
            calls.append(SubscriberFactory(uid="acme"))

    monkeypatch.setattr(Subscriber, "full_clean", checked_too_early)
    with pytest.raises(ValidationError) as refused:
        Subscriber.objects.register(name="Acme", uid="acme")
    assert refused.value.message_dict == {"uid": ["Subscriber with this Uid already exists."]}
    assert isinstance(refused.value.__context__, IntegrityError)
    assert list(Subscriber.objects.all()) == calls
