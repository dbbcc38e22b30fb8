"""Certificates of an endpoint's own, with real TLS servers and real certificates."""

import contextlib
import os
import socket
import ssl
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from dispatch.states import Outcome
from dispatch.tls_contexts import TlsContexts
from dispatch.tls_settings import TlsSettings
from dispatch.transport import Result
from subscriptions import certificates
from tests.certificates_made import chain, key, pem
from tests.dispatch.behaviours import OK
from tests.dispatch.egress_proxies import proxying
from tests.dispatch.raw_receivers import Conversation, RawReceiver, receiving_raw
from tests.dispatch.receivers import receiving
from tests.dispatch.sending import send, transporting

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def common() -> trustme.CA:
    """Stand for the well-known authorities."""
    return trustme.CA()


@pytest.fixture(scope="module")
def private() -> trustme.CA:
    """An authority that only some endpoints know."""
    return trustme.CA()


@pytest.fixture(scope="module")
def clients() -> trustme.CA:
    """The authority that signs for clients."""
    return trustme.CA()


@pytest.fixture(scope="module")
def well_known(common: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authorities") / "common.pem"
    common.cert_pem.write_to_path(str(path))
    return path


def settings(authorities: str = "", client: trustme.LeafCert | None = None) -> TlsSettings:
    certificate = "" if client is None else chain(client)
    private_key = "" if client is None else key(client)
    return TlsSettings(certificates.digest(authorities, certificate), authorities, certificate, private_key)


def serving(
    authority: trustme.CA, *, clients: trustme.CA | None = None, kind: type[ssl.SSLContext] = ssl.SSLContext
) -> ssl.SSLContext:
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    return context


def said(result: Result) -> tuple[Outcome | None, int | None]:
    return result.failure, result.status_code


class TestAnAuthorityOfItsOwn:
    def test_is_trusted_for_this_endpoint_and_for_no_other(
        self, private: trustme.CA, common: trustme.CA, well_known: Path
    ) -> None:
        with (
            receiving(tls=serving(private)) as receiver,
            transporting(ca_file=well_known) as transport,
        ):
            with_it = send(transport, receiver.url, tls=settings(pem(private)))
            without = send(transport, receiver.url)
            with_another = send(transport, receiver.url, tls=settings(pem(trustme.CA())))

        assert said(with_it) == (None, 200)
        assert said(without) == said(with_another) == (Outcome.TLS_ERROR, None)
        assert without.error == "TLS failed: unable to get local issuer certificate."
        assert len(receiver.received) == 1

    def test_takes_the_place_of_the_well_known_ones(
        self, private: trustme.CA, common: trustme.CA, well_known: Path
    ) -> None:
        with receiving(tls=serving(common)) as receiver, transporting(ca_file=well_known) as transport:
            assert said(send(transport, receiver.url)) == (None, 200)
            assert said(send(transport, receiver.url, tls=settings(pem(private)))) == (Outcome.TLS_ERROR, None)

    def test_may_be_one_of_several(self, private: trustme.CA, common: trustme.CA) -> None:
        both = settings(pem(trustme.CA()) + pem(private))
        with receiving(tls=serving(private)) as receiver, transporting() as transport:
            assert said(send(transport, receiver.url, tls=both)) == (None, 200)

    def test_may_be_one_that_another_authority_signed(self, private: trustme.CA) -> None:
        intermediate = private.create_child_ca()
        with receiving(tls=serving(intermediate)) as receiver, transporting() as transport:
            assert said(send(transport, receiver.url, tls=settings(pem(intermediate)))) == (None, 200)

    def test_vouches_for_the_right_name_only(self, private: trustme.CA) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        private.issue_cert("other.example").configure_cert(context)
        with receiving(tls=context) as receiver, transporting() as transport:
            result = send(transport, receiver.url, tls=settings(pem(private)))

        assert said(result) == (Outcome.TLS_ERROR, None)
        assert "ip address mismatch" in result.error.lower()

    def test_does_not_allow_older_tls(self, private: trustme.CA) -> None:
        context = serving(private)
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with receiving(tls=context) as receiver, transporting() as transport:
            assert said(send(transport, receiver.url, tls=settings(pem(private)))) == (Outcome.TLS_ERROR, None)


class _Patient(ssl.SSLContext):
    """After a handshake that failed it waits for the other side to close, so that its alert is not overtaken."""

    def wrap_socket(self, sock: socket.socket, *_: Any, **__: Any) -> ssl.SSLSocket:
        wrapped = super().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        try:
            wrapped.do_handshake()
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                while os.read(wrapped.fileno(), 65536):
                    pass
            wrapped.close()
            raise
        return wrapped


@contextlib.contextmanager
def asking_for_certificates(
    authority: trustme.CA, clients: trustme.CA, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> Iterator[tuple[RawReceiver, list[Any]]]:
    """Run a receiver that asks for client certificates, with a list of whose certificate came with each request."""
    context = serving(authority, clients=clients, kind=_Patient)
    context.minimum_version = context.maximum_version = version
    seen: list[Any] = []

    def behave(conversation: Conversation) -> None:
        conversation.start_tls(context)
        while conversation.read_request():
            seen.append(conversation.peer_name())
            conversation.send(OK)

    with receiving_raw(behave) as receiver:
        receiver.url = receiver.url.replace("http:", "https:")
        yield receiver, seen


class TestAClientCertificate:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_is_shown_to_a_receiver_that_asks(
        self, private: trustme.CA, clients: trustme.CA, version: ssl.TLSVersion
    ) -> None:
        tls = settings(pem(private), clients.issue_cert("sender.example"))
        with (
            asking_for_certificates(private, clients, version) as (receiver, seen),
            transporting() as transport,
        ):
            results = [send(transport, receiver.url, tls=tls) for _ in range(2)]

        assert [said(each) for each in results] == [(None, 200)] * 2
        assert seen == ["sender.example"] * 2
        assert receiver.connections == 1

    @pytest.mark.parametrize("version", VERSIONS)
    def test_goes_with_the_well_known_authorities(
        self, common: trustme.CA, clients: trustme.CA, well_known: Path, version: ssl.TLSVersion
    ) -> None:
        tls = settings(client=clients.issue_cert("sender.example"))
        with (
            asking_for_certificates(common, clients, version) as (receiver, seen),
            transporting(ca_file=well_known) as transport,
        ):
            assert said(send(transport, receiver.url, tls=tls)) == (None, 200)
        assert seen == ["sender.example"]

    @pytest.mark.parametrize("version", VERSIONS)
    def test_that_is_missing_or_wrong_is_an_error_of_tls(
        self, private: trustme.CA, clients: trustme.CA, version: ssl.TLSVersion
    ) -> None:
        wrong = settings(pem(private), trustme.CA().issue_cert("sender.example"))
        with (
            asking_for_certificates(private, clients, version) as (receiver, seen),
            transporting() as transport,
        ):
            results = [send(transport, receiver.url, tls=each) for each in (settings(pem(private)), wrong)]

        assert [said(each) for each in results] == [(Outcome.TLS_ERROR, None)] * 2
        assert results[0].error in {
            "TLS failed: tlsv13 alert certificate required.",
            "TLS failed: sslv3 alert handshake failure.",
        }
        assert results[1].error == "TLS failed: tlsv1 alert unknown ca."
        assert seen == []

    @pytest.mark.parametrize("version", VERSIONS)
    def test_is_shown_on_connections_of_its_endpoint_only(
        self, private: trustme.CA, clients: trustme.CA, version: ssl.TLSVersion
    ) -> None:
        ada, bob = (settings(pem(private), clients.issue_cert(f"{name}.example")) for name in ("ada", "bob"))
        with (
            asking_for_certificates(private, clients, version) as (receiver, seen),
            transporting() as transport,
        ):
            results = [send(transport, receiver.url, tls=tls) for tls in (ada, bob, ada, bob)]
            anybody = send(transport, receiver.url, tls=settings(pem(private)))

        assert [said(each) for each in results] == [(None, 200)] * 4
        assert said(anybody) == (Outcome.TLS_ERROR, None)
        assert seen == ["ada.example", "bob.example"] * 2
        # One for each of the two, and the one that was refused.
        assert receiver.connections == 3

    @pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
    def test_is_shown_through_a_proxy(
        self, scheme: str, private: trustme.CA, clients: trustme.CA, well_known: Path, common: trustme.CA
    ) -> None:
        tls = settings(pem(private), clients.issue_cert("sender.example"))
        with (
            asking_for_certificates(private, clients) as (receiver, seen),
            proxying(scheme, tls=serving(common)) as proxy,
            transporting(ca_file=well_known, proxy=proxy.setting) as transport,
        ):
            assert said(send(transport, receiver.url, tls=tls)) == (None, 200)
        assert seen == ["sender.example"]

    def test_that_cannot_be_read_keeps_the_request_from_being_sent(self, private: trustme.CA) -> None:
        with receiving(tls=serving(private)) as receiver, transporting() as transport:
            unreadable = send(transport, receiver.url, tls=TlsSettings("d", problem="The client key cannot be read."))
            damaged = send(transport, receiver.url, tls=TlsSettings("e", pem(private), pem(private), "no key"))

        assert (unreadable.failure, unreadable.error) == (
            Outcome.CANNOT_BUILD,
            "The endpoint's certificates cannot be used. The client key cannot be read.",
        )
        assert damaged.failure is Outcome.CANNOT_BUILD
        assert receiver.received == []


class TestContexts:
    def test_are_made_once_for_each_content(self, private: trustme.CA, clients: trustme.CA) -> None:
        contexts = TlsContexts(None)
        own, same = settings(pem(private)), settings(pem(private))
        client = clients.issue_cert("sender.example")

        assert contexts.of(None) is contexts.of(None) is contexts.common
        assert contexts.of(own) is contexts.of(same)
        assert len({contexts.of(None), contexts.of(own), contexts.of(settings(pem(private), client))}) == 3

    def test_are_kept_for_those_that_were_used_last(self, private: trustme.CA) -> None:
        contexts = TlsContexts(None)
        first, second, *others = [TlsSettings(f"{n}", pem(private)) for n in range(129)]
        made = contexts.of(first), contexts.of(second)
        for each in others:
            contexts.of(first)
            contexts.of(each)

        assert contexts.of(first) is made[0]
        assert contexts.of(second) is not made[1]

    @pytest.mark.parametrize("in_memory", [True, False])
    def test_leave_no_key_on_the_disk(
        self, clients: trustme.CA, in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        if not in_memory:
            monkeypatch.delattr(os, "memfd_create")
        seen = watch_files(monkeypatch)
        tls = settings(client=clients.issue_cert("sender.example"))
        context = TlsContexts(None).of(tls)

        assert context.get_ca_certs()
        [(path, mode)] = seen
        assert path.startswith("/proc/self/fd/" if in_memory else str(tmp_path))
        assert in_memory or mode == 0o600
        assert list(tmp_path.iterdir()) == []


def watch_files(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Give a list that grows with each file that certificates are loaded from, and who may read it."""
    seen: list[tuple[str, int]] = []
    load: Callable[..., None] = ssl.SSLContext.load_cert_chain

    def load_cert_chain(context: ssl.SSLContext, path: str, *rest: Any) -> None:
        seen.append((path, stat.S_IMODE(Path(path).stat().st_mode)))
        load(context, path, *rest)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load_cert_chain)
    return seen
