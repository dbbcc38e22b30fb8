from datetime import datetime, timedelta

from django.db import models

from subscriptions.models import Endpoint

# Parts of the time until an endpoint is disabled at which its owner is warned, in per cent.
WARNINGS = (50, 80)


class EndpointHealth(models.Model):
    """What goes wrong at an endpoint. There is a row once something has. Written by `dispatch.health`.

    What was noted before the endpoint's state was changed last means nothing any more: see `is_stale`.
    """

    endpoint = models.OneToOneField(Endpoint, on_delete=models.CASCADE, primary_key=True, related_name="health")
    noted_at = models.DateTimeField()
    failing_since = models.DateTimeField(null=True, help_text="The first failure since the last success.")
    last_failure_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="Attempts that failed since the last success.")
    warned = models.PositiveSmallIntegerField(default=0, help_text="Per cent of the time until it is disabled.")
    pauses = models.PositiveSmallIntegerField(default=0, help_text="How often in a row its breaker has opened.")
    closed_until = models.DateTimeField(null=True, help_text="Nothing is sent before, but if somebody asks for it.")
    closed_because = models.CharField(max_length=20, blank=True)
    slowed_from = models.FloatField(null=True, help_text="Requests a second before the receiver said it was too much.")
    slowed_to = models.FloatField(null=True, help_text="Requests a second after it said so last.")
    slowed_at = models.DateTimeField(null=True, help_text="From when it gets more again, step by step.")

    def __str__(self) -> str:
        return self.endpoint_id

    def is_stale(self, state_changed_at: datetime | None) -> bool:
        """Say whether somebody has paused, resumed, disabled or enabled the endpoint since."""
        return state_changed_at is not None and self.noted_at < state_changed_at

    def forget(self) -> None:
        """Begin anew, without saving it."""
        self.forget_failures()
        self.slowed_from = self.slowed_to = self.slowed_at = None

    def forget_failures(self) -> None:
        """Note that something has succeeded, without saving it."""
        self.failing_since = self.last_failure_at = self.closed_until = None
        self.failures = self.warned = self.pauses = 0
        self.closed_because = ""

    def add_failures(self, count: int, *, first_at: datetime, last_at: datetime) -> None:
        """Count attempts that failed, without saving it."""
        self.failing_since = self.failing_since or first_at
        self.last_failure_at = last_at
        self.failures += count

    def is_hopeless(self, *, after: timedelta, span: timedelta, attempts: int) -> bool:
        """Say whether it is to be disabled: for so long nothing has succeeded, though it was tried often enough."""
        return self._failing() >= max(after, span) if self.failures >= attempts else False

    def due_warning(self, *, after: timedelta) -> int:
        """Say which warning is due that was not given yet, in per cent, or 0."""
        passed = [each for each in WARNINGS if each > self.warned and self._failing() >= after * each / 100]
        return max(passed, default=0)

    def _failing(self) -> timedelta:
        if self.failing_since is None or self.last_failure_at is None:
            return timedelta()
        return self.last_failure_at - self.failing_since
