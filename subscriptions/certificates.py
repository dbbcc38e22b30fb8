"""Certificates that endpoints bring: authorities to trust, and what is shown to the receiver. Pure.

Texts are PEM (RFC 7468). No message repeats any of a key.
"""

import contextlib
import hashlib
import os
import re
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

MAX_CHARACTERS = 64 * 1024
MAX_CERTIFICATES = 50
MAX_RSA_BITS = 4096

_LABELS = re.compile(r"-----BEGIN ([^\r\n]*?)-----")
_CERTIFICATE = "CERTIFICATE"
_MAY_IDENTIFY_CLIENTS = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


class InvalidCertificate(Exception):
    """A certificate or key cannot be used. The message says what is wrong, and where it is easy, how to mend it."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """One or several, as PEM without anything else. The first of them to end does so at `expires_at`."""

    pem: str
    expires_at: datetime
    subject: str


def read_authorities(text: str, now: datetime) -> Certificates:
    """Read certificates that are to be trusted. Raises `InvalidCertificate`."""
    found = _certificates(text)
    _check_times(found, now)
    certificates = _together(found)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=certificates.pem)
    except ssl.SSLError as error:
        raise InvalidCertificate(f"OpenSSL does not take it: {_reason(error)}.") from error
    return certificates


def read_client_certificate(text: str, now: datetime) -> Certificates:
    """Read a client certificate, which may be followed by its chain. Raises `InvalidCertificate`."""
    chain = _certificates(text)
    _check_times(chain, now)
    for issued, issuer in pairwise(chain):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            raise InvalidCertificate(
                f"The order is wrong: {_name(issued)} was not issued by {_name(issuer)}, which follows it. "
                "Begin with the client certificate, and let the one that issued it follow each."
            ) from error
    with contextlib.suppress(x509.ExtensionNotFound):
        usage = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if not _MAY_IDENTIFY_CLIENTS.intersection(usage):
            raise InvalidCertificate(
                f"{_name(chain[0])} is not for clients: its extended key usage lacks clientAuth. Receivers refuse it."
            )
    return _together(chain)


def read_key(text: str, certificates: Certificates) -> str:
    """Read the private key of the first of `certificates`, and return it as PEM. Raises `InvalidCertificate`."""
    _check_size(text)
    if "PRIVATE KEY-----" not in text:
        raise InvalidCertificate("There is no private key. It begins with -----BEGIN PRIVATE KEY----- or similar.")
    try:
        # Whether its numbers are primes takes minutes to tell of large ones: first, whether they are of usual size.
        key = load_pem_private_key(text.encode(), password=None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, RSAPrivateKey):
            _check_size_of_rsa(key)
            key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise InvalidCertificate(
            "The key has a passphrase. Remove it: openssl pkey -in key.pem -out plain.pem"
        ) from None
    except (ValueError, UnsupportedAlgorithm, InternalError):
        raise InvalidCertificate("The private key cannot be read.") from None
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    matching = [each for each in x509.load_pem_x509_certificates(certificates.pem.encode()) if _public(each) == public]
    first, *_ = x509.load_pem_x509_certificates(certificates.pem.encode())
    if first not in matching:
        raise InvalidCertificate(
            f"The key belongs to {_name(matching[0])}, which must come first."
            if matching
            else f"The key does not belong to the certificate of {_name(first)}."
        )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    try:
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificates.pem, pem)
    except ssl.SSLError as error:
        raise InvalidCertificate(f"OpenSSL does not take certificate and key: {_reason(error)}.") from None
    return pem


def digest(authorities: str, client_certificate: str) -> str:
    """Name what is trusted and shown by its content. A key is one with its certificate, and not in it."""
    return hashlib.sha256(f"{authorities}\0{client_certificate}".encode()).hexdigest()


def load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Have `context` show a client certificate. Raises `ssl.SSLError`.

    OpenSSL reads it from a file only. Where the system has them it is one that exists in memory alone, else one
    that only this user can read, for as long as it takes.
    """
    with _file(f"{key.rstrip()}\n{certificate}".encode()) as path:
        context.load_cert_chain(path)


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as memory:
            memory.write(content)
            memory.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        # Readable by its owner only; removed when it is closed.
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


def _certificates(text: str) -> list[x509.Certificate]:
    _check_size(text)
    labels = _LABELS.findall(text)
    if any("PRIVATE KEY" in label for label in labels):
        raise InvalidCertificate("There is a private key among the certificates. It has a field of its own.")
    if not labels or set(labels) != {_CERTIFICATE}:
        raise InvalidCertificate("Write certificates in PEM, each of which begins with -----BEGIN CERTIFICATE-----.")
    if len(labels) > MAX_CERTIFICATES:
        raise InvalidCertificate(f"There are {len(labels)} certificates, more than {MAX_CERTIFICATES}.")
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        for each in found:
            _public(each), each.extensions, _name(each)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise InvalidCertificate("A certificate cannot be read.") from None
    if len(found) != len(labels):
        raise InvalidCertificate("A certificate cannot be read.")
    return found


def _check_size(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InvalidCertificate(f"It has {len(text)} characters, more than {MAX_CHARACTERS}.")


def _check_size_of_rsa(key: RSAPrivateKey) -> None:
    numbers = key.private_numbers()
    bits = max(each.bit_length() for each in (numbers.public_numbers.n, numbers.p, numbers.q, numbers.d))
    if bits > MAX_RSA_BITS:
        raise InvalidCertificate(f"An RSA key may have {MAX_RSA_BITS} bits at most, this one has {bits}.")


def _check_times(found: Sequence[x509.Certificate], now: datetime) -> None:
    for each in found:
        if each.not_valid_after_utc <= now:
            raise InvalidCertificate(f"{_name(each)} expired on {each.not_valid_after_utc:%Y-%m-%d}.")
        if each.not_valid_before_utc > now:
            raise InvalidCertificate(
                f"{_name(each)} is not valid before {each.not_valid_before_utc:%Y-%m-%d %H:%M} UTC."
            )


def _together(found: Sequence[x509.Certificate]) -> Certificates:
    return Certificates(
        pem="".join(each.public_bytes(Encoding.PEM).decode() for each in found),
        expires_at=min(each.not_valid_after_utc for each in found),
        subject=", ".join(dict.fromkeys(_name(each) for each in found)),
    )


def _name(certificate: x509.Certificate) -> str:
    """Name a certificate in a sentence: its subject, or its serial number where it has none."""
    return certificate.subject.rfc4514_string()[:200] or f"serial number {certificate.serial_number:x}"


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "unknown reason").replace("_", " ").lower()
