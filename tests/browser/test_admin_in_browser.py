"""The admin in a real browser against a running stack: `make browser`. Leaves screenshots in var/screenshots/."""

import time
from typing import Any

from tests.browser.running import MARKS, READY_SECONDS, SCREENSHOTS, Receiver, shoot

pytestmark = MARKS


def add_endpoint(page: Any, stack: dict[str, str], url: str, description: str) -> None:
    """Add an endpoint by the API: the form has a test of its own."""
    context = page.context.request
    headers = {"Authorization": f"Bearer {stack['api_key']}"}
    context.post("/api/v1/subscribers/", headers=headers, data={"name": "Acme", "uid": "acme"})
    body = {"subscriber": "acme", "url": url, "event_types": ["*"], "description": description}
    assert context.post("/api/v1/endpoints/", headers=headers, data=body).status == 201


def publish(page: Any) -> None:
    page.goto("/admin/dispatch/event/add/")
    page.fill("[name=type]", "invoice.paid")
    page.fill("[name=data]", '{"id": "in_1"}')
    page.wait_for_selector("#wd-said:has-text('It can be published')")
    page.click("[name=_preview]")
    page.wait_for_selector("text=Nothing is published yet")
    page.click("[name=_publish]")
    page.wait_for_selector("#wd-arrivals")


def choose_subscriber(page: Any, name: str) -> None:
    page.click(".select2-selection")
    page.keyboard.type(name)
    page.click(f".select2-results__option:has-text('{name}')")


def test_from_a_new_subscriber_to_an_event_that_arrives(page: Any, stack: dict[str, str], receiver: str) -> None:
    page.goto("/admin/subscriptions/subscriber/add/")
    page.fill("[name=name]", "Globex")
    page.click("[name=_save]")
    page.wait_for_url("**/admin/subscriptions/subscriber/")

    page.goto("/admin/subscriptions/endpoint/add/")
    choose_subscriber(page, "Globex")
    page.fill("[name=url]", f"{receiver}/good")
    page.fill("[name=description]", "Made in the form")
    page.fill("[name=event_types]", "order.*")
    page.click("[name=_save]")
    page.wait_for_selector("text=it is not shown again")

    # The secret, for which the password is asked once more.
    page.click("#result_list tbody a >> nth=0")
    page.click("text=Reveal")
    shoot(page, "reveal")
    page.fill("[name=password]", "not the password")
    page.click("button:has-text('Reveal')")
    page.wait_for_selector("text=That is not your password.")
    page.fill("[name=password]", stack["admin_password"])
    page.click("button:has-text('Reveal')")
    page.wait_for_selector("code:has-text('whsec_')")

    # The example of the type is filled in, what does not fit is said while one types, and the preview is signed.
    headers = {"Authorization": f"Bearer {stack['api_key']}"}
    schema = {"type": "object", "required": ["id"]}
    body = {"name": "order.made", "schema": schema, "enforce_schema": True, "example": {"id": "or_1"}}
    assert page.context.request.post("/api/v1/event-types/", headers=headers, data=body).status == 201
    page.goto("/admin/dispatch/event/add/")
    page.fill("[name=type]", "order.made")
    page.wait_for_function("document.querySelector('[name=data]').value.includes('or_1')")
    page.fill("[name=data]", "{}")
    page.wait_for_selector("#wd-said:has-text('required property')")
    page.click("[data-fill=example]")
    choose_subscriber(page, "Globex")
    page.click("[name=_preview]")
    assert "webhook-signature: v1," in page.inner_text(".wd-attempt >> nth=0")
    page.screenshot(path=SCREENSHOTS / "preview-light-1280.png", full_page=True)
    page.dblclick("[name=_publish]")
    page.wait_for_selector("#wd-arrivals >> text=1 delivered")
    page.wait_for_selector("#wd-arrivals >> text=Success · 200")
    shoot(page, "event")
    page.click("#wd-arrivals >> text=Why?")
    page.wait_for_selector(".wd-answer:has-text('It was delivered on')")
    shoot(page, "why")
    page.goto("/admin/dispatch/event/?event_type=order.made")
    assert page.locator("#result_list tbody tr").count() == 1


def test_from_publishing_to_retrying(page: Any, stack: dict[str, str], receiver: str) -> None:
    Receiver.got.clear()
    add_endpoint(page, stack, f"{receiver}/good", "Good receiver")
    add_endpoint(page, stack, f"{receiver}/bad", "Bad receiver")
    publish(page)
    deadline = time.monotonic() + READY_SECONDS
    while len(Receiver.got) < 2 and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert len(set(Receiver.got)) == 1

    # What fails is found from the dashboard: the endpoint, its last attempt, retry.
    page.goto("/admin/")
    page.click("#wd-failing >> text=Bad receiver")
    shoot(page, "endpoint")
    page.click("section:has-text('Last attempts') tbody a >> nth=0")
    assert "500" in page.inner_text(".wd-attempt >> nth=0")
    shoot(page, "delivery")
    page.click("text=Retry now")
    page.wait_for_selector("text=It goes out as soon as")
    page.goto("/admin/")
    page.wait_for_selector("#dashboard[data-shows='1h']")
    shoot(page, "dashboard")


def test_a_bulk_job_is_followed_to_its_end(page: Any) -> None:
    page.goto("/admin/dispatch/delivery/?status__exact=pending")
    shoot(page, "deliveries")
    page.click("text=Cancel all of these")
    page.click("form:has(.wd-buttons) button[type=submit]")
    page.wait_for_selector("[data-job=text]:has-text('100 %')")
    shoot(page, "bulk-job")


def test_nothing_was_asked_for_elsewhere_and_no_script_failed(page: Any) -> None:
    assert page.elsewhere == []
    assert page.troubles == []
