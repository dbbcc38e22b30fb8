from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from subscriptions import endpoint_urls, lane_calls, notices, patterns, signature_schemes, signing_secrets
from subscriptions.fields import PublicIdField
from subscriptions.models import endpoint_moves
from subscriptions.models.audit import PLATFORM, Action, Actor, record
from subscriptions.models.delivery_settings import DeliverySettings
from subscriptions.models.endpoint_moves import Move
from subscriptions.models.endpoint_state import EndpointState
from subscriptions.models.flow_control import FlowControl
from subscriptions.models.ownership import OwnershipManager, ProvesOwnership
from subscriptions.models.removal import Removable, remove_endpoints
from subscriptions.models.subscriber import Subscriber
from subscriptions.notices import Happened, NoticeKind
from subscriptions.signature_schemes import Schemes
from subscriptions.signing_secrets import Kind

# The cause of a notice where somebody asked for what happened.
ASKED = "asked"

if TYPE_CHECKING:
    from subscriptions.models.endpoint_tls import EndpointTls
    from subscriptions.models.signing_secret import SigningSecret


# From the state that an endpoint is to get, and whether it was paused.
_BECOMES = {
    (EndpointState.ACTIVE, True): Action.RESUMED,
    (EndpointState.ACTIVE, False): Action.ENABLED,
    (EndpointState.PAUSED, True): Action.PAUSED,
    (EndpointState.PAUSED, False): Action.PAUSED,
    (EndpointState.DISABLED, True): Action.DISABLED,
    (EndpointState.DISABLED, False): Action.DISABLED,
}


def validate_url(url: str) -> None:
    """Raise Django's `ValidationError` unless `url` has the form of an endpoint's URL."""
    try:
        endpoint_urls.check_url(url)
    except endpoint_urls.InvalidUrl as error:
        raise ValidationError(str(error)) from error


def validate_pattern(pattern: str) -> None:
    """Raise Django's `ValidationError` unless `pattern` is an event type pattern."""
    try:
        patterns.check_pattern(pattern)
    except patterns.InvalidEventType as error:
        raise ValidationError(str(error)) from error


def standard_only() -> list[Any]:
    """Return the signature schemes of an endpoint that names none."""
    return [signature_schemes.STANDARD]


_REASON_LENGTH = 200
# What `change` takes beside columns: rows of their own.
_ROWS = {"event_types", "credentials", "headers"}


class EndpointManager(OwnershipManager["Endpoint"]):
    """Those that were not deleted."""

    def get_queryset(self) -> models.QuerySet["Endpoint"]:
        return super().get_queryset().filter(deleted_at=None)

    @transaction.atomic
    def register(
        self,
        *,
        subscriber: Subscriber,
        url: str,
        event_types: Iterable[str] = (patterns.ALL,),
        signature_schemes: Any = None,
        secret: str | None = None,
        secret_kind: Kind | None = None,
        description: str = "",
        tls: Mapping[str, str | None] | None = None,
        credentials: Any = None,
        headers: Any = None,
        by: Actor = PLATFORM,
        **delivery_settings: Any,
    ) -> tuple["Endpoint", "SigningSecret"]:
        """Create an endpoint with its event types and its signing secret, a new one unless `secret` is given.

        It is signed by the standard scheme unless others are given. `secret_kind` says what a new secret is, `tls`
        what `set_tls` takes, `by` who creates all this; `credentials` and `headers` are as in the API,
        `delivery_settings` fields of `DeliverySettings` and `FlowControl`. Where endpoints are challenged, it is
        unverified at first. Raises Django's `ValidationError`, by field, for a URL, pattern, scheme or secret of the
        wrong form.
        """
        schemes = standard_only() if signature_schemes is None else signature_schemes
        endpoint = self.model(
            subscriber=subscriber, url=url, signature_schemes=schemes, description=description, **delivery_settings
        )
        endpoint.full_clean()
        # Waits for who deletes the subscriber, which takes all endpoints that there are with it.
        if Subscriber.objects.select_for_update().filter(pk=subscriber.pk).first() is None:
            raise ValidationError({"subscriber": "This subscriber was deleted."})
        endpoint.save()
        record(Action.CREATED, endpoint, by=by)
        endpoint.set_event_types(event_types)
        if tls:
            endpoint.set_tls(tls, by=by)
        if credentials is not None:
            endpoint.set_credentials(credentials, by=by)
        if headers is not None:
            endpoint.set_headers(headers, by=by)
        issued = endpoint.signing_secrets.issue(endpoint, text=secret, secret_kind=secret_kind, by=by)
        if settings.WEBHOOKS.ownership_challenge:
            endpoint.begin_challenge(now=timezone.now())
        return endpoint, issued


class Endpoint(FlowControl, ProvesOwnership, DeliverySettings, Removable):
    """A subscriber's URL with its event types, secrets and delivery settings."""

    id = PublicIdField("ep")
    subscriber = models.ForeignKey(Subscriber, on_delete=models.PROTECT, related_name="endpoints")
    url = models.CharField("URL", max_length=endpoint_urls.MAX_LENGTH, validators=[validate_url])
    description = models.CharField(max_length=500, blank=True)
    signature_schemes = models.JSONField(default=standard_only)
    state = models.CharField(max_length=20, choices=EndpointState.choices, default=EndpointState.ACTIVE)
    state_reason = models.CharField(max_length=_REASON_LENGTH, blank=True, help_text="Why it is not active.")
    state_changed_at = models.DateTimeField(null=True, editable=False)
    emptied_at = models.DateTimeField(
        null=True, editable=False, help_text="When all that waited for it was cancelled, after it was deleted."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EndpointManager()
    with_deleted = models.Manager["Endpoint"]()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=EndpointState.values), name="subscriptions_endpoint_state_known"
            ),
            # Nothing makes an endpoint active that still owes an answer to its challenge.
            models.CheckConstraint(
                condition=models.Q(state=EndpointState.ACTIVE, must_verify=False)
                | models.Q(state=EndpointState.UNVERIFIED, must_verify=True)
                | models.Q(state__in=[EndpointState.PAUSED, EndpointState.DISABLED]),
                name="subscriptions_endpoint_active_if_verified",
            ),
        ]
        indexes = [
            # Serves the sweep and whoever sends challenges: which are due?
            models.Index(
                "challenge_due_at",
                name="subscriptions_challenge_due",
                condition=models.Q(state=EndpointState.UNVERIFIED),
            ),
            # Serves the sweep and whoever cancels: for which deleted ones may something be pending?
            models.Index(
                "deleted_at",
                name="subscriptions_endpoint_emptied",
                condition=models.Q(deleted_at__isnull=False, emptied_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.id

    def clean(self) -> None:
        """Write out the signature schemes. Raises Django's `ValidationError` if they or valid secrets don't fit."""
        super().clean()
        try:
            self.signature_schemes = signature_schemes.normal(self.signature_schemes)
        except signature_schemes.InvalidScheme as error:
            raise ValidationError({"signature_schemes": str(error)}) from error
        self.check_header_names()
        self.clean_flow()
        for secret in self.signing_secrets.valid(timezone.now()):
            try:
                self.check_secret(secret.value)
            except ValidationError as error:
                raise ValidationError(
                    {"signature_schemes": f"A secret of this endpoint does not fit: {error.messages[0]}"}
                ) from error

    @property
    def schemes(self) -> Schemes:
        """The signature schemes, read. Raises `signature_schemes.InvalidScheme`."""
        return signature_schemes.read(self.signature_schemes)

    @property
    def event_types(self) -> list[str]:
        """The patterns of the event types that it wants, in alphabetical order."""
        return sorted(row.pattern for row in self.event_type_patterns.all())

    @transaction.atomic
    def set_event_types(self, wanted: Iterable[str]) -> None:
        """Replace the event types. Raises Django's `ValidationError` for an empty list or a wrong pattern."""
        rows = [EventTypePattern(endpoint=self, pattern=pattern) for pattern in sorted(set(wanted))]
        if not rows:
            raise ValidationError({"event_types": "Name at least one event type, or * for all."})
        for row in rows:
            try:
                validate_pattern(row.pattern)
            except ValidationError as error:
                raise ValidationError({"event_types": error.messages}) from error
        self.event_type_patterns.all().delete()
        EventTypePattern.objects.bulk_create(rows)

    def check_secret(self, text: str) -> None:
        """Raise Django's `ValidationError` unless `text` is a secret that this endpoint's schemes can sign with."""
        schemes = self.schemes
        try:
            if not schemes.standard:
                signing_secrets.check_text(text)
            elif signing_secrets.kind_of(text) is Kind.SHARED:
                signing_secrets.check_standard(text)
            elif schemes.others:
                raise signing_secrets.InvalidSecret("An ed25519 key signs the standard scheme only.")
            else:
                signing_secrets.check_ed25519(text)
        except signing_secrets.InvalidSecret as error:
            raise ValidationError(str(error)) from error

    def set_tls(self, given: Mapping[str, str | None], *, by: Actor) -> "EndpointTls | None":
        """Give it certificates of its own, or take them away. Raises Django's `ValidationError`, by field."""
        # Imported late: that module needs this one.
        from subscriptions.models.endpoint_tls import EndpointTls

        return EndpointTls.objects.change(self, given, by=by)

    def set_credentials(self, wanted: Any, *, by: Actor = PLATFORM) -> None:
        """Replace the credentials: an object as `subscriptions.credentials` reads it, or None for none.

        Raises Django's `ValidationError`, by field.
        """
        from subscriptions.models.endpoint_access import EndpointCredentials  # it needs this module

        EndpointCredentials.objects.replace(self, wanted, by=by)

    def set_headers(self, wanted: Any, *, by: Actor = PLATFORM) -> None:
        """Replace the custom headers, values by name. Raises Django's `ValidationError`, by field."""
        from subscriptions.models.endpoint_access import CustomHeaders  # it needs this module

        CustomHeaders.objects.replace(self, wanted, by=by)

    def check_header_names(self) -> None:
        """Raise Django's `ValidationError` if a signature scheme writes a header that the endpoint has already."""
        from subscriptions.models.endpoint_access import header_names_of_access  # it needs this module

        written = {name for scheme in self.schemes.others for name in scheme.headers}
        if both := written.intersection(header_names_of_access(self)):
            raise ValidationError({"signature_schemes": f"The endpoint sends a header {min(both)} already."})

    @transaction.atomic
    def change(self, given: Mapping[str, Any], *, now: datetime, by: Actor = PLATFORM) -> None:
        """Change what `given` names: fields as `register` takes them.

        Raises Django's `ValidationError`, by field.
        """
        fresh = Endpoint.objects.select_for_update().get(pk=self.pk)
        columns = [name for name in given if name not in _ROWS and getattr(fresh, name) != given[name]]
        changed = list(columns)
        if "url" in columns:
            from subscriptions.models.endpoint_access import check_move_to  # it needs this module

            check_move_to(fresh, given["url"], replaced=given)
        for name in columns:
            setattr(fresh, name, given[name])
        if columns:
            fresh.full_clean()
            fresh.check_tls_fits()
            fresh.save(update_fields=columns)
        if "event_types" in given and sorted(set(given["event_types"])) != fresh.event_types:
            fresh.set_event_types(given["event_types"])
            changed.append("event_types")
        if changed:
            record(Action.CHANGED, fresh, by=by, fields=changed)
        if "credentials" in given:
            fresh.set_credentials(given["credentials"], by=by)
        if "headers" in given:
            fresh.set_headers(given["headers"], by=by)
        if "url" in columns:
            fresh.note_new_url(now=now)

    def check_tls_fits(self) -> None:
        """Raise Django's `ValidationError` if the endpoint has certificates that its URL has no use for."""
        from subscriptions.models.endpoint_tls import EndpointTls  # it needs this module

        if not self.url.lower().startswith("https:") and EndpointTls.objects.filter(endpoint=self).exists():
            raise ValidationError({"url": "The endpoint has TLS settings of its own: take them away, or keep https."})

    @transaction.atomic
    def move(self, move: Move, *, now: datetime, by: Actor = PLATFORM, reason: str = "") -> None:
        """Pause, resume, disable or enable it. Raises `endpoint_moves.WrongState`."""
        self.refresh_from_db(from_queryset=Endpoint.objects.select_for_update())
        endpoint_moves.check_move(move, EndpointState(self.state))
        default = endpoint_moves.reason_of(move, by=by.name)
        self.change_state(endpoint_moves.TO[move], reason=(reason or default)[:_REASON_LENGTH], now=now, by=by)

    def remove(self, *, now: datetime, by: Actor = PLATFORM) -> None:
        """Delete it: nobody finds it any more, and what is pending for it is cancelled in the background."""
        remove_endpoints(Endpoint.objects.filter(pk=self.pk), now=now, by=by)

    @transaction.atomic
    def change_state(
        self, state: EndpointState, *, reason: str, now: datetime, by: Actor = PLATFORM, cause: str = ASKED
    ) -> None:
        """Make the endpoint active, paused or disabled, and remember why and since when.

        One whose URL still owes an answer becomes unverified where it was to become active. `cause` is a word for the
        notice of an endpoint that is disabled.
        """
        before = self._row().select_for_update().get()
        record(_BECOMES[state, before.state == EndpointState.PAUSED], self, by=by, detail=reason)
        if state is EndpointState.DISABLED and before.state != state:
            facts = {"state_before": before.state}
            notices.tell(Happened(NoticeKind.ENDPOINT_DISABLED, cause, reason, now, self.pk, facts))
        elif before.state == EndpointState.DISABLED and state is not EndpointState.DISABLED:
            facts = {"disabled_since": before.state_changed_at, "disabled_reason": before.state_reason}
            notices.tell(Happened(NoticeKind.ENDPOINT_ENABLED, ASKED, "Somebody asked for it.", now, self.pk, facts))
        moved = ["state", "state_reason", "state_changed_at"]
        if state is EndpointState.ACTIVE:
            if self.still_owes_answer():
                self.begin_challenge(now=now, resumed=True)
                return
            self.must_verify = False
            moved.append("must_verify")
            transaction.on_commit(partial(lane_calls.call_active, self.pk), robust=True)
        self.state, self.state_reason, self.state_changed_at = state, reason, now
        self.save(update_fields=moved)


class EventTypePattern(models.Model):
    """One event type, or a pattern of several, that an endpoint wants."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="event_type_patterns", db_index=False)
    pattern = models.CharField(max_length=patterns.MAX_LENGTH + 2, validators=[validate_pattern])

    class Meta:
        constraints = [
            # Also serves the event types of one endpoint.
            models.UniqueConstraint(fields=["endpoint", "pattern"], name="subscriptions_eventtypepattern_unique"),
        ]
        indexes = [
            # Serves outbox.insert_events: which endpoints want this event type?
            models.Index("pattern", "endpoint", name="subscriptions_pattern_endpoint"),
        ]

    def __str__(self) -> str:
        return self.pattern
