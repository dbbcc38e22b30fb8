from django.db import models


class Heartbeat(models.Model):
    """When a part of the dispatcher last showed that it works: a row for each, written by `dispatch.heartbeats`."""

    role = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()
    oldest_due_at = models.DateTimeField(null=True, help_text="Of a sweep: since when the oldest delivery is due.")

    def __str__(self) -> str:
        return self.role
