"""Operating in a real browser: a thousand deliveries retried, many endpoints paused, roles, and who cannot see."""

import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.browser.running import MARKS, Receiver, shoot

pytestmark = MARKS
MANY = 1000
PASSWORD = uuid.uuid4().hex
# Every page that has a design of its own, or is one of Django's kinds: a list, a form, a question.
PAGES = {
    "dashboard": "/admin/",
    "deliveries": "/admin/dispatch/delivery/",
    "attempts": "/admin/dispatch/attempt/",
    "events": "/admin/dispatch/event/",
    "publish": "/admin/dispatch/event/add/",
    "bulk-jobs": "/admin/dispatch/bulkjob/",
    "bulk-question": "/admin/dispatch/bulkjob/ask/pause/",
    "notices": "/admin/dispatch/notice/",
    "mails": "/admin/dispatch/mail/",
    "subscribers": "/admin/subscriptions/subscriber/",
    "endpoints": "/admin/subscriptions/endpoint/",
    "new-endpoint": "/admin/subscriptions/endpoint/add/",
    "event-types": "/admin/subscriptions/eventtype/",
    "signing-secrets": "/admin/subscriptions/signingsecret/",
    "audit-log": "/admin/subscriptions/auditentry/",
    "api-keys": "/admin/subscriptions/apikey/",
    "users": "/admin/auth/user/",
    "groups": "/admin/auth/group/",
}


def call(page: Any, stack: dict[str, str], path: str, body: dict[str, Any]) -> Any:
    answer = page.context.request.post(
        f"/api/v1/{path}", headers={"Authorization": f"Bearer {stack['api_key']}"}, data=body
    )
    assert answer.ok, answer.text()
    return answer.json()


def post(page: Any, path: str, form: dict[str, str]) -> Any:
    """Send a form of the admin as the page would."""
    token = next(each["value"] for each in page.context.cookies() if each["name"] == "csrftoken")
    answer = page.context.request.post(path, form=form | {"csrfmiddlewaretoken": token})
    assert answer.ok
    return answer


def follow(page: Any, question: str) -> None:
    """Say yes to a question about many, and watch it to its end."""
    assert question in page.inner_text("#content-main")
    page.click("form:has(.wd-buttons) button[type=submit]")
    page.wait_for_selector("[data-job=status]:has-text('Done')", timeout=60_000)
    page.wait_for_selector("[data-job=text]:has-text('100 %')")
    assert page.evaluate("document.querySelector('#wd-job progress').position") == 1


@pytest.fixture(scope="module")
def many_failed(page: Any, stack: dict[str, str], receiver: str) -> str:
    """Give the id of an endpoint at which a thousand deliveries have failed."""
    call(page, stack, "subscribers/", {"name": "Globex", "uid": "globex"})
    endpoint = call(
        page,
        stack,
        "endpoints/",
        {
            "subscriber": "globex",
            "url": f"{receiver}/many",
            "event_types": ["*"],
            "description": "Many fail here",
            "retry_schedule": [],
        },
    )
    for _ in range(MANY // 100):
        events = [{"type": "invoice.paid", "data": {"n": n}, "subscriber": "globex"} for n in range(100)]
        call(page, stack, "events/batch/", {"events": events})
    statuses = f"/api/v1/endpoints/{endpoint['id']}/stats/"
    for _ in range(600):
        answer = page.context.request.get(statuses, headers={"Authorization": f"Bearer {stack['api_key']}"}).json()
        if answer["deliveries"].get("failed") == MANY:
            break
        page.wait_for_timeout(100)
    return str(endpoint["id"])


def test_a_bulk_retry_of_a_thousand_is_followed_to_its_end(page: Any, many_failed: str) -> None:
    page.goto("/admin/")
    page.click("#wd-failing >> text=Many fail here")
    page.click("text=All deliveries")
    page.click("text=Retry all of these")
    Receiver.mended.add("/many")
    follow(page, f"{MANY} deliveries would be retried")
    assert f"{MANY} of {MANY} looked at, {MANY} changed." in page.inner_text("[data-job=text]")
    shoot(page, "bulk-retry")
    for _ in range(600):
        if len(Receiver.got) >= 2 * MANY:
            break
        page.wait_for_timeout(100)
    page.goto(f"/admin/dispatch/delivery/?endpoint={many_failed}&status__exact=failed")
    assert "0 deliveries" in page.inner_text("#content") or not page.query_selector("#result_list")


@pytest.mark.usefixtures("many_failed")
def test_many_endpoints_are_paused_and_resumed(page: Any) -> None:
    page.goto("/admin/subscriptions/endpoint/?subscriber=globex")
    page.click("text=Pause all of these")
    shoot(page, "bulk-question")
    follow(page, "1 endpoint would be paused")
    page.goto("/admin/subscriptions/endpoint/?subscriber=globex&state__exact=paused")
    page.click("text=Resume …")
    follow(page, "1 endpoint would be resumed")


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_roles_see_no_more_than_they_may(page: Any, stack: dict[str, str], many_failed: str, role: str) -> None:
    page.goto("/admin/auth/group/")
    group = page.get_attribute(f"#result_list a:has-text('{role}')", "href").split("/")[-3]
    name = f"{role}-{uuid.uuid4().hex[:6]}"
    added = post(
        page,
        "/admin/auth/user/add/",
        {"username": name, "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
    )
    moment = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    post(page, added.url, {"username": name, "is_active": "on", "is_staff": "on", "groups": group, **moment})
    theirs = page.context.browser.new_context(base_url=stack["base_url"]).new_page()
    try:
        theirs.goto("/admin/")
        theirs.fill("[name=username]", name)
        theirs.fill("[name=password]", PASSWORD)
        theirs.click("#login-form button")
        theirs.wait_for_selector("#dashboard[data-shows]")
        navigation = theirs.inner_text("#nav-sidebar")
        assert "Deliveries" in navigation
        assert not {"Signing secrets", "API keys", "Users", "Groups"} & set(navigation.split("\n"))
        theirs.goto(f"/admin/subscriptions/endpoint/{many_failed.replace('_', '_5F')}/change/")
        assert not theirs.is_visible("text=Rotate secret")
        assert not theirs.is_visible("text=Reveal")
        assert theirs.is_visible("button:has-text('Pause')") is (role == "operator")
        theirs.goto("/admin/subscriptions/endpoint/")
        assert theirs.is_visible("text=Pause all of these") is (role == "operator")
        theirs.goto("/admin/dispatch/delivery/")
        assert theirs.is_visible("text=Retry all of these") is (role == "operator")
        theirs.screenshot(path=f"var/screenshots/deliveries-{role}.png")
        for hidden in ("signingsecret", "apikey"):
            assert theirs.goto(f"/admin/subscriptions/{hidden}/").status == 403
        assert theirs.goto("/admin/auth/user/").status == 403
    finally:
        theirs.context.close()


@pytest.mark.usefixtures("many_failed")
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_for_all_eyes_and_screens(page: Any, name: str) -> None:
    """Ask axe-core about labels, contrast, roles and structure, in light and dark, and look at a narrow screen."""
    judge = Path(os.environ.get("NODE_PATH", ""), "axe-core", "axe.min.js")
    if not judge.is_file():
        pytest.skip("axe-core is not below NODE_PATH: npm install axe-core")
    page.goto(PAGES[name])
    shoot(page, name)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        page.wait_for_timeout(300)
        page.evaluate(judge.read_text())
        found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")["violations"]
        page.emulate_media(color_scheme="light")
        told = [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]
        assert told == [], f"{name}, {scheme}"
