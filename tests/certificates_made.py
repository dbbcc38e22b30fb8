"""Certificates that tests make: of authorities, clients and servers, with what may be wrong with them."""

import ssl
from datetime import datetime
from typing import Any

import trustme


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def chain(client: trustme.LeafCert) -> str:
    return "".join(each.bytes().decode() for each in client.cert_chain_pems)


def key(client: trustme.LeafCert) -> str:
    return client.private_key_pem.bytes().decode()


def issued(authority: trustme.CA, *, ends: datetime | None = None, **options: Any) -> trustme.LeafCert:
    """Make a client's certificate."""
    return authority.issue_cert("sender.example", not_after=ends, **options)


def serving_tls(certificate: trustme.LeafCert, kind: type[ssl.SSLContext] = ssl.SSLContext) -> ssl.SSLContext:
    """Return what a server needs that shows `certificate`."""
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
