import hashlib
import time

import pytest
from pytest_django import DjangoAssertNumQueries

from subscriptions.models import ApiKey
from tests.factories import NOON

pytestmark = pytest.mark.django_db


def test_a_key_is_found_by_its_text_which_is_not_kept():
    api_key, text = ApiKey.objects.generate("CI")
    assert text.startswith("whk_")
    assert len(text) == len("whk_") + 43
    assert ApiKey.objects.find(text) == api_key
    assert ApiKey.objects.values("name", "prefix", "hash").get() == {
        "name": "CI",
        "prefix": text[:12],
        "hash": hashlib.sha256(text.encode()).hexdigest(),
    }


def test_no_key_is_found_by_another_text():
    _, text = ApiKey.objects.generate("CI")
    assert [ApiKey.objects.find(other) for other in ("", text[:12], text + " ", text.upper())] == [None] * 4


def test_a_revoked_key_is_not_found():
    api_key, text = ApiKey.objects.generate("CI")
    api_key.revoke(NOON)
    assert ApiKey.objects.find(text) is None
    assert ApiKey.objects.get().revoked_at == NOON


def test_a_key_that_is_used_again_at_once_is_looked_up_once(django_assert_num_queries: DjangoAssertNumQueries):
    api_key, text = ApiKey.objects.generate("CI")
    with django_assert_num_queries(2):  # the second notes that it was used
        assert [ApiKey.objects.find(text) for _ in range(3)] == [api_key] * 3


def test_a_key_that_was_revoked_elsewhere_is_not_found_a_second_later(monkeypatch: pytest.MonkeyPatch):
    _, text = ApiKey.objects.generate("CI")
    assert ApiKey.objects.find(text) is not None
    ApiKey.objects.update(revoked_at=NOON)
    in_a_second = time.monotonic() + 1
    monkeypatch.setattr("subscriptions.models.api_key.time.monotonic", lambda: in_a_second)
    assert ApiKey.objects.find(text) is None
