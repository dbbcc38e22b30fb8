"""Once a day the log says which certificates end soon."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from dispatch.tasks import warn_of_expiring_certificates
from subscriptions.models import Actor
from tests.certificates_made import chain, issued, key
from tests.factories import EndpointFactory
from webhooks_project.settings import CELERY_BEAT_SCHEDULE


@pytest.mark.django_db
def test_the_log_names_endpoints_whose_certificates_end_within_two_weeks(caplog: pytest.LogCaptureFixture) -> None:
    authority = trustme.CA()
    soon, later = (datetime.now(UTC) + timedelta(days=days) for days in (13, 15))
    first, second = EndpointFactory(), EndpointFactory()
    for endpoint, ends in ((first, soon), (second, later)):
        made = issued(authority, ends=ends)
        endpoint.set_tls({"client_certificate": chain(made), "client_key": key(made)}, by=Actor("tests"))
    warn_of_expiring_certificates(keyword_of_a_later_version=1)

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [f"endpoint {first.id}: The client certificate expires on {soon:%Y-%m-%d}."]


def test_beat_asks_for_it() -> None:
    tasks = [entry["task"] for entry in CELERY_BEAT_SCHEDULE.values()]
    assert warn_of_expiring_certificates.name in tasks
