"""Reading certificates and keys that subscribers hand in."""

import base64
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from subscriptions import certificates
from subscriptions.certificates import InvalidCertificate, read_authorities, read_client_certificate, read_key
from tests.certificates_made import chain, issued, key, pem

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def client(authority: trustme.CA) -> trustme.LeafCert:
    return issued(authority, ends=NOW + timedelta(days=30))


def certified(private_key: Any, *, usage: Any = None, days: int = 30, name: str = "sender") -> str:
    """Make a certificate that signs itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder(subject, subject, private_key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    digest = None if isinstance(private_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(private_key, digest).public_bytes(serialization.Encoding.PEM).decode()


def written(private_key: Any, passphrase: bytes | None = None, form: str = "PKCS8") -> str:
    encryption: Any = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    made = private_key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), encryption)
    return str(made.decode())


def rsa_in_pem(*numbers: int) -> str:
    """Write an RSA key (RFC 8017, appendix A.1.2) that need not be one."""
    return private_pem("RSA PRIVATE KEY", sequence(integer(0), *map(integer, numbers)))


def private_pem(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def sequence(*parts: bytes) -> bytes:
    return tagged(0x30, b"".join(parts))


def integer(number: int) -> bytes:
    return tagged(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def tagged(tag: int, content: bytes) -> bytes:
    """Write one value in DER."""
    length = len(content)
    if length < 128:
        return bytes((tag, length)) + content
    written_length = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(written_length))) + written_length + content


def refusal(read: Callable[[], Any]) -> str:
    with pytest.raises(InvalidCertificate) as invalid:
        read()
    return str(invalid.value)


class TestAuthorities:
    def test_are_read_without_what_stands_around_them(self, authority: trustme.CA) -> None:
        other = certified(ec.generate_private_key(ec.SECP256R1()), days=9, name="Acme root")
        read = read_authorities(f"# mine\n{pem(authority)}\nand\r\n{other}", NOW)

        assert read.pem == pem(authority) + other
        assert read.expires_at == (NOW + timedelta(days=9)).replace(microsecond=0)
        assert read.subject.endswith(", CN=Acme root")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "Write certificates in PEM, each of which begins with -----BEGIN CERTIFICATE-----."),
            ("MIIB", "Write certificates in PEM, each of which begins with -----BEGIN CERTIFICATE-----."),
            (
                "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
                "Write certificates in PEM, each of which begins with -----BEGIN CERTIFICATE-----.",
            ),
            ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "A certificate cannot be read."),
            ("-----BEGIN CERTIFICATE-----\n\0é\n", "A certificate cannot be read."),
            (
                "-----BEGIN EC PRIVATE KEY-----\ngeheim",
                "There is a private key among the certificates. It has a field of its own.",
            ),
            ("-----BEGIN CERTIFICATE-----" * 51, "There are 51 certificates, more than 50."),
            ("x" * 65537, "It has 65537 characters, more than 65536."),
        ],
    )
    def test_of_another_form_are_refused(self, text: str, problem: str) -> None:
        assert refusal(lambda: read_authorities(text, NOW)) == problem

    def test_that_are_cut_off_are_refused(self, authority: trustme.CA) -> None:
        whole = pem(authority)
        assert refusal(lambda: read_authorities(whole + whole[:200], NOW)) == "A certificate cannot be read."

    def test_that_have_ended_or_not_begun_are_refused(self) -> None:
        old = certified(ec.generate_private_key(ec.SECP256R1()), days=-1)
        day = f"{NOW - timedelta(days=1):%Y-%m-%d}"
        assert refusal(lambda: read_authorities(old, NOW)) == f"CN=sender expired on {day}."
        early = refusal(lambda: read_authorities(old, NOW - timedelta(days=90)))
        assert early.startswith("CN=sender is not valid before ")


class TestAClient:
    def test_is_read_with_its_chain_and_key(self, authority: trustme.CA) -> None:
        intermediate = authority.create_child_ca()
        made = issued(intermediate, ends=NOW + timedelta(days=30))
        read = read_client_certificate(chain(made) + pem(authority), NOW)

        assert read.pem == chain(made) + pem(authority)
        assert read.expires_at == (NOW + timedelta(days=30)).replace(microsecond=0)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        certificates.load(context, read.pem, read_key(key(made), read))

    @pytest.mark.parametrize(
        "private_key",
        [
            ec.generate_private_key(ec.SECP256R1()),
            rsa.generate_private_key(65537, 2048),
            ed25519.Ed25519PrivateKey.generate(),
        ],
        ids=["EC", "RSA", "ed25519"],
    )
    def test_may_have_any_of_the_usual_keys(self, private_key: Any) -> None:
        read = read_client_certificate(certified(private_key), NOW)
        assert read_key(written(private_key), read) == written(private_key)

    def test_may_have_its_key_in_an_older_form(self) -> None:
        private_key = rsa.generate_private_key(65537, 2048)
        read = read_client_certificate(certified(private_key), NOW)
        assert read_key(written(private_key, form="TraditionalOpenSSL"), read) == written(private_key)

    def test_whose_chain_is_in_another_order_is_refused(self, authority: trustme.CA) -> None:
        intermediate = authority.create_child_ca()
        made = issued(intermediate)
        first, second = (each.bytes().decode() for each in made.cert_chain_pems)
        problem = refusal(lambda: read_client_certificate(first + pem(authority) + second, NOW))
        assert problem.startswith("The order is wrong: ")
        assert problem.endswith("Begin with the client certificate, and let the one that issued it follow each.")
        assert refusal(lambda: read_client_certificate(second + first, NOW)).startswith("The order is wrong: ")

    def test_that_has_ended_is_refused(self, authority: trustme.CA) -> None:
        made = issued(authority, ends=NOW - timedelta(days=1))
        problem = refusal(lambda: read_client_certificate(chain(made), NOW))
        assert problem.endswith(f"expired on {NOW - timedelta(days=1):%Y-%m-%d}.")

    def test_that_is_for_servers_only_is_refused(self) -> None:
        text = certified(ec.generate_private_key(ec.SECP256R1()), usage=ExtendedKeyUsageOID.SERVER_AUTH)
        assert refusal(lambda: read_client_certificate(text, NOW)) == (
            "CN=sender is not for clients: its extended key usage lacks clientAuth. Receivers refuse it."
        )

    def test_with_its_key_in_the_same_text_is_refused(self, client: trustme.LeafCert) -> None:
        assert refusal(lambda: read_client_certificate(key(client) + chain(client), NOW)) == (
            "There is a private key among the certificates. It has a field of its own."
        )

    def test_that_openssl_does_not_take_is_refused(self) -> None:
        private_key = rsa.generate_private_key(65537, 1024)  # noqa: S505
        read = read_client_certificate(certified(private_key), NOW)
        assert refusal(lambda: read_key(written(private_key), read)) == (
            "OpenSSL does not take certificate and key: ee key too small."
        )


class TestAKey:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("geheim", "There is no private key. It begins with -----BEGIN PRIVATE KEY----- or similar."),
            ("-----BEGIN PRIVATE KEY-----\ngeheim\n-----END PRIVATE KEY-----", "The private key cannot be read."),
            ("x" * 65537, "It has 65537 characters, more than 65536."),
        ],
    )
    def test_of_another_form_is_refused(self, text: str, problem: str, client: trustme.LeafCert) -> None:
        read = read_client_certificate(chain(client), NOW)
        assert refusal(lambda: read_key(text, read)) == problem

    @pytest.mark.parametrize(
        ("numbers", "bits"),
        [
            # Exponents of Mersenne primes: a sound key of 44,910 bits, and one of 2048 bits with such a part.
            (lambda p, q: (p * q, 1, p, q), 44910),
            (lambda p, q: (2**2048 - 1, 1, p, q), 23209),
            (lambda p, q: (2**2048 - 1, p, 3, 5), 21701),
        ],
        ids=["modulus", "prime", "exponent"],
    )
    def test_that_would_take_minutes_to_check_is_refused(
        self, numbers: Callable[[int, int], tuple[int, ...]], bits: int, client: trustme.LeafCert
    ) -> None:
        n, d, p, q = numbers(2**21701 - 1, 2**23209 - 1)
        text = rsa_in_pem(n, 65537, d, p, q, 1, 1, 1)
        read = read_client_certificate(chain(client), NOW)
        assert refusal(lambda: read_key(text, read)) == f"An RSA key may have 4096 bits at most, this one has {bits}."

    def test_for_agreeing_on_another_is_refused(self, client: trustme.LeafCert) -> None:
        # Diffie-Hellman: its prime is that of RFC 3526, section 2, plus two, which is none.
        group = sequence(integer(2**1536 - 2**1472 + 1), integer(2))
        oid = bytes.fromhex("06092a864886f70d010301")
        text = private_pem("PRIVATE KEY", sequence(integer(0), sequence(oid, group), tagged(4, integer(7))))
        read = read_client_certificate(chain(client), NOW)
        assert refusal(lambda: read_key(text, read)) == "The private key cannot be read."

    @pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
    def test_with_a_passphrase_is_refused(self, form: str) -> None:
        private_key = ec.generate_private_key(ec.SECP256R1())
        read = read_client_certificate(certified(private_key), NOW)
        assert refusal(lambda: read_key(written(private_key, b"geheim", form), read)) == (
            "The key has a passphrase. Remove it: openssl pkey -in key.pem -out plain.pem"
        )

    def test_of_another_certificate_is_refused(self, client: trustme.LeafCert, authority: trustme.CA) -> None:
        read = read_client_certificate(chain(client), NOW)
        problem = refusal(lambda: read_key(key(issued(authority)), read))
        assert problem.startswith("The key does not belong to the certificate of ")

    def test_of_a_certificate_further_down_is_refused(self) -> None:
        root_key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sender")])
        leaf = (
            x509.CertificateBuilder(name, name, ec.generate_private_key(ec.SECP256R1()).public_key(), 7)
            .not_valid_before(NOW - timedelta(days=60))
            .not_valid_after(NOW + timedelta(days=5))
            .sign(root_key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
            .decode()
        )
        read = read_client_certificate(leaf + certified(root_key), NOW)
        assert (
            refusal(lambda: read_key(written(root_key), read)) == "The key belongs to CN=sender, which must come first."
        )
