"""What docs/operating.md shows of operational events, notices and answers is what is really said."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from dispatch import health
from dispatch.backlog import tell_of_backlog
from dispatch.endpoint_gone import disable_gone
from dispatch.exhausted import tell_of_exhausted
from dispatch.expiring import tell_of_expiring
from dispatch.health import Noted
from dispatch.models import Notice
from dispatch.publish import publish_event
from dispatch.waiting import Reason
from dispatch.why import Code
from subscriptions import ids
from subscriptions.models import Endpoint, EndpointState, SigningSecret
from subscriptions.models.audit import Actor
from subscriptions.notices import NoticeKind
from tests.api_client import ApiClient
from tests.certificates_made import chain, issued, key
from tests.dispatch.operational_events import operators, told
from tests.factories import NOON, DeliveryFactory, EndpointFactory, SubscriberFactory

TEXT = (Path(__file__).resolve().parents[2] / "docs/operating.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
EVENTS = {each["type"].removeprefix("operational."): each for each in EXAMPLES if "type" in each}


def shape(value: Any) -> Any:
    """Give what is the same whatever ids and times there are: names, kinds, and the beginnings of ids."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    if isinstance(value, str):
        return re.sub(r"_[0-9a-v]{26}$", "_", re.sub(r"^\d{4}-[\d:T.-]+Z$", "time", value))
    return value


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    """Return an endpoint as the examples have it."""
    operators()
    subscriber = SubscriberFactory(uid="acme", name="Acme")
    url = "https://receiver.example/hooks/1"
    endpoint: Endpoint = EndpointFactory(subscriber=subscriber, url=url, description="Billing")
    return endpoint


def said(kind: NoticeKind) -> dict[str, Any]:
    [last] = [each for each in told() if each["type"] == f"operational.{kind}"][-1:]
    return last


def test_disabled_and_enabled(endpoint: Endpoint) -> None:
    disable_gone(ids.decode("ep", endpoint.id), NOON)
    assert shape(said(NoticeKind.ENDPOINT_DISABLED)) == shape(EVENTS["endpoint.disabled"])
    endpoint.change_state(EndpointState.ACTIVE, reason="", now=NOON + timedelta(hours=1))
    assert shape(said(NoticeKind.ENDPOINT_ENABLED)) == shape(EVENTS["endpoint.enabled"])


def test_failing_and_recovered(endpoint: Endpoint) -> None:
    noted = Noted(ids.decode("ep", endpoint.pk), None, since=0.0)
    since = NOON - timedelta(minutes=2)
    noted.failures, noted.first_failure_at, noted.last_failure_at = 10, since, NOON
    noted.close(NOON + timedelta(seconds=30), because="breaker", pauses=1)
    health.write([noted], NOON)
    assert shape(said(NoticeKind.ENDPOINT_FAILING)) == shape(EVENTS["endpoint.failing"])
    later = Noted(noted.endpoint_id, None, since=0.0, failures=4, first_failure_at=NOON, last_failure_at=NOON)
    health.write([later], NOON)
    later = Noted(noted.endpoint_id, None, since=0.0)
    later.succeed()
    health.write([later], NOON)
    assert shape(said(NoticeKind.ENDPOINT_RECOVERED)) == shape(EVENTS["endpoint.recovered"])


def test_secret_rotated(endpoint: Endpoint) -> None:
    SigningSecret.objects.rotate(endpoint, now=NOON, by=Actor("tests"))
    assert shape(said(NoticeKind.ENDPOINT_SECRET_ROTATED)) == shape(EVENTS["endpoint.secret_rotated"])


def test_exhausted(endpoint: Endpoint) -> None:
    for outcome, code in (("http_error", 500), ("http_error", 500), ("timeout", None)):
        DeliveryFactory(
            endpoint=endpoint,
            status="failed",
            next_attempt_at=None,
            attempt_count=10,
            finished_at=NOON,
            last_outcome=outcome,
            last_status_code=code,
        )
    tell_of_exhausted(NOON)
    shown = said(NoticeKind.DELIVERY_EXHAUSTED)
    assert shape(shown | {"deliveries": shown["deliveries"][:1]}) == shape(EVENTS["delivery.exhausted"])


def test_expiring(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    made = issued(trustme.CA(), ends=endpoint.created_at + timedelta(days=30))
    tls = endpoint.set_tls({"client_certificate": chain(made), "client_key": key(made)}, by=Actor("tests"))
    assert tls is not None
    tls.client_subject, tls.client_expires_at = "CN=dispatcher", NOON + timedelta(days=14) - timedelta(hours=6)
    tls.save(update_fields=["client_subject", "client_expires_at"])
    tell_of_expiring(NOON - timedelta(hours=6))
    assert shape(said(NoticeKind.CERTIFICATE_EXPIRING)) == shape(EVENTS["certificate.expiring"])


def test_backlog(endpoint: Endpoint) -> None:
    DeliveryFactory(endpoint=endpoint)
    for minutes in (6, 7):
        tell_of_backlog(NOON + timedelta(minutes=minutes))
    assert shape(said(NoticeKind.BACKLOG_GROWING)) == shape(EVENTS["backlog.growing"])


def test_every_kind_is_explained_and_has_an_example() -> None:
    assert [kind.value for kind in NoticeKind if f"| `{kind}` |" not in TEXT] == []
    assert set(EVENTS) == {kind.value for kind in NoticeKind}


def test_every_answer_is_explained_and_the_example_is_one(endpoint: Endpoint) -> None:
    rows = [line.split("|")[1] for line in TEXT[TEXT.index("| code |") :].splitlines() if line.startswith("| `")]
    explained = [word for row in rows for word in re.findall(r"`(\w+)`", row)]
    assert sorted(explained) == sorted([*Code, *Reason])
    endpoint.set_event_types(["invoice.*"])
    event = publish_event("order.paid", {}).event
    shown = ApiClient.with_new_key().get(f"events/{event.id}/why/", endpoint=endpoint.id).json()
    [example] = [each for each in EXAMPLES if "code" in each]
    assert shape(shown) == shape(example)


def test_a_notice_says_what_its_event_says(endpoint: Endpoint) -> None:
    disable_gone(ids.decode("ep", endpoint.id), NOON)
    assert Notice.objects.get().data == said(NoticeKind.ENDPOINT_DISABLED)
