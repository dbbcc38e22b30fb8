"""Whom the transport trusts: with real TLS."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from dispatch.states import Outcome
from tests.certificates_made import serving_tls
from tests.dispatch.behaviours import (
    OK,
    Behaviour,
    answering,
    over_tls,
)
from tests.dispatch.raw_receivers import Conversation, receiving_raw
from tests.dispatch.sending import (
    send,
    transporting,
)
from tests.dispatch.transport.names import resolving


class TestTls:
    def test_the_name_of_the_url_is_asked_for_and_checked(
        self, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, trusting: ssl.SSLContext
    ) -> None:
        resolving(monkeypatch, {"receiver.example": ["127.0.0.1"]})
        asked_for: list[str | None] = []
        context = serving_tls(authority.issue_cert("receiver.example"))
        context.sni_callback = lambda _, name, __: asked_for.append(name)

        def behave(conversation: Conversation) -> None:
            conversation.start_tls(context)
            answering(OK)(conversation)

        with receiving_raw(behave) as receiver, transporting(tls=trusting) as transport:
            result = send(transport, f"https://receiver.example:{receiver.port}/")

        assert (result.status_code, result.remote_address, asked_for) == (200, "127.0.0.1", ["receiver.example"])

    def test_a_certificate_for_another_host_is_refused(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        behave = over_tls(authority.issue_cert("another.example"), answering(OK))
        self.refuses(behave, trusting, "TLS failed: hostname mismatch, certificate is not valid for 'localhost'.")

    def test_an_expired_certificate_is_refused(self, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
        yesterday = datetime.now(UTC) - timedelta(days=1)
        certificate = authority.issue_cert("localhost", not_before=yesterday - timedelta(days=1), not_after=yesterday)
        self.refuses(over_tls(certificate, answering(OK)), trusting, "TLS failed: certificate has expired.")

    def test_a_self_signed_certificate_is_refused(self, trusting: ssl.SSLContext, tmp_path: Path) -> None:
        itself = trustme.CA()
        itself.cert_pem.write_to_path(str(tmp_path / "certificate.pem"))
        itself.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
        self.refuses(
            lambda conversation: conversation.start_tls(context), trusting, "TLS failed: self-signed certificate."
        )

    def test_a_certificate_of_an_unknown_authority_is_refused(self, trusting: ssl.SSLContext) -> None:
        behave = over_tls(trustme.CA().issue_cert("localhost"), answering(OK))
        self.refuses(behave, trusting, "TLS failed: unable to get local issuer certificate.")

    def test_an_authority_that_is_named_is_trusted_and_no_other(self, authority: trustme.CA, tmp_path: Path) -> None:
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        ours, theirs = (over_tls(each.issue_cert("localhost"), answering(OK)) for each in (authority, trustme.CA()))
        with (
            receiving_raw(ours) as receiver,
            receiving_raw(theirs) as of_another,
            transporting(ca_file=tmp_path / "authority.pem") as trusting,
            transporting() as not_trusting,
        ):
            answered = send(trusting, f"https://localhost:{receiver.port}/")
            refused = [
                send(trusting, f"https://localhost:{of_another.port}/"),
                send(not_trusting, f"https://localhost:{receiver.port}/"),
            ]

        assert (answered.status_code, answered.body) == (200, b"ok")
        assert [each.error for each in refused] == ["TLS failed: unable to get local issuer certificate."] * 2

    def test_a_receiver_that_speaks_no_tls_is_refused(self, trusting: ssl.SSLContext) -> None:
        def behave(conversation: Conversation) -> None:
            conversation.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            conversation.wait_for_end()

        self.refuses(behave, trusting, "TLS failed: wrong version number.")

    @staticmethod
    def refuses(behave: Behaviour, tls: ssl.SSLContext, error: str) -> None:
        with receiving_raw(behave) as receiver, transporting(tls=tls, deadline=5) as transport:
            result = send(transport, f"https://localhost:{receiver.port}/path-of-theirs?token=s3cr3t")

        assert (result.failure, result.error, result.status_code) == (Outcome.TLS_ERROR, error, None)
