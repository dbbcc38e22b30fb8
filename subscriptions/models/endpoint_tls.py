from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from subscriptions import certificates
from subscriptions.certificates import Certificates, InvalidCertificate
from subscriptions.encrypted_fields import EncryptedTextField
from subscriptions.fields import PublicIdField
from subscriptions.models.audit import Action, Actor, record
from subscriptions.models.endpoint import Endpoint

WARNED_AHEAD = timedelta(days=14)


class EndpointTlsManager(models.Manager["EndpointTls"]):
    def get_queryset(self) -> models.QuerySet["EndpointTls"]:
        # Nobody who only looks decrypts keys.
        return super().get_queryset().defer("client_key")

    def expiring(self, now: datetime) -> models.QuerySet["EndpointTls"]:
        """Those with a certificate that ends within two weeks, or has ended."""
        soon = now + WARNED_AHEAD
        return self.filter(models.Q(ca_expires_at__lte=soon) | models.Q(client_expires_at__lte=soon))

    @transaction.atomic
    def change(
        self, endpoint: Endpoint, given: Mapping[str, str | None], *, by: Actor, now: datetime | None = None
    ) -> "EndpointTls | None":
        """Give an endpoint certificates of its own, by field, and return what it has now.

        Fields that are not named stay as they are, and an empty text or None takes something away. A client
        certificate and its key come and go together. Raises Django's `ValidationError`, by field.
        """
        now = now or timezone.now()
        endpoint = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
        tls = self.filter(endpoint=endpoint).first() or EndpointTls(endpoint=endpoint)
        if any(given.values()) and not endpoint.url.lower().startswith("https:"):
            raise ValidationError(dict.fromkeys(filter(given.get, given), "The endpoint's URL is not https."))
        record(Action.CHANGED, tls, by=by, fields=given)
        if "ca_certificate" in given:
            tls.set_authorities(given["ca_certificate"] or "", now)
        if "client_certificate" in given or "client_key" in given:
            had_one = bool(tls.client_certificate)
            tls.set_client(given.get("client_certificate") or "", given.get("client_key") or "", now)
            if tls.client_certificate:
                record(Action.IMPORTED, tls, by=by, detail="The key of a client certificate.")
            elif had_one:
                record(Action.EXPIRED, tls, by=by, detail="The key of a client certificate was deleted.")
        if not tls.ca_certificate and not tls.client_certificate:
            self.filter(pk=tls.pk).delete()
            return None
        tls.digest = certificates.digest(tls.ca_certificate, tls.client_certificate)
        tls.save()
        return tls


class EndpointTls(models.Model):
    """What an endpoint asks of TLS beside what holds for all: whom to trust, and what to show."""

    id = PublicIdField("tls")
    endpoint = models.OneToOneField(Endpoint, on_delete=models.CASCADE, related_name="tls")
    ca_certificate = models.TextField("CA certificate", blank=True)
    ca_subject = models.TextField("CA", blank=True)
    ca_expires_at = models.DateTimeField("CA certificate ends", null=True)
    client_certificate = models.TextField(blank=True)
    client_subject = models.TextField("client", blank=True)
    client_expires_at = models.DateTimeField("client certificate ends", null=True)
    client_key = EncryptedTextField(null=True)
    # Of what is trusted and shown: workers read the rest only when this is new to them.
    digest = models.CharField(max_length=64)
    changed_at = models.DateTimeField(auto_now=True)

    objects = EndpointTlsManager()

    class Meta:
        verbose_name = "TLS settings"
        verbose_name_plural = "TLS settings"

    def __str__(self) -> str:
        return self.id

    def set_authorities(self, text: str, now: datetime) -> None:
        """Trust only these authorities, or with an empty text those that all trust. Raises `ValidationError`."""
        read = _read("ca_certificate", lambda: certificates.read_authorities(text, now)) if text.strip() else None
        self.ca_certificate, self.ca_subject, self.ca_expires_at = _columns(read)

    def set_client(self, certificate: str, key: str, now: datetime) -> None:
        """Show this certificate to the receiver, or with two empty texts none. Raises `ValidationError`."""
        if not certificate.strip() and not key.strip():
            self.client_key = None
            self.client_certificate, self.client_subject, self.client_expires_at = _columns(None)
            return
        for field, text in (("client_certificate", certificate), ("client_key", key)):
            if not text.strip():
                raise ValidationError({field: "A client certificate and its key are given together."})
        read = _read("client_certificate", lambda: certificates.read_client_certificate(certificate, now))
        self.client_key = _read("client_key", lambda: certificates.read_key(key, read))
        self.client_certificate, self.client_subject, self.client_expires_at = _columns(read)

    def warnings(self, now: datetime) -> list[str]:
        """Say which certificates end within two weeks, or have ended."""
        return [
            f"{what} {'expired' if ends <= now else 'expires'} on {ends:%Y-%m-%d}."
            for what, ends in (
                ("The CA certificate", self.ca_expires_at),
                ("The client certificate", self.client_expires_at),
            )
            if ends is not None and ends <= now + WARNED_AHEAD
        ]


def _read(field: str, read: Any) -> Any:
    try:
        return read()
    except InvalidCertificate as error:
        raise ValidationError({field: str(error)}) from None


def _columns(read: Certificates | None) -> tuple[str, str, datetime | None]:
    return ("", "", None) if read is None else (read.pem, read.subject, read.expires_at)
