from django.db import models

from dispatch.models.delivery import OUTCOME_CHOICES, TRIGGER_CHOICES, Delivery
from dispatch.models.request_head import RequestHead
from dispatch.states import Trigger
from subscriptions.fields import PublicIdField


class Attempt(models.Model):
    """One HTTP request for a delivery, as it went. Written once, by `dispatch.outbox`, and never changed."""

    id = PublicIdField("att")
    # Written in one statement with its delivery's move: to have it looked up again costs as much as an index.
    delivery = models.ForeignKey(
        Delivery, on_delete=models.PROTECT, related_name="attempts", db_index=False, db_constraint=False
    )
    number = models.PositiveSmallIntegerField(help_text="1 for the first attempt of its delivery.")
    outcome = models.CharField(max_length=20, choices=OUTCOME_CHOICES)
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True, help_text="What went wrong, in one sentence.")
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True, help_text="Milliseconds from the start to the end.")
    # Parts of the duration. Nothing is looked up, connected or agreed on where a connection was used again.
    dns_ms = models.PositiveIntegerField(null=True, help_text="Milliseconds to look the name up.")
    connect_ms = models.PositiveIntegerField(null=True, help_text="Milliseconds to connect.")
    tls_ms = models.PositiveIntegerField(null=True, help_text="Milliseconds of the TLS handshake.")
    first_byte_ms = models.PositiveIntegerField(
        null=True, help_text="Milliseconds from the end of the request to the first byte of the answer."
    )
    trigger = models.CharField(max_length=10, choices=TRIGGER_CHOICES, db_default=Trigger.SCHEDULE.value)
    # Written before its attempts. Empty where no request could be built, or nobody knows whether one left.
    request_head = models.ForeignKey(
        RequestHead, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    remote_address = models.CharField(max_length=64, blank=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True, help_text="The beginning of the body.")
    worker = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            # Also serves the attempts of one delivery.
            models.UniqueConstraint("delivery", "number", name="dispatch_attempt_delivery_number_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} #{self.number}"
