"""Certificates that tests make: of authorities and clients, with what may be wrong with them."""

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
