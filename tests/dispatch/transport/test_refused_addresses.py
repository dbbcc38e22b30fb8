"""No connection is made to an address that the policy refuses."""

from ipaddress import ip_network

import pytest

from dispatch.addresses import AddressPolicy
from dispatch.states import Outcome
from tests.dispatch.behaviours import (
    OK,
    answering,
)
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.sending import (
    send,
    transporting,
)
from tests.dispatch.transport.names import resolving

SECRETS = ("path-of-theirs", "token=s3cr3t")


class TestARefusedAddress:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "LOCALHOST",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "0",
            "0.0.0.0",  # noqa: S104
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
        ],
    )
    def test_is_not_connected_to(self, host: str, scheme: str) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting(AddressPolicy()) as transport:
            result = send(transport, f"{scheme}://{host}:{receiver.port}/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.status_code, result.remote_address) == (Outcome.ADDRESS_REFUSED, None, "")
        assert result.error.startswith("The address was refused: ")
        assert result.error.endswith(" is not a public address. See WEBHOOKS_ALLOWED_NETWORKS.")
        assert not any(secret in result.error for secret in SECRETS)
        assert receiver.connections == 0

    @pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "127。0。0。1", "l%6fcalhost", "127.0.0.1%00.example"])
    def test_is_not_connected_to_under_a_name_that_only_some_parsers_read(self, host: str) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting(AddressPolicy()) as transport:
            result = send(transport, f"http://{host}:{receiver.port}/")

        assert result.failure in {Outcome.ADDRESS_REFUSED, Outcome.CANNOT_BUILD, Outcome.DNS_ERROR}
        assert receiver.connections == 0

    @pytest.mark.parametrize(
        "addresses",
        [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"], ["127.0.0.1", "169.254.169.254"]],
    )
    def test_makes_its_host_refused_although_others_are_allowed(
        self, addresses: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolving(monkeypatch, {"receiver.example": addresses})
        policy = AddressPolicy(allowed_networks=(ip_network("127.0.0.0/8"),))
        with receiving_raw(answering(OK)) as receiver, transporting(policy) as transport:
            result = send(transport, f"http://receiver.example:{receiver.port}/")

        assert (result.failure, receiver.connections) == (Outcome.ADDRESS_REFUSED, 0)

    def test_is_the_one_that_the_host_has_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.read_request()
            conversation.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

        hosts = {"receiver.example": ["127.0.0.1"]}
        resolving(monkeypatch, hosts)
        allowed = (ip_network("127.0.0.1/32"),)
        with receiving_raw(behave) as receiver, transporting(AddressPolicy(allowed_networks=allowed)) as transport:
            first = send(transport, f"http://receiver.example:{receiver.port}/")
            hosts["receiver.example"] = ["127.0.0.2"]
            second = send(transport, f"http://receiver.example:{receiver.port}/")

        assert (first.status_code, second.failure, receiver.connections) == (200, Outcome.ADDRESS_REFUSED, 1)

    def test_is_what_the_parser_that_connects_takes_for_the_host(self) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting(AddressPolicy()) as transport:
            for url in (
                f"http://does-not-exist.invalid@127.0.0.1:{receiver.port}/",
                f"http://127.0.0.1:{receiver.port}\\@does-not-exist.invalid/",
                f"http://does-not-exist.invalid\\@127.0.0.1:{receiver.port}/",
                f"http://127.0.0.1:{receiver.port}#@does-not-exist.invalid/",
            ):
                assert send(transport, url).failure in {Outcome.ADDRESS_REFUSED, Outcome.DNS_ERROR}

        assert receiver.connections == 0
