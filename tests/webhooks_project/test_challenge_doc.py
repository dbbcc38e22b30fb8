"""What docs/challenge.md tells receivers to do is done here, with challenges as the dispatcher sends them."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from dispatch.challenge_form import body_with, problem_with
from dispatch.signing import signature_headers
from subscriptions.api.serializers import EndpointSerializer
from subscriptions.models import EndpointState
from tests.dispatch.signers import signer_of
from tests.factories import EndpointFactory
from webhooks_project.conf import WebhookSettings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/challenge.md").read_text()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def receive(secret: str, body: bytes) -> tuple[int, str, str]:
    """Have the document's receiver answer a request that is signed with `SECRET`."""
    [block] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102
    headers = signature_headers(signer_of(SECRET), message_id="chl_1", timestamp=int(time.time()), body=body)
    answer: tuple[int, str, str] = names["receive"](secret, dict(headers), body)
    return answer


def test_its_receiver_answers_a_challenge() -> None:
    status, content_type, answer = receive(SECRET, body_with("a-nonce"))
    assert (status, content_type) == (200, "application/json")
    assert problem_with(answer.encode(), "a-nonce") is None


def test_its_receiver_takes_events_and_refuses_what_is_not_genuine() -> None:
    assert receive(SECRET, b'{"amount":100}') == (200, "application/json", "{}")
    with pytest.raises(Exception, match="No matching signature"):
        receive("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0", body_with("a-nonce"))


def test_its_example_is_a_challenge_with_its_answer() -> None:
    sent, answered = re.findall(r"\n\n(\{.*\})\n```", TEXT)
    nonce = json.loads(sent)["challenge"]
    assert body_with(nonce) == sent.encode()
    assert problem_with(answered.encode(), nonce) is None


@pytest.mark.django_db
def test_its_endpoint_has_the_fields_that_the_api_shows() -> None:
    [block] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    endpoint = EndpointFactory()
    endpoint.begin_challenge(now=endpoint.created_at)
    shown, documented = EndpointSerializer(endpoint).data, json.loads(block)
    assert {name: shown[name] for name in ("state", "state_reason", "verified_at")} == {
        name: documented[name] for name in ("state", "state_reason", "verified_at")
    }
    assert list(shown["challenge"]) == list(documented["challenge"])


def test_its_schedule_is_the_default_one() -> None:
    assert WebhookSettings().challenge_schedule == (10, 60, 10 * 60, 3600, 6 * 3600, 16 * 3600)
    assert "after 10 s, 1 min, 10 min, 1 h, 6 h and 16 h" in TEXT
    # One try at once, and the retries.
    assert (
        f"{1 + len(WebhookSettings().challenge_schedule)} with the default" in (ROOT / "docs/security.md").read_text()
    )


def test_every_state_of_an_endpoint_is_documented() -> None:
    text = (ROOT / "docs/how-it-works.md").read_text()
    assert [state for state in EndpointState.values if f"| `{state}` |" not in text] == []
