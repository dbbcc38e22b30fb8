"""The admin in a real browser against a running stack: `make browser`. Leaves screenshots in var/screenshots/."""

import time
from typing import Any

from tests.browser.running import MARKS, READY_SECONDS, Receiver, shoot

pytestmark = MARKS


def add_endpoint(page: Any, stack: dict[str, str], url: str, description: str) -> None:
    """Add an endpoint by the API: choosing a subscriber in the form is Django's own."""
    context = page.context.request
    headers = {"Authorization": f"Bearer {stack['api_key']}"}
    context.post("/api/v1/subscribers/", headers=headers, data={"name": "Acme", "uid": "acme"})
    body = {"subscriber": "acme", "url": url, "event_types": ["*"], "description": description}
    assert context.post("/api/v1/endpoints/", headers=headers, data=body).status == 201


def publish(page: Any) -> None:
    page.goto("/admin/dispatch/event/add/")
    page.fill("[name=type]", "invoice.paid")
    page.fill("[name=data]", '{"id": "in_1"}')
    page.click("[name=_save]")
    page.wait_for_url("**/admin/dispatch/event/")


def test_from_publishing_to_retrying(page: Any, stack: dict[str, str], receiver: str) -> None:
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
    # Browsers ask for an icon that nobody named.
    assert [each for each in page.troubles if "404" not in each] == []
