"""What is sent, and what has no part in it: on real sockets of loopback."""

import contextlib
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from dispatch.states import Outcome
from tests.dispatch.behaviours import (
    OK,
    answering,
    over_tls,
)
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.receivers import receiving
from tests.dispatch.sending import (
    send,
    transporting,
)
from tests.dispatch.transport.names import resolving

SECRETS = ("path-of-theirs", "token=s3cr3t")


class TestWhatIsSent:
    def test_a_request_is_these_bytes_and_no_others(self) -> None:
        requests: list[bytes] = []

        def behave(conversation: Conversation) -> None:
            requests.append(conversation.read_request())
            conversation.send(OK)

        body = '{"name":"Zoë", "amount": 1.50}'.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "test/1",
            "Accept-Encoding": "identity",
            "X-Y": "z",
        }
        with receiving_raw(behave) as receiver, transporting() as transport:
            send(transport, f"{receiver.url}/a%20b//c?x=1&y=%C3%A9&x=2", headers=headers, body=body)

        assert requests == [
            b"POST /hooks/a%20b//c?x=1&y=%C3%A9&x=2 HTTP/1.1\r\n"
            b"Host: 127.0.0.1:" + str(receiver.port).encode() + b"\r\n"
            b"Content-Type: application/json\r\n"
            b"User-Agent: test/1\r\n"
            b"Accept-Encoding: identity\r\n"
            b"X-Y: z\r\n"
            b"Content-Length: 31\r\n"
            b"\r\n" + body
        ]

    @pytest.mark.parametrize("body", [b"", bytes(range(256)), b"\r\n\r\n", b"0" * 300_000], ids=len)
    def test_the_body_is_sent_as_it_is(self, body: bytes) -> None:
        with receiving() as receiver, transporting() as transport:
            result = send(transport, receiver.url, body=body)

        assert (result.failure, [each.body for each in receiver.received]) == (None, [body])

    def test_the_host_is_named_as_in_the_url(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolving(monkeypatch, {"receiver.example": ["127.0.0.1"]})
        with receiving() as receiver, transporting() as transport:
            port = receiver.url.rpartition(":")[2]
            result = send(transport, f"http://Receiver.EXAMPLE:{port}")

        assert (result.status_code, receiver.received[0].headers["Host"]) == (
            200,
            f"receiver.example:{port.split('/')[0]}",
        )

    def test_a_url_without_a_path_has_the_root(self) -> None:
        with receiving() as receiver, transporting() as transport:
            send(transport, receiver.url.removesuffix("/hooks"))
            send(transport, receiver.url.removesuffix("/hooks") + "?x=1")

        assert [each.path for each in receiver.received] == ["/", "/?x=1"]

    def test_an_ipv6_receiver_gets_its_request(self) -> None:
        try:
            context = receiving_raw(answering(OK), family=socket.AF_INET6, host="::1")
            receiver = context.__enter__()
        except OSError:
            pytest.skip("this machine has no IPv6")
        with contextlib.ExitStack() as stack:
            stack.push(context)
            transport = stack.enter_context(transporting())
            result = send(transport, receiver.url)

        assert (result.status_code, result.remote_address) == (200, "::1")

    @pytest.mark.parametrize(
        ("url", "headers"),
        [
            ("ftp://127.0.0.1/path-of-theirs?token=s3cr3t", {}),
            ("http:///path-of-theirs?token=s3cr3t", {}),
            ("http://127.0.0.1:99999/path-of-theirs?token=s3cr3t", {}),
            ("http://127.0.0.1/path-of-theirs?token=s3cr3t", {"X-Y": "a\r\nHost: b"}),
            ("http://127.0.0.1/path-of-theirs?token=s3cr3t", {"X-Y: a\r\nHost": "b"}),
            ("http://127.0.0.1/path-of-theirs?token=s3cr3t", {"X-Y": "€"}),
        ],
    )
    def test_what_is_no_request_is_not_sent(self, url: str, headers: dict[str, str]) -> None:
        with receiving_raw(answering(OK)) as receiver, transporting() as transport:
            result = send(transport, url.replace("127.0.0.1/", f"127.0.0.1:{receiver.port}/"), headers=headers)

        assert (result.failure, result.status_code) == (Outcome.CANNOT_BUILD, None)
        assert result.error.startswith("The request could not be sent (")
        assert not any(secret in result.error for secret in SECRETS)


class TestTheEnvironment:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_its_proxies_are_not_used(
        self, scheme: str, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, trusting: ssl.SSLContext
    ) -> None:
        behave = answering(OK) if scheme == "http" else over_tls(authority.issue_cert("127.0.0.1"), answering(OK))
        with receiving_raw(answering(OK)) as proxy, receiving_raw(behave) as receiver:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
                monkeypatch.setenv(name.upper(), proxy.url)
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.setenv(name, "")
            with transporting(tls=trusting) as transport:
                result = send(transport, f"{scheme}://127.0.0.1:{receiver.port}/")

        assert (result.status_code, receiver.connections, proxy.connections) == (200, 1, 0)

    def test_its_netrc_is_not_used(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login somebody password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HOME", str(tmp_path))
        with receiving() as receiver, transporting() as transport:
            send(transport, receiver.url)

        assert "Authorization" not in receiver.received[0].headers

    def test_its_authorities_are_not_trusted(
        self, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, tmp_path: Path
    ) -> None:
        bundle = tmp_path / "bundle.pem"
        authority.cert_pem.write_to_path(str(bundle))
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(bundle))
        behave = over_tls(authority.issue_cert("127.0.0.1"), answering(OK))
        with receiving_raw(behave) as receiver, transporting() as transport:
            result = send(transport, f"https://127.0.0.1:{receiver.port}/")

        assert (result.failure, result.error) == (
            Outcome.TLS_ERROR,
            "TLS failed: unable to get local issuer certificate.",
        )
