"""An event's whole way with a real worker: through an egress proxy, with certificates of the endpoint's own."""

from collections.abc import Iterator

import pytest
import trustme

from dispatch.publish import publish_event
from tests.certificates_made import chain, issued, key, pem
from tests.dispatch.deliveries import endpoint_at, outcomes, settled
from tests.dispatch.egress_proxies import Proxy, proxying
from tests.dispatch.test_tls_of_endpoints import asking_for_certificates
from tests.dispatch.workers import Worker, working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with proxying("socks5", login=("ada", "s3cr3t-word")) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def worker(process_environment: dict[str, str], proxy: Proxy) -> Iterator[Worker]:
    setting = f"socks5://ada:s3cr3t-word@127.0.0.1:{proxy.port}"
    with working({**process_environment, "WEBHOOKS_EGRESS_PROXY": setting}) as worker:
        yield worker


def test_a_client_certificate_is_shown_through_the_proxy(worker: Worker, proxy: Proxy) -> None:
    authority, clients = trustme.CA(), trustme.CA()
    made = issued(clients)
    with asking_for_certificates(authority, clients) as (receiver, seen):
        tls = {"ca_certificate": pem(authority), "client_certificate": chain(made), "client_key": key(made)}
        endpoint_at(receiver.url, tls=tls)
        delivery = settled(publish_event("invoice.paid", {"amount": 100}).event)

    assert outcomes(delivery) == [(1, "success", 200)]
    assert seen == ["sender.example"]
    assert proxy.asked_for == [("127.0.0.1", receiver.port)]
