"""TLS contexts: one for nearly all endpoints, and one for each that has certificates of its own.

All verify the receiver's certificate and its name, and ask for TLS 1.2 or newer.
"""

import ssl
import threading
from collections import OrderedDict
from pathlib import Path

import certifi

from dispatch.tls_settings import TlsSettings
from subscriptions import certificates

# One that trusts the well-known authorities takes 0.7 MB.
_KEPT = 128


class TlsUnusable(Exception):
    """An endpoint's certificates cannot be used, for a reason that is a sentence."""


class TlsContexts:
    """The contexts of a process. Those of endpoints are made when they are first needed; the last used are kept.

    `common` replaces the context of endpoints without settings of their own, which trusts the well-known authorities
    and those of `extra_authorities`.
    """

    def __init__(self, extra_authorities: Path | None, *, common: ssl.SSLContext | None = None) -> None:
        self._extra_authorities = extra_authorities
        self.common = common or self._trusting_well_known()
        self._lock = threading.Lock()
        self._own: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    def of(self, settings: TlsSettings | None) -> ssl.SSLContext:
        """Return the context to connect with. Raises `TlsUnusable`."""
        if settings is None:
            return self.common
        if settings.problem:
            raise TlsUnusable(settings.problem)
        with self._lock:
            context = self._own.get(settings.digest)
            if context is not None:
                self._own.move_to_end(settings.digest)
                return context
        # Two threads may make the same one: better than that all wait for whoever makes one.
        context = self._made(settings)
        with self._lock:
            self._own[settings.digest] = context
            if len(self._own) > _KEPT:
                self._own.popitem(last=False)
        return context

    def _made(self, settings: TlsSettings) -> ssl.SSLContext:
        try:
            if settings.authorities:
                context = _at_least_tls_1_2(ssl.create_default_context(cadata=settings.authorities))
                # What was given is trusted as it is, also if somebody else has signed it.
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            else:
                context = self._trusting_well_known()
            if settings.certificate:
                certificates.load(context, settings.certificate, settings.key)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise TlsUnusable(f"OpenSSL does not take them ({reason.replace('_', ' ').lower()}).") from None
        return context

    def _trusting_well_known(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=certifi.where())
        if self._extra_authorities is not None:
            context.load_verify_locations(self._extra_authorities)
        return _at_least_tls_1_2(context)


def _at_least_tls_1_2(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
