import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from dispatch.models import Event
from dispatch.tasks import forget_idempotent_answers
from subscriptions.models import ApiKey, Endpoint, IdempotentAnswer, Subscriber, idempotency
from tests.api_client import ApiClient, assert_problem
from tests.factories import NOON, EndpointFactory, SubscriberFactory
from tests.statements import all_statements

EVENT = {"type": "invoice.paid", "data": {"amount": 100}}


def post(api: ApiClient, key: str, path: str, body: Any) -> Any:
    api._headers["Idempotency-Key"] = key
    return api.post(path, body)


def test_the_same_request_is_answered_as_the_first_time_and_done_once(api: ApiClient):
    first = post(api, "k1", "subscribers/", {"name": "Acme", "uid": "acme"})
    again = post(api, "k1", "subscribers/", {"uid": "acme", "name": "Acme"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert Subscriber.objects.count() == 1


def test_quotes_around_a_key_are_not_part_of_it(api: ApiClient):
    first = post(api, '"k1"', "events/", EVENT).json()
    assert post(api, "k1", "events/", EVENT).json() == first
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [("subscribers/", {"name": "Bcme"}), ("api-keys/", {"name": "Acme", "scope": "read"}), ("events/", EVENT)],
)
def test_the_same_key_with_another_request_is_refused(api: ApiClient, path: str, body: Any):
    post(api, "k1", "subscribers/", {"name": "Acme"})
    message = "The key 'k1' was used before, for another request."
    errors = {"Idempotency-Key": message}
    assert_problem(post(api, "k1", path, body), 409, "Conflict", f"Idempotency-Key: {message}", errors)
    assert (Subscriber.objects.count(), Event.objects.count()) == (1, 0)


def test_keys_of_different_callers_have_nothing_to_do_with_each_other(api: ApiClient):
    post(api, "k1", "subscribers/", {"name": "Acme"})
    assert post(ApiClient.with_new_key(), "k1", "subscribers/", {"name": "Bcme"}).status_code == 201


def test_a_secret_that_is_shown_once_is_shown_again_and_kept_encrypted(api: ApiClient):
    body = {"url": "https://receiver.example/", "subscriber": SubscriberFactory().id}
    first, again = post(api, "k1", "endpoints/", body), post(api, "k1", "endpoints/", body)
    assert first.json()["secret"] == again.json()["secret"]
    assert again.headers["Cache-Control"] == "no-store"
    assert Endpoint.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM subscriptions_idempotentanswer")
        assert "whsec" not in cursor.fetchone()[0]


def test_what_was_refused_is_not_remembered(api: ApiClient):
    assert post(api, "k1", "subscribers/", {}).status_code == 400
    assert post(api, "k1", "subscribers/", {"name": "Acme"}).status_code == 201


def test_what_failed_is_neither_done_nor_remembered(api: ApiClient, monkeypatch: pytest.MonkeyPatch):
    real = Subscriber.objects.register

    def fail(**options: Any) -> None:
        real(**options)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(Subscriber.objects, "register", fail)
        assert post(api, "k1", "subscribers/", {"name": "Acme"}).status_code == 500
    assert not Subscriber.objects.exists()
    assert post(api, "k1", "subscribers/", {"name": "Acme"}).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "é", "a\tb", "x" * 256])
def test_a_key_that_cannot_be_kept_is_refused(api: ApiClient, key: str):
    response = post(api, key, "subscribers/", {"name": "Acme"})
    message = "Write a key of 1 to 255 printable ASCII characters."
    errors = {"Idempotency-Key": message}
    assert_problem(response, 400, "Bad Request", f"Idempotency-Key: {message}", errors)


def test_an_old_answer_is_given_no_more_and_forgotten(api: ApiClient):
    for key in ("k1", "k2"):
        post(api, key, "events/", EVENT)
    IdempotentAnswer.objects.update(created_at=NOON)
    assert post(api, "k1", "events/", EVENT | {"data": 2}).status_code == 201
    forget_idempotent_answers()
    assert IdempotentAnswer.objects.get().key == "k1"


def test_an_answer_is_kept_for_a_day(api: ApiClient):
    post(api, "k1", "events/", EVENT)
    written = IdempotentAnswer.objects.get().created_at
    IdempotentAnswer.objects.update(created_at=written - timedelta(hours=23, minutes=59))
    forget_idempotent_answers()
    assert post(api, "k1", "events/", EVENT).headers["Idempotency-Replayed"] == "true"


def test_it_takes_two_statements_more(api: ApiClient):
    def statements(send: Callable[[], Any]) -> int:
        with all_statements() as sent:
            assert send().status_code == 201
        return len(sent)

    EndpointFactory()
    api.post("events/", EVENT)
    without = statements(lambda: api.post("events/", EVENT))
    assert statements(lambda: post(api, "k1", "events/", EVENT)) == without + 2


@pytest.mark.django_db(transaction=True)
def test_of_twenty_twins_one_is_done_and_all_are_answered_with_it():
    key = ApiClient.with_new_key()._headers["Authorization"].removeprefix("Bearer ")
    subscriber = SubscriberFactory()
    started = threading.Barrier(20)

    def send(_: int) -> Any:
        started.wait()
        try:
            body = {"url": "https://receiver.example/", "subscriber": subscriber.id}
            response = post(ApiClient(key), "twins", "endpoints/", body)
            return response.status_code, response.content, "Idempotency-Replayed" in response.headers
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(send, range(20)))
    assert {status for status, _, _ in answers} == {201}
    assert len({body for _, body, _ in answers}) == 1
    assert [replayed for *_, replayed in answers].count(False) == 1
    assert json.loads(answers[0][1])["id"] == Endpoint.objects.get().id


@pytest.mark.django_db(transaction=True)
def test_a_twin_of_one_that_takes_too_long_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch):
    if connection.vendor != "postgresql":
        pytest.skip("On SQLite all who write wait for each other.")
    patience = "FROM (SELECT set_config('lock_timeout', '50', true)) AS waits"
    monkeypatch.setitem(idempotency._WAIT, "postgresql", patience)
    api = ApiClient.with_new_key()
    claimed, seen = threading.Event(), threading.Event()
    owner = ApiKey.objects.get().id

    def first() -> None:
        with transaction.atomic():
            options = {"owner": owner, "key": "twins", "fingerprint": "x", "now": NOON, "expired": NOON}
            IdempotentAnswer.objects.claim(**options)
            claimed.set()
            seen.wait(10)
        connection.close()

    with ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(first)
        claimed.wait(10)
        response = post(api, "twins", "events/", EVENT)
        seen.set()
        under_way.result()
    detail = "A request with this Idempotency-Key is under way. Send it again in a moment."
    assert_problem(response, 409, "Conflict", detail, errors={})
    assert response.headers["Retry-After"] == "1"
    assert not Event.objects.exists()
