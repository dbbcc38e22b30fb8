from django.db import models

from subscriptions.fields import PublicIdField


class Subscriber(models.Model):
    """Whoever receives: a customer, a tenant."""

    id = PublicIdField("sub")
    uid = models.CharField(
        max_length=200, unique=True, null=True, blank=True, help_text="The platform's own id of this subscriber."
    )
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
