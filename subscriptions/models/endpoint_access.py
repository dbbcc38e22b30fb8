"""What lets an endpoint's requests in at their receiver. Replaced as a whole, and never shown again."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction

from subscriptions import credentials, endpoint_urls, request_headers
from subscriptions.credentials import Credentials, Kind
from subscriptions.encrypted_fields import EncryptedJSONField, EncryptedTextField
from subscriptions.models.audit import Action, Actor, record
from subscriptions.models.endpoint import Endpoint

M = TypeVar("M", bound=models.Model)


class EndpointCredentialsManager(models.Manager["EndpointCredentials"]):
    @transaction.atomic
    def replace(self, endpoint: Endpoint, wanted: Any, *, by: Actor) -> None:
        """Give `endpoint` these credentials (see `subscriptions.credentials`), or with None take away those it has.

        Raises Django's `ValidationError`, by field.
        """
        endpoint = _locked(endpoint)
        try:
            read = None if wanted is None else credentials.read(wanted)
            if read is not None:
                request_headers.check_name(read.header, taken=_taken(endpoint, but="credentials"))
        except (credentials.InvalidCredentials, request_headers.InvalidHeader) as error:
            raise ValidationError({"credentials": str(error)}) from None
        self.filter(endpoint=endpoint).delete()
        if read is not None:
            shown, secret = credentials.settings_of(read), credentials.secret_of(read)
            self.create(endpoint=endpoint, kind=read.kind.value, settings=shown, secret=secret)
        record(Action.CHANGED, endpoint, by=by, fields=["credentials"])


class EndpointCredentials(models.Model):
    """What a receiver asks for before it takes a request. An endpoint without it has no row."""

    endpoint = models.OneToOneField(Endpoint, on_delete=models.CASCADE, primary_key=True, related_name="credentials")
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in Kind])
    settings = models.JSONField(default=dict)
    secret = EncryptedTextField()
    changed_at = models.DateTimeField(auto_now=True)

    objects = EndpointCredentialsManager()

    class Meta:
        verbose_name_plural = "endpoint credentials"

    def __str__(self) -> str:
        return self.kind

    def read(self) -> Credentials:
        """Put settings and secret together. Raises `credentials.InvalidCredentials`."""
        return credentials.read({"kind": self.kind, **self.settings, credentials.secret_part(self.kind): self.secret})


class CustomHeadersManager(models.Manager["CustomHeaders"]):
    @transaction.atomic
    def replace(self, endpoint: Endpoint, wanted: Any, *, by: Actor) -> None:
        """Give `endpoint` these headers, values by name, instead of those it has.

        Raises Django's `ValidationError`, by field.
        """
        endpoint = _locked(endpoint)
        try:
            headers = request_headers.check_headers(
                wanted,
                taken=_taken(endpoint, but="headers"),
                at_most=settings.WEBHOOKS.custom_headers,
                size=settings.WEBHOOKS.custom_headers_size,
            )
        except request_headers.InvalidHeader as error:
            raise ValidationError({"headers": str(error)}) from None
        self.filter(endpoint=endpoint).delete()
        if headers:
            self.create(endpoint=endpoint, names=list(headers), headers=headers)
        record(Action.CHANGED, endpoint, by=by, fields=["headers"])


class CustomHeaders(models.Model):
    """The headers that an endpoint's requests carry because its owner wants them. Without any there is no row."""

    endpoint = models.OneToOneField(Endpoint, on_delete=models.CASCADE, primary_key=True, related_name="custom_headers")
    # Without their values, to be shown.
    names = models.JSONField(default=list)
    headers = EncryptedJSONField()
    changed_at = models.DateTimeField(auto_now=True)

    objects = CustomHeadersManager()

    class Meta:
        verbose_name_plural = "custom headers"

    def __str__(self) -> str:
        return ", ".join(self.names)


def check_move_to(endpoint: Endpoint, url: str, *, replaced: Collection[str] = ()) -> None:
    """Raise Django's `ValidationError` if `url` would have another host get credentials that this one keeps.

    `replaced` names what is given anew with the URL: `credentials`, `headers`.
    """
    if endpoint_urls.origin(url) == endpoint_urls.origin(endpoint.url):
        return
    present = {
        "credentials": EndpointCredentials.objects.filter(endpoint=endpoint),
        "headers": CustomHeaders.objects.filter(endpoint=endpoint),
    }
    kept = [name for name, rows in present.items() if name not in replaced and rows.exists()]
    if kept:
        named = " and ".join(kept)
        raise ValidationError(
            {"url": f"The endpoint has {named} for its present host. Replace them or take them away with the URL."}
        )


def shown_credentials(endpoint: Endpoint) -> Mapping[str, str] | None:
    """Return what may be shown of an endpoint's credentials: their kind and settings."""
    kept = _kept(endpoint, "credentials", EndpointCredentials.objects.defer("secret"))
    return None if kept is None else credentials.shown(kept.kind, kept.settings)


def shown_header_names(endpoint: Endpoint) -> list[str]:
    """Return the names of an endpoint's custom headers."""
    kept = _kept(endpoint, "custom_headers", CustomHeaders.objects.defer("headers"))
    return [] if kept is None else list(kept.names)


def access_changed_at(endpoint: Endpoint) -> list[datetime | None]:
    """Return when its credentials and its custom headers were changed last."""
    kept = (
        _kept(endpoint, "credentials", EndpointCredentials.objects.defer("secret")),
        _kept(endpoint, "custom_headers", CustomHeaders.objects.defer("headers")),
    )
    return [None if row is None else row.changed_at for row in kept]


def with_access(endpoints: models.QuerySet[Endpoint]) -> models.QuerySet[Endpoint]:
    """Read what may be shown of their access together with the endpoints, without decrypting anything."""
    both = endpoints.select_related("credentials", "custom_headers")
    return both.defer("credentials__secret", "custom_headers__headers")


def _kept(endpoint: Endpoint, relation: str, rows: models.QuerySet[M]) -> M | None:
    field: Any = Endpoint._meta.get_field(relation)
    if field.is_cached(endpoint):
        kept: M | None = field.get_cached_value(endpoint)
        return kept
    return rows.filter(endpoint=endpoint).first()


def header_names_of_access(endpoint: Endpoint, *, but: str | None = None) -> list[str]:
    """Return the header names, in lower case, that custom headers and credentials of `endpoint` write.

    `but` leaves one of the two out: `headers` or `credentials`.
    """
    names = [] if but == "headers" else [name.lower() for name in shown_header_names(endpoint)]
    if but != "credentials" and (shown := shown_credentials(endpoint)):
        names.append(credentials.header_of(shown))
    return names


def _taken(endpoint: Endpoint, *, but: str) -> list[str]:
    names = header_names_of_access(endpoint, but=but)
    return names + [name for scheme in endpoint.schemes.others for name in scheme.headers]


def _locked(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.select_for_update().get(pk=endpoint.pk)
