"""What is kept of how a request began: enough to show it as it was sent, and nothing that is secret."""

from dispatch.heads import Head, as_sent, head_of
from subscriptions.payload_format import PayloadFormat
from tests.factories import NOON

SENT = {
    "X-Tenant": "a secret",
    "Content-Type": "application/json",
    "User-Agent": "webhook-dispatcher/1",
    "webhook-id": "evt_1",
    "webhook-timestamp": "1772366400",
    "webhook-signature": "v1,secret",
}


def head(
    url: str = "https://receiver.example:8443/hooks/secret",
    *,
    has_token: bool = False,
    form: PayloadFormat = PayloadFormat.DATA,
    **changes: str,
) -> Head:
    return head_of(
        url, {**SENT, **changes}, message_id="evt_1", timestamp=1772366400, has_token=has_token, payload_format=form
    )


def test_what_could_be_secret_is_masked_and_what_differs_stands_in_braces():
    assert head().url == "https://receiver.example:8443/…"
    assert head().headers == (
        ("X-Tenant", "…"),
        ("Content-Type", "application/json"),
        ("User-Agent", "webhook-dispatcher/1"),
        ("webhook-id", "{id}"),
        ("webhook-timestamp", "{timestamp}"),
        ("webhook-signature", "…"),
    )


def test_requests_that_begin_alike_have_one_head():
    other = head_of(
        "https://receiver.example:8443/hooks/secret",
        {**SENT, "webhook-id": "evt_2", "webhook-timestamp": "1", "webhook-signature": "v1,other"},
        message_id="evt_2",
        timestamp=1,
        has_token=False,
        payload_format=PayloadFormat.DATA,
    )
    assert other == head()
    others = [head("https://other.example/"), head(**{"User-Agent": "x"}), head(form=PayloadFormat.FULL)]
    assert len({head().id, *(each.id for each in others)}) == 4


def test_an_access_token_is_one_more_header_and_takes_the_place_of_another():
    assert head(has_token=True).headers[-1] == ("Authorization", "…")
    assert head(has_token=True) == head(has_token=True, Authorization="Basic x")


def test_an_attempts_headers_are_filled_in():
    sent = as_sent(head().headers, message_id="evt_9", started_at=NOON, body="é".encode(), url=head().url)
    assert sent == [
        ("Host", "receiver.example:8443"),
        ("X-Tenant", "…"),
        ("Content-Type", "application/json"),
        ("User-Agent", "webhook-dispatcher/1"),
        ("webhook-id", "evt_9"),
        ("webhook-timestamp", "1772366400"),
        ("webhook-signature", "…"),
        ("Content-Length", "2"),
    ]


def test_a_custom_header_that_looks_like_a_place_is_masked():
    assert ("X-Tenant", "…") in head(**{"X-Tenant": "{id}"}).headers
