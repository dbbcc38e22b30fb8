"""Pages have sessions and protected forms, the API has neither."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from subscriptions.models import ApiKey, Subscriber

pytestmark = pytest.mark.django_db


def test_a_form_of_the_admin_is_refused_without_its_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    page = client.get("/admin/subscriptions/subscriber/add/")
    assert page.status_code == 200
    form = {"name": "Acme", "uid": ""}
    assert client.post("/admin/subscriptions/subscriber/add/", form).status_code == 403
    assert not Subscriber.objects.exists()
    form["csrfmiddlewaretoken"] = client.cookies["csrftoken"].value
    assert client.post("/admin/subscriptions/subscriber/add/", form).status_code == 302
    assert Subscriber.objects.get().name == "Acme"


def test_a_page_wants_a_login() -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.get("/admin/subscriptions/subscriber/").status_code == 302
    client.force_login(User.objects.create_superuser("root"))
    assert client.get("/admin/subscriptions/subscriber/").status_code == 200


def test_the_api_needs_no_token_and_sets_no_cookie() -> None:
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {ApiKey.objects.generate('CI')[1]}"})
    answer = client.post("/api/v1/subscribers/", {"name": "Acme"}, "application/json")
    assert (answer.status_code, len(answer.cookies)) == (201, 0)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
