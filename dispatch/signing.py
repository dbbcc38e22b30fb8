"""Signatures of requests. Pure: bytes in, header values out."""

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subscriptions import signing_secrets
from subscriptions.signature_schemes import STANDARD_ONLY, Encoding, Layout, Scheme, Schemes, Signed
from subscriptions.signing_secrets import InvalidSecret, Kind


class NothingToSignWith(ValueError):
    """A request was to be signed without a valid secret for each of its schemes. It must not leave unsigned."""


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A secret that the receiver has too: its text, and the key that it stands for if it is `whsec_…`."""

    # Shown in no representation, so in no log.
    text: bytes = field(repr=False)
    key: bytes | None = field(repr=False)


Key = SharedKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """What one endpoint's requests are signed with: its valid keys, newest first, and the schemes it chose.

    `problem` says why keys are missing, if something is wrong with them.
    """

    keys: Sequence[Key] = field(repr=False)
    schemes: Schemes = STANDARD_ONLY
    problem: str | None = None


def key_of(secret: str) -> Key:
    """Decode the text of a secret once, for all its signatures. Raises `InvalidSecret`."""
    if signing_secrets.kind_of(secret) is Kind.ED25519:
        return signing_secrets.private_key(secret)
    try:
        key = signing_secrets.shared_key(secret)
    except InvalidSecret:
        # A receiver's own text, for schemes that don't decode it.
        key = None
    return SharedKey(secret.encode(), key)


def signature_headers(signer: Signer, *, message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Build the headers that let the receiver check where `body` comes from, and see a repetition.

    `timestamp` is in seconds since the epoch. `webhook-id` is always among them, because receivers tell
    repetitions by it, whether a scheme signs it or not. Raises `NothingToSignWith` if a scheme has no key.
    """
    headers = {"webhook-id": message_id}
    if signer.schemes.standard:
        headers["webhook-timestamp"] = str(timestamp)
        headers["webhook-signature"] = _standard_signatures(signer, message_id, timestamp, body)
    for scheme in signer.schemes.others:
        headers[scheme.header] = _signature(signer, scheme, message_id, timestamp, body)
        if scheme.timestamp_header:
            headers[scheme.timestamp_header] = str(timestamp)
    return headers


def _standard_signatures(signer: Signer, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign by Standard Webhooks 1.0 with every key, separated by spaces.

    `v1,` and base64 of HMAC-SHA256, or `v1a,` and base64 of the ed25519 signature, over `id.timestamp.body`.
    """
    message = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signatures = []
    for key in signer.keys:
        if isinstance(key, Ed25519PrivateKey):
            signatures.append("v1a," + base64.b64encode(key.sign(message)).decode())
        elif key.key is not None:
            signatures.append("v1," + base64.b64encode(hmac.digest(key.key, message, "sha256")).decode())
    if not signatures:
        raise _nothing(signer)
    return " ".join(signatures)


def _signature(signer: Signer, scheme: Scheme, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign by another scheme. Its plain layout has room for one signature: the newest key's."""
    keys = [key.text for key in signer.keys if isinstance(key, SharedKey)]
    if not keys:
        raise _nothing(signer)
    message = _MESSAGES[scheme.signed](message_id.encode(), timestamp, body)
    if scheme.layout is Layout.COMBINED:
        parts = [f"v1={_encoded(hmac.digest(key, message, scheme.digest), scheme)}" for key in keys]
        return ",".join([f"t={timestamp}", *parts])
    return scheme.prefix + _encoded(hmac.digest(keys[0], message, scheme.digest), scheme)


_MESSAGES: Mapping[Signed, Callable[[bytes, int, bytes], bytes]] = {
    Signed.BODY: lambda _id, _timestamp, body: body,
    Signed.TIMESTAMP_BODY: lambda _id, timestamp, body: b"%d.%s" % (timestamp, body),
    Signed.ID_TIMESTAMP_BODY: lambda message_id, timestamp, body: b"%s.%d.%s" % (message_id, timestamp, body),
}


def _encoded(digest: bytes, scheme: Scheme) -> str:
    return digest.hex() if scheme.encoding is Encoding.HEX else base64.b64encode(digest).decode()


def _nothing(signer: Signer) -> NothingToSignWith:
    return NothingToSignWith(signer.problem or "There is no valid signing secret.")
