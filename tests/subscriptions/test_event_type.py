import pytest
from django.core.exceptions import ValidationError

from subscriptions.models import EventType

pytestmark = pytest.mark.django_db


def test_an_event_type_is_created_once():
    EventType.objects.register(name="invoice.paid", description="An invoice was paid.")
    with pytest.raises(ValidationError) as refused:
        EventType.objects.register(name="invoice.paid")
    assert refused.value.message_dict == {"name": ["Event type with this Name already exists."]}
    assert list(EventType.objects.values_list("name", "description")) == [("invoice.paid", "An invoice was paid.")]


def test_a_pattern_is_not_an_event_type():
    with pytest.raises(ValidationError) as refused:
        EventType.objects.register(name="invoice.*")
    assert list(refused.value.message_dict) == ["name"]
    assert not EventType.objects.exists()
