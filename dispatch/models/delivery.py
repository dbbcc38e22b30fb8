from django.db import models
from django.db.models import F, Q

from dispatch.models.event import Event
from dispatch.states import DeliveryStatus, Outcome, Trigger
from subscriptions.fields import PublicIdField
from subscriptions.models import Endpoint

STATUS_CHOICES = [(status.value, status.value.capitalize()) for status in DeliveryStatus]
TRIGGER_CHOICES = [(trigger.value, trigger.value.capitalize()) for trigger in Trigger]
_SHORT = {"Dns": "DNS", "Http": "HTTP", "Tls": "TLS"}


def _label(outcome: Outcome) -> str:
    first, *others = outcome.value.capitalize().split("_")
    return " ".join([_SHORT.get(first, first), *others])


OUTCOME_CHOICES = [(outcome.value, _label(outcome)) for outcome in Outcome]


class Delivery(models.Model):
    """One event on its way to one endpoint. Its moves are in `dispatch.states`, made by `dispatch.outbox`."""

    id = PublicIdField("dlv")
    # Written in one statement with its event: to have the database look it up again costs as much as an index.
    event = models.ForeignKey(
        Event, on_delete=models.PROTECT, related_name="deliveries", db_index=False, db_constraint=False
    )
    # Chosen by that statement too. A look-up would lock the endpoint's row for every delivery, a fifth of publishing.
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False, db_constraint=False
    )
    status = models.CharField(max_length=10, choices=STATUS_CHOICES, default=DeliveryStatus.PENDING.value)
    next_attempt_at = models.DateTimeField(null=True, help_text="When it is due; set while pending.")
    attempt_count = models.PositiveSmallIntegerField(default=0, help_text="Attempts begun.")
    claim_token = models.UUIDField(null=True, help_text="Whose claim it is; set while sending.")
    lease_expires_at = models.DateTimeField(null=True, help_text="When the claim ends by itself; set while sending.")
    claimed_at = models.DateTimeField(null=True, help_text="When the claim was made; set while sending.")
    claimed_by = models.CharField(max_length=100, blank=True, help_text="The worker that made the last claim.")
    last_outcome = models.CharField(max_length=20, choices=OUTCOME_CHOICES, blank=True)
    last_status_code = models.PositiveSmallIntegerField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=200, blank=True, help_text="Why it was cancelled.")
    # Both are left to their defaults by whoever fans out, and cost nothing until somebody asks for something.
    trigger = models.CharField(
        max_length=10,
        choices=TRIGGER_CHOICES,
        db_default=Trigger.SCHEDULE.value,
        help_text="Why its attempts are made.",
    )
    manual_attempt = models.PositiveSmallIntegerField(null=True, help_text="Number of the attempt asked for last.")
    told_attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="After how many attempts operators were told that it failed."
    )

    line = models.CharField(
        max_length=200,
        null=True,
        editable=False,
        help_text="The ordering key in whose line it stands at an ordered endpoint, until it is delivered or left out.",
    )

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            # Also serves the deliveries of one event.
            models.UniqueConstraint("event", "endpoint", name="dispatch_delivery_event_endpoint_unique"),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in DeliveryStatus]),
                name="dispatch_delivery_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="pending", next_attempt_at__isnull=False)
                | (~Q(status="pending") & Q(next_attempt_at__isnull=True)),
                name="dispatch_delivery_due_while_pending",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="sending",
                    claim_token__isnull=False,
                    lease_expires_at__isnull=False,
                    claimed_at__isnull=False,
                )
                | (
                    ~Q(status="sending")
                    & Q(claim_token__isnull=True, lease_expires_at__isnull=True, claimed_at__isnull=True)
                ),
                name="dispatch_delivery_leased_while_sending",
            ),
        ]
        indexes = [
            # Serves outbox.claim (what is due at this endpoint?) and outbox.pending_lanes (a loose scan).
            models.Index(
                "endpoint",
                "next_attempt_at",
                name="dispatch_delivery_due",
                condition=Q(status="pending", line__isnull=True),
            ),
            # Serves outbox.ordered (who is first in each line of this endpoint?) and the sweep (a loose scan).
            models.Index("endpoint", "line", "event", name="dispatch_delivery_line", condition=Q(line__isnull=False)),
            # Serves outbox.rescue: whose lease has ended?
            models.Index("lease_expires_at", name="dispatch_delivery_leased", condition=Q(status="sending")),
            # Serves lists of one endpoint's deliveries, newest first.
            models.Index("endpoint", "id", name="dispatch_delivery_endpoint"),
            # Serves lists of what was not delivered. Costs nothing while a delivery goes well.
            models.Index(
                "status", "id", name="dispatch_delivery_undelivered", condition=Q(status__in=["failed", "cancelled"])
            ),
            # Serves outbox.take_untold: which have failed without anybody having been told?
            models.Index(
                "id",
                name="dispatch_delivery_untold",
                condition=Q(status="failed", attempt_count__gt=F("told_attempts")),
            ),
        ]

    def __str__(self) -> str:
        return self.id
