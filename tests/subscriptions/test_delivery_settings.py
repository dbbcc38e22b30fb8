"""The limits of what an endpoint may ask for."""

from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from subscriptions.channels import InvalidChannels, check_channels
from subscriptions.metadata import InvalidMetadata, check_metadata
from subscriptions.models import Endpoint
from subscriptions.retry_schedules import InvalidSchedule, check_schedule
from tests.factories import SubscriberFactory


@pytest.mark.parametrize("given", [[], ["a"], ["b", "a", "b"], ("project_7", "A.b:c-d")])
def test_channels_are_kept_once_each_in_their_order(given: Any) -> None:
    assert check_channels(given, at_most=2) == sorted(set(given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a", "Write a list of channels."),
        ({"a": 1}, "Write a list of channels."),
        ([5], "5 is not a channel: write letters, digits and . _ : -, at most 128 characters."),
        ([""], "'' is not a channel: write letters, digits and . _ : -, at most 128 characters."),
        (["a b"], "'a b' is not a channel: write letters, digits and . _ : -, at most 128 characters."),
        (["a", "b", "c"], "3 channels are too many: name at most 2."),
    ],
)
def test_other_channels_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidChannels) as refused:
        check_channels(given, at_most=2)
    assert str(refused.value) == message


@pytest.mark.parametrize("given", [{}, {"a": ""}, {"plan": "gold", "é": "é"}])
def test_metadata_is_a_map_of_texts(given: Any) -> None:
    assert check_metadata(given, at_most=2, size=12) == given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], 'Write an object of texts, such as {"plan": "gold"}.'),
        ({"": "x"}, "The key '' does not fit: write 1 to 100 characters."),
        ({"a": 5}, "The value of 'a' must be a text."),
        ({"a": None}, "The value of 'a' must be a text."),
        ({"a": "", "b": "", "c": ""}, "3 entries are too many: at most 2 are kept."),
        ({"a": "é" * 6}, "13 bytes are too many: at most 12 are kept in all."),
        ({"a": "\ud800"}, "There is half of a character in it."),
        ({"a": "\0"}, "Null characters are not allowed."),
    ],
)
def test_other_metadata_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidMetadata) as refused:
        check_metadata(given, at_most=2, size=12)
    assert str(refused.value) == message


@pytest.mark.parametrize("given", [[], [1], [1, 60.5, 100]])
def test_a_retry_schedule_is_a_list_of_delays(given: Any) -> None:
    assert check_schedule(given, at_most=3, shortest=1, longest=100) == given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "Write a list of seconds, such as [5, 300], an empty one for no retries."),
        ([1, 2, 3, 4], "4 retries are too many: write at most 3."),
        ([0.5], "0.5 is no delay: write a number of seconds from 1 to 100."),
        ([101], "101 is no delay: write a number of seconds from 1 to 100."),
        (["5"], "'5' is no delay: write a number of seconds from 1 to 100."),
        ([True], "True is no delay: write a number of seconds from 1 to 100."),
        ([float("nan")], "nan is no delay: write a number of seconds from 1 to 100."),
    ],
)
def test_other_schedules_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        check_schedule(given, at_most=3, shortest=1, longest=100)
    assert str(refused.value) == message


@pytest.mark.django_db
@pytest.mark.parametrize("timeout", [0, 16])
def test_a_timeout_is_no_longer_than_what_leases_reckon_with(settings: Settings, timeout: int) -> None:
    settings.WEBHOOKS = replace(settings.WEBHOOKS, request_deadline=15.5)
    with pytest.raises(ValidationError) as refused:
        Endpoint(subscriber=SubscriberFactory(), url="https://receiver.example", timeout=timeout).full_clean()
    assert refused.value.message_dict == {
        "timeout": ["Write a whole number of seconds from 1 to 15, or leave it empty."]
    }
    Endpoint(subscriber=SubscriberFactory(), url="https://receiver.example", timeout=15).full_clean()
